//! Secrets from the environment: `NAME`, or the file that `NAME_FILE` names. Never from a flag,
//! which a process list would show.

use std::path::Path;

use crate::failure::Failure;

/// The value of `NAME` or the contents of the file `NAME_FILE`; `None` if neither is set. One line
/// end at the end of a file is not part of the value.
///
/// # Errors
/// 78 when both are set, when the value is not UTF-8, or when the file cannot be read. The value
/// itself is never told.
pub(crate) fn secret(name: &str) -> Result<Option<String>, Failure> {
    let direct = variable(name)?;
    let path = variable(&format!("{name}_FILE"))?;
    match (direct, path) {
        (Some(_), Some(_)) => Err(Failure::Configuration {
            what: format!("{name} and {name}_FILE are both set; one of them must go"),
        }),
        (Some(value), None) => Ok(Some(value)),
        (None, Some(path)) => file(Path::new(&path)).map(Some),
        (None, None) => Ok(None),
    }
}

/// The contents of a file that holds secrets, without the line end at its end.
///
/// # Errors
/// 78 when it cannot be read or is not UTF-8.
pub(crate) fn file(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Configuration {
        what: format!("cannot read {}: {error}", path.display()),
    })?;
    Ok(without_line_end(text))
}

/// The text without one line end at its end.
pub(crate) fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
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
    fn only_one_line_end_is_dropped() {
        assert_eq!(without_line_end("a\r\n".into()), "a");
        assert_eq!(without_line_end("a\n\n".into()), "a\n");
        assert_eq!(without_line_end(" a ".into()), " a ");
    }

    #[test]
    fn an_unreadable_file_is_a_configuration_error_that_names_it() {
        let failure = file(Path::new("/nonexistent/secret"));
        assert!(
            failure.is_err_and(|f| f.exit_code() == 78 && f.explain().contains("/nonexistent"))
        );
    }
}
