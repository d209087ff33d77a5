//! The facts that a store keeps about a session. Other modules draw the conclusions.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroI64;
use std::sync::Arc;

use time::Duration;

use super::client::{ClientDetails, SessionKind};
use super::ended::Ended;
use super::id::{SecretHash, SessionId};
use super::key::{Key, LINK, ORG, USER};
use super::labels::Labels;
use super::revision::Revision;
use super::schedule::FixedDeadline;
use crate::clock::Timestamp;
use crate::encoding::Carried;

/// All stored facts about one session, without conclusions.
///
/// A record never changes. Each change of a session makes the [`next`](Self::next) record, which
/// names the [`revision`](Self::revision) that it replaces.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    pub(super) id: SessionId,
    pub(super) revision: Revision,
    pub(super) previous: Revision,
    pub(super) secret_hash: SecretHash,
    pub(super) user: Arc<str>,
    pub(super) kind: SessionKind,
    pub(super) created: Timestamp,
    pub(super) authenticated: Timestamp,
    pub(super) seen: Timestamp,
    pub(super) purge_after: Timestamp,
    // In milliseconds.
    pub(super) idle: Option<NonZeroI64>,
    pub(super) memberships: Box<[Membership]>,
    pub(super) address: Option<IpAddr>,
    pub(super) labels: Option<Labels>,
    // Rarely used facts are boxed, or every record would reserve memory for them.
    pub(super) fixed_deadline: Option<Box<FixedDeadline>>,
    pub(super) ended: Option<Box<Ended>>,
    pub(super) is_quiet: bool, // Not kept, like `previous`.
    // Present only if it is not the default.
    pub(super) everyone: Option<Box<Stamp>>,
    pub(super) rare: Option<Box<Rare>>,
}

/// Facts that very few sessions have.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Rare {
    pub(super) name: Option<Arc<str>>,
    pub(super) links: Vec<Link>,
    /// The authentication methods, sorted, each once.
    pub(super) methods: Vec<Arc<str>>,
    /// Keys that were defined by a later version of this crate.
    pub(super) keys: Vec<Key>,
    pub(super) carried: Carried,
    /// The keys of the previous revision, if this one may have others. They are not stored: only
    /// the code that replaces the previous revision needs them.
    pub(super) previous_keys: Option<Vec<Key>>,
}

/// The place of a session in the history of some rules. Exhaustive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The generation when the session joined, which counts revocations; 0 if there was none.
    pub generation: u64,
    /// The number of the policy version in force when the session joined; 0 if there was none.
    pub version: u64,
    /// The number of the policy version in force when activity was last recorded. It is 0 if there
    /// was no policy, or no activity has been recorded since the session joined.
    pub known: u64,
}

/// The membership of a session in an organization. Exhaustive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The organization, as the app names it.
    pub org: Arc<str>,
    /// The place of the session in the history of the organization's rules.
    pub stamp: Stamp,
    /// The time at which the session joined.
    pub joined: Timestamp,
}

/// An external object by which a session is found: its kind and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) kind: Arc<str>,
    pub(crate) value: Arc<str>,
}

impl Link {
    pub(crate) fn key(&self) -> Key {
        Key::link(&self.kind, &self.value)
    }
}

impl Record {
    /// Returns the public id, which is the key of the record.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the revision of this record.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the revision that this record replaces; [`Revision::NONE`] for the first one. A record
    /// that was read from a store does not know it.
    pub fn previous(&self) -> Revision {
        self.previous
    }

    /// Returns the hash that the secret of a presented token must match.
    pub fn secret_hash(&self) -> SecretHash {
        self.secret_hash
    }

    /// Returns the user, as the app names its users.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// Returns the kind of client that holds the session.
    pub fn kind(&self) -> SessionKind {
        self.kind
    }

