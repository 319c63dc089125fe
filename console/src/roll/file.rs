//! The file of signing secrets that the ingestors watch, changed as a whole.
//!
//! *Invariant:* at any moment, also after a crash, the file is the one before or the one after: a
//! hidden file beside it is written, brought to the disk and renamed over it. It keeps its owner,
//! its group and its mode, or nothing is changed: an ingestor that cannot read the new file would
//! refuse what the new endpoint sends. No secret is shown.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use shared::config::{ExposeSecret as _, WebhookSecrets};
use shared::signature::Secrets;

use crate::failure::{Failure, chain};

/// A file of secrets.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
}

impl Watched {
    /// # Errors
    /// 6 when it is no plain file that can be replaced here: nothing was done.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        let refused = |what: String| Failure::Precondition {
            what: format!("--file {}: {what}; nothing was done", path.display()),
        };
        let found = path
            .symlink_metadata()
            .map_err(|error| refused(error.to_string()))?;
        if found.is_symlink() {
            return Err(refused(
                "a link, as in a Kubernetes mount, cannot be replaced; give a copy of the secret's \
                 content, and bring it in"
                    .to_owned(),
            ));
        }
        if !found.is_file() {
            return Err(refused("not a file: name one file of secrets".to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Finds out before Stripe is asked what could not be done later.
    ///
    /// # Errors
    /// 6 when no file of the same owner can be made beside it.
    pub(crate) fn try_replacing(&self) -> Result<(), Failure> {
        self.beside().map_err(|error| Failure::Precondition {
            what: format!(
                "--file {} cannot be replaced: {error}; nothing was done",
                self.path.display()
            ),
        })?;
        // What stays is an empty file, which the next attempt removes.
        drop(std::fs::remove_file(self.hidden()));
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    ///
    /// # Errors
    /// 78 when an ingestor would not take it either.
    pub(crate) fn read(&self) -> Result<Secrets, Failure> {
        let source = WebhookSecrets {
            value: None,
            file: Some(self.path.clone()),
        };
        source.load().map_err(|error| Failure::Configuration {
            what: format!("--file: {}", chain(&error)),
        })
    }

    /// Makes it hold these, each on a line with its name.
    ///
    /// # Errors
    /// The disk's: the file is as before.
    pub(crate) fn replace(&self, secrets: &Secrets) -> std::io::Result<()> {
        let mut file = self.beside()?;
        let text = secrets.to_text();
        file.write_all(text.expose_secret().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(self.hidden(), &self.path)?;
        // The rename, too, must outlive a crash.
        File::open(self.folder())?.sync_all()
    }

    /// A new, empty, hidden file with the owner and the mode of this one.
    fn beside(&self) -> std::io::Result<File> {
        let hidden = self.hidden();
        // Left by a process that was killed; it holds at most what was about to be in the file.
        match std::fs::remove_file(&hidden) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let is = std::fs::metadata(&self.path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&hidden)?;
        let made = file.metadata()?;
        let alike = if (made.uid(), made.gid()) == (is.uid(), is.gid()) {
            Ok(())
        } else {
            std::os::unix::fs::fchown(&file, Some(is.uid()), Some(is.gid()))
        };
        let alike = alike.and_then(|()| {
            file.set_permissions(std::fs::Permissions::from_mode(is.mode() & 0o777))
        });
        match alike {
            Ok(()) => Ok(file),
            Err(error) => {
                drop(std::fs::remove_file(&hidden));
                Err(error)
            }
        }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        }
    }

    fn hidden(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        self.folder().join(format!(".{name}.bookend-new"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "whsec_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn at(folder: &tempfile::TempDir, text: &str) -> PathBuf {
        let path = folder.path().join("secrets");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        path
    }

    #[test]
    fn it_is_replaced_as_a_whole_with_every_name_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(&folder, &format!("{A}\n"));
        std::fs::write(folder.path().join(".secrets.bookend-new"), "left").unwrap();
        let watched = Watched::at(&path).unwrap();
        let both = watched.read().unwrap().with("we_1", B).unwrap();
        watched.replace(&both).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("secret1={A}\nwe_1={B}\n"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "a hidden file stays");
        let one = watched.read().unwrap().without("secret1").unwrap();
        watched.replace(&one).unwrap();
        assert_eq!(watched.read().unwrap().names(), ["we_1"]);
        assert!(one.without("we_1").is_none(), "the last one stays");
    }

    #[test]
    fn a_link_a_folder_and_what_is_not_there_are_refused_with_6() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(&folder, A);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for bad in [link.as_path(), folder.path(), &folder.path().join("none")] {
            let refused = Watched::at(bad).unwrap_err();
            assert_eq!(refused.exit_code(), 6, "{refused:?}");
        }
    }

    #[test]
    fn a_file_that_no_ingestor_would_take_ends_with_78() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(&folder, "main=whsec_short");
        let refused = Watched::at(&path).unwrap().read().unwrap_err();
        assert_eq!(refused.exit_code(), 78);
        assert!(!refused.explain().contains("whsec_short"), "{refused:?}");
    }
}
