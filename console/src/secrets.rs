//! Signing secrets for `event verify` and `secrets status`: from the environment, a file, or standard input.
//!
//! *Invariant:* a secret is never an argument and never in a message.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use shared::config::WebhookSecrets;
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
    let source = match file {
        Some(path) if path == Path::new("-") => WebhookSecrets {
            value: Some(standard_input()?),
            file: None,
        },
        Some(path) => WebhookSecrets {
            value: None,
            file: Some(path.to_owned()),
        },
        None => from_environment()?,
    };
    source.load().map_err(|error| Failure::Configuration {
        what: format!("signing secrets: {}", chain(&error)),
    })
}

/// The names of the secrets of `file`, else of the environment; `None` where neither is given.
///
/// # Errors
/// 78 when what is given cannot be taken.
pub(crate) fn names(file: Option<&Path>) -> Result<Option<Vec<String>>, Failure> {
    let given = from_environment()?;
    if file.is_none() && given.value.is_none() && given.file.is_none() {
        return Ok(None);
    }
    let secrets = load(file)?;
    Ok(Some(
        secrets.names().into_iter().map(str::to_owned).collect(),
    ))
}

/// As the ingestor reads them; not looked at yet.
///
/// # Errors
/// 78 when a variable is not UTF-8.
pub(crate) fn from_environment() -> Result<WebhookSecrets, Failure> {
    Ok(WebhookSecrets {
        value: settings::variable("STRIPE_WEBHOOK_SECRETS")?,
        file: settings::variable("STRIPE_WEBHOOK_SECRETS_FILE")?.map(PathBuf::from),
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
