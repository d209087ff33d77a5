//! A thousand nodes with a cache each, where arithmetic does not answer: how often a request finds its session
//! near, and what the store is asked while caches fill again.
//!
//! One in a thousand of the sessions and of the requests is looked at, with all nodes, and in each cache a
//! thousandth of the room. A session has as many requests as on the whole site, and takes the same share of a
//! cache. What is counted is multiplied by a thousand. Requests come at random times (a Poisson process). A
//! cache lets go of what was used least recently, which is close to what the real one does.

use std::collections::{HashMap, VecDeque};

use super::figures::Assumed;

/// One in so many sessions is looked at.
const SAMPLE: f64 = 1000.0;
/// Seconds until caches are as they stay. Nothing happens until then.
const WARM: f64 = 3600.0;
/// Of these the last ones before something happens are the steady state.
const STEADY: f64 = 600.0;
/// Seconds that are looked at from then on.
const AFTER: f64 = 660.0;
/// Activity is recorded at most so often.
const TOUCH_EVERY: f64 = 3600.0;
/// One in so many answers from a cache is asked again at the store.
const ASKED_AGAIN: u64 = 512;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Balancing {
    /// A session's requests go to one node.
    Sticky,
    /// Each request goes to any node.
    Any,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Break,
    DeployAtOnce,
    DeployInTurn,
    Policy,
    Revocation,
}

/// What happens in a second, on the whole site.
#[derive(Clone, Copy, Default)]
pub(super) struct Second {
    pub(super) requests: f64,
    pub(super) hits: f64,
    pub(super) loads: f64,
    pub(super) touches: f64,
    pub(super) ends: f64,
    pub(super) sign_ins: f64,
}

impl Second {
    /// Changes that each node is told of.
    pub(super) fn changes(&self) -> f64 {
        self.touches + self.ends + self.sign_ins
    }
}

#[derive(Clone)]
pub(super) struct World<'a> {
    assumed: &'a Assumed,
    balancing: Balancing,
    room: usize,
    now: f64,
    random: Random,
    sessions: Vec<Session>,
    nodes: Vec<Cache>,
    /// Caches are not asked before.
    blind_until: f64,
    /// Sessions that were touched before are touched at once.
    policy_at: f64,
    /// Sessions that have signed in before are over.
    revoked_at: f64,
    /// Who signs in when, the latest first.
    sign_ins: Vec<(f64, u32)>,
    hits: u64,
    seconds: Vec<Second>,
}

#[derive(Clone, Copy)]
struct Session {
    node: u32,
    version: u32,
    touched: f64,
    signed_in: f64,
    has_ended: bool,
}

impl<'a> World<'a> {
    /// `entries` is the room of a cache on the whole site.
    pub(super) fn new(assumed: &'a Assumed, balancing: Balancing, entries: f64) -> Self {
        let mut random = Random(16);
        let nodes = (assumed.requests_a_second / assumed.requests_a_second_of_a_node) as u32;
        let count = (assumed.sessions * assumed.active_share / SAMPLE) as usize;
        let sessions = (0..count).map(|_| Session {
            node: (random.next() * f64::from(nodes)) as u32,
            version: 0,
            touched: -random.next() * TOUCH_EVERY,
            signed_in: -1.0,
            has_ended: false,
        });
        Self {
            assumed,
            balancing,
            room: (entries / SAMPLE) as usize,
            now: 0.0,
            sessions: sessions.collect(),
            random,
            nodes: vec![Cache::default(); nodes as usize],
            blind_until: 0.0,
            policy_at: f64::MIN,
            revoked_at: f64::MIN,
            sign_ins: Vec::new(),
            hits: 0,
            seconds: Vec::new(),
        }
    }

    /// The mean of the steady state. Goes on until something may happen.
    pub(super) fn warm_up(&mut self) -> Second {
        self.go_on(WARM);
        self.mean(WARM - STEADY, WARM)
    }

    /// Lets that happen: the first second, the first minute, and the tenth.
    pub(super) fn after(mut self, event: Event) -> [Second; 3] {
        let deploy = self.assumed.seconds_of_deploy;
        match event {
            Event::Break => {
                self.blind_until = self.now + self.assumed.seconds_until_watched_again;
                self.nodes.fill_with(Cache::default);
            }
            Event::DeployAtOnce => self.nodes.fill_with(Cache::default),
            Event::DeployInTurn => {
                let count = self.nodes.len();
                for node in 0..count {
                    self.go_on(WARM + deploy * node as f64 / count as f64);
                    self.nodes[node] = Cache::default();
                }
            }
            Event::Policy => self.policy_at = self.now,
            Event::Revocation => {
                self.revoked_at = self.now;
                let storm = self.assumed.seconds_of_storm;
                let mut at = || WARM + self.random.next() * storm;
                self.sign_ins = (0..self.sessions.len() as u32).map(|who| (at(), who)).collect();
                self.sign_ins.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
            }
        }
        self.go_on(WARM + AFTER);
        [(0.0, 1.0), (0.0, 60.0), (540.0, 600.0)]
            .map(|(from, to)| self.mean(WARM + from, WARM + to))
    }

