//! Folders that can be full.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use super::process::succeed;

/// A folder on a small file system of its own, where one can be mounted.
pub(crate) struct Disk {
    folder: TempDir,
    is_own: bool,
}

impl Disk {
    pub(crate) fn new(megabytes: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("set TMPDIR to a folder that can be written")?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=755"), "tmpfs"]);
        let is_own = succeed(mount.arg(folder.path())).is_ok();
        Ok(Self { folder, is_own })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Why it cannot be filled.
    pub(crate) fn cannot_be_full(&self) -> Option<&'static str> {
        (!self.is_own).then_some("only root may mount a small file system")
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = fs::File::create(self.path().join(BALLAST))?;
        while ballast.write_all(&[1; 1 << 16]).is_ok() {}
        // What is left of the last block.
        while ballast.write_all(&[1; 512]).is_ok() {}
        Ok(())
    }

    pub(crate) fn free(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.path().join(BALLAST))?)
    }
}

const BALLAST: &str = "ballast";

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_own {
            // Whoever was just killed may still have a file open.
            drop(succeed(Command::new("umount").arg("-l").arg(self.folder.path())));
        }
    }
}
