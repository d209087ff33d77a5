//! The connections that calls share, and what is under way on each.
//!
//! Each is opened, watched and replaced by a task of its own ([`keeper`](super::keeper)), so there
//! are never more than there are tasks.
//!
//! This is not deadpool-postgres because a pool lends a connection to one call at a time. Reads here
//! share connections without waiting for one another, so over as many connections more of them are
//! answered. Writes are the price: only half of the connections write, so somewhat fewer touches come
//! through than over a pool, where commits cost nothing. Requests are mostly reads. `pools` in `benches`
//! measures both.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_postgres::Row;

use super::connection::{Call, Live, Sharing};
use super::error::{Failure, ServerMessage};
use super::hosts::Hosts;
use super::statements::Sql;
use super::values::Params;
use crate::store::error::StoreError;

/// Some connections of one kind.
pub(super) struct Connections {
    sharing: Sharing,
    slots: Vec<Slot>,
    freed: Arc<Notify>,
    hosts: Arc<Hosts>,
    /// As many as there is room for calls if all connections are open.
    places: Arc<Semaphore>,
    queue: Semaphore,
}

/// A place for a connection.
pub(super) struct Slot {
    pub(super) state: watch::Receiver<State>,
    /// Tells its keeper, where it pauses, to try again.
    pub(super) wanted: Arc<Notify>,
}

pub(super) enum State {
    /// Until it is its turn to be opened.
    Waiting,
    Opening,
    Open(Arc<Live>),
    /// The server could not be reached, and may be there again at the next attempt.
    Down(Arc<ServerMessage>),
    /// The server refuses it, or does not answer, which will hardly be over soon.
    Refused(Arc<ServerMessage>),
}

impl State {
    /// Says whether it has changed. What is down stays so until it is open.
    pub(super) fn waits(&mut self) -> bool {
        let changes = matches!(self, Self::Open(_) | Self::Opening);
        if changes {
            *self = Self::Waiting;
        }
        changes
    }

    /// Says so, too: from now on calls may hope for it.
    pub(super) fn opens(&mut self) -> bool {
        let changes = matches!(self, Self::Waiting);
        if changes {
            *self = Self::Opening;
        }
        changes
    }
}

