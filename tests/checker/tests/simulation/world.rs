//! Clients that call a store at the same time, in a time of their own, and the log of what they saw.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tower_curfew_checker::{AtCap, Call, Cap, Entry, Header, Limits, Log, Outcome};

use crate::chance::Chance;
use crate::faults::{Fault, Faulty};
use crate::store::Store;

const MS: i64 = 1_000;
const SECOND: i64 = 1_000 * MS;

const USERS: [&str; 4] = ["ann", "bob", "cem", "dee"];
const ORGS: [&str; 2] = ["acme", "globex"];
const NODES: usize = 3;
const CLIENTS: usize = 12;

/// How many calls a run has.
pub const CALLS: usize = 2_000;

pub struct World {
    chance: Chance,
    header: Header,
    store: Faulty,
    /// By how much the clock of each node is ahead.
    ahead: [i64; NODES],
    events: BinaryHeap<Reverse<(i64, Event)>>,
    calls: Vec<Entry>,
    ways: Vec<Way>,
    /// The sessions that each user knows of.
    known: [Vec<String>; USERS.len()],
}

/// What happens next, with the number of a client or a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Begin { client: usize },
    Effect { call: usize },
    End { call: usize, client: usize },
}

/// Where a call goes, and whether its answer comes back.
struct Way {
    node: usize,
    returns: bool,
}

/// Whether and how a call is answered.
#[derive(Clone, Copy)]
enum Answer {
    Given,
    Unavailable,
    TimedOut,
    Never,
}

