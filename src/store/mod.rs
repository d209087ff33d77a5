//! Where sessions are kept: the contract, and the stores that keep it.
//!
//! A store keeps facts. It never compares a time with a limit, so it cannot disagree with another
//! store about who is signed in, and it needs no clock of its own.
//!
//! [`MemoryStore`] is for tests and for single processes that may forget; `SqliteStore` (feature
//! `sqlite`) is the embedded, durable default; `PostgresStore` (feature `postgres`) and
//! `RedisStore` (feature `redis`) are for several machines. For a store of your own, implement [`Store`] and run the functions of the `conformance`
//! module (feature `conformance`) over it.

mod erased;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

pub(crate) use self::erased::ErasedStore;
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::{ConnectError as PostgresConnectError, PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use self::redis::{ConnectError as RedisConnectError, RedisOptions, RedisStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{OpenError, SqliteStore};
pub use crate::judge::{Facts, RulesMissing};
pub use crate::policy::{HistoryFull, InvalidOrgRules, OrgRules, PolicyVersion};
pub use crate::session::{
    Client, EndReason, Ended, EndsBy, Kind, MAX_LABEL, Membership, Record, SecretHash, Selector,
    SessionId, UnknownName,
};
use crate::time::Timestamp;

/// Keeps the facts of sessions and of organisations.
///
/// A record that has ended never changes again, whatever a slower request still wants to write; and
/// nothing but [`insert`](Self::insert) creates one. Absence is an answer, not an error: an error
/// means that the store does not know, and then nobody is let in and nobody is signed out.
///
/// When a call that writes has returned, every later call on any node sees what it wrote. Times are
/// whole milliseconds and come from the caller. A store on another machine has a clock of its own:
/// it tells it with each record that it reads ([`Facts::read_at`]), and answers with an error where
/// a caller who is off by more than a minute wants to insert or to purge.
///
/// Implementations write plain `async fn`.
pub trait Store: Send + Sync + 'static {
    /// Stores a new session, and ends those that it replaces, in one atomic step.
    ///
    /// If then more than `cap` records of the same user would not have ended, it changes nothing and
    /// answers [`Insert::Full`]. Who is still alive is not for the store to guess: records past
    /// their limits count until somebody ends them.
    ///
    /// The same step stamps each membership of the record with the generation and the version of
    /// its organisation's rules, whatever stamps it came with; they come and stay sorted by
    /// organisation, each once. For an organisation without rules it stores [`OrgRules::first`] at
    /// the time the record was created.
    ///
    /// The replaced ones end, as by [`end`](Self::end), as [`Ended::revoked`] at the time the record
    /// was created. Those that do not exist or have ended are passed over; those of other users end
    /// too, but make no room under the cap. An id that exists already is an error.
    fn insert(
        &self,
        record: Record,
        replaces: &[SessionId],
        cap: Option<u32>,
    ) -> impl Future<Output = Result<Insert, StoreError>> + Send;

    /// Reads a record, whether it has ended or not, and the rules of its organisations, in one
    /// consistent read.
    ///
    /// Rules that are missing are an error ([`RulesMissing`]), never "no policy".
    fn load(&self, id: SessionId)
    -> impl Future<Output = Result<Option<Facts>, StoreError>> + Send;

    /// Records activity, if the session has not ended and the secret is still the one that the
    /// caller saw. The last activity only moves forward; among racers who loaded the same record one
    /// gets [`Touched::Moved`].
    fn touch(&self, touch: Touch) -> impl Future<Output = Result<Touched, StoreError>> + Send;

    /// Replaces the secret's hash, if it is still the one that the caller saw.
    fn rotate(&self, rotate: Rotate) -> impl Future<Output = Result<Swapped, StoreError>> + Send;

    /// Replaces the memberships, if record and rules are still those that the caller saw.
    ///
    /// What must not have changed: the memberships, `ends_by` and `seen` of the record, and the
    /// revision of each of its organisations' rules. An organisation that is listed already keeps
    /// its entry. A new one is stamped in the same step with the current generation and version of
    /// its rules, as in [`insert`](Self::insert); first rules begin at [`SetOrgs::joined`].
    fn set_orgs(&self, change: SetOrgs)
    -> impl Future<Output = Result<Swapped, StoreError>> + Send;

    /// Ends the matching records that have not ended, and says how many they were.
    ///
    /// Nothing to end is not an error. When this returns, every later [`load`](Self::load) shows
    /// them as ended, and their `purge_after` is not later than [`Ended::purge_after`]. A record
    /// that had ended before keeps its time and reason.
    ///
    /// To end all sessions of a large organisation, a new generation of its rules is one small
    /// write; this is one for each session.
    fn end(
        &self,
        which: &Selector,
        ended: &Ended,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Lists the matching records that have not ended, newest sign-in first (by `created`, then by
    /// id, both descending), each with its rules as in [`load`](Self::load).
    fn list(
        &self,
        which: &Selector,
        page: Page,
    ) -> impl Future<Output = Result<Vec<Facts>, StoreError>> + Send;

    /// Reads the rules of an organisation; `None` if it was never seen.
    fn org_rules(
        &self,
        org: &str,
    ) -> impl Future<Output = Result<Option<Arc<OrgRules>>, StoreError>> + Send;

    /// Replaces the rules of an organisation, if their revision is still `expected`; `None` if there
    /// must be none. Says whether it did. Touches no session.
    fn put_org_rules(
        &self,
        org: &str,
        expected: Option<i64>,
        rules: OrgRules,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Deletes records whose `purge_after` is not after `now`, at most so many, and says how many
    /// they were. Fewer than `at_most` means that none is left.
    fn purge(
        &self,
        now: Timestamp,
        at_most: u32,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// What [`Store::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Insert {
    /// The session is stored.
    Stored,
    /// The user has too many sessions that have not ended. Nothing was changed.
    Full,
}

/// Activity of a session, for [`Store::touch`].
#[derive(Clone, Debug)]
pub struct Touch {
    /// The session.
    pub id: SessionId,
    /// The hash that the caller saw. Whoever comes with an older secret records nothing.
    pub secret_hash: SecretHash,
    /// When it was active.
    pub seen: Timestamp,
    /// The last activity that the caller knew of. If the record shows a later one by now, it stays
    /// as it is.
    pub last_seen: Timestamp,
    /// What is known of the client now.
    pub client: Client,
    /// When the record may now be deleted.
    pub purge_after: Timestamp,
}

impl Touch {
    /// Records the activity, as a store does that keeps whole records. The caller has seen to it
    /// that the session has not ended.
    pub fn apply(self, record: &mut Record) -> Touched {
        if self.secret_hash != record.secret_hash {
            return Touched::Gone;
        }
        if self.last_seen < record.seen || self.seen <= record.seen {
            return Touched::Kept;
        }
        record.seen = self.seen;
        record.client = self.client;
        record.purge_after = self.purge_after;
        Touched::Moved
    }
}

/// What [`Store::touch`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Touched {
    /// The record shows the activity.
    Moved,
    /// Somebody else had recorded activity since the caller looked.
    Kept,
    /// The record is not there, has ended, or has another secret by now.
    Gone,
}

/// A new secret for a session, for [`Store::rotate`].
#[derive(Clone, Debug)]
pub struct Rotate {
    /// The session.
    pub id: SessionId,
    /// The hash that the caller saw.
    pub old: SecretHash,
    /// The hash to replace it.
    pub new: SecretHash,
    /// When the person proved who they are, if they just did.
    pub authenticated: Option<Timestamp>,
}

/// Other memberships for a session, for [`Store::set_orgs`].
#[derive(Clone, Debug)]
pub struct SetOrgs {
    /// The record and the rules that the caller saw.
    pub seen: Facts,
    /// The organisations that the session shall belong to, sorted, each once.
    pub orgs: Vec<Arc<str>>,
    /// When the new ones are joined.
    pub joined: Timestamp,
    /// The new value of [`Record::ends_by`].
    pub ends_by: Option<EndsBy>,
    /// The new value of [`Record::purge_after`].
    pub purge_after: Timestamp,
}

/// What a compare and swap did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Swapped {
    /// The new value is in place.
    Done,
    /// Somebody else changed it since the caller looked. Nothing was changed.
    Stale,
    /// The record is not there or has ended.
    Gone,
}

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Only what comes after the record with this time of creation and this id; `None` for the
    /// first page.
    pub after: Option<(Timestamp, SessionId)>,
    /// At most so many. Fewer means that no more follow.
    pub at_most: u32,
}

/// That a store does not know: it is down, or slow, or answers nonsense. The cause is its
/// [`source`](StdError::source).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl StoreError {
    /// An error with a cause. Neither may carry a secret, a user, or an address.
    pub fn new(message: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { message, source: Some(source.into()) }
    }

    /// An error that explains itself.
    pub const fn message(message: &'static str) -> Self {
        Self { message, source: None }
    }
}

impl From<RulesMissing> for StoreError {
    fn from(missing: RulesMissing) -> Self {
        Self::new("the session store has lost data; restore it from a backup", missing)
    }
}
