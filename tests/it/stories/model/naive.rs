//! The naive model: every session has its ends written down, and every event moves them at once.
//!
//! It knows neither generations nor versions, and it never looks back at the history of a policy. All
//! times are what the clock of the node shows that does something, in milliseconds; what comes before
//! what is counted.

use super::ORGS;

/// Later than everything.
pub const NEVER: i64 = i64::MAX;

/// How often the cookie is refreshed. R8: a new idle limit grants this to what was recorded.
const R: i64 = 3_600_000;

/// The limits of a policy, or of the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    pub absolute: Option<i64>,
    pub idle: Option<i64>,
}

/// An organization as its admin sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Org {
    pub rule: Rule,
    /// When the rule was set, `None` if it never was.
    pub set_at: Option<i64>,
    /// How often it was set since all sessions were last revoked.
    pub changes: usize,
}

/// What the next answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Alive,
    Over,
    /// It depends on when exactly activity was recorded.
    Either,
}

/// One scheduled idle end, or several of which nobody knows which it is.
///
/// The store learns of activity only now and then (R7), so an end is known as a span: it cannot come
/// before `sure_until`, and it must have come at `over_from`.
#[derive(Clone, Copy, Debug)]
struct IdleEnd {
    /// `None` for the limit of the app.
    org: Option<usize>,
    length: i64,
    /// When the limit began to bind this session.
    since: i64,
    /// Which event that was.
    bound: usize,
    /// Which event lengthened or disabled it. What was scheduled stays until the next activity (R16).
    replaced: Option<usize>,
    /// The first activity under this limit that may have been recorded.
    first_active: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub user: usize,
    pub created: i64,
    pub orgs: [bool; ORGS],
    pub absolute: i64,
    idle: Vec<IdleEnd>,
    /// What happens to it is counted, since the clocks of nodes may disagree.
    events: usize,
    /// Recorded activity is not older than this…
    lo: Activity,
    /// …and not newer.
    hi: Activity,
    /// When what binds it last changed, by organization: which event, and when it came into force.
    news: [Activity; ORGS],
    /// It is over for ever.
    pub over: bool,
    /// And the store knows: no slow request may be let in any more.
    pub written: bool,
    /// Somebody has looked at it at a time when it was perhaps over, and did not say.
    pub perhaps_over: bool,
    /// How many slow requests have found it over and are about to write it down.
    pub doomed: usize,
}

/// Something that happened: at what time, by the clock of whoever did it, and as which event.
#[derive(Clone, Copy, Debug, Default)]
struct Activity {
    at: i64,
    event: usize,
}

impl IdleEnd {
    /// R8: from when on it counts if the last activity was recorded at `seen`, before this limit began
    /// to bind. What was recorded then may be too old by R.
    fn from(&self, seen: i64) -> i64 {
        seen.max(self.since.min(seen + R))
    }

    fn sure_until(&self, session: &Session) -> i64 {
        let lo = session.lo;
        let from = if self.bound <= lo.event { lo.at } else { self.from(lo.at) };
        let first_active = self.first_active.map_or(NEVER, |at| at.max(lo.at));
        from.min(first_active) + self.length
    }

    fn over_from(&self, session: &Session) -> i64 {
        let (lo, hi) = (session.lo, session.hi);
        let from = |seen: Activity| {
            if self.bound <= seen.event { seen.at } else { self.from(seen.at) }
        };
        from(lo).max(from(hi)) + self.length
    }

    /// Whether the recorded activity is older than what lengthened or disabled it: for sure, or perhaps.
    fn surely_binds(&self, session: &Session) -> bool {
        self.replaced.is_none_or(|replaced| session.hi.event < replaced)
    }

    fn perhaps_binds(&self, session: &Session) -> bool {
        self.replaced.is_none_or(|replaced| session.lo.event < replaced)
    }
}

impl Session {
    pub fn start(
        user: usize,
        created: i64,
        app: Rule,
        orgs: [bool; ORGS],
        rules: &[Org; ORGS],
    ) -> Self {
        let signed_in = Activity { at: created, event: 0 };
        let mut session = Self {
            user,
            created,
            orgs,
            absolute: app.absolute.map_or(NEVER, |length| created + length),
            idle: Vec::new(),
            events: 0,
            lo: signed_in,
            hi: signed_in,
            news: [signed_in; ORGS],
            over: false,
            written: false,
            perhaps_over: false,
            doomed: 0,
        };
        session.bind(None, Rule { absolute: None, ..app }, created);
        for (org, rule) in rules.iter().enumerate().filter(|(org, _)| orgs[*org]) {
            session.bind(Some(org), rule.rule, created);
        }
        session
    }

    /// A rule begins to bind: the absolute end only falls (R2), an idle end is scheduled.
    fn bind(&mut self, org: Option<usize>, rule: Rule, since: i64) {
        if let Some(length) = rule.absolute {
            self.absolute = self.absolute.min(self.created + length);
        }
        if let Some(length) = rule.idle {
            let (bound, replaced, first_active) = (self.events, None, None);
            self.idle.push(IdleEnd { org, length, since, bound, replaced, first_active });
        }
    }

