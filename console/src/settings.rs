//! Secrets from the environment: `NAME`, or the file that `NAME_FILE` names. Never from a flag,
//! which a process list would show.

use std::path::PathBuf;

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

/// The value of a variable, if it is set.
///
/// # Errors
/// 78 when it is not UTF-8.
#[expect(
    clippy::disallowed_methods,
    reason = "clap reads variables for flags only, and a secret must not be a flag"
)]
pub(crate) fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::Configuration {
            what: format!("{name} is not UTF-8"),
        }),
    }
}
