//! Flags and environment variables of the same name, validated as a whole: a refusal names
//! every problem at once, and the process ends with 78.
//!
//! Invariant: a secret is read from its variable or from the file that `NAME_FILE` names, never
//! from both, and lives in a type that cannot be printed.

mod args;
mod secret;

pub use args::{CommonArgs, DatabaseArgs, Deployment, KafkaArgs, LogFormat, duration};
pub use secrecy::ExposeSecret;
pub use secret::{Secret, SecretError, read as read_secret};

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
