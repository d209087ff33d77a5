//! The rules of an organization: the history of its policy, and a count of revocations.

use std::collections::HashMap;
use std::sync::Arc;

use time::Duration;

use super::org_policy::OrgPolicy;
use crate::clock::Timestamp;
use crate::encoding::{Carried, Unreadable};
use crate::limits::{GRACE, Limits};
use crate::session::{Revision, Stamp};

/// One entry in the history of a policy. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// The number of the version, higher than that of the version before. These numbers decide
    /// which versions bind a session, so clocks play no part.
    pub number: u64,
    /// The time at which it came into force. It stays in force until the next one begins.
    pub begins: Timestamp,
    /// The policy of this version; `None` if the policy was removed.
    pub policy: Option<OrgPolicy>,
}

/// The rules of an organization: the history of its policy, and how often its sessions were
/// revoked.
///
/// The rules for everyone have the same form, under the empty name.
///
/// An organization without rules in the store has no policy and no revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgRules {
    pub(super) revision: Revision,
    pub(super) previous: Revision,
    pub(super) generation: u64,
    pub(super) versions: Vec<PolicyVersion>,
    pub(super) longest_silence: Option<Duration>,
    pub(super) carried: Carried,
}

impl OrgRules {
    /// The name of the rules for everyone. No organization has it.
    pub const EVERYONE: &str = "";

    /// No policy and no revocation: the rules of an organization without stored rules.
    pub const fn none() -> Self {
        Self {
            revision: Revision::NONE,
            previous: Revision::NONE,
            generation: 0,
            versions: Vec::new(),
            longest_silence: None,
            carried: Carried::none(),
        }
    }

    /// Returns the revision of these rules; [`Revision::NONE`] if none were ever stored.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the revision that these rules replace. Rules that were read from a store do not know
    /// it.
    pub fn previous(&self) -> Revision {
        self.previous
    }

    /// Returns the number of revocations of all sessions. A session stamped with a lower generation
    /// is over.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the number of the version in force; 0 if there never was a policy.
    pub fn version(&self) -> u64 {
        self.in_force().map_or(0, |version| version.number)
    }

    /// Returns the versions that may still bind a session, oldest first; the last one is in force.
    pub fn versions(&self) -> &[PolicyVersion] {
        &self.versions
    }

    /// Returns the version in force; `None` if there never was a policy.
    pub fn in_force(&self) -> Option<PolicyVersion> {
        self.versions.last().copied()
    }

    /// Returns the policy in force; `None` without one.
    pub fn policy(&self) -> Option<OrgPolicy> {
        self.in_force().and_then(|version| version.policy)
    }

    /// The longest lifetime of an unused session under any handle on this store; `Duration::MAX` is
    /// without end, and `None` is unknown. It is part of the rules for everyone.
    pub(crate) fn longest_silence(&self) -> Option<Duration> {
        self.longest_silence
    }

    /// The stamp of a session that joins now.
    pub(crate) fn stamp(&self) -> Stamp {
        let version = self.version();
        Stamp { generation: self.generation, version, known: version }
    }

    /// The new stamp of a session that joined earlier, when activity is recorded now. Numbers that
    /// a failover has lost are lowered to the current ones.
    pub(crate) fn restamp(&self, stamp: Stamp) -> Stamp {
        Stamp {
            generation: stamp.generation.min(self.generation),
            version: stamp.version.min(self.version()),
            known: self.version(),
        }
    }

    /// Whether a session's stamp is above these rules: its numbers were lost with a failover, or
    /// these rules are older than the stamp.
    pub(crate) fn is_below(&self, stamp: Stamp) -> bool {
        self.generation < stamp.generation || self.version() < stamp.version.max(stamp.known)
    }

    /// The versions that bind a session, each with the number of the one that replaced it. The
    /// first is the version in force when it joined: the highest that is not above its stamp.
    pub(crate) fn binding(&self, stamp: Stamp) -> impl Iterator<Item = (&PolicyVersion, u64)> {
        let joined = |version: &PolicyVersion| version.number <= stamp.version;
        let from = self.versions.iter().rposition(joined).unwrap_or(0);
        let replaced_by = self.versions.iter().skip(from + 1).map(|next| next.number);
        self.versions.iter().skip(from).zip(replaced_by.chain([u64::MAX]))
    }

