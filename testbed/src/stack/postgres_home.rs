//! Whom Postgres runs as, and where its data can be: it refuses to run as root, and the user
//! it drops to must be able to reach its files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User, geteuid};
use sha2::{Digest, Sha256};

use super::error::{StackError, file};

/// The user to drop to; none when we are not root.
#[derive(Clone, Debug)]
pub(crate) struct Drop(Option<(u32, u32)>);

impl Drop {
    /// `postgres` if the system has it, else `nobody`.
    ///
    /// # Errors
    /// When we are root and the system has neither.
    pub(crate) fn choose() -> Result<Self, StackError> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        let user = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        match user {
            Some(user) => Ok(Self(Some((user.uid.as_raw(), user.gid.as_raw())))),
            None => Err(StackError::Missing {
                what: "a user to run Postgres as".to_owned(),
                why: "the system has neither `postgres` nor `nobody`".to_owned(),
            }),
        }
    }

    /// A command that runs `program` as that user.
    pub(crate) fn command(&self, program: &Path) -> Command {
        match self.0 {
            None => Command::new(program),
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={uid}"))
                    .arg(format!("--regid={gid}"))
                    .arg("--clear-groups")
                    .arg(program);
                command
            }
        }
    }

    /// Makes the data directory: in `dir`, or under /var/tmp (noted in `dir/postgres.where`)
    /// when the user can't reach `dir`.
    ///
    /// # Errors
    /// When a file can't be made.
    pub(crate) fn data(&self, dir: &Path) -> Result<PathBuf, StackError> {
        fs::create_dir_all(dir).map_err(file("create", dir))?;
        let mut home = dir.join("postgres");
        if self.0.is_some() && !reachable(dir) {
            let name = hex::encode(Sha256::digest(dir.to_string_lossy().as_bytes()));
            let name: String = name.chars().take(12).collect();
            home = PathBuf::from(format!("/var/tmp/bookend-{name}"));
            let note = dir.join("postgres.where");
            fs::write(&note, home.to_string_lossy().as_bytes()).map_err(file("write", note))?;
        }
        let data = home.join("data");
        fs::create_dir_all(&data).map_err(file("create", &data))?;
        if let Some((uid, gid)) = self.0 {
            for path in [&home, &data] {
                chown(path, Some(uid), Some(gid)).map_err(file("give away", path))?;
            }
        }
        Ok(data)
    }
}

/// Whether everybody may walk to `dir`.
fn reachable(dir: &Path) -> bool {
    let Ok(dir) = dir.canonicalize() else {
        return false;
    };
    dir.ancestors().all(|step| {
        fs::metadata(step).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    })
}
