//! The connections that calls share, and the calls under way on each.
//!
//! A task of its own opens, watches and replaces each connection ([`keeper`](super::keeper)), so
//! there are never more connections than tasks.
//!
//! This does not use deadpool-postgres, because a pool lends a connection to one call at a time.
//! Here reads share connections without waiting for one another, so the same number of connections
//! answers more of them. The price is paid by writes: only half of the connections write, so
//! slightly fewer touches succeed than over a pool, where commits cost nothing. Requests are mostly
//! reads. `pools` in `benches` measures both.

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

/// The connections of one kind.
pub(super) struct Connections {
    sharing: Sharing,
    slots: Vec<Slot>,
    freed: Arc<Notify>,
    hosts: Arc<Hosts>,
    /// One permit for each call that fits if all connections are open.
    places: Arc<Semaphore>,
    queue: Semaphore,
}

/// A slot for a connection.
pub(super) struct Slot {
    pub(super) state: watch::Receiver<State>,
    /// Tells a pausing keeper to try again.
    pub(super) wanted: Arc<Notify>,
}

pub(super) enum State {
    /// Until it is its turn to be opened.
    Waiting,
    Opening,
    Open(Arc<Live>),
    /// The server could not be reached, and may be back at the next attempt.
    Down(Arc<ServerMessage>),
    /// The server refuses it, or does not answer, which will probably last.
    Refused(Arc<ServerMessage>),
}

impl State {
    /// Marks the slot as waiting, and returns whether its state has changed. A slot that is down
    /// stays so until it is open.
    pub(super) fn waits(&mut self) -> bool {
        let changes = matches!(self, Self::Open(_) | Self::Opening);
        if changes {
            *self = Self::Waiting;
        }
        changes
    }

    /// Marks the slot as opening, and returns whether its state has changed: from now on calls may
    /// wait for it.
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

    /// Takes room for a call on a connection. Without free room it waits for a limited time, and
    /// only briefly if the server cannot be reached. Rare paths are boxed: otherwise every call
    /// would reserve memory for them.
    pub(super) async fn call(&self) -> Result<Call, StoreError> {
        // While other calls wait for a place, none is free.
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
                // From here on, every call that ends is noticed.
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

    /// A server that could not be reached may be back, with the next attempt some time off.
    async fn reached(&self) -> Result<Arc<Live>, StoreError> {
        let failed = &self.hosts.failed;
        // The first attempt that fails may have begun earlier.
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

    /// The error for a call that has waited for room in vain.
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
                        // With little load, the first connection serves all of it, and stays warm.
                        let room = if live.is_usable() { live.room() } else { 0 };
                        if best.as_ref().map_or(0, |(room, _)| *room) < room {
                            best = Some((room, live.clone()));
                        }
                    }
                    State::Opening => hope = true,
                    // An earlier connection shows whether waiting makes sense.
                    State::Waiting => {}
                    State::Down(cause) => down = Some(cause.clone()),
                    State::Refused(cause) => refused = Some(cause.clone()),
                }
            }
            match best {
                Some((_, live)) if live.take_room() => return Found::Room(live),
                // Another call was faster there.
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

    /// A count of tries, from now on.
    pub(super) fn repeats(&self) -> Repeats {
        Repeats { opened_before: self.hosts.opened.load(Ordering::Acquire), may_repeat: true }
    }

    /// Runs one statement in a transaction of its own.
    pub(super) async fn once(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let call = self.call().await?;
        let answer = call.alone(sql, params).await;
        call.finish();
        answer
    }
}

/// How often to repeat a call whose connection broke: once for each connection that existed before,
/// since the server may have closed all of them, and once on a new one.
pub(super) struct Repeats {
    opened_before: u64,
    may_repeat: bool,
}

impl Repeats {
    /// For calls over connections that are not counted here.
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

/// The most calls that wait for room.
const MAX_WAITING_CALLS: usize = 256;

pub(super) const MAX_WAIT_FOR_ROOM: Duration = Duration::from_secs(3);

const NOBODY_THERE: &str = "the session store cannot be reached";
const UNREACHABLE: StoreError = StoreError::message(NOBODY_THERE);

pub(super) const BUSY: StoreError =
    StoreError::message("the session store is busy: all of its connections are taken");
