//! The contract that every store keeps.

use std::future::Future;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};
use crate::store::error::StoreError;
use crate::store::scan::{DOES_NOT_SCAN, IN_USE, ScanPlace, Scanned};
use crate::store::watch::Changes;

/// Keeps two kinds of things: *sessions*, one record each under its id, and *rules*, few and rarely
/// changed.
///
/// A store knows nothing of what a record means. It files it, lists it under its keys, and puts its
/// next revision in its place if nobody else did. A record that has ended never changes again, whatever
/// a slower request still wants to write; and nothing but [`insert`](Self::insert) creates one. Absence
/// is an answer, not an error: an error means that the store does not know, and then nobody is let in
/// and nobody is signed out.
///
/// When a call that writes has returned, every later call on any node sees what it wrote. A call that
/// is made again, with the same record or rules, is answered again as the first time, so that one whose
/// answer was lost can be repeated. Times are whole milliseconds and come from the caller. A store on
/// another machine has a clock of its own: it says what it shows ([`Loaded::clock`]), and answers with
/// an error where a caller who is off by more than a minute wants to insert, to purge or to replace
/// rules.
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
    /// Files a new record under its id and under its [keys](Record::keys), and answers
    /// [`Inserted::Full`], with nothing changed, if under its first key there are as many as `cap` says
    /// already. None of them may be counted late: of those who insert at once as many succeed as there
    /// is room for.
    ///
    /// What counts are records under that key that have not ended. Who is still alive is not for the
    /// store to guess. One that cannot tell at once whether an entry of its index still has such a
    /// record may count it, if the next [`list`](Self::list) of the key no longer does.
    ///
    /// Where a store files records and keys in several steps, the record comes first and its keys
    /// after it, all of them before the call returns.
    ///
    /// A record that has ended already is listed nowhere and takes no place: [`import`](Self::import)
    /// files such records, too.
    ///
    /// A record with this id that has another [secret](Record::secret_hash) is an error; with the same
    /// secret it is this one, inserted before.
    fn insert(
        &self,
        record: Arc<Record>,
        cap: Option<Cap>,
    ) -> impl Future<Output = Result<Inserted, StoreError>> + Send;

    /// Reads a record, whether it has ended or not, and the revision at which all rules stand, both
    /// after the call began. `None` if there is no record.
    ///
    /// A record that cannot be read is an error.
    fn load(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<Option<Loaded>, StoreError>> + Send;

    /// Puts a record in the place of the one that it names as its [previous](Record::previous)
    /// revision.
    ///
    /// If it has ended it is listed no more; otherwise it is listed under its keys, and those of its
    /// previous revision that it no longer has do not find it any more. Where records and keys are
    /// separate steps, new keys come before the record.
    fn replace(
        &self,
        record: Arc<Record>,
    ) -> impl Future<Output = Result<Replaced, StoreError>> + Send;

    /// Lists the records under a key that have not ended, newest sign-in first (by
    /// [`created`](Record::created), then by id, both descending), with the revision at which all rules
    /// stand, read after the call began.
    ///
    /// Those that cannot be read are counted and passed over: one of them must not hide the others.
    fn list(
        &self,
        key: &Key,
        page: Page,
    ) -> impl Future<Output = Result<Listed, StoreError>> + Send;

    /// The rules that have changed after the one that raised all rules to this revision, in the order
    /// of their last change, at most so many. [`Revision::NONE`] asks for all.
    fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> impl Future<Output = Result<RulesChanged, StoreError>> + Send;

    /// Replaces the rules of an organization, if they are still at the revision that the new ones name
    /// as their [previous](OrgRules::previous) one, and says whether they stand there now.
    ///
    /// In the same step the revision of all rules becomes a higher one, which
    /// [`OrgRules::raise`] makes. The changes of several callers become visible in the order of
    /// these revisions: whoever has seen one has seen all below it.
    fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Deletes records whose [`purge_after`](Record::purge_after) is not after `now`, and forgets where
    /// it listed them, at most so many, and says how many they were. Fewer than `at_most` means that
    /// none is left.
    fn purge(
        &self,
        now: Timestamp,
        at_most: u32,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Reads all records, ended ones too, about so many at once, in an order of the store's own. For
    /// [`copy`](super::copy()); no request needs it.
    ///
    /// A record that changes meanwhile is there in either version, and perhaps in both. One that is
    /// there throughout is not left out. Those that cannot be read are counted and passed over.
    ///
    /// A store that does not implement this cannot be copied from: it answers with an error.
    fn scan(
        &self,
        after: Option<ScanPlace>,
        at_most: u32,
    ) -> impl Future<Output = Result<Scanned, StoreError>> + Send {
        let _ = (after, at_most);
        async { Err(StoreError::message(DOES_NOT_SCAN)) }
    }

    /// Files records that another store has kept, exactly as they are: under their ids, and those that
    /// have not ended under their keys. Says how many of them were not there yet.
    ///
    /// A record that is there at the same revision is passed over, so that the call can be repeated. If
    /// it is there at another revision, the answer is an error. No cap counts, and no clock is compared:
    /// these records are old.
    ///
    /// A store that does not implement this [loads](Self::load) and [inserts](Self::insert) one after the
    /// other. Implement it to do so in one step, or if `insert` compares clocks.
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

    /// Tells of changes as they happen, on whatever node: each that becomes visible once this has
    /// answered, in no particular order, and again and again [how it stands](super::Heartbeat). For
    /// [`Curfew::ended`](crate::Curfew::ended); no request needs it.
    ///
    /// Changes are what [`replace`](Self::replace) and [`replace_rules`](Self::replace_rules) make; that a
    /// record is purged says the record itself. One may be told twice, or although nothing changed, but
    /// none may be left out, and none be told before whoever looks sees it. Where one may be missed, as
    /// when a connection broke, the changes end.
    ///
    /// `None` if the store cannot tell. Then it is asked from time to time.
    fn watch(&self) -> impl Future<Output = Result<Option<Changes>, StoreError>> + Send {
        async { Ok(None) }
    }

    /// What is known of a session without waiting for anybody; `None` if nothing. A store in this process
    /// knows all, a cache in front of another one what it keeps. A request goes by it only to let somebody
    /// in: it [loads](Self::load) the session before it turns anybody away or changes anything.
    fn load_now(&self, id: SessionId) -> Option<Loaded> {
        let _ = id;
        None
    }

    /// Keeps sessions near the app, so that most requests need no server.
    ///
    /// Off by default, and for a store on another machine that [tells of changes](Self::watch). What ends
    /// or changes a session, and what changes rules, is effective on every node within milliseconds, and
    /// within the [bound](super::Near::bound) whatever fails: where changes are not told, or too late, the
    /// store is asked each time. What is done in the name of a session asks the store itself, and so does
    /// a route that is [uncached](crate::service::CurfewLayer::uncached).
    #[cfg(feature = "near")]
    #[cfg_attr(docsrs, doc(cfg(feature = "near")))]
    fn near(self, near: super::Near) -> super::NearStore<Self>
    where
        Self: Sized,
    {
        super::NearStore::new(self, near)
    }

    /// How a cache in front of it is doing; `None` if there is none. Only what caches implements this.
    #[cfg(feature = "near")]
    #[cfg_attr(docsrs, doc(cfg(feature = "near")))]
    fn near_health(&self) -> Option<super::NearHealth> {
        None
    }
}

/// How many records that have not ended there may be under a new record's first key. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// So many, the new one included.
    pub at_most: u32,
    /// One that does not count: the new one is to take its place.
    pub except: Option<SessionId>,
}

