//! Secrets from the environment: `NAME`, or the file that `NAME_FILE` names. Never from a flag,
//! which a process list would show.

use std::path::{Path, PathBuf};

use shared::config::{ExposeSecret as _, SecretError, read_secret};

use crate::failure::{Failure, chain};

/// The value of `NAME` or the contents of the file `NAME_FILE`, white space around it removed;
/// `None` if neither is set.
///
/// # Errors
/// 78 when both are set, when the value is blank or not UTF-8, or when the file cannot be read.
/// The value itself is never told.
pub(crate) fn secret(name: &str) -> Result<Option<String>, Failure> {
    let value = variable(name)?;
    let path = variable(&format!("{name}_FILE"))?.map(PathBuf::from);
    match read_secret(name, value.as_deref(), path.as_deref()) {
        Ok(secret) => Ok(Some(secret.expose_secret().to_owned())),
        Err(SecretError::Missing(_)) => Ok(None),
        Err(error @ (SecretError::Both(_) | SecretError::Blank(_) | SecretError::File { .. })) => {
            Err(Failure::Configuration {
                what: chain(&error),
            })
        }
    }
}

/// The contents of a file that holds secrets.
///
/// # Errors
/// 78 when it cannot be read or is not UTF-8.
pub(crate) fn file(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::Configuration {
        what: format!("cannot read {}: {error}", path.display()),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "clap reads variables for flags only, and a secret must not be a flag"
)]
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::Configuration {
            what: format!("{name} is not UTF-8"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_file_is_a_configuration_error_that_names_it() {
        let failure = file(Path::new("/nonexistent/secret"));
        assert!(
            failure.is_err_and(|f| f.exit_code() == 78 && f.explain().contains("/nonexistent"))
        );
    }
}
