//! Signing secrets for `event verify`: from the environment, a file, or standard input.
//!
//! *Invariant:* a secret is never an argument and never in a message.

use std::io::Read as _;
use std::path::Path;

use shared::signature::Secrets;

use crate::failure::{Failure, chain};
use crate::settings;

/// More than any list of secrets: standard input is not read without end.
const MOST_BYTES: u64 = 64 * 1024;

/// The secrets of `file` (`-`: standard input), else of `STRIPE_WEBHOOK_SECRETS` or
/// `STRIPE_WEBHOOK_SECRETS_FILE`: one a line or comma-separated, optionally `name=whsec_…`.
///
/// # Errors
/// 78 when there is none, or when one is malformed; every problem is named, no secret is.
pub(crate) fn load(file: Option<&Path>) -> Result<Secrets, Failure> {
    let text = match file {
        Some(path) if path == Path::new("-") => standard_input()?,
        Some(path) => settings::file(path)?,
        None => {
            settings::secret("STRIPE_WEBHOOK_SECRETS")?.ok_or_else(|| Failure::Configuration {
                what: "no signing secrets: set STRIPE_WEBHOOK_SECRETS or \
                       STRIPE_WEBHOOK_SECRETS_FILE, or give --secrets-file"
                    .to_owned(),
            })?
        }
    };
    Secrets::parse(&text).map_err(|problems| Failure::Configuration {
        what: problems
            .iter()
            .map(|problem| chain(problem))
            .collect::<Vec<_>>()
            .join("; "),
    })
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Configuration {
            what: format!("cannot read standard input: {error}"),
        })?;
    Ok(text)
}
