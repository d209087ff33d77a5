//! A file of SQLite that several processes share.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use super::disk::Disk;
use super::process::pause;
use super::{ServerFault, Servers};

pub(super) struct Sqlite {
    disk: Disk,
}

impl Sqlite {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { disk: Disk::new(256)? })
    }

    fn file(&self) -> PathBuf {
        self.disk.path().join("sessions.db")
    }
}

impl Servers for Sqlite {
    fn address(&self) -> String {
        self.file().display().to_string()
    }

    fn spared(&self, fault: ServerFault) -> Option<&'static str> {
        match fault {
            ServerFault::Locked => None,
            ServerFault::DiskFull => self.disk.cannot_be_full(),
            _ => Some("there is no server"),
        }
    }

    fn strike(&mut self, fault: ServerFault, length: Duration) -> anyhow::Result<()> {
        if fault == ServerFault::DiskFull {
            self.disk.fill()?;
            pause(length)?;
            return self.disk.free();
        }
        let file = Connection::open(self.file())?;
        file.busy_timeout(Duration::from_secs(10))?;
        file.execute_batch("BEGIN IMMEDIATE")?;
        pause(length)?;
        file.execute_batch("ROLLBACK; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
    }

    fn has_clock(&self) -> bool {
        false
    }
}
