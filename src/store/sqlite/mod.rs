//! A store in an SQLite file.

mod error;
mod log;
mod moving;
mod open;
mod read;
mod teller;
#[cfg(test)]
mod tests;
mod watch;
mod write;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use self::log::Log;
use self::open::Connections;
use self::read::Readers;
use self::teller::{Teller, Tells};
use self::writer::Writer;
use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store};
use super::error::StoreError;
use super::open_error::OpenError;
use super::scan::{ScanPlace, Scanned};
use super::watch::{Changes, Watchers};
use crate::clock::Timestamp;
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

/// Keeps sessions in an SQLite file: durable, and without a server to install.
///
/// Acknowledged changes survive a crash and a power failure. Each change is on the disk before its
/// call returns; concurrent changes share one commit.
///
/// A request costs one read on the calling thread, a few microseconds, which never waits for a
/// write; and one write per touch interval.
///
/// Several processes of one machine may share the file, but not machines over a network file
/// system. The app may keep its own tables in it: those of the store begin with `curfew_`. An app
/// with long write transactions delays sign-ins and sign-outs, but no other requests.
///
/// Purged records leave space for later ones; the file itself does not shrink. To back it up, use
/// `VACUUM INTO`: the newest changes are in the log beside the file. Before you restore a backup,
/// delete that log (`-wal`, and `-shm`), or SQLite destroys the backup with it.
///
/// Clones share the same connections, which are closed soon after the last clone is dropped.
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

struct Shared {
    path: PathBuf,
    // Dropped before the writer, so that its thread closes the last connection and removes the log.
    readers: Readers,
    writer: Writer,
    watchers: Arc<Watchers>,
}

impl SqliteStore {
    /// Opens the store in this file, and creates its tables.
    ///
    /// A missing file is created, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong with the file and how to fix it. If another process has
    /// locked the file, this waits for about two seconds.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let (opened, answer) = oneshot::channel();
        let serve = {
            let path = path.to_owned();
            move || match open::open(&path) {
                Ok(Connections { writer, readers }) => {
                    let (jobs, queue) = writer::queue();
                    let log = Log::of(&path);
                    let (readers, watchers) = (Readers::new(readers), Arc::<Watchers>::default());
                    let teller = Teller::new(watchers.clone());
                    let shared = Shared { path, readers, writer: jobs, watchers };
                    // If the caller is gone, the only sender is dropped, and the queue ends.
                    let _ = opened.send(Ok(Self(Arc::new(shared))));
                    writer::serve(&writer, teller, log, queue);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
        let no_thread = || error::refused(path, NO_THREAD);
        let named = thread::Builder::new().name("curfew-sqlite".into());
        named.spawn(serve).map_err(|error| no_thread().caused_by(error))?;
        answer.await.unwrap_or_else(|stopped| Err(no_thread().caused_by(stopped)))
    }
}

impl SqliteStore {
    /// Limits the size of the file in bytes, until it is opened again.
    ///
    /// When the file is full, existing sessions stay signed in, and sign-ins fail with an error.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be reached. The previous limit then stays.
    pub async fn limit_size(&self, bytes: u64) -> Result<(), StoreError> {
        self.0.writer.limit_size(bytes).await
    }
}

const NO_THREAD: &str = "its thread did not start; let this process have more threads";

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.0.writer.run(move |file| write::insert(file, &record, cap)).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.0.readers.run(|file| read::load(file, id)).await
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        let tells = Tells::Session(record.id());
        self.0.writer.run_and_tell(tells, move |file| write::replace(file, &record)).await
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        self.0.readers.run(|file| read::list(file, key, page)).await
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        self.0.readers.run(|file| read::rules_since(file, revision, at_most)).await
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let org = org.to_owned();
        let replace =
            move |file: &rusqlite::Connection| write::replace_rules(file, &org, &rules, now);
        self.0.writer.run_and_tell(Tells::Rules, replace).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let mut purged = 0;
        loop {
            // Each step is a separate change, so that others can run in between.
            let step = write::PURGE_STEP.min(at_most - purged);
            let writer = &self.0.writer;
            let gone = writer.run_soon(move |file| write::purge(file, now, step)).await?;
            purged += gone;
            if gone < step || purged == at_most {
                return Ok(purged.into());
            }
        }
    }

    async fn scan(&self, after: Option<ScanPlace>, at_most: u32) -> Result<Scanned, StoreError> {
        self.0.readers.run(|file| moving::scan(file, after.as_ref(), at_most)).await
    }

    async fn import(&self, records: Vec<Arc<Record>>) -> Result<u64, StoreError> {
        self.0.writer.run(move |file| moving::import(file, &records)).await
    }

    async fn watch(&self) -> Result<Option<Changes>, StoreError> {
        Ok(Some(watch::watch(&self.0.watchers, self.0.writer.downgrade())))
    }
}