    /// These rules with another policy from `now` on, or without a policy. `nonce` is random.
    ///
    /// Versions that can no longer bind a living session are dropped, the oldest first. This
    /// depends on the longest lifetime of an unused session, see
    /// [`longest_silence`](Self::longest_silence).
    ///
    /// # Errors
    ///
    /// [`HistoryFull`] if more than 64 versions may still bind sessions, or 128 if the new one only
    /// tightens the one before.
    pub(crate) fn with_policy(
        &self,
        policy: Option<OrgPolicy>,
        longest_silence: Duration,
        now: Timestamp,
        nonce: u32,
    ) -> Result<Self, HistoryFull> {
        // Each version has its own millisecond: one that begins and ends in the same would never
        // have been in force.
        let last = self.in_force().map(|last| last.begins + Duration::MILLISECOND);
        let begins = last.map_or(now, |last| now.max(last));
        let number = after(self.version(), now);
        let room = if tightens(self.policy(), policy) { MAX_TIGHTENED } else { MAX_VERSIONS };
        let mut next = self.next(nonce);
        next.versions.push(PolicyVersion { number, begins, policy });
        let spent = next.spent_versions(longest_silence, now);
        next.versions.drain(..spent);
        if next.versions.len() > room { Err(HistoryFull) } else { Ok(next) }
    }

    /// These rules with one more revocation: every session that now belongs to the organization is
    /// over. From here on, only the version in force can bind a living session. `nonce` is random.
    #[must_use]
    pub(crate) fn with_revocation(&self, now: Timestamp, nonce: u32) -> Self {
        let versions = Vec::from_iter(self.in_force());
        let generation = after(self.generation, now);
        Self { generation, versions, ..self.next(nonce) }
    }

    /// These rules with a longest silence of at least this length. `nonce` is random.
    #[must_use]
    pub(crate) fn with_longest_silence(&self, silence: Duration, nonce: u32) -> Self {
        let longest = self.longest_silence.map_or(silence, |known| known.max(silence));
        Self { longest_silence: Some(longest), ..self.next(nonce) }
    }

    /// Returns the new revision of all rules when these are put in force.
    ///
    /// `last` is the current revision of all rules. `now` is the store's time if it has a clock.
    ///
    /// The revision is the larger of the time and one more than the last, in milliseconds, followed
    /// by 20 random bits from these rules. So a revision that a failover has lost is never made
    /// again, and one made afterwards is higher.
    pub fn raise(&self, last: Revision, now: Timestamp) -> Revision {
        let (last, now) = (last.as_u64() >> RANDOM_BITS, now.unix_millis());
        let count = if now <= last as i64 { last + 1 } else { now as u64 };
        let random = self.revision.as_u64() & ((1 << RANDOM_BITS) - 1);
        Revision::from_u64((count << RANDOM_BITS) | random)
    }

    /// The same rules, to replace those of another revision.
    pub(crate) fn in_place_of(self, previous: Revision) -> Self {
        Self { previous, ..self }
    }

    fn next(&self, nonce: u32) -> Self {
        Self { revision: self.revision.next(nonce), previous: self.revision, ..self.clone() }
    }

    /// The number of the oldest versions that can no longer bind a living session.
    fn spent_versions(&self, longest_silence: Duration, now: Timestamp) -> usize {
        let spent = |(version, next): &(&PolicyVersion, &PolicyVersion)| {
            let absolute = version.policy.and_then(|policy| policy.absolute_limit());
            let longest = absolute.map_or(longest_silence, |limit| limit.max(longest_silence));
            next.begins + longest + GRACE + CLOCK_MARGIN <= now
        };
        self.versions.iter().zip(self.versions.iter().skip(1)).take_while(spent).count()
    }
}

/// The number of random bits in a revision of all rules.
pub(crate) const RANDOM_BITS: u32 = 20;

/// The time at which all rules were raised to this revision, or shortly before if there was more
/// than one change in a millisecond.
pub(crate) fn raised_at(revision: Revision) -> Timestamp {
    Timestamp::from_unix_millis((revision.as_u64() >> RANDOM_BITS) as i64)
}

/// Higher than the one before; also higher than one that was lost, since changes are slower than
/// milliseconds.
fn after(last: u64, now: Timestamp) -> u64 {
    u64::try_from(now.unix_millis()).unwrap_or_default().max(last + 1)
}

/// Whether a policy is at least as strict as the one before for every session.
fn tightens(before: Option<OrgPolicy>, policy: Option<OrgPolicy>) -> bool {
    let limits = |policy: Option<OrgPolicy>| policy.map_or(Limits::unlimited(), |p| p.limits());
    limits(policy) == limits(policy).tighter(limits(before))
}

/// A longer history could hardly be explained to a user, and every request would read it.
const MAX_VERSIONS: usize = 64;

/// An admin who wants sessions to end sooner must not be refused because of earlier changes.
const MAX_TIGHTENED: usize = 128;

/// Nodes whose clocks differ by less than this agree about the versions to forget.
const CLOCK_MARGIN: Duration = Duration::DAY;

