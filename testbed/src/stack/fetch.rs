//! Files from elsewhere: fetched over HTTPS, and known by their hash.

use std::thread;

use sha2::{Digest, Sha256};

use super::error::StackError;

/// Whether the bytes are the ones that `manifest` names.
///
/// # Errors
/// When they are not.
pub(super) fn is_sha256(
    bytes: &[u8],
    file: &str,
    expected: &str,
    manifest: &'static str,
) -> Result<(), StackError> {
    let found = hex::encode(Sha256::digest(bytes));
    if found == expected {
        return Ok(());
    }
    Err(StackError::Hash {
        file: file.to_owned(),
        found,
        expected: expected.to_owned(),
        manifest,
    })
}

/// One file over HTTPS. On a thread of its own, as the caller may be inside a runtime.
pub(super) fn get(url: String) -> Result<Vec<u8>, StackError> {
    let what = url.clone();
    let fetched = thread::spawn(move || -> anyhow::Result<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let answer = reqwest::get(url).await?.error_for_status()?;
            Ok(answer.bytes().await?.to_vec())
        })
    });
    match fetched.join() {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(StackError::Fetch {
            what,
            why: format!("{error:#}"),
        }),
        Err(_) => Err(StackError::Fetch {
            what,
            why: "the download panicked".to_owned(),
        }),
    }
}
