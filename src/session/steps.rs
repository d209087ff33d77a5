//! The changes from one record of a session to the next.

use std::num::NonZeroI64;
use std::sync::Arc;

use super::client::{ClientDetails, SessionKind};
use super::ended::Ended;
use super::id::{SecretHash, SessionId};
use super::labels::Labels;
use super::record::{Link, Membership, Rare, Record, Stamp};
use super::revision::Revision;
use super::schedule::FixedDeadline;
use crate::clock::{Timestamp, millis};
use crate::limits::Limits;

impl Record {
    /// Makes the first record of a session that begins at `created`.
    ///
    /// It is a browser session without limits. `nonce` is random.
    pub fn begin(
        id: SessionId,
        secret_hash: SecretHash,
        user: impl Into<Arc<str>>,
        created: Timestamp,
        nonce: u32,
    ) -> Self {
        Self {
            id,
            revision: Revision::NONE.next(nonce),
            previous: Revision::NONE,
            secret_hash,
            user: user.into(),
            kind: SessionKind::Browser,
            created,
            authenticated: created,
            seen: created,
            purge_after: created,
            idle: None,
            everyone: None,
            memberships: Box::default(),
            address: None,
            labels: None,
            fixed_deadline: None,
            ended: None,
            rare: None,
            is_quiet: false,
        }
    }

    /// Makes the record that is to replace this one, with the same facts so far. `nonce` is random.
    #[must_use]
    pub fn next(&self, nonce: u32) -> Self {
        let revision = self.revision.next(nonce);
        let mut next = Self { revision, previous: self.revision, is_quiet: false, ..self.clone() };
        if let Some(rare) = &mut next.rare {
            rare.previous_keys = None;
        }
        next
    }

    /// Marks this change as quiet, so that it need not be reported to caches.
    ///
    /// A quiet change records when and by which client the session was used, or writes an end by
    /// the rules' revocation. A reader of the previous record and the rules considers the session
    /// over at the same time or earlier, and asks the store before it acts on that.
    #[must_use]
    pub fn as_quiet(self) -> Self {
        Self { is_quiet: true, ..self }
    }

    /// Whether this is a [quiet](Self::as_quiet) change, which a store need not report.
    ///
    /// See [`Store::watch`](crate::store::Store::watch).
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Whether another record of the same session differs only in its activity.
    #[cfg(feature = "near")]
    pub(crate) fn differs_by_activity_alone(&self, other: &Self) -> bool {
        let mut same = Self {
            revision: other.revision,
            previous: other.previous,
            is_quiet: other.is_quiet,
            seen: other.seen,
            purge_after: other.purge_after,
            everyone: other.everyone.clone(),
            address: other.address,
            labels: other.labels.clone(),
            ..self.clone()
        };
        for (same, other) in same.memberships.iter_mut().zip(&other.memberships) {
            same.stamp = other.stamp;
        }
        if let (Some(same), Some(other)) = (&mut same.rare, &other.rare) {
            same.previous_keys.clone_from(&other.previous_keys);
        }
        same == *other
    }

    /// The same record as if read from a store, without the revision that it replaced.
    pub(crate) fn as_read(mut record: Arc<Self>) -> Arc<Self> {
        if record.previous != Revision::NONE {
            let read = Arc::make_mut(&mut record);
            (read.previous, read.is_quiet) = (Revision::NONE, false);
            if let Some(rare) = &mut read.rare {
                rare.previous_keys = None;
            }
            read.rare.take_if(|rare| **rare == Rare::default());
        }
        record
    }

    /// Sets the kind of client.
    #[must_use]
    pub fn with_kind(self, kind: SessionKind) -> Self {
        Self { kind, ..self }
    }

    /// Sets the name that its owner knows it by.
    #[must_use]
    pub fn with_name(mut self, name: Option<Arc<str>>) -> Self {
        if name.is_some() || self.rare.is_some() {
            self.rare_mut().name = name;
        }
        self
    }

    /// Sets these links and no others.
    #[must_use]
    pub(crate) fn with_links(mut self, links: Vec<Link>) -> Self {
        self.note_previous_keys();
        if !links.is_empty() || self.rare.is_some() {
            self.rare_mut().links = links;
        }
        self
    }