/// More versions of a policy than are kept may still bind sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this policy was changed 64 times within the lifetime of a session; only a change that tightens it \
     is taken. Revoke all of its sessions, or wait until older versions no longer bind any"
)]
pub(crate) struct HistoryFull;

/// The rules of everyone and of each organization, as far as they are known and readable.
#[derive(Debug, Default)]
pub(crate) struct AllRules {
    pub(super) everyone: Option<Result<OrgRules, Unreadable>>,
    pub(super) orgs: HashMap<Arc<str>, Result<OrgRules, Unreadable>>,
}

/// The rules that requests are judged by: the current ones, or those after a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    all: &'a AllRules,
    changed: Option<(&'a str, &'a OrgRules)>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(all: &'a AllRules) -> Self {
        Self { all, changed: None }
    }

    /// The same with other rules of one organization.
    pub(crate) fn with(self, org: &'a str, rules: &'a OrgRules) -> Self {
        Self { changed: Some((org, rules)), ..self }
    }

    pub(crate) fn everyone(&self) -> Result<&'a OrgRules, Unreadable> {
        self.of(OrgRules::EVERYONE)
    }

    /// The rules of an organization; no policy and no revocation if it has none.
    pub(crate) fn of(&self, org: &str) -> Result<&'a OrgRules, Unreadable> {
        if let Some((changed, rules)) = self.changed
            && changed == org
        {
            return Ok(rules);
        }
        let known = match org {
            OrgRules::EVERYONE => self.all.everyone.as_ref(),
            _ => self.all.orgs.get(org),
        };
        match known {
            Some(Ok(rules)) => Ok(rules),
            Some(Err(unreadable)) => Err(*unreadable),
            None => Ok(&NONE),
        }
    }
}