    fn mean(&self, from: f64, to: f64) -> Second {
        let seconds = &self.seconds[from as usize..to as usize];
        let times = SAMPLE / seconds.len() as f64;
        let mean = |of: fn(&Second) -> f64| seconds.iter().map(of).sum::<f64>() * times;
        Second {
            requests: mean(|second| second.requests),
            hits: mean(|second| second.hits),
            loads: mean(|second| second.loads),
            touches: mean(|second| second.touches),
            ends: mean(|second| second.ends),
            sign_ins: mean(|second| second.sign_ins),
        }
    }

    fn go_on(&mut self, until: f64) {
        let rate = self.assumed.requests_a_second / SAMPLE;
        while self.now < until {
            self.now -= (1.0 - self.random.next()).ln() / rate;
            while let Some((_, who)) = self.sign_ins.pop_if(|(at, _)| *at <= self.now) {
                self.signs_in(who as usize);
            }
            // The share of requests that the most active sessions make is a power of theirs.
            let place = self.random.next().powf(1.0 / (1.0 - self.assumed.zipf));
            let who = ((place * self.sessions.len() as f64) as usize).min(self.sessions.len() - 1);
            self.request(who);
        }
    }

    fn counted(&mut self) -> &mut Second {
        let second = self.now as usize;
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, Second::default());
        }
        &mut self.seconds[second]
    }

    fn request(&mut self, who: usize) {
        let (now, session) = (self.now, self.sessions[who]);
        let node = match self.balancing {
            Balancing::Sticky => session.node as usize,
            Balancing::Any => (self.random.next() * self.nodes.len() as f64) as usize,
        };
        let is_over = session.has_ended || session.signed_in < self.revoked_at;
        let is_due = session.touched + TOUCH_EVERY <= now || session.touched < self.policy_at;
        let is_near = self.blind_until <= now && self.nodes[node].has(who, session.version);
        self.counted().requests += 1.0;
        if is_near && !is_over && !is_due {
            self.hits += 1;
            let again = self.hits.is_multiple_of(ASKED_AGAIN);
            self.counted().hits += 1.0;
            self.counted().loads += f64::from(u8::from(again));
            return;
        }
        self.counted().loads += 1.0;
        if is_over {
            self.end(who);
        } else if is_due {
            self.counted().touches += 1.0;
            self.sessions[who].touched = now;
            self.sessions[who].version += 1;
        } else if self.blind_until <= now {
            self.nodes[node].keep(who, session.version, self.room);
        }
    }

    /// The first who finds it over writes that down.
    fn end(&mut self, who: usize) {
        if !self.sessions[who].has_ended {
            self.counted().ends += 1.0;
            self.sessions[who].has_ended = true;
            self.sessions[who].version += 1;
        }
    }

    /// With the cookie of the session before, which is looked up.
    fn signs_in(&mut self, who: usize) {
        self.counted().loads += 1.0;
        self.end(who);
        self.counted().sign_ins += 1.0;
        let session = &mut self.sessions[who];
        session.version += 1;
        (session.touched, session.signed_in, session.has_ended) = (self.now, self.now, false);
    }
}

/// What one node keeps near.
#[derive(Clone, Default)]
struct Cache {
    /// The version of each session, and its last use.
    entries: HashMap<usize, (u32, u64)>,
    /// All uses, the first one first.
    uses: VecDeque<(usize, u64)>,
    count: u64,
}

impl Cache {
    fn has(&mut self, who: usize, version: u32) -> bool {
        let is_there = self.entries.get(&who).is_some_and(|(kept, _)| *kept == version);
        if is_there {
            self.used(who, version);
        } else {
            self.entries.remove(&who);
        }
        is_there
    }

    fn keep(&mut self, who: usize, version: u32, room: usize) {
        self.used(who, version);
        while room < self.entries.len()
            && let Some((oldest, at)) = self.uses.pop_front()
        {
            if self.entries.get(&oldest).is_some_and(|(_, last)| *last == at) {
                self.entries.remove(&oldest);
            }
        }
    }

    fn used(&mut self, who: usize, version: u32) {
        self.count += 1;
        self.entries.insert(who, (version, self.count));
        self.uses.push_back((who, self.count));
        // Uses that others have followed.
        let is_past =
            |(who, at): &(usize, u64)| self.entries.get(who).is_none_or(|(_, last)| last != at);
        if self.uses.front().is_some_and(is_past) {
            self.uses.pop_front();
        }
    }
}

/// Numbers that are the same in each run (splitmix64).
#[derive(Clone)]
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