/// What became of [`Store::insert`]. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Inserted {
    /// The record is there.
    Done,
    /// There are as many as the cap allows already. Nothing was changed.
    Full,
}

/// What became of [`Store::replace`]. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// The record is there.
    Done,
    /// Another revision is there than the one that it names. Nothing was changed.
    Stale,
    /// There is no record, or one that has ended. Nothing was changed.
    Gone,
}

/// What [`Store::load`] has found. Exhaustive: stores make it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The record, ended or not.
    pub record: Arc<Record>,
    /// The revision at which all rules stand.
    pub rules: Revision,
    /// What the store's own clock shows, if it has one and has looked at it lately.
    pub clock: Option<Timestamp>,
}

/// Which part of a list is asked for. Exhaustive: callers make it.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Only what comes after the record that was created at this time and has this id; `None` for the
    /// first page.
    pub after: Option<Place>,
    /// At most so many.
    pub at_most: u32,
}

/// Where a record stands in a list: when it was created, and its id.
pub(crate) type Place = (Timestamp, SessionId);

/// What [`Store::list`] has found. Exhaustive: stores make it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The records of this page, newest sign-in first.
    pub records: Vec<Arc<Record>>,
    /// How many of them could not be read, and are missing here.
    pub unreadable: u32,
    /// After which record the next page begins, by when that was created and its id; `None` if this is the
    /// last page.
    pub next: Option<Place>,
    /// The revision at which all rules stand.
    pub rules: Revision,
    /// What the store's own clock shows, if it has one and has looked at it lately.
    pub clock: Option<Timestamp>,
}
