//! A store that counts, fails and hangs on demand.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Cap, Change, ChangedRules, Changes, Inserted, Key, Listed, Loaded, OrgRules, Page, Record,
    Replaced, Revision, RulesChanged, Store, StoreError, Unreadable,
};

use super::any_store::AnyStore;
use super::chance::Chance;
use super::raw::Kept;

/// What a [`Probe`] does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is not made.
    Fail,
    /// The call is made, and its answer is lost.
    LoseAnswer,
    Hang,
}

/// A store that counts its calls, and fails or hangs on demand.
///
/// A call of `replace` goes by what it is for: `touch`, `rotate`, `set_orgs` or `end`.
#[derive(Clone)]
pub struct Probe {
    state: Arc<Mutex<State>>,
    store: Arc<Mutex<AnyStore>>,
}

#[derive(Default)]
struct State {
    calls: Vec<&'static str>,
    fault: Option<Planned>,
    crashes: Option<Chance>,
    clock: Option<Timestamp>,
    rules_are_garbled: bool,
    garbled_records: HashSet<SessionId>,
    gates: Vec<Gate>,
    watch: WatchFault,
    // As they were last seen on their way through.
    known: HashMap<SessionId, Arc<Record>>,
}

/// What becomes of the changes that a store tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchFault {
    #[default]
    None,
    /// The way of all that watch is cut.
    Cut,
    /// Nothing is told any more, and nobody says so.
    Swallow,
    /// Heartbeats say that all is told, and nothing else is.
    #[cfg_attr(not(feature = "near"), expect(dead_code, reason = "only a cache believes it"))]
    Withhold,
    /// Not from the beginning: the store cannot tell.
    Unable,
}

/// What is to go wrong: with the calls of this name, or with all; from now on, or once.
#[derive(Clone, Copy)]
struct Planned {
    only: Option<&'static str>,
    fault: Fault,
    once: bool,
}

/// One call that waits at a gate, in front of the store or with its answer: it says that it is there,
/// and goes on when it may.
struct Gate {
    call: &'static str,
    has_answer: bool,
    here: oneshot::Sender<()>,
    open: oneshot::Receiver<()>,
}

/// A call that waits at a gate.
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
        self.store().fmt(f)
    }
}

impl Probe {
    pub fn new(store: AnyStore) -> Self {
        Self { store: Arc::new(Mutex::new(store)), state: Arc::default() }
    }

    fn store(&self) -> AnyStore {
        self.store.lock().unwrap().clone()
    }

    /// From now on another store answers: a replica that has not heard of everything.
    pub fn fail_over_to(&self, store: AnyStore) {
        *self.store.lock().unwrap() = store;
    }

    /// From now on calls begin and return late, some are not made, and of some the answer is lost.
    pub fn crash_by(&self, chance: Chance) {
        self.state.lock().unwrap().crashes = Some(chance);
    }

    /// The calls since the last time this was asked.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    /// From now on all calls go wrong.
    pub fn break_all(&self, fault: Fault) {
        self.plan(Planned { only: None, fault, once: false });
    }

    /// From now on the calls of this name go wrong.
    pub fn break_only(&self, call: &'static str, fault: Fault) {
        self.plan(Planned { only: Some(call), fault, once: false });
    }

    /// The next call of this name goes wrong.
    pub fn break_once(&self, call: &'static str, fault: Fault) {
        self.plan(Planned { only: Some(call), fault, once: true });
    }

    fn plan(&self, planned: Planned) {
        self.state.lock().unwrap().fault = Some(planned);
    }

    /// From now on this becomes of what the store tells of changes.
    pub fn break_watch(&self, fault: WatchFault) {
        self.state.lock().unwrap().watch = fault;
    }

    pub fn mend(&self) {
        let mut state = self.state.lock().unwrap();
        state.watch = WatchFault::None;
        (state.fault, state.clock, state.rules_are_garbled) = (None, None, false);
        state.crashes = None;
        state.garbled_records.clear();
    }

    /// From now on the store tells with each record that it reads what its own clock shows.
    pub fn tell_time(&self, now: Timestamp) {
        self.state.lock().unwrap().clock = Some(now);
    }

