//! A search over every order of events in a small world: loads that take time, changes on another
//! node, their reports, heartbeats, broken connections, and time that passes.

use std::collections::{HashSet, VecDeque};

use super::*;
use crate::clock::Timestamp;
use crate::session::SecretHash;

/// The number of ticks for which an entry may be used.
const BOUND: i64 = 2;

const MOST_CHANGES: usize = 3;
const MOST_EVENTS: usize = 11;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    LoadBegins,
    LoadReads,
    LoadEnds,
    Changes,
    IsTold,
    HeartbeatIsAsked,
    HeartbeatIsAnswered,
    Breaks,
    IsWatched,
    TimePasses,
}

const EVENTS: [Event; 10] = [
    Event::LoadBegins,
    Event::LoadReads,
    Event::LoadEnds,
    Event::Changes,
    Event::IsTold,
    Event::HeartbeatIsAsked,
    Event::HeartbeatIsAnswered,
    Event::Breaks,
    Event::IsWatched,
    Event::TimePasses,
];

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Message {
    Changed,
    Heartbeat { asked: i64 },
}

enum Load {
    None,
    Begun(Ticket),
    Read(Ticket, usize),
}

/// One session in a store, and a node that caches it.
struct World {
    cache: Cache,
    now: i64,
    /// All revisions so far; the store has the last one.
    revisions: Vec<Arc<Record>>,
    /// The time at which each revision was made.
    made: Vec<i64>,
    /// The revision up to which the node has received reports.
    told: usize,
    load: Load,
    is_watched: bool,
    under_way: VecDeque<Message>,
    asked: Option<i64>,
}

impl World {
    fn new() -> Self {
        let (id, secret) = (SessionId::from_bytes([7; 16]), SecretHash::from_bytes([1; 32]));
        let first = Record::begin(id, secret, "ada", Timestamp::from_unix_millis(0), 1);
        let mut revisions = vec![Arc::new(first)];
        for number in 0..MOST_CHANGES {
            revisions.push(Arc::new(revisions[number].next(1)));
        }
        Self {
            cache: Cache::with_marks(Duration::seconds(BOUND), 16, 1),
            now: 0,
            revisions,
            made: vec![0],
            told: 0,
            load: Load::None,
            is_watched: false,
            under_way: VecDeque::new(),
            asked: None,
        }
    }

    /// `false` if that cannot happen now.
    fn happens(&mut self, event: Event) -> bool {
        let id = self.revisions[0].id();
        match event {
            Event::LoadBegins => {
                if !matches!(self.load, Load::None) {
                    return false;
                }
                self.load = Load::Begun(self.cache.ticket(id));
            }
            Event::LoadReads => match std::mem::replace(&mut self.load, Load::None) {
                Load::Begun(ticket) => self.load = Load::Read(ticket, self.made.len() - 1),
                other => {
                    self.load = other;
                    return false;
                }
            },
            Event::LoadEnds => match std::mem::replace(&mut self.load, Load::None) {
                Load::Read(ticket, read) => self.cache.fill(ticket, &self.revisions[read]),
                other => {
                    self.load = other;
                    return false;
                }
            },
            Event::Changes => {
                if self.made.len() > MOST_CHANGES {
                    return false;
                }
                self.made.push(self.now);
                if self.is_watched {
                    self.under_way.push_back(Message::Changed);
                }
            }
            Event::IsTold => match self.under_way.pop_front() {
                Some(Message::Changed) => {
                    self.told += 1;
                    self.cache.changed(id);
                }
                Some(Message::Heartbeat { asked }) => {
                    self.cache.caught_up(Duration::seconds(asked), None);
                }
                None => return false,
            },
            Event::HeartbeatIsAsked => {
                if !self.is_watched || self.asked.is_some() {
                    return false;
                }
                self.asked = Some(self.now);
            }
            Event::HeartbeatIsAnswered => match self.asked.take() {
                Some(asked) => self.under_way.push_back(Message::Heartbeat { asked }),
                None => return false,
            },
            Event::Breaks => {
                if !self.is_watched {
                    return false;
                }
                (self.is_watched, self.asked) = (false, None);
                self.under_way.clear();
                self.cache.lost();
            }
            Event::IsWatched => {
                if self.is_watched {
                    return false;
                }
                self.is_watched = true;
                self.told = self.made.len() - 1;
                self.cache.all_changed();
            }
            Event::TimePasses => self.now += 1,
        }
        true
    }

    /// The revision that the cache answers without asking the store.
    fn tells(&self) -> Option<usize> {
        let cached = self.cache.get(self.revisions[0].id(), Duration::seconds(self.now))?;
        let revision = cached.record.revision();
        Some(self.revisions.iter().position(|record| record.revision() == revision).unwrap())
    }

    fn check(&self) -> Result<Option<usize>, &'static str> {
        let Some(tells) = self.tells() else { return Ok(None) };
        if tells < self.told {
            return Err("it tells what it knows to have changed");
        }
        match self.made.get(tells + 1) {
            Some(changed) if BOUND <= self.now - changed => Err("it tells beyond the bound"),
            _ => Ok(Some(tells)),
        }
    }

    /// Two worlds with equal views have equal futures.
    fn looks(&self) -> impl Eq + std::hash::Hash + use<> {
        let id = self.revisions[0].id();
        let age = |time: i64| (self.now - time).min(BOUND + 1);
        let current = |mark: Mark| mark == self.cache.mark(id);
        let entry = self.cache.entries.peek(&id).map(|entry| {
            let revision = entry.record.revision();
            let number = self.revisions.iter().position(|record| record.revision() == revision);
            (number, entry.epoch == self.cache.mark(id).epoch)
        });
        let load = match &self.load {
            Load::None => None,
            Load::Begun(ticket) => Some((None, current(ticket.mark))),
            Load::Read(ticket, read) => Some((Some(*read), current(ticket.mark))),
        };
        let caught_up = self.cache.behind(Duration::seconds(self.now));
        (
            (entry, load, caught_up.map(|behind| behind.whole_seconds().min(BOUND + 1))),
            (self.told, self.is_watched, self.asked.map(age)),
            self.made.iter().map(|made| age(*made)).collect::<Vec<_>>(),
            self.under_way
                .iter()
                .map(|message| match message {
                    Message::Changed => None,
                    Message::Heartbeat { asked } => Some(age(*asked)),
                })
                .collect::<Vec<_>>(),
        )
    }
}

fn after(events: &[Event]) -> Option<World> {
    let mut world = World::new();
    events.iter().all(|event| world.happens(*event)).then_some(world)
}

#[test]
fn r41_whatever_happens_in_whatever_order_nothing_is_told_beyond_the_bound() {
    let mut seen = HashSet::new();
    let mut stale = 0;
    let mut ways = vec![Vec::new()];
    for _ in 0..MOST_EVENTS {
        let mut longer = Vec::new();
        for way in &ways {
            for event in EVENTS {
                let way = [&way[..], &[event]].concat();
                let Some(world) = after(&way) else { continue };
                match world.check() {
                    Err(wrong) => panic!("{wrong} after {way:?}"),
                    Ok(Some(told)) if told + 1 < world.made.len() => stale += 1,
                    Ok(_) => {}
                }
                if seen.insert(world.looks()) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    assert!(10_000 < seen.len(), "only {} states", seen.len());
    assert!(0 < stale, "it never tells what has changed a moment ago, so the bound is not tested");
}
