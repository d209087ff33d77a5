//! A log by session and by user.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::policies::{Policy, in_order};
use crate::{Call, Entry, Header, Limits, Log, Outcome};

/// Clocks of a service count milliseconds, so any two readings are off by less than this.
const ROUNDING: i64 = 1_000;

pub(crate) struct History<'a> {
    pub(crate) header: &'a Header,
    pub(crate) sessions: BTreeMap<&'a str, Session<'a>>,
    pub(crate) users: BTreeMap<&'a str, User<'a>>,
    /// Sessions that a sign-in may have taken the place of.
    pub(crate) replaced: HashSet<&'a str>,
    ends: HashMap<Target<'a>, Vec<Line<'a>>>,
    policies: HashMap<Option<&'a str>, Vec<Policy>>,
}

/// A call, and where it stands in the log.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) entry: &'a Entry,
}

/// What the log tells of a session. One that only a list or a caller names has no sign-in.
#[derive(Default)]
pub(crate) struct Session<'a> {
    pub(crate) name: &'a str,
    pub(crate) sign_in: Option<SignIn<'a>>,
    pub(crate) requests: Vec<Line<'a>>,
    /// Other calls in its name.
    pub(crate) calls: Vec<Line<'a>>,
    /// Lists that hold it.
    pub(crate) lists: Vec<Line<'a>>,
}

/// An acknowledged sign-in.
#[derive(Clone, Copy)]
pub(crate) struct SignIn<'a> {
    pub(crate) line: Line<'a>,
    pub(crate) user: &'a str,
    /// Those of the app, and its own.
    pub(crate) limits: Limits,
    orgs: &'a [String],
}

#[derive(Default)]
pub(crate) struct User<'a> {
    /// Those that were not refused.
    pub(crate) sign_ins: Vec<Line<'a>>,
    /// Those that were answered.
    pub(crate) lists: Vec<Line<'a>>,
}

/// Which sessions a call ends.
#[derive(PartialEq, Eq, Hash)]
enum Target<'a> {
    Session(&'a str),
    User(&'a str),
    Org(&'a str),
    Everyone,
}

impl<'a> History<'a> {
    pub(crate) fn of(log: &'a Log) -> Self {
        let mut history = Self {
            header: log.header(),
            sessions: BTreeMap::new(),
            users: BTreeMap::new(),
            replaced: HashSet::new(),
            ends: HashMap::new(),
            policies: HashMap::new(),
        };
        for (number, entry) in (2..).zip(log.entries()) {
            history.add(Line { number, entry });
        }
        history.policies.values_mut().for_each(|policies| in_order(policies));
        history
    }

    fn add(&mut self, line: Line<'a>) {
        let Entry { call, by, outcome, .. } = line.entry;
        if let Some(session) = by {
            self.session(session).calls.push(line);
        }
        if let Call::Request { session } = call {
            self.session(session).requests.push(line);
        }
        if *outcome == Outcome::Refused {
            return;
        }
        match call {
            Call::Request { .. } => {}
            Call::SignIn { user, orgs, at_most, replaces } => {
                self.user(user).sign_ins.push(line);
                let limits = self.header.limits.tighter(at_most.unwrap_or_default());
                if let Outcome::Started { session } = outcome {
                    self.session(session).sign_in = Some(SignIn { line, user, limits, orgs });
                }
                if let Some(session) = replaces {
                    self.replaced.insert(session);
                    self.end(Target::Session(session), line);
                }
            }
            Call::SignOut { session } | Call::RevokeSession { session } => {
                self.end(Target::Session(session), line);
            }
            Call::RevokeUser { user, .. } => self.end(Target::User(user), line),
            Call::RevokeOrg { org } => self.end(Target::Org(org), line),
            Call::RevokeEveryone => self.end(Target::Everyone, line),
            Call::SetPolicy { org, .. } | Call::ClearPolicy { org } => {
                self.policies.entry(org.as_deref()).or_default().extend(Policy::of(line));
            }
            Call::List { user } => {
                if let Outcome::Listed { sessions } = outcome {
                    self.user(user).lists.push(line);
                    for session in sessions {
                        self.session(session).lists.push(line);
                    }
                }
            }
        }
    }

    fn session(&mut self, name: &'a str) -> &mut Session<'a> {
        self.sessions.entry(name).or_insert_with(|| Session { name, ..Session::default() })
    }

    fn user(&mut self, name: &'a str) -> &mut User<'a> {
        self.users.entry(name).or_default()
    }

    fn end(&mut self, target: Target<'a>, line: Line<'a>) {
        self.ends.entry(target).or_default().push(line);
    }

    /// By how much two readings of the clocks of the service may be wrong together.
    pub(crate) fn slack(&self) -> i64 {
        self.header.clock_tolerance + ROUNDING
    }

    /// The calls that end a session, if they take effect while it lives.
    pub(crate) fn ends_of<'s>(
        &'s self,
        session: &'s Session<'a>,
    ) -> impl Iterator<Item = Line<'a>> + 's {
        let mut targets = vec![Target::Session(session.name)];
        if let Some(SignIn { user, orgs, .. }) = session.sign_in {
            targets.extend([Target::User(user), Target::Everyone]);
            targets.extend(orgs.iter().map(|org| Target::Org(org)));
        }
        let lines = targets.into_iter().filter_map(|target| self.ends.get(&target)).flatten();
        lines.copied().filter(|line| !line.spares(session.name))
    }

    /// The policies of those that a session belongs to, and of everyone.
    pub(crate) fn policies_of(&self, sign_in: SignIn<'a>) -> impl Iterator<Item = &Policy> {
        let orgs = sign_in.orgs.iter().map(|org| Some(org.as_str()));
        orgs.chain([None]).filter_map(|org| self.policies.get(&org)).flatten()
    }
}

impl<'a> Line<'a> {
    pub(crate) fn began(self) -> i64 {
        self.entry.began
    }

    /// When its answer was there: never, if nobody knows what came of it.
    pub(crate) fn answered(self) -> i64 {
        let sure = !self.entry.outcome.is_unsure();
        self.entry.ended.filter(|_| sure).unwrap_or(i64::MAX)
    }

    pub(crate) fn is_list(self) -> bool {
        matches!(self.entry.call, Call::List { .. })
    }

    fn spares(self, session: &str) -> bool {
        matches!(&self.entry.call, Call::RevokeUser { except: Some(spared), .. } if spared == session)
    }
}

impl<'a> Session<'a> {
    /// When its sign-in was acknowledged. What nobody saw begin was always there.
    pub(crate) fn started(&self) -> i64 {
        self.sign_in.map_or(i64::MIN, |sign_in| sign_in.line.answered())
    }

    pub(crate) fn alive_requests(&self) -> impl Iterator<Item = Line<'a>> {
        let is_alive = |line: &&Line<'_>| line.entry.outcome == Outcome::Alive;
        self.requests.iter().filter(is_alive).copied()
    }

    /// The answers that showed it alive, at some time while they were made.
    pub(crate) fn sightings(&self) -> impl Iterator<Item = Line<'a>> {
        self.alive_requests().chain(self.lists.iter().copied())
    }

    pub(crate) fn last_sighting(&self) -> Option<Line<'a>> {
        self.sightings().max_by_key(|line| line.began())
    }
}