    /// From now on the rules for everyone have changed, and cannot be read.
    pub fn garble_rules(&self) {
        self.state.lock().unwrap().rules_are_garbled = true;
    }

    /// From now on this record cannot be read.
    pub fn garble_record(&self, id: SessionId) {
        self.state.lock().unwrap().garbled_records.insert(id);
    }

    fn is_garbled(&self, id: SessionId) -> bool {
        self.state.lock().unwrap().garbled_records.contains(&id)
    }

    /// What the store says of its rules and its clock.
    fn as_told(&self, rules: &mut Revision, clock: &mut Option<Timestamp>) {
        let state = self.state.lock().unwrap();
        if state.rules_are_garbled {
            *rules = garbled(*rules);
        }
        *clock = state.clock.or(*clock);
    }

    fn learn(&self, record: &Arc<Record>) {
        self.state.lock().unwrap().known.insert(record.id(), record.clone());
    }

    /// What this change of a session is for.
    fn purpose(&self, record: &Record) -> &'static str {
        if record.has_ended() {
            return "end";
        }
        let state = self.state.lock().unwrap();
        let Some(known) = state.known.get(&record.id()) else {
            return "touch";
        };
        let orgs = |record: &Record| {
            record.memberships().iter().map(|m| m.org.clone()).collect::<Vec<_>>()
        };
        let is_next = known.revision() == record.previous();
        if known.secret_hash() != record.secret_hash() {
            "rotate"
        } else if orgs(known) != orgs(record) || is_next && known.last_seen() == record.last_seen()
        {
            "set_orgs"
        } else {
            "touch"
        }
    }

    /// The next call of this name waits in front of the store until it is released.
    pub fn hold(&self, call: &'static str) -> Held {
        self.hold_at(call, false)
    }

    /// The next call of this name is made, and then waits with its answer until it is released.
    pub fn hold_answer(&self, call: &'static str) -> Held {
        self.hold_at(call, true)
    }

    fn hold_at(&self, call: &'static str, has_answer: bool) -> Held {
        let ((here, is_here), (may_go_on, open)) = (oneshot::channel(), oneshot::channel());
        let gate = Gate { call, has_answer, here, open };
        self.state.lock().unwrap().gates.push(gate);
        Held { here: is_here, open: may_go_on }
    }

    async fn pass_gate(&self, call: &'static str, has_answer: bool) {
        let gate = {
            let gates = &mut self.state.lock().unwrap().gates;
            let at =
                gates.iter().position(|gate| (gate.call, gate.has_answer) == (call, has_answer));
            at.map(|at| gates.remove(at))
        };
        if let Some(Gate { here, open, .. }) = gate {
            // Nobody has to wait for it, and it goes on too if nobody holds it any more.
            let _ = here.send(());
            let _ = open.await;
        }
    }

    /// The same store, reached by another process.
    pub async fn elsewhere(&self) -> Self {
        Self::new(self.store().elsewhere().await)
    }

    /// What the store knows of a session, without a call that counts.
    pub async fn peek(&self, id: SessionId) -> Option<Arc<Record>> {
        self.store().load(id).await.unwrap().map(|loaded| loaded.record)
    }

    /// The rules that the store keeps of an organization, without a call that counts.
    pub async fn rules(&self, org: &str) -> Option<OrgRules> {
        let changed = self.store().rules_since(Revision::NONE, u32::MAX).await.unwrap();
        let found = changed.changes.into_iter().find(|changed| *changed.org == *org);
        found.map(|found| found.rules.unwrap())
    }

    /// What the store keeps of a session, as bytes.
    pub async fn kept(&self, id: SessionId) -> Vec<u8> {
        self.store().kept(id).await
    }

    /// Writes other bytes in the place of what the store keeps; `false` if it keeps no bytes.
    pub async fn overwrite(&self, kept: Kept<'_>, bytes: &[u8]) -> bool {
        self.store().overwrite(kept, bytes).await
    }

    /// Makes a call, unless something is to go wrong with it.
    async fn called<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let (fault, [before, after]) = {
            let mut state = self.state.lock().unwrap();
            state.calls.push(call);
            let planned =
                state.fault.filter(|planned| planned.only.is_none_or(|only| only == call));
            if planned.is_some_and(|planned| planned.once) {
                state.fault = None;
            }
            let planned = planned.map(|planned| planned.fault);
            match &mut state.crashes {
                None => (planned, [0; 2]),
                Some(chance) => {
                    let crash = match chance.weighted(&[84, 8, 8]) {
                        0 => None,
                        1 => Some(Fault::Fail),
                        _ => Some(Fault::LoseAnswer),
                    };
                    (planned.or(crash), [0; 2].map(|_| chance.below(6)))
                }
            }
        };
        take_turns(before).await;
        self.pass_gate(call, false).await;
        let answer = async {
            let answer = answer.await;
            take_turns(after).await;
            self.pass_gate(call, true).await;
            answer
        };
        match fault {
            None => answer.await,
            Some(Fault::Fail) => Err(StoreError::message("broken on demand")),
            Some(Fault::LoseAnswer) => {
                answer.await?;
                Err(StoreError::message("its answer is lost on demand"))
            }
            Some(Fault::Hang) => pending().await,
        }
    }
}

