//! The contract of every store.

use std::future::Future;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};
use crate::store::error::StoreError;
use crate::store::scan::{DOES_NOT_SCAN, IN_USE, ScanPlace, Scanned};
use crate::store::watch::Changes;

/// Stores *sessions*, one record under each id, and *rules*, which are few and rarely change.
///
/// A store does not interpret a record. It keeps it, lists it under its keys, and replaces it by
/// its next revision if no other writer did so first. A record that has ended never changes again,
/// even if a slower request still writes; and only [`insert`](Self::insert) creates one. A missing
/// record is an answer, not an error. An error means that the state is unknown: sessions are then
/// rejected, but stay signed in.
///
/// When a call that writes has returned, every later call on any node sees its change. A repeated
/// call with the same record or rules gets the same answer as the first, so a call whose answer was
/// lost can be repeated. Times are whole milliseconds and come from the caller. A store on another
/// machine has its own clock. It returns the time of that clock ([`Loaded::clock`]), and returns an
/// error if a caller whose clock differs by more than a minute inserts, purges or replaces rules.
///
/// Implementations write plain `async fn`, and `tower_curfew::store_tests!` tests them:
///
/// ```
/// use tower_curfew::store::{Inserted, MemoryStore, Record, Replaced, SecretHash, Store};
/// # use std::sync::Arc;
/// # use tower_curfew::clock::Timestamp;
/// # use tower_curfew::SessionId;
/// # let id = SessionId::from_bytes([1; 16]);
/// # let secret = SecretHash::from_bytes([2; 32]);
/// # let now = Timestamp::from_unix_millis(0);
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let first = Arc::new(Record::begin(id, secret, "ada", now, 7));
/// assert_eq!(store.insert(first.clone(), None).await?, Inserted::Done);
///
/// // Two requests go on from what they have read. The slower one is told so.
/// let (one, other) = (Arc::new(first.next(8)), Arc::new(first.next(9)));
/// assert_eq!(store.replace(one).await?, Replaced::Done);
/// assert_eq!(store.replace(other).await?, Replaced::Stale);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Store: Send + Sync + 'static {
    /// Inserts a new record under its id and its [keys](Record::keys). If the number of records
    /// under its first key has already reached `cap`, the answer is [`Inserted::Full`], and nothing
    /// changes. The cap holds among concurrent inserts: as many succeed as there is room for.
    ///
    /// Records under that key that have not ended count; the store does not guess which are alive.
    /// A store that cannot tell at once whether an index entry still has such a record may count
    /// it, if the next [`list`](Self::list) of the key no longer does.
    ///
    /// If a store writes records and keys in several steps, the record comes first and its keys
    /// after it, all of them before the call returns.
    ///
    /// A record that has already ended is not listed and does not count: [`import`](Self::import)
    /// files such records, too.
    ///
    /// If the id exists with another [secret](Record::secret_hash), the answer is an error; with
    /// the same secret, it is this record, inserted before.
    fn insert(
        &self,
        record: Arc<Record>,
        cap: Option<Cap>,
    ) -> impl Future<Output = Result<Inserted, StoreError>> + Send;

    /// Reads a record, ended or not, and the revision of all rules, both after the call began.
    /// `None` if there is no record.
    ///
    /// A record that cannot be read is an error.
    fn load(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<Option<Loaded>, StoreError>> + Send;

    /// Replaces the record that has the revision named as [previous](Record::previous) in the new
    /// one.
    ///
    /// A record that has ended is no longer listed. Otherwise it is listed under its keys, and no
    /// longer under those that only its previous revision had. If records and keys are separate
    /// steps, new keys come before the record.
    fn replace(
        &self,
        record: Arc<Record>,
    ) -> impl Future<Output = Result<Replaced, StoreError>> + Send;

    /// Lists the records under a key that have not ended, newest sign-in first. The order is by
    /// [`created`](Record::created), then by id, both descending. The revision of all rules is read
    /// after the call began.
    ///
    /// Records that cannot be read are counted and skipped, so that one of them does not hide the
    /// others.
    fn list(
        &self,
        key: &Key,
        page: Page,
    ) -> impl Future<Output = Result<Listed, StoreError>> + Send;

    /// Returns the rules that have changed since this revision of all rules. They are in the order
    /// of their last change, at most `at_most`. [`Revision::NONE`] asks for all.
    fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> impl Future<Output = Result<RulesChanged, StoreError>> + Send;

    /// Replaces the rules of an organization, if `rules` names their revision as
    /// [previous](OrgRules::previous). Returns whether the new rules are now in place.
    ///
    /// In the same step the revision of all rules is raised to the one that [`OrgRules::raise`]
    /// makes. Concurrent changes become visible in the order of these revisions: a reader that has
    /// seen one has seen all below it.
    fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Deletes records that are due, and their index entries, at most `at_most`. A record is due if
    /// its [`purge_after`](Record::purge_after) is not after `now`. Returns the number of deleted
    /// records; fewer than `at_most` means that none is left.
    fn purge(
        &self,
        now: Timestamp,
        at_most: u32,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Reads all records, ended ones too, about `at_most` at a time, in any order. Used by
    /// [`copy`](super::copy()), not by requests.
    ///
    /// A record that changes in the meantime is returned in either version, perhaps in both. A
    /// record that exists throughout is not left out. Records that cannot be read are counted and
    /// skipped.
    ///
    /// The default implementation returns an error: such a store cannot be copied from.
    fn scan(
        &self,
        after: Option<ScanPlace>,
        at_most: u32,
    ) -> impl Future<Output = Result<Scanned, StoreError>> + Send {
        let _ = (after, at_most);
        async { Err(StoreError::message(DOES_NOT_SCAN)) }
    }

    /// Inserts records of another store exactly as they are. They are listed under their keys
    /// unless they have ended. Returns how many of them are new.
    ///
    /// A record that exists at the same revision is skipped, so that the call can be repeated. If
    /// it exists at another revision, the answer is an error. Caps and clocks are not checked:
    /// these records are old.
    ///
    /// The default implementation [loads](Self::load) and [inserts](Self::insert) each record.
    /// Implement it to do so in one step, or if `insert` compares clocks.
    fn import(
        &self,
        records: Vec<Arc<Record>>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        async move {
            let mut new = 0;
            for record in records {
                match self.load(record.id()).await? {
                    Some(there) if there.record.revision() == record.revision() => {}
                    Some(_) => return Err(StoreError::message(IN_USE)),
                    None => {
                        let inserted = self.insert(Record::as_read(record), None).await?;
                        new += u64::from(inserted == Inserted::Done);
                    }
                }
            }
            Ok(new)
        }
    }

    /// Reports changes on any node, and a [heartbeat](super::Heartbeat) at intervals. Each change
    /// is reported once it is visible, if that is after this call has returned, in no particular
    /// order. Used by [`Curfew::ended`](crate::Curfew::ended), not by requests.
    ///
    /// Changes are those by [`replace`](Self::replace) and [`replace_rules`](Self::replace_rules);
    /// the time of a purge is known from the record. A change may be reported twice, or without
    /// need, but none may be left out, or reported before a reader sees it. If changes may have
    /// been missed, as when a connection broke, the stream ends.
    ///
    /// `None` if the store does not report changes. Then it is polled from time to time.
    fn watch(&self) -> impl Future<Output = Result<Option<Changes>, StoreError>> + Send {
        async { Ok(None) }
    }

    /// Returns what is known of a session without waiting; `None` if it is unknown. A store in this
    /// process knows all sessions, a cache knows its entries. A request uses it only to be
    /// admitted: it [loads](Self::load) the session before it is rejected or changes anything.
    fn load_now(&self, id: SessionId) -> Option<Loaded> {
        let _ = id;
        None
    }

    /// Adds a cache near the app, so that most requests do not need the server.
    ///
    /// Off by default, and for a store on another machine that [reports changes](Self::watch).
    /// Changes of sessions and rules take effect on every node within milliseconds, and within the
    /// [bound](super::Near::bound) in case of failures: if changes are not reported in time, each
    /// request asks the store. Calls in the name of a session always ask the store, and so does a
    /// route that is [uncached](crate::service::CurfewLayer::uncached).
    #[cfg(feature = "near")]
    #[cfg_attr(docsrs, doc(cfg(feature = "near")))]
    fn near(self, near: super::Near) -> super::NearStore<Self>
    where
        Self: Sized,
    {
        super::NearStore::new(self, near)
    }

    /// Returns the health of a cache in front of the store; `None` without one. Only caches
    /// implement this.
    #[cfg(feature = "near")]
    #[cfg_attr(docsrs, doc(cfg(feature = "near")))]
    fn near_health(&self) -> Option<super::NearHealth> {
        None
    }
}

/// The most records that have not ended under a new record's first key. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// The number of records, the new one included.
    pub at_most: u32,
    /// A record that does not count, because the new one replaces it.
    pub except: Option<SessionId>,
}

