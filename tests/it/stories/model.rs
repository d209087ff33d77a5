//! Random histories, and a naive model that must give the same answers.
//!
//! `CURFEW_SEED=…` plays one history again, `CURFEW_LONG=1` makes a million steps.

#![expect(unreachable_pub, reason = "what its parts share")]

mod admins;
mod crashes;
mod naive;
mod people;
mod requests;
mod slow;
mod world;

use std::env;

use time::Duration;
use tower_curfew::clock::ManualClock;
use tower_curfew::{AtCap, Limits};

use crate::support::{AnyStore, Chance, Site, is_long, is_quick};
use naive::Rule;
use world::{Pace, Purges, World};

const ORGS: usize = 3;
const USERS: usize = 2;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Steps of one history.
const STEPS: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_over_the_memory_store_are_as_the_model_says() {
    histories(2, async || AnyStore::memory()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_over_sqlite_are_as_the_model_says() {
    histories(12, AnyStore::sqlite).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_over_postgres_are_as_the_model_says() {
    if let Some(url) = crate::support::server("POSTGRES") {
        let url: &str = url.leak();
        histories(12, move || AnyStore::postgres(url)).await;
    }
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_over_redis_are_as_the_model_says() {
    if let Some(url) = crate::support::server("REDIS") {
        let url: &str = url.leak();
        histories(12, move || AnyStore::redis(url)).await;
    }
}

/// Plays histories, so many at a time, each over a store that has no other.
async fn histories<F>(at_a_time: usize, store: impl Fn() -> F + Copy + Send + Sync + 'static)
where
    F: Future<Output = AnyStore> + Send,
{
    if let Ok(seed) = env::var("CURFEW_SEED") {
        return history(seed.parse().unwrap(), store().await).await;
    }
    let steps = if is_long() {
        1_000_000
    } else if is_quick() {
        5_000
    } else {
        10_000
    };
    let each = (steps / STEPS).div_ceil(at_a_time);
    let lanes = Vec::from_iter((0..at_a_time).map(|lane| {
        tokio::spawn(async move {
            for number in 0..each {
                let seed = (number * at_a_time + lane) as u64;
                let played = tokio::spawn(history(seed, store().await)).await;
                if let Err(failed) = played {
                    panic!("CURFEW_SEED={seed} plays it again: {failed}");
                }
            }
        })
    }));
    for lane in lanes {
        if let Err(failed) = lane.await {
            std::panic::resume_unwind(failed.into_panic());
        }
    }
}

async fn history(seed: u64, store: AnyStore) {
    let mut chance = Chance::new(seed);
    let app = chance.one_of(&[
        Rule { absolute: None, idle: Some(28 * DAY) },
        Rule { absolute: None, idle: Some(28 * DAY) },
        Rule { absolute: Some(90 * DAY), idle: Some(28 * DAY) },
        Rule { absolute: Some(7 * DAY), idle: None },
        Rule { absolute: Some(DAY), idle: Some(HOUR) },
        Rule { absolute: None, idle: Some(2 * DAY) },
        Rule::default(),
    ]);
    let cap = chance.one_of(&[
        None,
        None,
        None,
        Some((2, AtCap::EndOldest)),
        Some((2, AtCap::Refuse)),
        Some((3, AtCap::Refuse)),
    ]);
    let purges = chance.one_of(&[Purges::Never, Purges::Sometimes, Purges::Promptly]);
    let pace = chance.one_of(&[Pace::Busy, Pace::Busy, Pace::Quiet, Pace::Steady]);
    // How far the clock of the second node is ahead. Nodes that agree leave no tolerance.
    let ahead = chance.one_of(&[0, 0, 1, -1, 3_000, -3_000, 5_123, -4_321]);
    let limits = limits(app);
    let configure = |builder: tower_curfew::Builder| {
        // Slow requests are slow on purpose.
        let builder = builder.limits(limits).timeout(Duration::MINUTE).purge_by_hand();
        match cap {
            Some((cap, overflow)) => builder.at_most_per_user(cap, overflow),
            None => builder,
        }
    };
    let one = Site::over(store, configure);
    let other = one.beside(ManualClock::default(), configure);
    let mut world = World::new(seed, chance, [one, other], [0, ahead], app);
    world.cap = cap;
    world.purges = purges;
    world.pace = pace;
    world.log(format!("{app:?}, {cap:?}, {purges:?}, {pace:?}, second node {ahead} ms ahead"));
    world.play(STEPS).await;
}

fn limits(rule: Rule) -> Limits {
    let length = |millis: Option<i64>| millis.map(Duration::milliseconds);
    Limits::try_new(length(rule.absolute), length(rule.idle)).unwrap()
}
