//! What a request costs over each store, beside a bare read of the same record and beside
//! tower-sessions over its own store: whole requests through an app in this process. Processor time is
//! that of this process, without the server's.

mod memory;
mod postgres;
pub mod redis;
mod redis_cluster;
mod sqlite;

use axum::Router;
use axum::http::HeaderValue;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;
use tower_curfew::SessionId;
use tower_curfew::store::Store;
use tower_sessions::SessionStore;

use crate::apps;
use crate::report::Report;
use crate::settings::{Server, Settings};
use crate::turns::{COLUMNS, Case, Turns, case};

const BARE: &str = "a bare read of the record";
const LOAD: &str = "tower-curfew, load";
const OURS: &str = "tower-curfew, whole request";
const PEER: &str = "tower-sessions, whole request";

pub fn run(settings: &Settings, report: &mut Report) {
    let used = [Server::Redis, Server::RedisCluster, Server::Postgres];
    settings.tell_what_is_left_out(report, &used);
    let bench = Bench { settings, runtime: runtime() };
    memory::measure(&bench, report);
    sqlite::measure(&bench, report);
    if let Some(url) = &settings.redis {
        redis::measure(&bench, report, url);
        redis::measure_near(&bench, report, url);
    }
    if let Some(url) = &settings.redis_cluster {
        redis_cluster::measure(&bench, report, url);
    }
    if let Some(url) = &settings.postgres {
        postgres::measure(&bench, report, url);
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub struct Bench<'a> {
    settings: &'a Settings,
    runtime: Runtime,
}

impl Bench<'_> {
    /// Measures the cases of a store, and tells what each is of tower-sessions.
    fn compare(&self, report: &mut Report, store: &str, cases: Vec<Case>) {
        let turns = Turns::of(self.settings, &self.runtime, cases);
        let named = |name: &str| turns.0.iter().any(|(case, _)| *case == name);
        let reference = if named(PEER) { PEER } else { turns.0[0].0 };
        report.heading(store);
        let columns = Vec::from_iter([store].into_iter().chain(COLUMNS));
        report.table(&columns, &turns.rows(reference));
        let mut told = format!("Ratios are to `{reference}`.");
        for what in [LOAD, OURS].into_iter().filter(|what| named(what) && named(BARE)) {
            told += &format!(
                " `{what}` beside a bare read: {:.2} of its time alone, {:.2} as many a second.",
                turns.ratio(what, BARE, |turn| turn.alone),
                turns.ratio(what, BARE, |turn| turn.rate),
            );
        }
        report.text(&told);
        let rate = |name: &&'static str| (name.to_string(), turns.of_case(name, |turn| turn.rate));
        let bars = Vec::from_iter(turns.0.iter().map(|(name, _)| rate(name)));
        report.bars(&format!("{store}: a second, with 64 under way"), &bars);
    }
}

/// What a bare read needs to know.
#[derive(Clone, Copy)]
pub struct SignedIn {
    id: SessionId,
}

/// A bare read, a load, and whole requests, of somebody with an organization.
async fn ours<S, B>(store: S, bare: B) -> Vec<Case>
where
    S: Store + Clone,
    B: FnOnce(SignedIn) -> Vec<Case>,
{
    let (request, signed_in) = our_request(OURS, store.clone()).await;
    let mut cases = bare(signed_in);
    cases.push(case(LOAD, move |_| {
        let store = store.clone();
        async move {
            assert!(store.load(signed_in.id).await.expect("a store").is_some());
        }
    }));
    cases.push(request);
    cases
}

async fn our_request(name: &'static str, store: impl Store) -> (Case, SignedIn) {
    let curfew = apps::curfew(store);
    let app = apps::whoami_of(curfew.clone());
    let cookies = apps::sign_in(&app, apps::USER).await;
    let id = curfew.list(apps::USER).await.expect("a store")[0].id();
    (whole_request(name, app, cookies), SignedIn { id })
}

async fn theirs(store: impl SessionStore + Clone) -> Case {
    let app = apps::tower_sessions_over(store);
    let cookies = apps::sign_in(&app, apps::USER).await;
    whole_request(PEER, app, cookies)
}

fn whole_request(name: &'static str, app: Router, cookies: HeaderValue) -> Case {
    case(name, move |_| {
        let (app, request) = (app.clone(), apps::request(&cookies));
        async move {
            let Ok(response) = app.oneshot(request).await;
            apps::assert_is_answered(response).await;
        }
    })
}
