//! A store that counts, fails and hangs on demand.

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tower_curfew::Timestamp;
use tower_curfew::store::{
    Ended, Facts, Insert, OrgRules, Page, Record, Rotate, Selector, SessionId, SetOrgs, Store,
    StoreError, Swapped, Touch, Touched,
};

use super::any_store::AnyStore;

/// What a [`Probe`] does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Fail,
    Hang,
}

/// A store that counts its calls, and fails or hangs on demand.
#[derive(Clone)]
pub struct Probe {
    store: AnyStore,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: Vec<&'static str>,
    // For the calls of this name, or for all.
    fault: Option<(Option<&'static str>, Fault)>,
    clock: Option<Timestamp>,
    rules_are_lost: bool,
    gates: Vec<(&'static str, Gate)>,
}

/// One call that waits at a gate: it says that it is there, and goes on when it may.
struct Gate {
    here: oneshot::Sender<()>,
    open: oneshot::Receiver<()>,
}

/// A call that waits in front of the store.
pub struct Held {
    here: oneshot::Receiver<()>,
    open: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the call is made.
    pub async fn arrived(&mut self) {
        (&mut self.here).await.unwrap();
    }

    /// Lets the call go on.
    pub fn release(self) {
        self.open.send(()).unwrap();
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl Probe {
    pub fn new(store: AnyStore) -> Self {
        Self { store, state: Arc::default() }
    }

    /// The calls since the last time this was asked.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    /// From now on all calls go wrong.
    pub fn break_all(&self, fault: Fault) {
        self.state.lock().unwrap().fault = Some((None, fault));
    }

    /// From now on the calls of this name go wrong.
    pub fn break_only(&self, call: &'static str, fault: Fault) {
        self.state.lock().unwrap().fault = Some((Some(call), fault));
    }

    pub fn mend(&self) {
        let mut state = self.state.lock().unwrap();
        (state.fault, state.clock, state.rules_are_lost) = (None, None, false);
    }

    /// From now on the store tells with each record that it reads what its own clock shows.
    pub fn tell_time(&self, now: Timestamp) {
        self.state.lock().unwrap().clock = Some(now);
    }

    /// From now on the rules of all organisations are missing.
    pub fn lose_rules(&self) {
        self.state.lock().unwrap().rules_are_lost = true;
    }

    fn as_found(&self, facts: Facts) -> Result<Facts, StoreError> {
        let state = self.state.lock().unwrap();
        let facts = match state.rules_are_lost {
            true => Facts::new(facts.record().clone(), |_| None)?,
            false => facts,
        };
        Ok(state.clock.map_or(facts.clone(), |now| facts.read_at(now)))
    }

    /// The next call of this name waits in front of the store until it is released.
    pub fn hold(&self, call: &'static str) -> Held {
        let ((here, is_here), (may_go_on, open)) = (oneshot::channel(), oneshot::channel());
        let gate = Gate { here, open };
        self.state.lock().unwrap().gates.push((call, gate));
        Held { here: is_here, open: may_go_on }
    }

    /// The same store, reached by another process.
    pub async fn elsewhere(&self) -> Self {
        Self::new(self.store.elsewhere().await)
    }

    /// What the store knows of a session, without a call that counts.
    pub async fn peek(&self, id: SessionId) -> Option<Arc<Record>> {
        let facts = match &self.store {
            AnyStore::Memory(store) => store.load(id).await,
            #[cfg(feature = "sqlite")]
            AnyStore::Sqlite { store, .. } => store.load(id).await,
            #[cfg(feature = "postgres")]
            AnyStore::Postgres { store, .. } => store.load(id).await,
            #[cfg(feature = "redis")]
            AnyStore::Redis { store, .. } => store.load(id).await,
        };
        facts.unwrap().map(|facts| facts.record().clone())
    }

    async fn called(&self, call: &'static str) -> Result<&AnyStore, StoreError> {
        let (fault, gate) = {
            let mut state = self.state.lock().unwrap();
            state.calls.push(call);
            let gate = state.gates.iter().position(|(name, _)| *name == call);
            let gate = gate.map(|at| state.gates.remove(at).1);
            let fault = state.fault;
            (fault.filter(|(only, _)| only.is_none_or(|only| only == call)), gate)
        };
        if let Some(Gate { here, open }) = gate {
            // Nobody has to wait for it, and it goes on too if nobody holds it any more.
            let _ = here.send(());
            let _ = open.await;
        }
        match fault {
            None => Ok(&self.store),
            Some((_, Fault::Fail)) => Err(StoreError::message("broken on demand")),
            Some((_, Fault::Hang)) => pending().await,
        }
    }
}

/// Passes a call on to the store, whichever it is.
macro_rules! pass_on {
    ($self:ident.$call:ident($($argument:expr),*)) => {
        match $self.called(stringify!($call)).await? {
            AnyStore::Memory(store) => store.$call($($argument),*).await,
            #[cfg(feature = "sqlite")]
            AnyStore::Sqlite { store, .. } => store.$call($($argument),*).await,
            #[cfg(feature = "postgres")]
            AnyStore::Postgres { store, .. } => store.$call($($argument),*).await,
            #[cfg(feature = "redis")]
            AnyStore::Redis { store, .. } => store.$call($($argument),*).await,
        }
    };
}

impl Store for Probe {
    async fn insert(
        &self,
        record: Record,
        replaces: &[SessionId],
        cap: Option<u32>,
    ) -> Result<Insert, StoreError> {
        pass_on!(self.insert(record, replaces, cap))
    }

    async fn load(&self, id: SessionId) -> Result<Option<Facts>, StoreError> {
        pass_on!(self.load(id))?.map(|facts| self.as_found(facts)).transpose()
    }

    async fn touch(&self, touch: Touch) -> Result<Touched, StoreError> {
        pass_on!(self.touch(touch))
    }

    async fn rotate(&self, rotate: Rotate) -> Result<Swapped, StoreError> {
        pass_on!(self.rotate(rotate))
    }

    async fn set_orgs(&self, change: SetOrgs) -> Result<Swapped, StoreError> {
        pass_on!(self.set_orgs(change))
    }

    async fn end(&self, which: &Selector, ended: &Ended) -> Result<u64, StoreError> {
        pass_on!(self.end(which, ended))
    }

    async fn list(&self, which: &Selector, page: Page) -> Result<Vec<Facts>, StoreError> {
        pass_on!(self.list(which, page))?.into_iter().map(|facts| self.as_found(facts)).collect()
    }

    async fn org_rules(&self, org: &str) -> Result<Option<Arc<OrgRules>>, StoreError> {
        pass_on!(self.org_rules(org))
    }

    async fn put_org_rules(
        &self,
        org: &str,
        expected: Option<i64>,
        rules: OrgRules,
    ) -> Result<bool, StoreError> {
        pass_on!(self.put_org_rules(org, expected, rules))
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        pass_on!(self.purge(now, at_most))
    }
}
