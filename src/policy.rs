//! What an organisation demands of its members' sessions: a policy, its history, and a count of
//! revocations.

use std::fmt;
use std::str::FromStr;

use time::Duration;

use crate::limits::{GRACE, InvalidLimit, Limits};
use crate::time::{Timestamp, millis};

/// The limits that an organisation sets, on top of the app's own: at least one of both kinds.
///
/// # Panics
///
/// The constructors panic, in a `const` at compile time, unless the duration is between one
/// millisecond and 36,500 days. For numbers that come from outside there is [`OrgPolicy::try_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrgPolicy(Limits);

impl OrgPolicy {
    /// Sessions end this long after the sign-in, whatever happens since.
    #[must_use]
    pub const fn absolute(after: Duration) -> Self {
        Self(Limits::absolute(after))
    }

    /// Sessions end this long after the last activity.
    #[must_use]
    pub const fn idle(after: Duration) -> Self {
        Self(Limits::idle(after))
    }

    /// This policy with this absolute limit.
    #[must_use]
    pub const fn and_absolute(self, after: Duration) -> Self {
        Self(self.0.and_absolute(after))
    }

    /// This policy with this idle limit.
    #[must_use]
    pub const fn and_idle(self, after: Duration) -> Self {
        Self(self.0.and_idle(after))
    }

    /// A policy from numbers that come from outside; `Ok(None)` if neither is given.
    ///
    /// # Errors
    ///
    /// [`InvalidLimit`] if one of them is not between one millisecond and 36,500 days.
    pub fn try_new(
        absolute: Option<Duration>,
        idle: Option<Duration>,
    ) -> Result<Option<Self>, InvalidLimit> {
        let limits = Limits::try_new(absolute, idle)?;
        Ok((limits != Limits::unlimited()).then_some(Self(limits)))
    }

    /// What the settings pages of products call the session length: it starts anew with each
    /// activity if sessions are refreshed automatically, and counts from the sign-in if not.
    pub const fn session_length(length: Duration) -> SessionLength {
        SessionLength(length)
    }

    /// How long after the sign-in sessions end.
    pub const fn absolute_limit(&self) -> Option<Duration> {
        self.0.absolute_limit()
    }

    /// How long after the last activity sessions end.
    pub const fn idle_limit(&self) -> Option<Duration> {
        self.0.idle_limit()
    }
}

/// A session length, for which it is yet to say whether sessions are refreshed automatically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "say whether sessions are refreshed automatically"]
pub struct SessionLength(Duration);

impl SessionLength {
    /// An idle limit of this length if they are, an absolute one if not.
    ///
    /// # Panics
    ///
    /// As the constructors of [`OrgPolicy`].
    #[must_use]
    pub const fn refreshed_automatically(self, refreshed: bool) -> OrgPolicy {
        if refreshed { OrgPolicy::idle(self.0) } else { OrgPolicy::absolute(self.0) }
    }
}

/// One entry in the history of an organisation's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Counts up from 1. Which versions bind a session is a comparison of these numbers.
    pub number: u32,
    /// When it came into force. It stays in force until the next one begins.
    pub begins: Timestamp,
    /// What it demands; `None` if the organisation has no policy from here on.
    pub policy: Option<OrgPolicy>,
}

/// All that is known of an organisation: the history of its policy, and how often all its sessions
/// were revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgRules {
    revision: i64,
    generation: i64,
    versions: Vec<PolicyVersion>,
}

impl OrgRules {
    /// The rules of an organisation that is seen for the first time, at `now`: no policy.
    ///
    /// The generation starts at the milliseconds of `now`. So if a store ever loses the rules of an
    /// organisation and makes them anew, no session that was stamped before passes as current.
    pub fn first(now: Timestamp) -> Self {
        Self { revision: 1, generation: now.unix_millis(), versions: Vec::new() }
    }

    /// Counts the changes, so that two writers notice each other.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Counts the revocations of all sessions. A session stamped with another generation is over.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// The number of the version in force; 0 if there never was a policy.
    pub fn version(&self) -> u32 {
        self.in_force().map_or(0, |version| version.number)
    }

    /// The version in force; `None` if there never was a policy.
    pub fn in_force(&self) -> Option<PolicyVersion> {
        self.versions.last().copied()
    }

    /// The policy in force, if there is one.
    pub fn policy(&self) -> Option<OrgPolicy> {
        self.in_force().and_then(|version| version.policy)
    }