/// Lets others have their turn so often.
async fn take_turns(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

fn garbled(rules: Revision) -> Revision {
    Revision::from_u64(rules.as_u64() + 1)
}

impl Store for Probe {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.learn(&record);
        let store = self.store();
        self.called("insert", store.insert(record, cap)).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        let store = self.store();
        let mut loaded = self.called("load", store.load(id)).await?;
        if let Some(Loaded { record, rules, clock }) = &mut loaded {
            if self.is_garbled(id) {
                return Err(Unreadable.into());
            }
            self.learn(record);
            self.as_told(rules, clock);
        }
        Ok(loaded)
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        let (store, purpose) = (self.store(), self.purpose(&record));
        let replaced = self.called(purpose, store.replace(record.clone())).await?;
        if replaced == Replaced::Done {
            self.learn(&record);
        }
        Ok(replaced)
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        let store = self.store();
        let mut listed = self.called("list", store.list(key, page)).await?;
        let count = listed.records.len();
        listed.records.retain(|record| !self.is_garbled(record.id()));
        listed.unreadable += u32::try_from(count - listed.records.len()).unwrap();
        listed.records.iter().for_each(|record| self.learn(record));
        self.as_told(&mut listed.rules, &mut listed.clock);
        Ok(listed)
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        let store = self.store();
        let mut changed = self.called("rules_since", store.rules_since(revision, at_most)).await?;
        if self.state.lock().unwrap().rules_are_garbled {
            let (org, rules) = (OrgRules::EVERYONE.into(), Err(Unreadable));
            changed.changes.push(ChangedRules { org, rules });
            changed.reaches = garbled(changed.reaches);
        }
        Ok(changed)
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let store = self.store();
        self.called("replace_rules", store.replace_rules(org, rules, now)).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let store = self.store();
        self.called("purge", store.purge(now, at_most)).await
    }

    async fn watch(&self) -> Result<Option<Changes>, StoreError> {
        let store = self.store();
        let state = self.state.clone();
        let shows = {
            let state = self.state.clone();
            move || state.lock().unwrap().clock
        };
        let watch = move || state.lock().unwrap().watch;
        let changes = self.called("watch", store.watch()).await?;
        let Some(mut changes) = changes.filter(|_| watch() != WatchFault::Unable) else {
            return Ok(None);
        };
        let (told, passed_on) = Changes::channel();
        tokio::spawn(async move {
            while let Some(mut change) = changes.next().await {
                if let Change::Heartbeat(heartbeat) = &mut change {
                    heartbeat.clock = shows().or(heartbeat.clock);
                }
                let goes_on = match watch() {
                    WatchFault::Cut => false,
                    WatchFault::Swallow => true,
                    WatchFault::Withhold if !matches!(change, Change::Heartbeat(_)) => true,
                    WatchFault::Withhold => told.tell(change),
                    WatchFault::None | WatchFault::Unable => told.tell(change),
                };
                if !goes_on {
                    break;
                }
            }
            told.end();
        });
        Ok(Some(passed_on))
    }
}
