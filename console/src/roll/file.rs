//! The file of signing secrets that the ingestors watch, changed as a whole.
//!
//! *Invariant:* at any moment, also after a crash, the file is the one before or the one after: a
//! hidden file of this process's own is written beside it, brought to the disk and renamed over it,
//! if the file still holds what the new one was made of. It keeps its owner, its group and its mode,
//! or nothing is changed: an ingestor that cannot read the new file would refuse what the new
//! endpoint sends. Every secret keeps its name: a file with an unnamed one is not touched. No secret
//! is shown.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::config::{ExposeSecret as _, Secret, WebhookSecrets};
use shared::signature::Secrets;

use crate::failure::{Failure, chain};

/// A file of secrets.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
}

/// Age from which a hidden file is one that was left: writing one takes an instant.
const LEFT_AFTER: Duration = Duration::from_hours(1);

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

    /// Finds out before Stripe is asked what could not be done later, and removes what processes
    /// left that were killed while they wrote.
    ///
    /// # Errors
    /// 6 when no file of the same owner can be made beside it.
    pub(crate) fn try_replacing(&self) -> Result<(), Failure> {
        self.tidy();
        let tried = self.beside().map(drop);
        tried.map_err(|error| Failure::Precondition {
            what: format!(
                "--file {} cannot be replaced: {error}; nothing was done",
                self.path.display()
            ),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    ///
    /// # Errors
    /// 78 when an ingestor would not take it either; 6 when a secret in it has no name of its own.
    pub(crate) fn read(&self) -> Result<Secrets, Failure> {
        let source = WebhookSecrets {
            value: None,
            file: Some(self.path.clone()),
        };
        let secrets = source.load().map_err(|error| Failure::Configuration {
            what: format!("--file: {}", chain(&error)),
        })?;
        let text = std::fs::read_to_string(&self.path).map(Secret::from);
        let text = text.map_err(|error| self.unwritten(&error))?;
        match unnamed(text.expose_secret()) {
            0 => Ok(secrets),
            // An ingestor may call it after the file, or after its place in it: a line with
            // another name would cut what it verified in two, and the roll waits for a name.
            count => Err(Failure::Precondition {
                what: format!(
                    "--file {}: {count} secret(s) in it have no name; give each the name that the \
                     ingestors call it by (bookend secrets status tells), as name=whsec_…, then \
                     roll",
                    self.path.display()
                ),
            }),
        }
    }

    /// Makes it hold what `change` makes of what it holds now, each on a line with its name.
    ///
    /// # Errors
    /// [`Self::read`]'s, those of `change`, 1 when the disk refuses or somebody else wrote
    /// meanwhile: the file is as before.
    pub(crate) fn rewrite(
        &self,
        change: impl FnOnce(Secrets) -> Result<Secrets, Failure>,
    ) -> Result<(), Failure> {
        let before = self.read()?;
        let after = change(before.clone())?;
        let hidden = self
            .filled(&after)
            .map_err(|error| self.unwritten(&error))?;
        // Whatever else writes it holds no lock of ours; as late as can be.
        if !self.read()?.is_same(&before) {
            let changed = std::io::Error::other("somebody else wrote it meanwhile");
            return Err(self.unwritten(&changed));
        }
        self.rename(hidden).map_err(|error| self.unwritten(&error))
    }

    fn unwritten(&self, error: &std::io::Error) -> Failure {
        Failure::Undone {
            what: format!(
                "{} could not be written and is as before: {error}; roll again",
                self.path.display()
            ),
        }
    }

    /// A hidden file that holds these, on the disk.
    fn filled(&self, secrets: &Secrets) -> std::io::Result<Hidden> {
        let mut hidden = self.beside()?;
        let text = secrets.to_text();
        hidden.file.write_all(text.expose_secret().as_bytes())?;
        hidden.file.sync_all()?;
        Ok(hidden)
    }

    fn rename(&self, hidden: Hidden) -> std::io::Result<()> {
        std::fs::rename(&hidden.path, &self.path)?;
        // The rename, too, must outlive a crash.
        File::open(self.folder())?.sync_all()
    }

    /// A new, empty, hidden file with the owner and the mode of this one, which no other process
    /// has.
    fn beside(&self) -> std::io::Result<Hidden> {
        let is = std::fs::metadata(&self.path)?;
        let name = format!("{}-{:032x}", self.prefix(), rand::random::<u128>());
        let path = self.folder().join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let hidden = Hidden { path, file };
        let made = hidden.file.metadata()?;
        if (made.uid(), made.gid()) != (is.uid(), is.gid()) {
            std::os::unix::fs::fchown(&hidden.file, Some(is.uid()), Some(is.gid()))?;
        }
        let mode = std::fs::Permissions::from_mode(is.mode() & 0o777);
        hidden.file.set_permissions(mode)?;
        Ok(hidden)
    }

    /// Removes hidden files of processes that were killed; they hold secrets. Not the young ones:
    /// a roll in another database may be writing. What cannot be removed harms no roll.
    fn tidy(&self) {
        let prefix = self.prefix();
        let Ok(entries) = std::fs::read_dir(self.folder()) else {
            return;
        };
        for entry in entries.flatten() {
            let ours = entry.file_name().to_string_lossy().starts_with(&prefix);
            let changed = entry.metadata().and_then(|found| found.modified());
            let age = changed.ok().and_then(|at| at.elapsed().ok());
            if ours && age.is_some_and(|age| age > LEFT_AFTER) {
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        }
    }

    /// What the name of every hidden file beside this one begins with.
    fn prefix(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        format!(".{}.bookend-new", name.to_string_lossy())
    }
}

/// A file of this process's own, gone with it unless it was renamed.
struct Hidden {
    path: PathBuf,
    file: File,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // After a rename nothing is there under this name.
        drop(std::fs::remove_file(&self.path));
    }
}

/// How many secrets of such a text have no name of their own. As the ingestors split it.
fn unnamed(text: &str) -> usize {
    let items = text.split(['\n', ',']).map(str::trim);
    items
        .filter(|item| !item.is_empty() && !Secrets::is_named(item))
        .count()
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

    fn beside(folder: &tempfile::TempDir) -> usize {
        std::fs::read_dir(folder.path()).unwrap().count() - 1
    }

    fn added(watched: &Watched, name: &str) -> Result<(), Failure> {
        watched.rewrite(|now| Ok(now.with(name, B).unwrap()))
    }

    #[test]
    fn it_is_replaced_as_a_whole_with_every_name_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(&folder, &format!("main={A}\n"));
        let watched = Watched::at(&path).unwrap();
        added(&watched, "we_1").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("main={A}\nwe_1={B}\n"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(beside(&folder), 0, "a hidden file stays");
        let removed = watched.rewrite(|now| Ok(now.without("main").unwrap()));
        removed.unwrap();
        let one = watched.read().unwrap();
        assert_eq!(one.names(), ["we_1"]);
        assert!(one.without("we_1").is_none(), "the last one stays");
    }

    #[test]
    fn two_processes_write_two_hidden_files_and_neither_removes_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(&folder, &format!("main={A}\n"));
        let (one, other) = (Watched::at(&path).unwrap(), Watched::at(&path).unwrap());
        let (first, second) = (one.beside().unwrap(), other.beside().unwrap());
        assert_ne!(first.path, second.path);
        other.try_replacing().unwrap();
        assert!(first.path.exists(), "it is being written");
        drop(second);
        assert_eq!(beside(&folder), 1);
        first.file.set_modified(std::time::UNIX_EPOCH).unwrap();
        std::fs::write(folder.path().join(".other"), "").unwrap();
        other.try_replacing().unwrap();
        assert!(!first.path.exists(), "one that was left stays for ever");
        assert_eq!(beside(&folder), 1, "somebody else's file is removed");
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(&folder, &format!("main={A}\n"));
        let watched = Watched::at(&path).unwrap();
        let theirs = format!("main={A}\ntheirs={A}x\n");
        let refused = watched.rewrite(|now| {
            std::fs::write(&path, &theirs).unwrap();
            Ok(now.with("we_1", B).unwrap())
        });
        assert!(refused.unwrap_err().explain().contains("somebody else"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs);
        assert_eq!(beside(&folder), 0, "a hidden file stays");
        added(&watched, "we_1").unwrap();
        let names = watched.read().unwrap();
        assert_eq!(names.names(), ["main", "theirs", "we_1"]);
    }

    #[test]
    fn a_file_with_an_unnamed_secret_is_refused_with_6_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for text in [
            format!("{A}\n"),
            format!("main={A}\n\n{B}x\n"),
            format!("main={A}, {B}="),
        ] {
            let path = at(&folder, &text);
            let watched = Watched::at(&path).unwrap();
            let refused = watched.read().unwrap_err();
            assert_eq!(refused.exit_code(), 6, "{refused:?}");
            let told = refused.explain();
            assert!(told.contains("1 secret(s) in it have no name"), "{told}");
            assert!(!told.contains(A) && !told.contains(B));
            assert_eq!(added(&watched, "we_1").unwrap_err().exit_code(), 6);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
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
