//! A store with a fault in it.

use tower_curfew_checker::{Call, Limits, Outcome};

use crate::chance::Chance;
use crate::store::{Session, Store};

/// How far behind a replica is at most, and how long two primaries go on.
const LAG: i64 = 400_000;
const SPLIT: i64 = 2_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    ForgetsOneEndInAThousand,
    ReadsFromAReplica,
    /// Activity is written with the whole of the record, as it was when it was read.
    WritesOverEnds,
    /// For some time two nodes have a primary each, and what one of them writes is lost.
    HasTwoPrimaries,
    ExceedsTheCap,
    ListsLeaveOneOut,
    ListsHoldOneOfAnother,
    RecordsTooLittleActivity,
    IgnoresAbsoluteLimits,
    IgnoresPolicies,
}

pub struct Faulty {
    store: Store,
    fault: Option<Fault>,
    chance: Chance,
    /// The replica, or the primary of node 1, and since when it has gone its own way.
    other: Option<(Store, i64)>,
    /// What requests are about to write, by the number of their call.
    unwritten: Vec<(usize, String, Session)>,
}

impl Faulty {
    pub fn new(mut store: Store, fault: Option<Fault>, seed: u64) -> Self {
        let configured = store.limits;
        match fault {
            Some(Fault::IgnoresAbsoluteLimits) => {
                store.limits = Limits { absolute: None, ..configured };
            }
            Some(Fault::RecordsTooLittleActivity) => store.touch_every *= 8,
            _ => {}
        }
        Self { store, fault, chance: Chance::new(!seed), other: None, unwritten: Vec::new() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// A call takes effect at `time`; the clock of its node shows `now`.
    pub fn effect(
        &mut self,
        number: usize,
        (call, by): (&Call, Option<&str>),
        node: usize,
        time: i64,
        now: i64,
    ) -> Outcome {
        let name = format!("s{number}");
        if self.has(Fault::ForgetsOneEndInAThousand) && ends(call) && self.chance.once_in(1_000) {
            return Outcome::Done;
        }
        if self.has(Fault::IgnoresPolicies) && matches!(call, Call::SetPolicy { .. }) {
            return Outcome::Done;
        }
        if self.has(Fault::ExceedsTheCap) && self.chance.once_in(50) {
            let cap = self.store.cap.take();
            let outcome = self.store.call(call, by, now, &name);
            self.store.cap = cap;
            return outcome;
        }
        if self.has(Fault::HasTwoPrimaries) {
            self.split(time);
            if let Some((other, _)) = self.other.as_mut().filter(|_| node == 1) {
                return other.call(call, by, now, &name);
            }
        }
        if self.has(Fault::WritesOverEnds)
            && let Call::Request { session } = call
        {
            let outcome = self.store.call(call, by, now, &name);
            if let Some(record) = self.store.sessions.get(session).filter(|s| s.over.is_none()) {
                self.unwritten.push((number, session.clone(), record.clone()));
            }
            return outcome;
        }
        let outcome = self.store.call(call, by, now, &name);
        match (call, outcome) {
            (Call::Request { .. } | Call::List { .. }, _) if self.has(Fault::ReadsFromAReplica) => {
                self.replica(time).call(call, None, now, &name)
            }
            (_, Outcome::Listed { sessions }) => Outcome::Listed { sessions: self.list(sessions) },
            (_, outcome) => outcome,
        }
    }

    /// A call has ended, whatever came of it.
    pub fn end(&mut self, number: usize) {
        if let Some(at) = self.unwritten.iter().position(|(call, ..)| *call == number) {
            let (_, name, record) = self.unwritten.swap_remove(at);
            self.store.sessions.insert(name, record);
        }
    }

    fn replica(&mut self, time: i64) -> &mut Store {
        self.other.take_if(|(_, since)| *since + LAG < time);
        &mut self.other.get_or_insert_with(|| (self.store.clone(), time)).0
    }

    fn split(&mut self, time: i64) {
        self.other.take_if(|(_, since)| *since + SPLIT < time);
        if self.other.is_none() && self.chance.once_in(500) {
            self.other = Some((self.store.clone(), time));
        }
    }

    fn list(&mut self, mut sessions: Vec<String>) -> Vec<String> {
        if self.has(Fault::ListsLeaveOneOut) && self.chance.once_in(50) {
            sessions.pop();
        }
        if self.has(Fault::ListsHoldOneOfAnother) && self.chance.once_in(50) {
            let living = self.store.sessions.iter().filter(|(_, session)| session.over.is_none());
            sessions.extend(living.map(|(name, _)| name.clone()).take(1));
        }
        sessions
    }
}

fn ends(call: &Call) -> bool {
    matches!(
        call,
        Call::SignOut { .. }
            | Call::RevokeSession { .. }
            | Call::RevokeUser { .. }
            | Call::RevokeOrg { .. }
            | Call::RevokeEveryone
    )
}
