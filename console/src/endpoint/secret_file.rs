//! The file that a new endpoint's signing secret goes into.
//!
//! *Invariant:* it is new, and readable by its owner only from the moment it exists. It is made
//! before Stripe is asked: a secret that Stripe tells once is not lost for want of a place.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use shared::config::{ExposeSecret as _, Secret};

/// An empty file that waits for its secret.
#[derive(Debug)]
pub(crate) struct SecretFile {
    file: File,
    path: PathBuf,
}

impl SecretFile {
    /// # Errors
    /// When it exists already, be it as a link, or cannot be made.
    pub(crate) fn reserve(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Writes the secret and a line feed, to the disk.
    ///
    /// # Errors
    /// The disk's: then the secret is nowhere.
    pub(crate) fn keep(mut self, secret: &Secret) -> std::io::Result<()> {
        self.file.write_all(secret.expose_secret().as_bytes())?;
        self.file.write_all(b"\n")?;
        self.file.sync_all()
    }

    /// Removes it: there is no secret.
    pub(crate) fn discard(self) {
        // What stays is an empty file.
        drop(std::fs::remove_file(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_new_and_its_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whsec");
        let file = SecretFile::reserve(&path).unwrap();
        file.keep(&Secret::from("whsec_1")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whsec_1\n");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(SecretFile::reserve(&path).is_err());
    }

    #[test]
    fn a_link_is_not_followed_and_what_is_discarded_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(SecretFile::reserve(&link).is_err());
        assert!(!target.exists());
        SecretFile::reserve(&target).unwrap().discard();
        assert!(!target.exists());
    }
}
