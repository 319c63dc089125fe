//! The endpoints' signing secrets, from a variable, a file, or a directory of files.
//!
//! Invariant: a secret is never shown: neither by `Debug` nor in an error.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::{Secret, SecretError, read_secret};
use crate::signature::{Secrets, SecretsError};

/// Where the secrets come from.
#[derive(Clone)]
pub struct WebhookSecrets {
    /// The variable's value.
    pub value: Option<String>,
    /// A file, or a directory of files (as Kubernetes mounts them).
    pub file: Option<PathBuf>,
}

impl std::fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSecrets")
            .field("value", &self.value.as_ref().map(|_| "***"))
            .field("file", &self.file)
            .finish()
    }
}

/// Why they could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSecretsError {
    /// Missing, given twice, or unreadable.
    #[error(transparent)]
    Read(#[from] SecretError),
    /// A directory could not be listed.
    #[error("cannot list the directory that STRIPE_WEBHOOK_SECRETS_FILE names")]
    Directory(#[source] std::io::Error),
    /// Read, but weak.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Weak(Vec<SecretsError>),
}

const NAME: &str = "STRIPE_WEBHOOK_SECRETS";
/// Largest file, bytes: more than any list of secrets.
const MOST_BYTES: u64 = 64 * 1024;
/// How often a directory is read that changes while it is read.
const ATTEMPTS: u32 = 3;

impl WebhookSecrets {
    /// Reads them now. In a directory each file is read, in the order of their names; hidden ones
    /// (`..data` and its like in a Kubernetes mount) and links that lead nowhere are not secrets.
    /// What has no name there is called after its file, so that it keeps its name when another file
    /// comes or goes.
    ///
    /// # Errors
    /// [`WebhookSecretsError`]; nothing is taken in part.
    pub fn load(&self) -> Result<Secrets, WebhookSecretsError> {
        let text = match (&self.file, &self.value) {
            (Some(path), None) if path.is_dir() => again(|| joined(path))?,
            (Some(path), None) => file(path)?.expose_secret().to_owned(),
            (path, value) => read_secret(NAME, value.as_deref(), path.as_deref())?
                .expose_secret()
                .to_owned(),
        };
        Secrets::parse(&text).map_err(WebhookSecretsError::Weak)
    }

    /// Whether they can change while the process runs.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.file.is_some()
    }
}

/// A mount is swapped between the list and the reading: what is gone then is asked for anew.
fn again(
    read: impl Fn() -> Result<String, WebhookSecretsError>,
) -> Result<String, WebhookSecretsError> {
    let mut outcome = read();
    for _ in 1..ATTEMPTS {
        let Err(WebhookSecretsError::Read(SecretError::File { cause, .. })) = &outcome else {
            break;
        };
        if cause.kind() != std::io::ErrorKind::NotFound {
            break;
        }
        outcome = read();
    }
    outcome
}

fn joined(directory: &Path) -> Result<String, WebhookSecretsError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(WebhookSecretsError::Directory)? {
        let name = entry.map_err(WebhookSecretsError::Directory)?.file_name();
        if !name.to_string_lossy().starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    let mut text = String::new();
    for name in names {
        let path = directory.join(&name);
        if path.is_file() {
            named_after(
                &name.to_string_lossy(),
                file(&path)?.expose_secret(),
                &mut text,
            );
        }
    }
    Ok(text)
}

fn file(path: &Path) -> Result<Secret, WebhookSecretsError> {
    let size = std::fs::metadata(path).map_or(0, |found| found.len());
    if size > MOST_BYTES {
        let cause = std::io::Error::other("it is larger than 64 KiB");
        let name = NAME.to_owned();
        return Err(SecretError::File { name, cause }.into());
    }
    Ok(read_secret(NAME, None, Some(path))?)
}

/// Appends the secrets of one file; the first that has no name gets the file's, the second the
/// file's and `-2`.
fn named_after(file: &str, secrets: &str, text: &mut String) {
    let mut unnamed = 0_u32;
    for item in secrets.split(['\n', ',']).map(str::trim) {
        if !item.is_empty() && !Secrets::is_named(item) {
            unnamed = unnamed.saturating_add(1);
            text.push_str(file);
            if unnamed > 1 {
                text.push_str(&format!("-{unnamed}"));
            }
            text.push('=');
        }
        text.push_str(item);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const A: &str = "whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "whsec_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("bookend-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.join(name), text).unwrap();
        }

        fn load(&self, name: &str) -> Result<Vec<String>, WebhookSecretsError> {
            let source = WebhookSecrets {
                value: None,
                file: Some(self.0.join(name)),
            };
            let secrets = source.load()?;
            Ok(secrets.names().into_iter().map(str::to_owned).collect())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn secrets_without_a_name_are_called_after_their_file() {
        let folder = Folder::new("named");
        folder.write("old", A);
        assert_eq!(folder.load("").unwrap(), ["old"]);
        folder.write("new", &format!("{B}\nconnect={A}x,{B}x\n"));
        assert_eq!(
            folder.load("").unwrap(),
            ["new", "connect", "new-2", "old"],
            "the old one keeps its name"
        );
    }

    #[test]
    fn hidden_entries_links_to_nowhere_and_folders_are_no_secrets() {
        let folder = Folder::new("hidden");
        folder.write("a", A);
        folder.write(".swp", "half a secr");
        std::fs::create_dir_all(folder.0.join("..2026_11_29/deep")).unwrap();
        symlink("..2026_11_29", folder.0.join("..data")).unwrap();
        symlink("..data/gone", folder.0.join("gone")).unwrap();
        std::fs::create_dir_all(folder.0.join("folder")).unwrap();
        assert_eq!(folder.load("").unwrap(), ["a"]);
    }

    #[test]
    fn an_empty_file_or_folder_and_a_weak_secret_spoil_the_whole() {
        let folder = Folder::new("empty");
        let refused = |name: &str| folder.load(name).unwrap_err().to_string();
        assert!(refused("").contains("anyone could sign"));
        folder.write("a", A);
        folder.write("b", "");
        assert!(refused("").contains("blank"));
        assert!(refused("b").contains("blank"));
        folder.write("b", "whsec_short");
        assert!(refused("").contains("`b` is shorter"), "{}", refused(""));
        assert!(refused("nowhere").contains("cannot read"));
        folder.write("b", &"x".repeat(70_000));
        assert!(folder.load("b").is_err(), "a file without end is not read");
    }
}