static NONE: OrgRules = OrgRules::none();

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: OrgPolicy = OrgPolicy::absolute(Duration::days(7));

    fn day(day: i64) -> Timestamp {
        Timestamp::from_unix_millis(0) + Duration::days(day)
    }

    fn policy(rules: OrgRules, policy: Option<OrgPolicy>, at: Timestamp) -> OrgRules {
        rules.with_policy(policy, Duration::MAX, at, 7).unwrap()
    }

    fn begins(rules: &OrgRules) -> Vec<Timestamp> {
        rules.versions.iter().map(|version| version.begins).collect()
    }

    #[test]
    fn each_change_names_the_state_that_it_replaces() {
        let first = policy(OrgRules::none(), Some(WEEK), day(1));
        assert_eq!(first.previous(), Revision::NONE);
        for next in [
            policy(first.clone(), None, day(1)),
            first.with_revocation(day(1), 7),
            first.with_longest_silence(Duration::DAY, 7),
        ] {
            assert_eq!(next.previous(), first.revision());
            assert!(first.revision() < next.revision());
        }
    }

    #[test]
    fn a_session_that_joins_without_rules_has_the_stamp_that_is_not_stored() {
        assert_eq!(OrgRules::none().stamp(), Stamp::default());
    }

    #[test]
    fn numbers_that_a_failover_has_lost_are_lowered_to_those_that_are_left() {
        let left = policy(OrgRules::none(), Some(WEEK), day(2)).with_revocation(day(2), 7);
        let lost = policy(left.clone(), None, day(3)).with_revocation(day(3), 7);
        assert_eq!(left.restamp(lost.stamp()), left.stamp());
        let before = Stamp::default();
        assert_eq!(left.restamp(before), Stamp { known: left.version(), ..before });
    }

    #[test]
    fn trap_38_two_policies_of_one_millisecond_both_have_their_time() {
        let rules = policy(policy(OrgRules::none(), Some(WEEK), day(1)), None, day(1));
        // And a clock that runs behind cannot put a version before an older one.
        let rules = policy(rules, Some(WEEK), day(0));
        let begins = begins(&rules);
        assert!(begins.len() == 3 && begins.is_sorted_by(|one, other| one < other), "{begins:?}");
        let numbers = rules.versions.iter().map(|version| version.number);
        assert!(numbers.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn numbers_are_milliseconds_so_that_none_is_made_again_after_a_loss() {
        let lost = policy(OrgRules::none(), Some(WEEK), day(3)).with_revocation(day(3), 7);
        let made = policy(OrgRules::none(), None, day(3) + Duration::MILLISECOND);
        let made = made.with_revocation(day(3) + Duration::MILLISECOND, 7);
        assert!(lost.version() < made.version() && lost.generation() < made.generation());
        let behind = lost.with_revocation(day(2), 7);
        assert!(lost.generation() < behind.generation(), "a clock that runs behind counts on");
    }

    #[test]
    fn all_rules_are_raised_to_the_time_or_to_one_more_followed_by_random_bits() {
        let rules = OrgRules { revision: Revision::from_u64(0x0003_fff0_000f), ..OrgRules::none() };
        let of = |count: u64| Revision::from_u64(count << 20 | 0xf);
        for (last, now, raised) in [(5, 9, 9), (9, 9, 10), (9, 5, 10), (0, 0, 1)] {
            let now = Timestamp::from_unix_millis(now);
            assert_eq!(rules.raise(of(last), now), of(raised), "{last}");
        }
        assert_eq!(raised_at(of(9)), Timestamp::from_unix_millis(9));
    }

    #[test]
    fn the_version_in_force_at_joining_is_the_highest_that_is_not_above_the_stamp() {
        let rules = policy(policy(OrgRules::none(), Some(WEEK), day(2)), None, day(4));
        let numbers = |version| {
            let stamp = Stamp { version, ..Stamp::default() };
            rules.binding(stamp).map(|(version, _)| version.number).collect::<Vec<_>>()
        };
        let [first, second] = [0, 1].map(|at| rules.versions[at].number);
        for (stamp, binding) in [
            (0, vec![first, second]),
            (first, vec![first, second]),
            (second - 1, vec![first, second]),
            (second, vec![second]),
            // A version that a failover has lost.
            (second + 9, vec![second]),
        ] {
            assert_eq!(numbers(stamp), binding, "{stamp}");
        }
        let replaced = rules.binding(Stamp::default()).map(|(_, by)| by).collect::<Vec<_>>();
        assert_eq!(replaced, [second, u64::MAX]);
    }

    #[test]
    fn r22_versions_are_dropped_when_no_session_that_they_bound_can_be_alive() {
        let silence = Duration::days(28);
        let set = |rules: &OrgRules, policy, silence, at| {
            rules.with_policy(policy, silence, at, 7).unwrap()
        };
        let rules = set(&OrgRules::none(), Some(WEEK), silence, day(1));
        let rules = set(&rules, None, silence, day(10));
        // Day 10 + 28 of silence + 7 of grace + 1 between clocks.
        let early = set(&rules, Some(WEEK), silence, day(46) - Duration::MILLISECOND);
        assert_eq!(begins(&early)[..2], [day(1), day(10)]);
        let late = set(&rules, Some(WEEK), silence, day(46));
        assert_eq!(begins(&late), [day(10), day(46)]);
        let for_ever = set(&rules, Some(WEEK), Duration::MAX, day(9999));
        assert_eq!(begins(&for_ever), [day(1), day(10), day(9999)]);
    }

    #[test]
    fn r22_the_oldest_are_dropped_first_and_none_in_between() {
        let silence = Duration::days(28);
        let long = OrgPolicy::absolute(Duration::days(300));
        let rules = policy(policy(OrgRules::none(), Some(long), day(1)), Some(WEEK), day(2));
        let rules = policy(rules, None, day(3));
        let next = rules.with_policy(Some(WEEK), silence, day(100), 7).unwrap();
        assert_eq!(
            begins(&next),
            [day(1), day(2), day(3), day(100)],
            "the first binds for 300 days"
        );
    }

    #[test]
    fn r22_more_than_64_versions_are_refused_unless_the_next_one_tightens() {
        let mut rules = OrgRules::none();
        for _ in 0..64 {
            rules = policy(rules, Some(WEEK), day(1));
        }
        let set = |rules: &OrgRules, policy| rules.with_policy(policy, Duration::MAX, day(1), 7);
        let day_idle = WEEK.and_idle(Duration::DAY);
        for laxer in [
            None,
            Some(OrgPolicy::idle(Duration::DAY)),
            Some(OrgPolicy::absolute(Duration::days(8))),
        ] {
            assert_eq!(set(&rules, laxer), Err(HistoryFull), "{laxer:?}");
        }
        rules = set(&rules, Some(day_idle)).unwrap();
        for _ in 65..128 {
            rules = set(&rules, Some(day_idle)).unwrap();
        }
        assert_eq!(set(&rules, Some(day_idle)), Err(HistoryFull), "128 are too many in any case");

        let revoked = rules.with_revocation(day(1), 7);
        assert_eq!(revoked.versions.len(), 1);
        assert!(set(&revoked, None).is_ok());
    }

    #[test]
    fn r22_the_longest_silence_only_grows() {
        let rules = OrgRules::none().with_longest_silence(Duration::days(28), 7);
        let shorter = rules.with_longest_silence(Duration::HOUR, 7);
        assert_eq!(shorter.longest_silence(), Some(Duration::days(28)));
        let for_ever = shorter.with_longest_silence(Duration::MAX, 7);
        assert_eq!(for_ever.longest_silence(), Some(Duration::MAX));
    }
}