    pub fn due(&self, now: i64) -> Due {
        let perhaps_over = self.perhaps_over || self.doomed > 0;
        if self.over || self.certainly_over(now) {
            Due::Over
        } else if perhaps_over || self.idle_span().0 <= now {
            Due::Either
        } else {
            Due::Alive
        }
    }

    fn certainly_over(&self, now: i64) -> bool {
        self.absolute <= now || self.idle_span().1 <= now
    }

    /// The span in which the first idle end lies.
    pub fn idle_span(&self) -> (i64, i64) {
        let perhaps = self.idle.iter().filter(|end| end.perhaps_binds(self));
        let sure = perhaps.map(|end| end.sure_until(self)).min();
        // A limit that was replaced no later than the last activity may have let the session go.
        let surely = self.idle.iter().filter(|end| end.surely_binds(self));
        let over = surely.map(|end| end.over_from(self)).min();
        (sure.unwrap_or(NEVER), over.unwrap_or(NEVER))
    }

    /// T: how exactly activity is recorded.
    fn touch_interval(&self) -> i64 {
        let in_force = self.idle.iter().filter(|end| end.replaced.is_none());
        in_force.map(|end| end.length / 10).chain([R]).min().unwrap().max(1)
    }

    /// A request was let in. Its activity is recorded at once if there are news (R7), else it may
    /// have been recorded up to T ago.
    pub fn active(&mut self, now: i64) {
        self.perhaps_over = false;
        let (lo, hi) = (self.lo, self.hi);
        self.perhaps_active(now);
        let last_news = self.news.iter().max_by_key(|news| news.event);
        let news = *last_news.expect("there are organizations");
        let recorded = now - self.touch_interval() + 1;
        self.lo.at = lo.at.max(recorded);
        // Before they come into force, and within the millisecond of the last activity, nothing is
        // recorded for their sake.
        if news.at <= now && hi.at < now {
            if hi.event < news.event {
                self.lo = Activity { at: now, event: self.events };
            } else {
                // Now, or by somebody who came since.
                self.lo.event = lo.event.max(news.event);
            }
        }
        let lo = self.lo;
        self.idle.retain(|end| end.replaced.is_none_or(|replaced| lo.event < replaced));
    }

    /// A request was judged at `now`; whether it is recorded, and when, remains to be seen.
    pub fn perhaps_active(&mut self, now: i64) {
        self.events += 1;
        self.hi = Activity { at: self.hi.at.max(now), event: self.events };
        for end in &mut self.idle {
            end.first_active = end.first_active.or(Some(now)).map(|first| first.min(now));
        }
    }

    /// Somebody said that it is over, or made it so.
    pub fn ended(&mut self) {
        (self.over, self.written) = (true, true);
    }

    /// Somebody looked, and wrote it down if it was over, but did not say.
    pub fn looked_at(&mut self, now: i64) {
        match self.due(now) {
            Due::Over => self.ended(),
            Due::Either => self.perhaps_over = true,
            Due::Alive => {}
        }
    }

    /// An organization has another rule from `at` on.
    pub fn rule_set(&mut self, org: usize, rule: Rule, at: i64) {
        if !self.orgs[org] {
            return;
        }
        self.events += 1;
        let event = self.events;
        for end in self.idle.iter_mut().filter(|end| end.org == Some(org)) {
            end.replaced = end.replaced.or(Some(event));
        }
        // A node that is behind may set it before the time at which another saw the session join.
        self.bind(Some(org), rule, at.max(self.news[org].at));
        self.news[org] = Activity { at: at.max(self.news[org].at), event };
    }

    /// Its user belongs to other organizations from `now` on (R18).
    pub fn orgs_set(&mut self, orgs: [bool; ORGS], rules: &[Org; ORGS], now: i64) {
        self.looked_at(now);
        if self.over {
            return;
        }
        self.events += 1;
        self.idle.retain(|end| end.org.is_none_or(|org| orgs[org]));
        for (org, rule) in rules.iter().enumerate() {
            if orgs[org] && !self.orgs[org] {
                self.bind(Some(org), rule.rule, now);
            }
            if orgs[org] != self.orgs[org] {
                let joined = Activity { at: now, event: self.events };
                let left = Activity { at: self.created, event: 0 };
                self.news[org] = if orgs[org] { joined } else { left };
            }
        }
        self.orgs = orgs;
    }

    /// When something may happen to it.
    pub fn boundaries(&self) -> Vec<i64> {
        let mut all = vec![self.absolute];
        for end in &self.idle {
            all.extend([end.sure_until(self), end.over_from(self), end.since]);
            all.extend([self.lo.at + end.length, self.hi.at + end.length]);
            all.push(self.hi.at + end.length / 10);
        }
        all.retain(|at| *at != NEVER);
        all
    }
}

impl Org {
    /// Another rule is set at `now`. Says from when on it is in force: two that are saved in the same
    /// millisecond, or by a clock that is behind, come one after the other.
    pub fn set(&mut self, rule: Rule, now: i64) -> i64 {
        let at = self.set_at.map_or(now, |last| now.max(last + 1));
        *self = Self { rule, set_at: Some(at), changes: self.changes + 1 };
        at
    }
}