    /// When the version in force began; `None` if there never was a policy.
    pub fn since(&self) -> Option<Timestamp> {
        self.in_force().map(|version| version.begins)
    }

    /// The versions from the one with this number on, each with the end of its time in force.
    pub(crate) fn versions_from(
        &self,
        number: u32,
    ) -> impl Iterator<Item = (&PolicyVersion, Timestamp)> {
        let ends = self.versions.iter().skip(1).map(|next| next.begins);
        self.versions
            .iter()
            .zip(ends.chain([Timestamp::NEVER]))
            .filter(move |(version, _)| number <= version.number)
    }

    /// These rules with another policy from `now` on, or with none.
    ///
    /// Versions that can no longer bind a living session are dropped, given the longest that one
    /// lasts that nobody uses; `None` is for ever.
    ///
    /// # Errors
    ///
    /// [`HistoryFull`] if more than 64 versions may still bind sessions.
    pub fn with_policy(
        &self,
        policy: Option<OrgPolicy>,
        longest_silence: Option<Duration>,
        now: Timestamp,
    ) -> Result<Self, HistoryFull> {
        let mut next = self.clone();
        next.revision += 1;
        // Each version has its millisecond: one that begins and ends in the same would never have
        // been in force.
        let begins = self.since().map_or(now, |last| now.max(last + Duration::MILLISECOND));
        next.versions.push(PolicyVersion { number: self.version() + 1, begins, policy });
        if let Some(longest_silence) = longest_silence {
            next.versions = next.without_spent_versions(longest_silence, now);
        }
        if next.versions.len() > MAX_VERSIONS { Err(HistoryFull) } else { Ok(next) }
    }

    /// These rules with one more revocation: every session that belongs to the organisation now is
    /// over. So only the version in force can bind a living session from here on.
    #[must_use]
    pub fn with_revocation(&self) -> Self {
        Self {
            revision: self.revision + 1,
            generation: self.generation + 1,
            versions: self.versions.last().copied().into_iter().collect(),
        }
    }

    fn without_spent_versions(
        &self,
        longest_silence: Duration,
        now: Timestamp,
    ) -> Vec<PolicyVersion> {
        let may_bind = |version: &PolicyVersion, until: Timestamp| {
            let absolute = version.policy.and_then(|policy| policy.absolute_limit());
            let longest = absolute.map_or(longest_silence, |limit| limit.max(longest_silence));
            now < until + longest + GRACE + CLOCK_MARGIN
        };
        self.versions_from(0)
            .filter(|(version, until)| may_bind(version, *until))
            .map(|(version, _)| *version)
            .collect()
    }
}

/// One line, for stores to keep: `revision generation number:begins:absolute:idle …`, in
/// milliseconds, `-` where there is no limit.
impl fmt::Display for OrgRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.revision, self.generation)?;
        for PolicyVersion { number, begins, policy } in &self.versions {
            write!(f, " {number}:{}", begins.unix_millis())?;
            let limits = policy.map_or(Limits::unlimited(), |policy| policy.0);
            for limit in [limits.absolute_limit(), limits.idle_limit()] {
                match limit {
                    Some(limit) => write!(f, ":{}", millis(limit))?,
                    None => f.write_str(":-")?,
                }
            }
        }
        Ok(())
    }
}

/// Reads what [`Display`](std::fmt::Display) wrote.
impl FromStr for OrgRules {
    type Err = InvalidOrgRules;

    fn from_str(text: &str) -> Result<Self, InvalidOrgRules> {
        parse(text).ok_or(InvalidOrgRules)
    }
}

fn parse(text: &str) -> Option<OrgRules> {
    let mut words = text.split(' ');
    let revision = words.next()?.parse().ok()?;
    let generation = words.next()?.parse().ok()?;
    let mut versions = Vec::<PolicyVersion>::new();
    for word in words {
        let version = parse_version(word)?;
        if versions.last().is_some_and(|last| version.number <= last.number) {
            return None;
        }
        versions.push(version);
    }
    Some(OrgRules { revision, generation, versions })
}

fn parse_version(word: &str) -> Option<PolicyVersion> {
    let mut fields = word.split(':');
    let number = fields.next()?.parse().ok()?;
    let begins = Timestamp::from_unix_millis(fields.next()?.parse().ok()?);
    let absolute = parse_limit(fields.next()?)?;
    let idle = parse_limit(fields.next()?)?;
    let policy = OrgPolicy::try_new(absolute, idle).ok()?;
    fields.next().is_none().then_some(PolicyVersion { number, begins, policy })
}

