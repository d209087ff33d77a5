//! The facts that a store keeps of a session. Conclusions are drawn elsewhere.

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

/// Everything that is known of one session: facts, never conclusions.
///
/// A record never changes. What happens to a session makes the [`next`](Self::next) record of it,
/// which names the [`revision`](Self::revision) that it is to take the place of.
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
    // What few records have is kept apart, or all of them would have the room for it.
    pub(super) fixed_deadline: Option<Box<FixedDeadline>>,
    pub(super) ended: Option<Box<Ended>>,
    pub(super) is_quiet: bool, // Not kept, like `previous`.
    // Only where it is not the default.
    pub(super) everyone: Option<Box<Stamp>>,
    pub(super) rare: Option<Box<Rare>>,
}

/// What hardly any session has.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Rare {
    pub(super) name: Option<Arc<str>>,
    pub(super) links: Vec<Link>,
    /// How the person proved who they are, sorted, each once.
    pub(super) methods: Vec<Arc<str>>,
    /// Keys that a later version of this crate has made up.
    pub(super) keys: Vec<Key>,
    pub(super) carried: Carried,
    /// What the previous revision was listed under, if this one may be listed elsewhere. It is not
    /// kept: only whoever puts the one in the place of the other needs it.
    pub(super) previous_keys: Option<Vec<Key>>,
}

/// Where a session stands in the history of some rules. Exhaustive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The generation when the session joined; 0 if there was none. It counts revocations.
    pub generation: u64,
    /// The number of the policy version in force when the session joined; 0 if there was none.
    pub version: u64,
    /// The number of the policy version that was in force when the last activity was recorded; 0 if
    /// there was none, or none has been recorded since the session joined.
    pub known: u64,
}

/// That a session belongs to an organization, and since when. Exhaustive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The organization, as the app names it.
    pub org: Arc<str>,
    /// Where the session stands in the history of the organization's rules.
    pub stamp: Stamp,
    /// When the session joined.
    pub joined: Timestamp,
}

/// Something outside by which a session is found: what it is, and its name there.
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
    /// The public name, and the key.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Which state of the session this is.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Which state it is to take the place of; [`Revision::NONE`] for the first one. A record that was
    /// read from a store does not know it.
    pub fn previous(&self) -> Revision {
        self.previous
    }

    /// What must match the secret of whoever presents this session.
    pub fn secret_hash(&self) -> SecretHash {
        self.secret_hash
    }

    /// Whose session this is, as the app names its users.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// What kind of client holds it.
    pub fn kind(&self) -> SessionKind {
        self.kind
    }

    /// What its owner calls it, if it has a name.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.name.as_ref()
    }

    /// When the person signed in. Absolute limits count from here.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// When the person last proved who they are; not earlier than `created`.
    pub fn authenticated(&self) -> Timestamp {
        self.authenticated
    }

    /// The last recorded activity. Idle limits count from here.
    pub fn last_seen(&self) -> Timestamp {
        self.seen
    }

    /// From this time on the record is as good as deleted, and may be.
    pub fn purge_after(&self) -> Timestamp {
        self.purge_after
    }

    /// The idle limit that was fixed at sign-in.
    pub fn idle(&self) -> Option<Duration> {
        self.idle.map(|millis| Duration::milliseconds(millis.get()))
    }

    /// The latest end that was fixed so far: at sign-in, or by an organization it has left.
    pub fn fixed_deadline(&self) -> Option<&FixedDeadline> {
        self.fixed_deadline.as_deref()
    }

    /// Where it stands in the history of the rules for everyone.
    pub fn everyone(&self) -> Stamp {
        self.everyone.as_deref().copied().unwrap_or_default()
    }

    /// The organizations whose policies bind it, sorted by name, each once.
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// What is known of the client. It is decoded anew each time.
    pub fn client(&self) -> ClientDetails {
        let labels = self.labels.as_ref().map(Labels::decode).unwrap_or_default();
        ClientDetails { address: self.address, ..labels }
    }

    /// How the person proved who they are, as RFC 8176 names it, sorted; empty if the app did not say.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rare.iter().flat_map(|rare| &rare.methods)
    }

    /// That it has ended, and why. Written once, never taken back.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_deref()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// What it is listed under as long as it has not ended. The first is that of the user.
    pub fn keys(&self) -> Vec<Key> {
        let orgs = self.memberships.iter().map(|membership| Key::org(&membership.org));
        let mut keys = Vec::from_iter([Key::user(&self.user)].into_iter().chain(orgs));
        if let Some(rare) = &self.rare {
            keys.extend(rare.links.iter().map(Link::key));
            keys.extend(rare.keys.iter().cloned());
        }
        keys
    }

    /// What it is listed under: its keys, until it ends.
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

    /// What its previous revision was listed under and it is not, because it has ended or belongs
    /// elsewhere.
    pub fn left_keys(&self) -> Vec<Key> {
        let listed = self.listed_keys();
        let mut keys = self.previous_keys().to_vec();
        keys.retain(|key| !listed.contains(key));
        keys
    }

    /// What it is to be listed under and its previous revision was not: all of its keys, if it is the
    /// first.
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

    /// Takes down what the previous revision was listed under, before that changes.
    pub(super) fn note_previous_keys(&mut self) {
        if self.previous != Revision::NONE && self.previous_keys().is_empty() {
            let keys = self.keys();
            self.rare.get_or_insert_default().previous_keys = Some(keys);
        }
    }

    /// Lets a store that keeps records in memory share what many of them have alike, and forgets what
    /// only the way there needed.
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

/// Shows neither user nor client, so that it may stand in a log.
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
