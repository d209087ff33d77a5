//! A store of one's own: a folder with a file for each session, and all of them in memory.
//!
//! A file is written under another name, and renamed once the disk has it: no crash tears it. Only then
//! does the memory change and the next call begin, so whatever somebody has seen is on the disk. Listing,
//! counting and purging look through all sessions. It needs a runtime of several threads, and a folder
//! that no other process uses, which it does not check (from Rust 1.89 on, `File::try_lock` can). Whose
//! session it is that cannot be read, nobody knows: every list counts it, and it is not purged.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Cap, ChangedRules, Incarnation, Inserted, Key, Listed, Loaded, OrgRules, Page, Record,
    Replaced, Revision, RulesChanged, Store, StoreError, Unreadable,
};

type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Clone)]
pub(crate) struct FolderStore(pub(crate) Arc<Mutex<State>>);

pub(crate) struct State {
    folder: PathBuf,
    pub(crate) sessions: BTreeMap<SessionId, Result<Arc<Record>, Unreadable>>,
    /// By the revision that their last change made of all rules.
    rules: BTreeMap<Revision, (Arc<str>, Result<OrgRules, Unreadable>)>,
}

impl FolderStore {
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut builder = DirBuilder::new();
        // It holds addresses of people.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
        let (mut sessions, mut rules) = (BTreeMap::new(), BTreeMap::new());
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            let (name, bytes) = (path.file_name().and_then(OsStr::to_str), fs::read(&path)?);
            // The number is that of the format.
            match name.and_then(|name| name.split_once('.')) {
                Some((id, "session-1")) => {
                    sessions.insert(id.parse()?, Record::decode(&bytes).map(Arc::new));
                }
                Some((revision, "rules-1")) => {
                    let org = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                    let found = OrgRules::decode(bytes.get(org.len() + 1..).unwrap_or_default());
                    let org = str::from_utf8(org)?.into();
                    rules.insert(Revision::from_u64(revision.parse()?), (org, found));
                }
                _ if name == Some("new") => {} // A crash has left it.
                _ => bail!("{path:?} has another format: use the program that wrote it"),
            }
        }
        Ok(Self(Arc::new(Mutex::new(State { folder: folder.to_owned(), sessions, rules }))))
    }
}

impl State {
    /// Writes a file in the place of another. Whoever reads it finds the one or the other as a whole.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let write = || {
            let new = self.folder.join("new");
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(new, self.folder.join(name))?;
            // Or a crash undoes that. Not all systems open folders.
            if cfg!(unix) {
                File::open(&self.folder)?.sync_all()?;
            }
            Ok(())
        };
        block_in_place(write).map_err(failed)
    }

    fn put(&mut self, record: Arc<Record>) -> Result<()> {
        self.write(&format!("{}.session-1", record.id()), &record.encode())?;
        self.sessions.insert(record.id(), Ok(record));
        Ok(())
    }

    fn under(&self, key: &Key) -> impl Iterator<Item = &Arc<Record>> {
        let is_under = |record: &&Arc<Record>| !record.has_ended() && record.is_under(key);
        self.sessions.values().flatten().filter(is_under)
    }

    fn stand(&self) -> Revision {
        self.rules.keys().last().copied().unwrap_or_default()
    }
}

fn failed(error: io::Error) -> StoreError {
    StoreError::new("the session store cannot write", error)
}

impl Store for FolderStore {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted> {
        let mut state = self.0.lock().await;
        if let Some(same) = state.sessions.get(&record.id()).cloned().transpose()? {
            // Whoever did not hear the answer asks again.
            let is_same = same.secret_hash() == record.secret_hash();
            let other = StoreError::message("the session store has another record with this id");
            return is_same.then_some(Inserted::Done).ok_or(other);
        }
        let user = Key::user(record.user());
        if let Some(Cap { at_most, except }) = cap
            && at_most as usize <= state.under(&user).filter(|one| Some(one.id()) != except).count()
        {
            return Ok(Inserted::Full);
        }
        state.put(record).map(|()| Inserted::Done)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>> {
        let state = self.0.lock().await;
        let (record, rules) = (state.sessions.get(&id).cloned().transpose()?, state.stand());
        Ok(record.map(|record| Loaded { record, rules, clock: None }))
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced> {
        let mut state = self.0.lock().await;
        match state.sessions.get(&record.id()).cloned().transpose()? {
            None => Ok(Replaced::Gone),
            // Whoever did not hear the answer asks again.
            Some(current) if current.revision() == record.revision() => Ok(Replaced::Done),
            Some(current) if current.has_ended() => Ok(Replaced::Gone),
            Some(current) if current.revision() != record.previous() => Ok(Replaced::Stale),
            Some(_) => state.put(record).map(|()| Replaced::Done),
        }
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed> {
        let state = self.0.lock().await;
        let place = |record: &Arc<Record>| (record.created(), record.id());
        let mut records = state.under(key).cloned().collect::<Vec<_>>();
        records.retain(|record| page.after.is_none_or(|after| place(record) < after));
        records.sort_unstable_by_key(|record| Reverse(place(record)));
        records.truncate(page.at_most as usize);
        let next = records.last().map(place).filter(|_| records.len() == page.at_most as usize);
        let unreadable = state.sessions.values().filter(|record| record.is_err()).count() as u32;
        Ok(Listed { records, unreadable, next, rules: state.stand(), clock: None })
    }

    async fn rules_since(&self, after: Revision, at_most: u32) -> Result<RulesChanged> {
        let state = self.0.lock().await;
        let (mut changes, mut reaches) = (Vec::new(), state.stand());
        let since = state.rules.range(Revision::from_u64(after.as_u64() + 1)..);
        for (revision, (org, rules)) in since.take(at_most as usize) {
            changes.push(ChangedRules { org: org.clone(), rules: rules.clone() });
            // As far as the last one here, since a page may be cut off.
            reaches = *revision;
        }
        // There is but one: nothing takes the place of what is in memory.
        Ok(RulesChanged { changes, reaches, incarnation: Incarnation::of("folder") })
    }

    async fn replace_rules(&self, org: &str, new: OrgRules, now: Timestamp) -> Result<bool> {
        let mut state = self.0.lock().await;
        let last = state.rules.iter().rev().find(|(_, (of, _))| **of == *org);
        let current = last.map(|(_, (_, rules))| rules.clone()).transpose()?;
        let current = current.map_or(Revision::NONE, |current| current.revision());
        if current != new.previous() {
            return Ok(current == new.revision());
        }
        let (last, next) = (last.map(|(at, _)| *at), new.raise(state.stand(), now));
        let name = |revision: Revision| format!("{}.rules-1", revision.as_u64());
        state.write(&name(next), &[org.as_bytes(), b"\0", &new.encode()].concat())?;
        state.rules.insert(next, (org.into(), Ok(new)));
        if let Some(last) = last {
            state.rules.remove(&last);
            // If a crash leaves them, those that changed later count.
            _ = fs::remove_file(state.folder.join(name(last)));
        }
        Ok(true)
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64> {
        let mut state = self.0.lock().await;
        let due = state.sessions.values().flatten().filter(|record| record.purge_after() <= now);
        let due = due.take(at_most as usize).map(|record| record.id()).collect::<Vec<_>>();
        for id in &due {
            let file = state.folder.join(format!("{id}.session-1"));
            // After a crash it may be there again, and is due.
            block_in_place(|| fs::remove_file(file)).map_err(failed)?;
            state.sessions.remove(id);
        }
        Ok(due.len() as u64)
    }
}
