//! Secrets: from `NAME` or from the file that `NAME_FILE` names.

use std::path::Path;

use secrecy::SecretString;

/// A secret text; `Debug` shows nothing of it.
pub type Secret = SecretString;

/// Why a secret is missing.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Neither is set.
    #[error("{0} or {0}_FILE must be set")]
    Missing(String),
    /// Both are set: nobody could tell which counts.
    #[error("{0} and {0}_FILE are both set; set one")]
    Both(String),
    /// Nothing but white space.
    #[error("{0} is blank")]
    Blank(String),
    /// The file cannot be read.
    #[error("cannot read the file that {name}_FILE names")]
    File {
        /// The variable.
        name: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

/// Reads one secret, white space around it removed.
///
/// # Errors
/// [`SecretError`].
pub fn read(name: &str, value: Option<&str>, file: Option<&Path>) -> Result<Secret, SecretError> {
    let text = match (value, file) {
        (Some(_), Some(_)) => return Err(SecretError::Both(name.to_owned())),
        (None, None) => return Err(SecretError::Missing(name.to_owned())),
        (Some(value), None) => value.to_owned(),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|cause| SecretError::File {
            name: name.to_owned(),
            cause,
        })?,
    };
    match text.trim() {
        "" => Err(SecretError::Blank(name.to_owned())),
        trimmed => Ok(Secret::from(trimmed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_one_place_and_is_not_blank() {
        assert!(read("X", Some("s"), None).is_ok());
        assert!(matches!(
            read("X", None, None),
            Err(SecretError::Missing(_))
        ));
        assert!(matches!(
            read("X", Some("s"), Some(Path::new("/f"))),
            Err(SecretError::Both(_))
        ));
        assert!(matches!(
            read("X", Some(" \n"), None),
            Err(SecretError::Blank(_))
        ));
        assert!(matches!(
            read("X", None, Some(Path::new("/no/such"))),
            Err(SecretError::File { .. })
        ));
    }

    #[test]
    fn a_secret_cannot_be_printed() {
        let secret = Secret::from("whsec_very_secret");
        assert!(!format!("{secret:?}").contains("very"));
    }
}