impl World {
    pub fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut chance = Chance::new(seed);
        let limits = some_limits(&mut chance);
        let at_cap = chance.one_of(&[AtCap::EndOldest, AtCap::Refuse]);
        let cap = chance.one_of(&[None, Some(1), Some(2), Some(3), Some(6)]);
        let cap = cap.map(|sessions| Cap { sessions, at_cap });
        let clock_tolerance = chance.one_of(&[0, 20 * MS, 200 * MS]);
        let touch_every = chance.one_of(&[0, 50 * MS, 200 * MS]);
        let ahead = [(); NODES].map(|()| chance.between(0, clock_tolerance));
        let store = Faulty::new(Store::new(limits, cap, touch_every), fault, seed);
        // So much more a lag may seem if it is counted in milliseconds.
        let touch_every = Some(touch_every + MS);
        let header = Header { limits, cap, touch_every, clock_tolerance, kept_for: None };
        let mut events = BinaryHeap::new();
        for client in 0..CLIENTS {
            events.push(Reverse((chance.between(0, SECOND), Event::Begin { client })));
        }
        let known = [const { Vec::new() }; USERS.len()];
        let (calls, ways) = (Vec::new(), Vec::new());
        Self { chance, header, store, ahead, events, calls, ways, known }
    }

    /// Plays it to its end. Calls are in the log in the order of their begin.
    pub fn log(mut self) -> Log {
        while let Some(Reverse((time, event))) = self.events.pop() {
            match event {
                Event::Begin { client } if self.calls.len() < CALLS => self.begin(client, time),
                Event::Begin { .. } => {}
                Event::Effect { call } => self.effect(call, time),
                Event::End { call, client } => self.end(call, client, time),
            }
        }
        Log::new(self.header, self.calls).unwrap()
    }

    fn begin(&mut self, client: usize, time: i64) {
        let (call, by) = self.some_call(client % USERS.len());
        let number = self.calls.len();
        let slow = if self.chance.once_in(30) { 400 * MS } else { 20 * MS };
        let takes = self.chance.between(100, slow);
        let answer = match self.chance.weighted(&[95, 2, 2, 1]) {
            0 => Answer::Given,
            1 => Answer::Unavailable,
            2 => Answer::TimedOut,
            _ => Answer::Never,
        };
        let ended = time + takes;
        let effect = match (answer, &call) {
            (Answer::Given, _) => Some(time + self.chance.between(0, takes)),
            // It was not let in.
            (Answer::Unavailable, Call::Request { .. }) => None,
            _ => match self.chance.below(4) {
                0 => None,
                1 => Some(time + self.chance.between(0, takes)),
                _ => Some(time + self.chance.between(0, 4 * SECOND)),
            },
        };
        let outcome = match answer {
            Answer::Unavailable => Outcome::Unavailable,
            _ => Outcome::Unknown,
        };
        let returned = (!matches!(answer, Answer::Never)).then_some(ended);
        self.events.push(Reverse((ended, Event::End { call: number, client })));
        self.events.extend(effect.map(|at| Reverse((at, Event::Effect { call: number }))));
        let returns = matches!(answer, Answer::Given);
        self.ways.push(Way { node: self.chance.below(NODES), returns });
        self.calls.push(Entry { call, by, node: None, began: time, ended: returned, outcome });
    }

    fn effect(&mut self, number: usize, time: i64) {
        let Entry { call, by, .. } = &self.calls[number];
        let Way { node, returns } = self.ways[number];
        let now = (time + self.ahead[node]) / MS * MS;
        let outcome = self.store.effect(number, (call, by.as_deref()), node, time, now);
        if returns {
            self.calls[number].outcome = outcome;
        }
    }

    fn end(&mut self, number: usize, client: usize, time: i64) {
        self.store.end(number);
        let entry = &self.calls[number];
        let known = &mut self.known[client % USERS.len()];
        match (&entry.call, &entry.outcome) {
            (_, Outcome::Started { session }) => known.push(session.clone()),
            (Call::List { .. }, Outcome::Listed { sessions }) => {
                // A session that nobody holds can be ended by its name, too.
                known.extend(sessions.last().cloned());
            }
            (Call::Request { session }, Outcome::Ended { .. }) if self.chance.once_in(4) => {
                known.retain(|name| name != session);
            }
            _ => {}
        }
        if 8 < known.len() {
            known.remove(0);
        }
        let pause = if self.chance.once_in(40) { 4 * SECOND } else { 60 * MS };
        let next = time + self.chance.between(0, pause);
        self.events.push(Reverse((next, Event::Begin { client })));
    }

    fn some_call(&mut self, user: usize) -> (Call, Option<String>) {
        let chance = &mut self.chance;
        let known = &self.known[user];
        let user = USERS[user].to_owned();
        let org = chance.one_of(&[Some(ORGS[0]), Some(ORGS[1]), Some(ORGS[1]), None]);
        let org = org.map(str::to_owned);
        let some = (!known.is_empty()).then(|| chance.one_of(known));
        let by = some.clone().filter(|_| chance.once_in(2));
        let Some(session) = some else {
            return (sign_in(chance, user, None), None);
        };
        match chance.weighted(&[1400, 60, 40, 30, 15, 6, 1, 15, 12, 120]) {
            0 => (Call::Request { session }, None),
            1 => {
                let replaces = chance.once_in(4).then_some(session);
                (sign_in(chance, user, replaces), None)
            }
            2 => (Call::SignOut { session }, None),
            3 => (Call::RevokeSession { session }, by),
            4 => (Call::RevokeUser { user, except: chance.once_in(2).then_some(session) }, by),
            5 => (Call::RevokeOrg { org: ORGS[0].into() }, by),
            6 => (Call::RevokeEveryone, by),
            7 => {
                let Limits { absolute, idle } = some_limits(chance);
                (Call::SetPolicy { org, absolute, idle }, by)
            }
            8 => (Call::ClearPolicy { org }, by),
            _ => (Call::List { user }, by),
        }
    }
}

fn sign_in(chance: &mut Chance, user: String, replaces: Option<String>) -> Call {
    let mut orgs = ORGS.map(str::to_owned).to_vec();
    orgs.retain(|_| chance.once_in(2));
    let at_most = chance.once_in(5).then(|| some_limits(chance));
    Call::SignIn { user, orgs, at_most, replaces }
}

fn some_limits(chance: &mut Chance) -> Limits {
    let absolute = chance.one_of(&[None, Some(3), Some(8), Some(20)]);
    let idle = chance.one_of(&[None, Some(1), Some(2), Some(5)]);
    Limits { absolute: absolute.map(|s| s * SECOND), idle: idle.map(|s| s * SECOND) }
}