/// The result of [`Store::insert`]. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Inserted {
    /// The record was inserted.
    Done,
    /// The cap is reached. Nothing was changed.
    Full,
}

/// The result of [`Store::replace`]. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// The record was replaced.
    Done,
    /// The stored record has another revision than expected. Nothing was changed.
    Stale,
    /// The record does not exist, or has ended. Nothing was changed.
    Gone,
}

/// The result of [`Store::load`]. Exhaustive: stores construct it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The record, ended or not.
    pub record: Arc<Record>,
    /// The revision of all rules.
    pub rules: Revision,
    /// The time of the store's own clock; `None` if it has none, or was not read lately.
    pub clock: Option<Timestamp>,
}

/// A part of a list. Exhaustive: callers construct it.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The place after which the page begins, by creation time and id; `None` for the first page.
    pub after: Option<Place>,
    /// The most records of the page.
    pub at_most: u32,
}

/// The place of a record in a list: its creation time and its id.
pub(crate) type Place = (Timestamp, SessionId);

/// The result of [`Store::list`]. Exhaustive: stores construct it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The records of this page, newest sign-in first.
    pub records: Vec<Arc<Record>>,
    /// The number of records that could not be read and are missing here.
    pub unreadable: u32,
    /// The place after which the next page begins, by creation time and id; `None` on the last
    /// page.
    pub next: Option<Place>,
    /// The revision of all rules.
    pub rules: Revision,
    /// The time of the store's own clock; `None` if it has none, or was not read lately.
    pub clock: Option<Timestamp>,
}
