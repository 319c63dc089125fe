//! Flags and environment variables of the same name, validated as a whole: a refusal names
//! every problem at once, and the process ends with 78.
//!
//! Invariant: a secret is read from its variable or from the file that `NAME_FILE` names, never
//! from both, and lives in a type that cannot be printed.

mod api_key;
mod args;
mod secret;
mod webhook_secrets;

pub use api_key::judge_api_key;
pub use args::{CommonArgs, DatabaseArgs, Deployment, KafkaArgs, LogFormat, duration};
pub use secrecy::ExposeSecret;
pub use secret::{Secret, SecretError, read as read_secret};
pub use webhook_secrets::{WebhookSecrets, WebhookSecretsError};

/// Exit code of a process that refuses its configuration (BSD's `EX_CONFIG`).
pub const EX_CONFIG: u8 = 78;

/// What is wrong with a configuration; collects instead of stopping at the first.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes a problem.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// Takes the value out, or notes the error.
    pub fn take<T, E: std::error::Error>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(crate::error::chain(&error));
                None
            }
        }
    }

    /// All problems, if any.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn into_result(self) -> Result<(), Refused> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refused(self.0))
        }
    }
}

/// A configuration that nobody should run with.
#[derive(Debug, thiserror::Error)]
#[error("configuration refused:\n  - {}", .0.join("\n  - "))]
pub struct Refused(pub Vec<String>);

/// The process's arguments, with `command` put in where none is named: `service --flag` means
/// `service run --flag`. `--version` and `--help` stay the program's own.
#[must_use]
pub fn with_default_command(command: &str) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let first = arguments.get(1).and_then(|argument| argument.to_str());
    let is_flag = first.is_some_and(|text| text.starts_with('-'));
    let own = matches!(first, Some("-V" | "--version" | "-h" | "--help"));
    if arguments.len() <= 1 || (is_flag && !own) {
        arguments.insert(arguments.len().min(1), command.into());
    }
    arguments
}