impl Connections {
    pub(super) fn new(
        sharing: Sharing,
        slots: Vec<Slot>,
        hosts: Arc<Hosts>,
        freed: Arc<Notify>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(slots.len() * sharing.capacity() as usize));
        let queue = Semaphore::new(MAX_WAITING_CALLS);
        Self { sharing, slots, freed, hosts, places, queue }
    }

    pub(super) fn sharing(&self) -> Sharing {
        self.sharing
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Room for a call on a connection. If there is none it waits, though not for long, and if the
    /// server cannot be reached hardly at all. What is rare is boxed: else every call would carry the
    /// room for it.
    pub(super) async fn call(&self) -> Result<Call, StoreError> {
        // Others may be waiting already, and then there is none.
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Box::pin(self.wait(None)).await;
        };
        match self.attempt() {
            Found::Room(live) => Ok(self.start(live, place)),
            Found::Refused(cause) => Err(unreachable(cause)),
            Found::Down(_) | Found::Nothing => Box::pin(self.wait(Some(place))).await,
        }
    }

    async fn wait(&self, place: Option<OwnedSemaphorePermit>) -> Result<Call, StoreError> {
        let _turn = self.queue.try_acquire().map_err(|_| BUSY)?;
        let wait = async {
            // First come, first served.
            let place = match place {
                Some(place) => place,
                None => self.places.clone().acquire_owned().await.map_err(|_| BUSY)?,
            };
            loop {
                let mut freed = pin!(self.freed.notified());
                // From here on no call that ends goes unnoticed.
                freed.as_mut().enable();
                match self.attempt() {
                    Found::Room(live) => return Ok(self.start(live, place)),
                    Found::Nothing => freed.await,
                    Found::Down(_) => return Ok(self.start(self.reached().await?, place)),
                    Found::Refused(cause) => return Err(unreachable(cause)),
                }
            }
        };
        tokio::time::timeout(MAX_WAIT_FOR_ROOM, wait).await.unwrap_or_else(|_| Err(self.reproach()))
    }

    /// A server that could not be reached may be back, and the next attempt some way off.
    async fn reached(&self) -> Result<Arc<Live>, StoreError> {
        let failed = &self.hosts.failed;
        // The first attempt that fails may have begun before.
        let enough = failed.load(Ordering::Acquire) + 2;
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            match self.attempt() {
                Found::Room(live) => return Ok(live),
                Found::Refused(cause) => return Err(unreachable(cause)),
                Found::Down(cause) if enough <= failed.load(Ordering::Acquire) => {
                    return Err(unreachable(cause));
                }
                _ => {}
            }
            for slot in &self.slots {
                slot.wanted.notify_one();
            }
            freed.await;
        }
    }

    fn start(&self, live: Arc<Live>, place: OwnedSemaphorePermit) -> Call {
        Call::new(live, self.freed.clone(), place)
    }

    /// What to say to a call that has waited for room in vain.
    fn reproach(&self) -> StoreError {
        let is_open = |slot: &Slot| match &*slot.state.borrow() {
            State::Open(live) => live.is_usable(),
            _ => false,
        };
        if self.slots.iter().any(is_open) { BUSY } else { UNREACHABLE }
    }

    fn attempt(&self) -> Found {
        loop {
            let mut best = None::<(u32, Arc<Live>)>;
            let (mut down, mut refused) = (None, None);
            let mut hope = false;
            for slot in &self.slots {
                match &*slot.state.borrow() {
                    State::Open(live) => {
                        hope = true;
                        // While there is little to do, the first serves all of it, and stays warm.
                        let room = if live.is_usable() { live.room() } else { 0 };
                        if best.as_ref().map_or(0, |(room, _)| *room) < room {
                            best = Some((room, live.clone()));
                        }
                    }
                    State::Opening => hope = true,
                    // Whoever is before it shows what there is to hope for.
                    State::Waiting => {}
                    State::Down(cause) => down = Some(cause.clone()),
                    State::Refused(cause) => refused = Some(cause.clone()),
                }
            }
            match best {
                Some((_, live)) if live.take_room() => return Found::Room(live),
                // Somebody else was faster there.
                Some(_) => {}
                None if hope => return Found::Nothing,
                None => {
                    let down = down.map(Found::Down);
                    let found = down.or_else(|| refused.map(Found::Refused));
                    return found.unwrap_or(Found::Nothing);
                }
            }
        }
    }

    /// A count of what is tried, from now on.
    pub(super) fn repeats(&self) -> Repeats {
        Repeats { opened_before: self.hosts.opened.load(Ordering::Acquire), may_repeat: true }
    }

    /// Runs one statement, which is a transaction of its own.
    pub(super) async fn once(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let call = self.call().await?;
        let answer = call.alone(sql, params).await;
        call.finish();
        answer
    }
}

/// How often to repeat what a connection broke under: as often as its connection was there before, of
/// which the server may have closed all, and once on a new one.
pub(super) struct Repeats {
    opened_before: u64,
    may_repeat: bool,
}

impl Repeats {
    /// Of what runs over connections that nobody here counts.
    #[cfg(feature = "deadpool")]
    pub(super) fn once() -> Self {
        Self { opened_before: 0, may_repeat: true }
    }

    pub(super) fn allow(&mut self, connection: u64) -> bool {
        connection <= self.opened_before || std::mem::take(&mut self.may_repeat)
    }
}

enum Found {
    Room(Arc<Live>),
    /// All are taken, or about to be opened again.
    Nothing,
    Down(Arc<ServerMessage>),
    Refused(Arc<ServerMessage>),
}

fn unreachable(cause: Arc<ServerMessage>) -> StoreError {
    StoreError::new(NOBODY_THERE, cause)
}

/// So many calls wait for room, and no more.
const MAX_WAITING_CALLS: usize = 256;

pub(super) const MAX_WAIT_FOR_ROOM: Duration = Duration::from_secs(3);

const NOBODY_THERE: &str = "the session store cannot be reached";
const UNREACHABLE: StoreError = StoreError::message(NOBODY_THERE);

pub(super) const BUSY: StoreError =
    StoreError::message("the session store is busy: all of its connections are taken");