    /// Adds these authentication methods to the known ones.
    #[must_use]
    pub fn with_methods(mut self, methods: impl IntoIterator<Item = Arc<str>>) -> Self {
        let mut methods = Vec::from_iter(methods);
        if !methods.is_empty() {
            let known = &mut self.rare_mut().methods;
            known.append(&mut methods);
            known.sort_unstable();
            known.dedup();
        }
        self
    }

    /// Sets these limits, fixed from now on.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        let absolute = limits.absolute_limit().map(|limit| self.created + limit);
        let idle = limits.idle_limit().and_then(|limit| NonZeroI64::new(millis(limit)));
        Self { idle, ..self }
            .with_fixed_deadline(absolute.map(|at| FixedDeadline { at, org: None }))
    }

    /// Sets the fixed end, or removes it.
    #[must_use]
    pub fn with_fixed_deadline(self, fixed_deadline: Option<FixedDeadline>) -> Self {
        Self { fixed_deadline: fixed_deadline.map(Box::new), ..self }
    }

    /// Sets the place in the history of the rules for everyone.
    #[must_use]
    pub fn with_everyone(self, everyone: Stamp) -> Self {
        Self { everyone: unless_default(everyone), ..self }
    }

    /// Changes the places in the history of all rules that bind it: `restamp` gets each place and
    /// the name of the organization, which is empty for everyone.
    pub(crate) fn with_stamps<E>(
        mut self,
        restamp: impl Fn(&str, Stamp) -> Result<Stamp, E>,
    ) -> Result<Self, E> {
        self.everyone = unless_default(restamp("", self.everyone())?);
        for membership in &mut self.memberships {
            membership.stamp = restamp(&membership.org, membership.stamp)?;
        }
        Ok(self)
    }

    /// Sets these memberships and no others.
    #[must_use]
    pub fn with_memberships(mut self, mut memberships: Vec<Membership>) -> Self {
        self.note_previous_keys();
        memberships.sort_unstable_by(|one, other| one.org.cmp(&other.org));
        memberships.dedup_by(|one, other| one.org == other.org);
        Self { memberships: memberships.into(), ..self }
    }

    /// Sets the client's details.
    #[must_use]
    pub fn with_client(self, client: &ClientDetails) -> Self {
        Self { address: client.address, labels: Labels::of(client), ..self }
    }

    /// Sets the last activity to `seen`, if that is later than the recorded one.
    #[must_use]
    pub fn with_activity(self, seen: Timestamp) -> Self {
        Self { seen: self.seen.max(seen), ..self }
    }

    /// Replaces the hash of the secret.
    #[must_use]
    pub fn with_secret(self, secret_hash: SecretHash) -> Self {
        Self { secret_hash, ..self }
    }

    /// Sets the time at which the user authenticated.
    #[must_use]
    pub fn with_authentication(self, authenticated: Timestamp) -> Self {
        Self { authenticated, ..self }
    }

    /// Keeps the record until this time at least. The time never becomes earlier: a handle with
    /// shorter limits must not delete records that a handle with longer limits still needs.
    #[must_use]
    pub fn with_purge_after(self, purge_after: Timestamp) -> Self {
        Self { purge_after: self.purge_after.max(purge_after), ..self }
    }

    /// Ends the session, unless it has already ended. The client's details and the name are
    /// dropped.
    #[must_use]
    pub fn with_end(mut self, ended: Ended) -> Self {
        if self.ended.is_some() {
            return self;
        }
        self.note_previous_keys();
        if let Some(rare) = &mut self.rare {
            rare.name = None;
            rare.carried.end();
        }
        self.purge_after = self.purge_after.min(ended.purge_after());
        Self { ended: Some(Box::new(ended)), address: None, labels: None, ..self }
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// The form in which a record keeps a stamp.
pub(super) fn unless_default(stamp: Stamp) -> Option<Box<Stamp>> {
    (stamp != Stamp::default()).then(|| Box::new(stamp))
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::session::Key;

    const AT: Timestamp = Timestamp::from_unix_millis(1000);
    const LATER: Timestamp = Timestamp::from_unix_millis(5000);

    fn new() -> Record {
        let (id, hash) = (SessionId::from_bytes([1; 16]), SecretHash::from_bytes([2; 32]));
        Record::begin(id, hash, "ada", AT, 7)
    }

    fn member(org: &str, version: u64) -> Membership {
        let stamp = Stamp { generation: 1, version, known: 2 };
        Membership { org: org.into(), stamp, joined: AT }
    }

    fn link(value: &str) -> Link {
        Link { kind: "oidc".into(), value: value.into() }
    }

    fn client() -> ClientDetails {
        ClientDetails {
            agent: Some("UA/1.0".into()),
            address: Some([192, 0, 2, 1].into()),
            ..ClientDetails::default()
        }
    }

    #[test]
    fn each_record_names_the_one_that_it_replaces() {
        let first = new();
        assert_eq!((first.revision(), first.previous()), (Revision::NONE.next(7), Revision::NONE));
        let second = first.next(8);
        assert_eq!(
            (second.revision(), second.previous()),
            (first.revision().next(8), first.revision())
        );
        assert_eq!(
            second,
            Record { revision: second.revision, previous: second.previous, ..first }
        );
    }

    #[test]
    fn only_a_change_that_is_marked_is_quiet_and_the_next_one_is_not() {
        let quiet = new().next(8).as_quiet();
        assert!(!new().is_quiet() && !new().next(8).is_quiet());
        assert!(quiet.is_quiet());
        assert!(!quiet.next(9).is_quiet());
    }

    #[test]
    fn what_a_change_has_left_and_entered_is_over_with_the_next_one() {
        let moved = new().next(8).with_memberships(vec![member("acme", 1)]);
        assert_eq!(moved.entered_keys(), [Key::org("acme")]);
        assert!(moved.next(9).entered_keys().is_empty());
        let linked = new().next(8).with_links(vec![link("sid")]);
        assert_eq!(linked.entered_keys(), [link("sid").key()]);
        assert!(linked.next(9).entered_keys().is_empty());
    }

    #[test]
    fn a_record_takes_each_fact() {
        let hash = SecretHash::from_bytes([3; 32]);
        assert_eq!(new().with_kind(SessionKind::Token).kind(), SessionKind::Token);
        assert_eq!(new().with_secret(hash).secret_hash(), hash);
        assert_eq!(new().with_authentication(LATER).authenticated(), LATER);
        assert_eq!(new().with_client(&client()).client(), client());
    }

    #[test]
    fn activity_and_the_time_of_the_purge_never_become_earlier() {
        let later = new().with_activity(LATER).with_purge_after(LATER);
        assert_eq!((later.last_seen(), later.purge_after()), (LATER, LATER));
        assert_eq!(later.clone().with_activity(AT).with_purge_after(AT), later);
    }

    #[test]
    fn names_and_links_are_replaced_and_removed() {
        let named = new().with_name(Some("laptop".into()));
        assert_eq!(named.name().map(|name| &**name), Some("laptop"));
        assert_eq!(named.with_name(None).name(), None);
        let keys = |record: &Record| record.keys().split_off(1);
        let linked = new().with_links(vec![link("one")]);
        assert_eq!(keys(&linked), [link("one").key()]);
        let other = linked.with_links(vec![link("other")]);
        assert_eq!(keys(&other), [link("other").key()]);
        assert_eq!(keys(&other.with_links(Vec::new())), []);
        assert!(new().with_name(None).with_links(Vec::new()).rare.is_none(), "it takes no room");
    }

    #[test]
    fn methods_are_added_and_kept_in_order_and_once() {
        let given =
            |methods: &[&str]| methods.iter().map(|&method| method.into()).collect::<Vec<_>>();
        let record = new().with_methods(given(&["pwd"])).with_methods(given(&["pwd", "hwk"]));
        assert!(record.methods().map(|method| &**method).eq(["hwk", "pwd"]));
        assert!(new().with_methods(Vec::new()).rare.is_none(), "it takes no room");
    }

    #[test]
    fn limits_are_fixed_from_the_sign_in_on() {
        let limits = Limits::absolute(Duration::hours(8)).and_idle(Duration::minutes(15));
        let record = new().with_limits(limits);
        let end = FixedDeadline { at: AT + Duration::hours(8), org: None };
        assert_eq!(record.fixed_deadline(), Some(&end));
        assert_eq!(record.idle(), Some(Duration::minutes(15)));
        let unlimited = record.with_limits(Limits::unlimited());
        assert_eq!((unlimited.fixed_deadline(), unlimited.idle()), (None, None));
    }

    #[test]
    fn memberships_are_kept_by_name_and_once() {
        let acme = member("acme", 1);
        let given = vec![member("globex", 1), acme.clone(), member("globex", 1), acme];
        let record = new().with_memberships(given);
        assert_eq!(record.memberships(), [member("acme", 1), member("globex", 1)]);
    }

    #[test]
    fn stamps_are_changed_each_by_the_name_of_its_rules() {
        let members = vec![member("acme", 3), member("globex", 4)];
        let record = new().with_memberships(members);
        let raised = record.with_stamps(|org, stamp| {
            let generation = org.len() as u64 + stamp.generation;
            Ok::<_, ()>(Stamp { generation, ..stamp })
        });
        let raised = raised.unwrap();
        assert_eq!(raised.everyone, None, "it would take room in each record");
        let generations = raised.memberships().iter().map(|member| member.stamp.generation);
        assert!(generations.eq([5, 7]));
        let everyone = Stamp { generation: 9, ..Stamp::default() };
        let all = raised.with_stamps(|_, _| Ok::<_, ()>(everyone)).unwrap();
        assert_eq!(all.everyone(), everyone);
        assert_eq!(new().with_everyone(everyone).everyone(), everyone);
        assert_eq!(all.with_stamps(|_, _| Err("unknown")), Err("unknown"));
    }

    #[test]
    fn an_end_is_final_and_drops_what_is_known_of_the_client() {
        let living = new().with_client(&client()).with_name(Some("laptop".into()));
        let living =
            living.with_memberships(vec![member("acme", 1)]).with_purge_after(Timestamp::NEVER);
        let end = Ended::revoked(LATER);
        let ended = living.next(8).with_end(end.clone());
        assert_eq!(ended.ended(), Some(&end));
        assert_eq!((ended.client(), ended.name()), (ClientDetails::default(), None));
        assert_eq!(ended.purge_after(), end.purge_after());
        assert_eq!(ended.left_keys(), living.keys());
        assert_eq!(ended.clone().with_end(Ended::revoked(AT)), ended);
        let early = new().with_end(end);
        assert_eq!(early.purge_after(), AT, "it was due before");
    }

    #[cfg(feature = "near")]
    #[test]
    fn r41_records_that_differ_in_their_activity_alone_are_told_from_others() {
        let everyone = |version| Stamp { version, ..Stamp::default() };
        let there = new()
            .with_everyone(everyone(1))
            .with_memberships(vec![member("acme", 1)])
            .with_links(vec![link("sid")])
            .next(8);
        let used = there
            .next(9)
            .as_quiet()
            .with_activity(LATER)
            .with_purge_after(LATER)
            .with_client(&client())
            .with_everyone(everyone(2))
            .with_memberships(vec![member("acme", 2)]);
        assert!(there.differs_by_activity_alone(&there));
        assert!(there.differs_by_activity_alone(&used));
        assert!(used.differs_by_activity_alone(&there));
        let joined = vec![member("acme", 2), member("globex", 1)];
        for (label, other) in [
            ("end", used.clone().with_end(Ended::revoked(LATER))),
            ("secret", used.clone().with_secret(SecretHash::from_bytes([3; 32]))),
            ("authentication", used.clone().with_authentication(LATER)),
            ("name", used.clone().with_name(Some("laptop".into()))),
            ("links", used.clone().with_links(Vec::new())),
            ("kind", used.clone().with_kind(SessionKind::Token)),
            ("limits", used.clone().with_limits(Limits::idle(Duration::hours(1)))),
            ("memberships", used.clone().with_memberships(joined)),
            ("another organization", used.clone().with_memberships(vec![member("globex", 2)])),
        ] {
            assert!(!there.differs_by_activity_alone(&other), "{label}");
        }
    }

    #[test]
    fn as_read_a_record_knows_nothing_of_the_one_that_it_replaced() {
        let first = Arc::new(new());
        assert!(Arc::ptr_eq(&Record::as_read(first.clone()), &first));
        let moved = first.next(8).as_quiet().with_memberships(vec![member("acme", 1)]);
        let expected =
            Record { revision: moved.revision, ..new().with_memberships(vec![member("acme", 1)]) };
        assert_eq!(*Record::as_read(Arc::new(moved.clone())), expected);
        let named = moved.with_name(Some("laptop".into()));
        let expected = expected.with_name(Some("laptop".into()));
        assert_eq!(*Record::as_read(Arc::new(named)), expected);
    }
}
