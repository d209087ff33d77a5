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
