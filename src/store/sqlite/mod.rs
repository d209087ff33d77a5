//! A store in an SQLite file.

mod changes;
mod failure;
mod open;
mod open_error;
mod readers;
mod rows;
mod schema;
mod selection;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use self::open::Connections;
pub use self::open_error::OpenError;
use self::readers::Readers;
use self::writer::Writer;
use super::{
    Ended, Facts, Insert, OrgRules, Page, Record, Rotate, Selector, SessionId, SetOrgs, Store,
    StoreError, Swapped, Touch, Touched,
};
use crate::time::Timestamp;

/// Keeps sessions in an SQLite file: durable, and with nothing to install.
///
/// Neither a crash nor a power failure loses what was acknowledged. Each change is on the disk
/// before its call returns; changes that wait at the same time share one commit.
///
/// A request costs one read on the calling thread, some microseconds, which never waits for a
/// write; and once per touch interval one write.
///
/// Several processes of one machine may share the file, but not machines over a network file
/// system. The app may keep tables of its own in it: those of the store begin with `curfew_`. An
/// app that writes to it for long holds up sign-ins and sign-outs, though no other request.
///
/// Purged records leave room that later ones fill; the file itself does not shrink. To back it up,
/// use `VACUUM INTO`: the newest changes are in the log beside the file.
///
/// Clones share the same connections; soon after the last one is dropped, they are closed.
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

struct Shared {
    path: PathBuf,
    // Dropped before the writer, whose thread thus closes the last connection and with it clears
    // the log away.
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the store in this file, with its tables. If it is missing it is created, readable by its
    /// owner alone.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong with the file and what to do about it. One that another
    /// process has locked is waited for, but not for much longer than two seconds.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let (opened, answer) = oneshot::channel();
        let serve = {
            let path = path.to_owned();
            move || match open::open(&path) {
                Ok(Connections { writer, readers }) => {
                    let (jobs, queue) = writer::queue();
                    let shared = Shared { path, readers: Readers::new(readers), writer: jobs };
                    // If nobody waits any more, the only sender is gone, and the queue ends.
                    let _ = opened.send(Ok(Self(Arc::new(shared))));
                    writer::serve(&writer, queue);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
        thread::Builder::new()
            .name("curfew-sqlite".into())
            .spawn(serve)
            .map_err(|error| OpenError::thread(path, error))?;
        answer.await.unwrap_or_else(|stopped| Err(OpenError::thread(path, stopped)))
    }
}

impl SqliteStore {
    /// Lets the file grow to at most so many bytes, until it is opened again. When it is full, who is
    /// signed in stays so, and sign-ins are refused with an error.
    ///
    /// # Errors
    ///
    /// If the file cannot be reached, or is full and somebody is about to write.
    pub async fn limit_size(&self, bytes: u64) -> Result<(), StoreError> {
        self.0.writer.run(move |file| changes::limit_size(file, bytes)).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    async fn insert(
        &self,
        record: Record,
        replaces: &[SessionId],
        cap: Option<u32>,
    ) -> Result<Insert, StoreError> {
        let replaces = replaces.to_vec();
        self.0.writer.run(move |file| changes::insert(file, &record, &replaces, cap)).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Facts>, StoreError> {
        self.0.readers.run(|file| rows::load(file, id)).await
    }

    async fn touch(&self, touch: Touch) -> Result<Touched, StoreError> {
        self.0.writer.run(move |file| changes::touch(file, &touch)).await
    }

    async fn rotate(&self, rotate: Rotate) -> Result<Swapped, StoreError> {
        self.0.writer.run(move |file| changes::rotate(file, &rotate)).await
    }

    async fn set_orgs(&self, change: SetOrgs) -> Result<Swapped, StoreError> {
        self.0.writer.run(move |file| changes::set_orgs(file, &change)).await
    }

    async fn end(&self, which: &Selector, ended: &Ended) -> Result<u64, StoreError> {
        let (which, ended) = (which.clone(), ended.clone());
        self.0.writer.run(move |file| changes::end(file, &which, &ended)).await
    }

    async fn list(&self, which: &Selector, page: Page) -> Result<Vec<Facts>, StoreError> {
        self.0.readers.run(|file| rows::list(file, which, page)).await
    }

    async fn org_rules(&self, org: &str) -> Result<Option<Arc<OrgRules>>, StoreError> {
        self.0.readers.run(|file| Ok(rows::org_rules(file, org)?.map(Arc::new))).await
    }

    async fn put_org_rules(
        &self,
        org: &str,
        expected: Option<i64>,
        rules: OrgRules,
    ) -> Result<bool, StoreError> {
        let org = org.to_owned();
        self.0.writer.run(move |file| changes::put_org_rules(file, &org, expected, &rules)).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.0.writer.run(move |file| changes::purge(file, now, at_most)).await
    }
}
