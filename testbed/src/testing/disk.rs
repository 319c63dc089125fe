//! A small disk that a test can fill: a tmpfs of its own.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const PREFIX: &str = "/var/tmp/bookend-disk-";
static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];

/// A mounted tmpfs; unmounted when this goes. Mounting needs root.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a disk of so many mebibytes, after taking down those of dead runs.
    ///
    /// # Panics
    /// When it can't be mounted.
    #[must_use]
    pub fn mount(mebibytes: u32) -> Self {
        for entry in fs::read_dir("/var/tmp").into_iter().flatten().flatten() {
            let path = entry.path();
            let pid = path.to_str().and_then(|path| path.strip_prefix(PREFIX));
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                take_down(&path);
            }
        }
        let path = PathBuf::from(format!("{PREFIX}{}", std::process::id()));
        let size = format!("size={mebibytes}m,mode=755");
        let mounted = fs::create_dir_all(&path).and_then(|()| {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]);
            mount.arg(&path).status()
        });
        match mounted {
            Ok(status) if status.success() => Self(path),
            other => panic!("cannot mount a tmpfs, which needs root: {other:?}"),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Fills it until not a byte more can be written.
    ///
    /// # Panics
    /// When the ballast's file can't be opened.
    pub fn fill(&self) {
        let Ok(mut ballast) = File::create(self.ballast()) else {
            panic!("cannot open the ballast");
        };
        while ballast.write_all(&CHUNK).is_ok() {}
    }

    /// Takes out again what filled it.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn free(&self) {
        if let Err(error) = fs::remove_file(self.ballast()) {
            panic!("{error}");
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        take_down(&self.0);
    }
}

fn take_down(path: &Path) {
    // Lazily: who still holds a file on it does not keep it in the tree.
    drop(Command::new("umount").arg("-l").arg(path).status());
    drop(fs::remove_dir(path));
}