    /// Returns the name that its owner knows it by; `None` if it has no name.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.name.as_ref()
    }

    /// Returns the time of the sign-in. Absolute limits count from here.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Returns the time at which the user last authenticated; not earlier than `created`.
    pub fn authenticated(&self) -> Timestamp {
        self.authenticated
    }

    /// Returns the time of the last recorded activity. Idle limits count from here.
    pub fn last_seen(&self) -> Timestamp {
        self.seen
    }

    /// Returns the time from which the record counts as deleted, and may be deleted.
    pub fn purge_after(&self) -> Timestamp {
        self.purge_after
    }

    /// Returns the idle limit that was fixed at sign-in; `None` without one.
    pub fn idle(&self) -> Option<Duration> {
        self.idle.map(|millis| Duration::milliseconds(millis.get()))
    }

    /// Returns the latest end fixed so far: at sign-in, or by an organization that it has left.
    pub fn fixed_deadline(&self) -> Option<&FixedDeadline> {
        self.fixed_deadline.as_deref()
    }

    /// Returns its place in the history of the rules for everyone.
    pub fn everyone(&self) -> Stamp {
        self.everyone.as_deref().copied().unwrap_or_default()
    }

    /// Returns the organizations whose policies bind it, sorted by name, each once.
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// Returns the client's details. They are decoded on each call.
    pub fn client(&self) -> ClientDetails {
        let labels = self.labels.as_ref().map(Labels::decode).unwrap_or_default();
        ClientDetails { address: self.address, ..labels }
    }

    /// Returns the authentication methods (RFC 8176), sorted; empty if the app gave none.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rare.iter().flat_map(|rare| &rare.methods)
    }

    /// Returns the final end and its reason; `None` while it has not ended.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_deref()
    }

    /// Whether an end has been written.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Returns the keys that it is listed under until it ends. The first is the user's.
    pub fn keys(&self) -> Vec<Key> {
        let orgs = self.memberships.iter().map(|membership| Key::org(&membership.org));
        let mut keys = Vec::from_iter([Key::user(&self.user)].into_iter().chain(orgs));
        if let Some(rare) = &self.rare {
            keys.extend(rare.links.iter().map(Link::key));
            keys.extend(rare.keys.iter().cloned());
        }
        keys
    }

    /// The keys that it is listed under now: none once it has ended.
    pub(crate) fn listed_keys(&self) -> Vec<Key> {
        if self.has_ended() { Vec::new() } else { self.keys() }
    }

    /// Whether this is one of its [`keys`](Self::keys).
    pub fn is_under(&self, key: &Key) -> bool {
        let key_text = key.as_str();
        if let Some(user) = key_text.strip_prefix(USER) {
            return *self.user == *user;
        }
        if let Some(org) = key_text.strip_prefix(ORG) {
            return self.membership(org).is_some();
        }
        let Some(rare) = &self.rare else {
            return false;
        };
        match key_text.strip_prefix(LINK).and_then(|link| link.split_once(':')) {
            Some(link) => rare.links.iter().any(|known| (&*known.kind, &*known.value) == link),
            None => rare.keys.contains(key),
        }
    }

    /// Returns the keys that its previous revision had and this one does not. It has ended, or its
    /// memberships have changed.
    pub fn left_keys(&self) -> Vec<Key> {
        let listed = self.listed_keys();
        let mut keys = self.previous_keys().to_vec();
        keys.retain(|key| !listed.contains(key));
        keys
    }

    /// Returns the keys that its previous revision did not have; all keys for the first revision.
    pub fn entered_keys(&self) -> Vec<Key> {
        let moves = self.previous == Revision::NONE || !self.previous_keys().is_empty();
        if !moves || self.has_ended() {
            return Vec::new();
        }
        let mut keys = self.keys();
        keys.retain(|key| !self.previous_keys().contains(key));
        keys
    }

    fn previous_keys(&self) -> &[Key] {
        self.rare.as_ref().and_then(|rare| rare.previous_keys.as_deref()).unwrap_or_default()
    }

    /// Notes the keys of the previous revision before they change.
    pub(super) fn note_previous_keys(&mut self) {
        if self.previous != Revision::NONE && self.previous_keys().is_empty() {
            let keys = self.keys();
            self.rare.get_or_insert_default().previous_keys = Some(keys);
        }
    }

    /// Lets a store in memory share equal parts of many records, and drops what only the
    /// replacement needed.
    pub(crate) fn share(
        &mut self,
        mut org: impl FnMut(&mut Arc<str>),
        labels: impl FnOnce(&mut Arc<[u8]>),
    ) {
        self.memberships.iter_mut().for_each(|membership| org(&mut membership.org));
        self.labels.as_mut().map(AsMut::as_mut).map(labels);
        if let Some(rare) = &mut self.rare {
            rare.previous_keys = None;
        }
        self.rare.take_if(|rare| **rare == Rare::default());
    }

    pub(crate) fn membership(&self, org: &str) -> Option<&Membership> {
        let at = self.memberships.binary_search_by(|membership| (*membership.org).cmp(org)).ok()?;
        self.memberships.get(at)
    }
}

/// Shows neither user nor client, so that it is safe to log.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("revision", &self.revision)
            .field("kind", &self.kind)
            .field("created", &self.created)
            .field("seen", &self.seen)
            .field("ended", &self.ended)
            .field("purge_after", &self.purge_after)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Ended;

    const AT: Timestamp = Timestamp::from_unix_millis(0);

    fn member(org: &str) -> Vec<Membership> {
        vec![Membership { org: org.into(), stamp: Stamp::default(), joined: AT }]
    }

    fn first() -> Record {
        let (id, hash) = (SessionId::from_bytes([1; 16]), SecretHash::from_bytes([2; 32]));
        Record::begin(id, hash, "ada", AT, 7).with_memberships(member("acme"))
    }

    #[test]
    fn a_record_knows_the_keys_that_it_enters_and_leaves() {
        let first = first();
        let [ada, acme, globex] = [Key::user("ada"), Key::org("acme"), Key::org("globex")];
        let moved = first.next(7).with_memberships(member("globex"));
        let ended = first.next(7).with_end(Ended::revoked(AT));
        let both = moved.clone().with_end(Ended::revoked(AT));
        for (label, record, entered, left) in [
            ("the first", &first, vec![ada.clone(), acme.clone()], vec![]),
            ("an active one", &first.next(7).with_activity(AT), vec![], vec![]),
            ("one that has moved", &moved, vec![globex], vec![acme.clone()]),
            ("one that has ended", &ended, vec![], vec![ada.clone(), acme.clone()]),
            ("one that has moved and ended", &both, vec![], vec![ada, acme]),
        ] {
            assert_eq!(record.entered_keys(), entered, "{label}");
            assert_eq!(record.left_keys(), left, "{label}");
        }
    }

    #[test]
    fn what_a_store_in_memory_may_share_is_shared_and_what_nobody_needs_goes() {
        let client = ClientDetails { agent: Some("UA/1.0".into()), ..ClientDetails::default() };
        let mut record = first().next(7).with_memberships(member("globex")).with_client(&client);
        let (mut orgs, mut labels) = (Vec::new(), None);
        record.share(|org| orgs.push(org.clone()), |shared| labels = Some(shared.clone()));
        assert_eq!(orgs, [Arc::<str>::from("globex")]);
        assert!(labels.is_some());
        assert!(record.left_keys().is_empty());
        assert!(record.rare.is_none(), "it would take room in each record");
    }
}
