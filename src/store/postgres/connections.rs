//! The connections that calls share, and what is under way on each.
//!
//! Each is opened, watched and replaced by a task of its own ([`keeper`](super::keeper)), so there
//! are never more than there are tasks.
//!
//! This is not deadpool-postgres because a pool lends a connection to one call at a time. Reads here
//! share connections without waiting for one another: over as many connections, the same load takes
//! 0.60 of the time when it is alone, and 1.42 times as many are answered when 64 are under way
//! (`benches/pools.rs`). Writes are the price: only half of the connections write, so of four
//! connections 0.76 to 0.86 times as many touches a second come through as over a pool of four, where
//! commits cost nothing. Requests are mostly reads.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_postgres::Row;

use super::connection::{Call, Live, Sharing};
use super::error::{Failure, ServerMessage};
use super::statements::Sql;
use super::values::Params;
use crate::store::contract::StoreError;

/// Some connections of one kind.
pub(super) struct Connections {
    sharing: Sharing,
    slots: Vec<watch::Receiver<State>>,
    freed: Arc<Notify>,
    /// As many as there is room for calls if all connections are open.
    places: Arc<Semaphore>,
    queue: Semaphore,
}

#[derive(Clone)]
pub(super) enum State {
    Opening,
    Open(Arc<Live>),
    /// The last attempt to open it has failed, and the next is yet to come.
    Down(Arc<ServerMessage>),
}

impl Connections {
    pub(super) fn new(
        sharing: Sharing,
        slots: Vec<watch::Receiver<State>>,
        freed: Arc<Notify>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(slots.len() * sharing.capacity() as usize));
        let queue = Semaphore::new(MAX_WAITING_CALLS);
        Self { sharing, slots, freed, places, queue }
    }

    pub(super) fn sharing(&self) -> Sharing {
        self.sharing
    }

    pub(super) fn slots(&self) -> &[watch::Receiver<State>] {
        &self.slots
    }

    /// Room for a call on a connection. If there is none it waits, though not for long; if the server
    /// cannot be reached it does not wait. What is rare is boxed: else every call would carry the room
    /// for it.
    pub(super) async fn call(&self) -> Result<Call, StoreError> {
        // Others may be waiting already, and then there is none.
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Box::pin(self.wait(None)).await;
        };
        match self.attempt() {
            Found::Room(live) => Ok(self.start(live, place)),
            Found::Down(cause) => Err(unreachable(cause)),
            Found::Nothing => Box::pin(self.wait(Some(place))).await,
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
                    Found::Down(cause) => return Err(unreachable(cause)),
                    Found::Nothing => freed.await,
                }
            }
        };
        tokio::time::timeout(MAX_WAIT_FOR_ROOM, wait).await.unwrap_or_else(|_| Err(self.reproach()))
    }

    fn start(&self, live: Arc<Live>, place: OwnedSemaphorePermit) -> Call {
        Call::new(live, self.freed.clone(), place)
    }

    /// What to say to a call that has waited for room in vain.
    fn reproach(&self) -> StoreError {
        let opening = |slot: &watch::Receiver<State>| matches!(*slot.borrow(), State::Opening);
        if self.slots.iter().all(opening) { UNREACHABLE } else { BUSY }
    }

    fn attempt(&self) -> Found {
        loop {
            let mut best = None::<(u32, Arc<Live>)>;
            let mut down = None;
            let mut hope = false;
            for slot in &self.slots {
                match &*slot.borrow() {
                    State::Open(live) => {
                        hope = true;
                        // While there is little to do, the first serves all of it, and stays warm.
                        let room = if live.client.is_closed() { 0 } else { live.room() };
                        if best.as_ref().map_or(0, |(room, _)| *room) < room {
                            best = Some((room, live.clone()));
                        }
                    }
                    State::Opening => hope = true,
                    State::Down(cause) => down = Some(cause.clone()),
                }
            }
            match (best, down) {
                (Some((_, live)), _) if live.take_room() => return Found::Room(live),
                // Somebody else was faster there.
                (Some(_), _) => {}
                (None, Some(cause)) if !hope => return Found::Down(cause),
                (None, _) => return Found::Nothing,
            }
        }
    }

    /// Runs one statement, which is a transaction of its own.
    pub(super) async fn once(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let call = self.call().await?;
        let answer = call.alone(sql, params).await;
        call.finish();
        answer
    }
}

enum Found {
    Room(Arc<Live>),
    /// All are taken, or about to be opened again.
    Nothing,
    Down(Arc<ServerMessage>),
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