fn parse_limit(field: &str) -> Option<Option<Duration>> {
    match field {
        "-" => Some(None),
        millis => millis.parse().ok().map(Duration::milliseconds).map(Some),
    }
}

/// A history that is longer could hardly be told to anybody; and every request would read it.
const MAX_VERSIONS: usize = 64;

/// Nodes that disagree about the time by less than this agree about what may be forgotten.
const CLOCK_MARGIN: Duration = Duration::DAY;

/// More than 64 versions of a policy may still bind sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this policy was changed 64 times within the lifetime of a session; revoke all sessions of the \
     organisation, or wait until older versions no longer bind any"
)]
pub struct HistoryFull;

/// Not what [`OrgRules`] are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no rules of an organisation")]
pub struct InvalidOrgRules;

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: OrgPolicy = OrgPolicy::absolute(Duration::days(7));

    fn day(day: i64) -> Timestamp {
        Timestamp::from_unix_millis(0) + Duration::days(day)
    }

    fn numbers(rules: &OrgRules) -> Vec<u32> {
        rules.versions_from(0).map(|(version, _)| version.number).collect()
    }

    #[test]
    fn rules_are_read_back_as_they_are_written() {
        let mut rules = OrgRules::first(day(3));
        for policy in [Some(WEEK), None, Some(WEEK.and_idle(Duration::minutes(15)))] {
            assert_eq!(rules.to_string().parse(), Ok(rules.clone()));
            rules = rules.with_policy(policy, None, day(4)).unwrap();
        }
        assert_eq!(
            rules.to_string(),
            "4 259200000 1:345600000:604800000:- 2:345600001:-:- 3:345600002:604800000:900000"
        );
        assert_eq!(rules.to_string().parse(), Ok(rules));
    }

    #[test]
    fn other_text_is_no_rules() {
        for text in [
            "",
            "1",
            "x 1",
            "1 1 ",
            "1 1 1:0:5",
            "1 1 1:0:5:5:5",
            "1 1 1:0:0:-",
            "1 1 2:0:-:- 1:0:-:-",
        ] {
            assert_eq!(text.parse::<OrgRules>(), Err(InvalidOrgRules), "{text}");
        }
    }

    #[test]
    fn trap_38_two_policies_of_one_millisecond_both_have_their_time() {
        let rules = OrgRules::first(day(0)).with_policy(Some(WEEK), None, day(1)).unwrap();
        let rules = rules.with_policy(None, None, day(1)).unwrap();
        // And a clock that runs behind cannot put a version before an older one.
        let rules = rules.with_policy(Some(WEEK), None, day(0)).unwrap();
        let spans: Vec<_> = rules.versions_from(0).map(|(v, until)| (v.begins, until)).collect();
        assert_eq!(spans.len(), 3);
        assert!(spans.iter().all(|(begins, until)| begins < until), "{spans:?}");
    }

    #[test]
    fn r22_versions_are_dropped_when_no_session_that_they_bound_can_be_alive() {
        let silence = Some(Duration::days(28));
        let rules = OrgRules::first(day(0)).with_policy(Some(WEEK), silence, day(1)).unwrap();
        let rules = rules.with_policy(None, silence, day(10)).unwrap();
        // Day 10 + 28 of silence + 7 of grace + 1 between clocks.
        let early =
            rules.with_policy(Some(WEEK), silence, day(46) - Duration::MILLISECOND).unwrap();
        assert_eq!(numbers(&early), [1, 2, 3]);
        let late = rules.with_policy(Some(WEEK), silence, day(46)).unwrap();
        assert_eq!(numbers(&late), [2, 3]);
        let unlimited = rules.with_policy(Some(WEEK), None, day(9999)).unwrap();
        assert_eq!(numbers(&unlimited), [1, 2, 3]);
    }

    #[test]
    fn r22_a_history_of_more_than_64_versions_is_refused_until_a_revocation() {
        let mut rules = OrgRules::first(day(0));
        for _ in 0..64 {
            rules = rules.with_policy(Some(WEEK), None, day(1)).unwrap();
        }
        assert_eq!(rules.with_policy(None, None, day(1)), Err(HistoryFull));
        let revoked = rules.with_revocation();
        assert_eq!(numbers(&revoked), [64]);
        assert_eq!(revoked.generation(), rules.generation() + 1);
        assert!(revoked.with_policy(None, None, day(1)).is_ok());
    }
}
