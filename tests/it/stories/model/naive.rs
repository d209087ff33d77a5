//! The naive model: every session has its ends written down, and every event moves them at once.
//!
//! It knows neither generations nor versions, and it never looks back at the history of a policy. All
//! times are what the clock of the node shows that does something, in milliseconds.

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

/// An organisation as its admin sees it.
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

/// One scheduled idle end.
///
/// The store learns of activity only now and then (R7), so it is known as a span: it cannot come
/// before `sure_until`, and it must have come at `over_from`.
#[derive(Clone, Copy, Debug)]
pub struct IdleEnd {
    /// `None` for the limit of the app.
    org: Option<usize>,
    length: i64,
    /// When the limit began to bind this session.
    since: i64,
    /// When it was lengthened or disabled. What was scheduled stays until the next activity (R16).
    replaced: i64,
    pub sure_until: i64,
    pub over_from: i64,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub user: usize,
    pub created: i64,
    pub orgs: [bool; ORGS],
    pub absolute: i64,
    pub idle: Vec<IdleEnd>,
    /// Recorded activity is not older than this…
    lo: i64,
    /// …and not newer.
    hi: i64,
    /// When what binds it last changed, by organisation.
    news: [i64; ORGS],
    /// It is over for ever.
    pub over: bool,
    /// And the store knows: no slow request may be let in any more.
    pub written: bool,
    /// Somebody has looked at it at a time when it was perhaps over, and did not say.
    pub perhaps_over: bool,
    /// How many slow requests have found it over and are about to write it down.
    pub doomed: usize,
}

impl IdleEnd {
    /// R8: from when on it counts if the last activity was recorded at `seen`. What was recorded
    /// before the limit began may be too old by R.
    fn from(&self, seen: i64) -> i64 {
        seen.max(self.since.min(seen + R))
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
        let mut session = Self {
            user,
            created,
            orgs,
            absolute: app.absolute.map_or(NEVER, |length| created + length),
            idle: Vec::new(),
            lo: created,
            hi: created,
            news: [created; ORGS],
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
            let mut end =
                IdleEnd { org, length, since, replaced: NEVER, sure_until: 0, over_from: 0 };
            end.sure_until = end.from(self.lo) + length;
            end.over_from = end.from(self.hi) + length;
            self.idle.push(end);
        }
    }

    pub fn due(&self, now: i64) -> Due {
        let perhaps_over = self.perhaps_over || self.doomed > 0;
        if self.over || self.certainly_over(now) {
            Due::Over
        } else if perhaps_over || self.idle.iter().any(|end| end.sure_until <= now) {
            Due::Either
        } else {
            Due::Alive
        }
    }

    fn certainly_over(&self, now: i64) -> bool {
        // A limit that was replaced no later than the last activity may have let the session go.
        let binds = |end: &&IdleEnd| self.hi < end.replaced;
        self.absolute <= now || self.idle.iter().filter(binds).any(|end| end.over_from <= now)
    }

    /// The span in which the first idle end lies.
    pub fn idle_span(&self) -> (i64, i64) {
        let sure = self.idle.iter().map(|end| end.sure_until).min();
        let binds = self.idle.iter().filter(|end| self.hi < end.replaced);
        let over = binds.map(|end| end.over_from).min();
        (sure.unwrap_or(NEVER), over.unwrap_or(NEVER))
    }

    /// T: how exactly activity is recorded.
    fn touch_interval(&self) -> i64 {
        let in_force = self.idle.iter().filter(|end| end.replaced == NEVER);
        in_force.map(|end| end.length / 10).chain([R]).min().unwrap().max(1)
    }

    /// A request was let in. Its activity is recorded at once if there are news (R7), else it may
    /// have been recorded up to T ago.
    pub fn active(&mut self, now: i64) {
        let news = self.news.into_iter().max().unwrap();
        let since_news = if self.hi < news { now } else { now.min(news) };
        self.lo = self.lo.max(now - self.touch_interval() + 1).max(since_news);
        self.perhaps_over = false;
        self.perhaps_active(now);
        let lo = self.lo;
        self.idle.retain(|end| lo < end.replaced);
        for end in &mut self.idle {
            end.sure_until = end.sure_until.max(end.from(lo) + end.length);
        }
    }

    /// A request was judged at `now`; whether it is recorded, and when, remains to be seen.
    pub fn perhaps_active(&mut self, now: i64) {
        self.hi = self.hi.max(now);
        let hi = self.hi;
        for end in &mut self.idle {
            end.over_from = end.over_from.max(end.from(hi) + end.length);
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

    /// An organisation has another rule from `at` on.
    pub fn rule_set(&mut self, org: usize, rule: Rule, at: i64) {
        if !self.orgs[org] {
            return;
        }
        for end in &mut self.idle {
            if end.org == Some(org) {
                end.replaced = end.replaced.min(at);
            }
        }
        let lo = self.lo;
        self.idle.retain(|end| lo < end.replaced);
        // A node that is behind may set it before the time at which another saw the session join.
        self.bind(Some(org), rule, at.max(self.news[org]));
        self.news[org] = self.news[org].max(at);
    }

    /// Its user belongs to other organisations from `now` on (R18).
    pub fn orgs_set(&mut self, orgs: [bool; ORGS], rules: &[Org; ORGS], now: i64) {
        self.looked_at(now);
        if self.over {
            return;
        }
        self.idle.retain(|end| end.org.is_none_or(|org| orgs[org]));
        for (org, rule) in rules.iter().enumerate() {
            if orgs[org] && !self.orgs[org] {
                self.bind(Some(org), rule.rule, now);
            }
            if orgs[org] != self.orgs[org] {
                self.news[org] = if orgs[org] { now } else { self.created };
            }
        }
        self.orgs = orgs;
    }

    /// When something may happen to it.
    pub fn boundaries(&self) -> Vec<i64> {
        let mut all = vec![self.absolute];
        for end in &self.idle {
            all.extend([end.sure_until, end.over_from, self.lo + end.length, self.hi + end.length]);
            all.extend([end.replaced, self.hi + end.length / 10]);
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
