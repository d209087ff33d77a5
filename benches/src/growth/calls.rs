//! The calls that are measured, over a store that is full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tower_curfew::clock::{Clock as _, SystemClock};
use tower_curfew::store::{Replaced, Store};
use tower_curfew::{ClientInfo, Curfew, NewSession, OrgPolicy, Selector};

use super::Counts;
use super::held::longest;
use crate::apps;
use crate::records::{Facts, ORGS, Records, org};
use crate::rounds::median;

/// What was measured of a kind of call.
pub struct Call {
    pub name: &'static str,
    /// The median of calls of which no other was under way.
    pub alone: Duration,
    /// For which one of them has held the thread at the longest.
    pub held: Duration,
}

pub type Figures = Vec<Call>;

/// So many sessions has a user.
pub const EACH: u64 = 10;

/// How many there are beside those that are filled in: who signs in while it is measured.
pub const MORE: u64 = 10_000;

const BATCH: usize = 1000;
const PURGED_AT_ONCE: u32 = 250;

/// Fills an empty store, measures all calls on it, and leaves it as it is.
pub struct Filled<S> {
    store: S,
    curfew: Curfew,
    records: Records,
    /// How many are not due to be deleted. They come first.
    kept: u64,
    figures: Figures,
}

impl<S: Store + Clone> Filled<S> {
    pub async fn with(store: S, sessions: u64) -> Self {
        let began = SystemClock.now() - time::Duration::hours(4);
        let records = Records::new(began, EACH).without_rules();
        let kept = sessions / 10 * 9;
        let record = |number| {
            let lasts = number < kept;
            let all = Facts::ALL;
            Arc::new(if lasts { records.record(number, all) } else { records.due(number, all) })
        };
        for first in (0..sessions).step_by(BATCH) {
            let some = (first..sessions.min(first + BATCH as u64)).map(record);
            store.import(some.collect()).await.expect("there is room");
        }
        let curfew = apps::curfew(store.clone());
        Self { store, curfew, records, kept, figures: Vec::new() }
    }

    /// In this order: whoever is revoked cannot be listed, and a sign-in over memory deletes some that
    /// are due.
    pub async fn measure(mut self, counts: Counts) -> Figures {
        self.load(counts).await;
        self.touch(counts).await;
        self.purge().await;
        self.purge_nothing(counts).await;
        self.sign_in(counts).await;
        self.list(counts).await;
        self.log_out_everywhere(counts).await;
        self.set_policy(counts).await;
        self.revoke_org(counts).await;
        self.revoke_everyone(counts).await;
        self.curfew.shutdown().await;
        self.figures
    }

    /// Half of the calls are timed, and in the other half it is watched for how long they hold the
    /// thread, which takes time itself.
    async fn take_down(&mut self, name: &'static str, count: u64, call: impl AsyncFn(&Self, u64)) {
        let (mut times, mut held) = (Vec::new(), Duration::ZERO);
        for number in 0..count {
            let began = Instant::now();
            call(&*self, 2 * number).await;
            times.push(began.elapsed().as_secs_f64());
            held = held.max(longest(call(&*self, 2 * number + 1)).await);
        }
        let alone = Duration::from_secs_f64(median(times));
        self.figures.push(Call { name, alone, held });
    }

    /// A session somewhere among those that are kept, another for each number.
    fn spread(&self, number: u64) -> u64 {
        // A prime, so that it does not come back to the same ones soon.
        (number * EACH * 7_919) % self.kept
    }

    async fn load(&mut self, counts: Counts) {
        self.take_down("load", counts.small, async |it, number| {
            let id = it.records.id(it.spread(number));
            assert!(it.store.load(id).await.expect("a store").is_some());
        })
        .await;
    }

    async fn touch(&mut self, counts: Counts) {
        self.take_down("touch", counts.small, async |it, number| {
            let first = it.records.record(it.spread(number), Facts::ALL);
            let next = first.next(number as u32).with_activity(SystemClock.now());
            let replaced = it.store.replace(Arc::new(next)).await.expect("a store");
            assert_eq!(replaced, Replaced::Done);
        })
        .await;
    }

    /// Some batches are timed, and the handle deletes the others.
    async fn purge(&mut self) {
        let due = (self.kept / 9) as u32;
        let mut times = Vec::new();
        for _ in 0..(due / PURGED_AT_ONCE / 2).min(200) {
            let began = Instant::now();
            let purged = self.store.purge(SystemClock.now(), PURGED_AT_ONCE).await;
            assert_eq!(purged.expect("a store"), u64::from(PURGED_AT_ONCE));
            times.push(began.elapsed().as_secs_f64());
        }
        let alone = if times.is_empty() { 0.0 } else { median(times) };
        let held = longest(self.curfew.purge()).await;
        self.figures.push(Call {
            name: "purge, of 250 that are due",
            alone: Duration::from_secs_f64(alone),
            held,
        });
    }

    async fn purge_nothing(&mut self, counts: Counts) {
        self.take_down("purge, nothing is due", counts.large, async |it, _| {
            let purged = it.store.purge(SystemClock.now(), PURGED_AT_ONCE).await;
            assert_eq!(purged.expect("a store"), 0);
        })
        .await;
    }

    async fn sign_in(&mut self, counts: Counts) {
        self.take_down("sign-in", counts.small, async |it, number| {
            let new = NewSession::for_user(format!("somebody new, {number}")).orgs([org(number)]);
            let started = it.curfew.start(new, &ClientInfo::for_tests()).await;
            assert!(started.is_ok(), "there is room");
        })
        .await;
    }

    async fn list(&mut self, counts: Counts) {
        self.take_down("list, of 10", counts.small, async |it, number| {
            let user = it.records.user(it.spread(number));
            let listed = it.curfew.list(&user).await.expect("a store");
            assert_eq!(listed.len() as u64, EACH);
        })
        .await;
    }

    async fn log_out_everywhere(&mut self, counts: Counts) {
        self.take_down("log out everywhere, of 10", counts.small / 3, async |it, number| {
            let user = it.records.user(it.spread(number));
            let ended = it.curfew.operator("bench").revoke(Selector::user(user)).await;
            assert_eq!(ended.expect("a store"), EACH);
        })
        .await;
    }

    async fn set_policy(&mut self, counts: Counts) {
        self.take_down("set a policy", counts.large, async |it, number| {
            let policy = OrgPolicy::absolute(time::Duration::days(7));
            it.curfew.operator("bench").set_policy(org(number), policy).await.expect("a store");
        })
        .await;
    }

    async fn revoke_org(&mut self, counts: Counts) {
        self.take_down("revoke an organization", counts.large, async |it, number| {
            let org = org(ORGS / 2 + number);
            it.curfew.operator("bench").revoke_org(org).await.expect("a store");
        })
        .await;
    }

    async fn revoke_everyone(&mut self, counts: Counts) {
        self.take_down("revoke everyone", counts.large, async |it, _| {
            it.curfew.operator("bench").revoke_everyone().await.expect("a store");
        })
        .await;
    }
}
