//! A toy that keeps sessions by the rules: each call takes effect at one moment.

use std::collections::BTreeMap;

use tower_curfew_checker::{AtCap, Call, Cap, Limits, Outcome, Reason};

/// How much activity of before may have gone unrecorded when a stricter idle limit begins to bind.
const GRACE: i64 = 700_000;

const NEVER: i64 = i64::MAX;

#[derive(Clone)]
pub struct Store {
    pub limits: Limits,
    pub cap: Option<Cap>,
    /// How often activity is recorded.
    pub touch_every: i64,
    pub sessions: BTreeMap<String, Session>,
    /// By organization, and under `None` for everyone.
    versions: BTreeMap<Option<String>, Vec<Version>>,
}

#[derive(Clone)]
pub struct Session {
    pub user: String,
    pub created: i64,
    pub seen: i64,
    pub limits: Limits,
    /// What binds it, and the number of the version in force when it joined.
    joined: Vec<(Option<String>, usize)>,
    pub over: Option<Reason>,
}

/// What an organization's policy was from some time on.
#[derive(Clone)]
struct Version {
    from: i64,
    limits: Limits,
}

impl Store {
    pub fn new(limits: Limits, cap: Option<Cap>, touch_every: i64) -> Self {
        let (sessions, versions) = (BTreeMap::new(), BTreeMap::new());
        Self { limits, cap, touch_every, sessions, versions }
    }

    /// Carries a call out, at what the clock of the node shows. `name` is for a session that begins.
    pub fn call(&mut self, call: &Call, by: Option<&str>, now: i64, name: &str) -> Outcome {
        if let Some(by) = by
            && self.request(by, now) != Outcome::Alive
        {
            return Outcome::Refused;
        }
        match call {
            Call::SignIn { .. } => return self.sign_in(call, now, name),
            Call::Request { session } => return self.request(session, now),
            Call::List { user } => return Outcome::Listed { sessions: self.living(user, now) },
            Call::SignOut { session } | Call::RevokeSession { session } => {
                self.revoke(now, |name, _| name == session);
            }
            Call::RevokeUser { user, except } => self.revoke(now, |name, session| {
                session.user == *user && except.as_deref() != Some(name)
            }),
            Call::RevokeOrg { org } => {
                self.revoke(now, |_, session| session.belongs_to(Some(org)));
            }
            Call::RevokeEveryone => self.revoke(now, |_, _| true),
            Call::SetPolicy { org, absolute, idle } => {
                self.set(org, Limits { absolute: *absolute, idle: *idle }, now);
            }
            Call::ClearPolicy { org } => self.set(org, Limits::default(), now),
        }
        Outcome::Done
    }

    fn sign_in(&mut self, call: &Call, now: i64, name: &str) -> Outcome {
        let Call::SignIn { user, orgs, at_most, replaces } = call else { unreachable!() };
        let mut living = self.living(user, now);
        living.retain(|name| Some(name) != replaces.as_ref());
        if let Some(cap) = self.cap
            && cap.sessions <= living.len()
        {
            if cap.at_cap == AtCap::Refuse {
                return Outcome::Refused;
            }
            living.sort_by_key(|name| self.sessions[name].created);
            let displaced = &living[..=living.len() - cap.sessions];
            self.revoke(now, |name, _| displaced.iter().any(|displaced| displaced == name));
        }
        if let Some(replaced) = replaces {
            self.revoke(now, |name, _| name == replaced);
        }
        let orgs = orgs.iter().cloned().map(Some).chain([None]);
        let joined = orgs.map(|org| {
            let current = self.versions.get(&org).map_or(0, |versions| versions.len() - 1);
            (org, current)
        });
        let session = Session {
            user: user.clone(),
            created: now,
            seen: now,
            limits: at_most.unwrap_or_default(),
            joined: joined.collect(),
            over: None,
        };
        self.sessions.insert(name.into(), session);
        Outcome::Started { session: name.into() }
    }

    fn request(&mut self, name: &str, now: i64) -> Outcome {
        self.settle(name, now);
        let news = self.sessions.get(name).is_some_and(|session| self.is_news_to(session));
        let touch_every = self.touch_every;
        let Some(session) = self.sessions.get_mut(name) else { return Outcome::Nobody };
        if let Some(reason) = session.over {
            return Outcome::Ended { reason: Some(reason) };
        }
        if news || touch_every <= now - session.seen {
            session.seen = session.seen.max(now);
        }
        Outcome::Alive
    }

    pub fn living(&mut self, user: &str, now: i64) -> Vec<String> {
        let own = self.sessions.iter().filter(|(_, session)| session.user == user);
        let mut own = own.map(|(name, _)| name.clone()).collect::<Vec<_>>();
        own.retain(|name| {
            self.settle(name, now);
            self.sessions[name].over.is_none()
        });
        own
    }

    fn revoke(&mut self, now: i64, is_meant: impl Fn(&str, &Session) -> bool) {
        let meant = self.sessions.iter().filter(|(name, session)| is_meant(name, session));
        let meant = meant.map(|(name, _)| name.clone()).collect::<Vec<_>>();
        for name in meant {
            self.settle(&name, now);
            let session = self.sessions.get_mut(&name).expect("it was there just now");
            session.over.get_or_insert(Reason::Revoked);
        }
    }

    fn set(&mut self, org: &Option<String>, limits: Limits, now: i64) {
        let first = Version { from: 0, limits: Limits::default() };
        let versions = self.versions.entry(org.clone()).or_insert_with(|| vec![first]);
        let last = versions.last().expect("there is a first one").from;
        versions.push(Version { from: now.max(last), limits });
    }

    /// What was found to be over stays over.
    fn settle(&mut self, name: &str, now: i64) {
        let over = self.sessions.get(name).and_then(|session| self.judge(session, now));
        if let Some(session) = self.sessions.get_mut(name) {
            session.over = session.over.or(over);
        }
    }

    pub fn judge(&self, session: &Session, now: i64) -> Option<Reason> {
        let Session { created, seen, .. } = *session;
        let mut own = vec![self.limits, session.limits];
        let mut idle = Vec::new();
        for (org, number) in &session.joined {
            let versions = self.versions.get(org).map_or(&[][..], |versions| &versions[*number..]);
            own.extend(versions.iter().map(|v| Limits { absolute: v.limits.absolute, idle: None }));
            for (at, version) in versions.iter().enumerate() {
                let to = versions.get(at + 1).map_or(NEVER, |next| next.from);
                if let Some(length) = version.limits.idle.filter(|_| seen < to) {
                    idle.push(seen.max(version.from.min(seen + GRACE)) + length);
                }
            }
        }
        idle.extend(own.iter().filter_map(|limits| limits.idle).map(|length| seen + length));
        let absolute = own.iter().filter_map(|limits| limits.absolute).min();
        let absolute = absolute.map_or(NEVER, |length| created + length);
        let idle = idle.into_iter().min().unwrap_or(NEVER);
        match absolute.min(idle) <= now {
            true if absolute <= idle => Some(Reason::Absolute),
            true => Some(Reason::Idle),
            false => None,
        }
    }

    /// Whether a policy that binds it changed after its activity was recorded.
    fn is_news_to(&self, session: &Session) -> bool {
        session.joined.iter().any(|(org, _)| {
            let last = self.versions.get(org).and_then(|versions| versions.last());
            last.is_some_and(|version| session.seen <= version.from)
        })
    }
}

impl Session {
    fn belongs_to(&self, org: Option<&String>) -> bool {
        self.joined.iter().any(|(joined, _)| joined.as_ref() == org)
    }
}
