//! What a request costs in this process, over the same app without sessions: nanoseconds of the
//! thread's processor time, and heap allocations. Somebody is signed in, nothing is due, and the
//! handler reads the user.

use std::hint::black_box;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::routing::RouterIntoService;
use cpu_time::ThreadTime;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Duration, sleep};
use tower::{Service as _, ServiceExt as _};

use crate::apps::{self, actix};
use crate::counting::count;
use crate::report::{Report, short};
use crate::rounds::{interleave, low, median};
use crate::settings::Settings;

struct Case {
    name: &'static str,
    app: RouterIntoService<Body>,
    cookies: HeaderValue,
}

impl Case {
    async fn named(name: &'static str, others: &str) -> Self {
        let app: Router = apps::named(name).await;
        let cookies = apps::sign_in(&app, apps::USER).await;
        let cookies = format!("{others}{}", cookies.to_str().expect("text"));
        let cookies = cookies.parse().expect("a header");
        Self { name, app: app.into_service(), cookies }
    }

    /// Nanoseconds a call. As a server does: one service, called again and again.
    async fn nanoseconds(&mut self, calls: usize) -> f64 {
        let requests = Vec::from_iter((0..calls).map(|_| apps::request(&self.cookies)));
        let began = ThreadTime::now();
        for request in requests {
            let Ok(app) = self.app.ready().await;
            let Ok(response) = app.call(request).await;
            apps::assert_is_answered(response).await;
        }
        began.elapsed().as_nanos() as f64 / calls as f64
    }
}

/// What was measured of a case.
struct Measured {
    name: &'static str,
    /// Over bare, in each round. `None` of what ran in another process.
    rounds: Option<Vec<f64>>,
    nanoseconds: f64,
    allocations: f64,
}

pub fn run(settings: &Settings, report: &mut Report) {
    let (rounds, calls) = (settings.count(400, 3), settings.count(200, 20));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (heading, others) in
        [("The cookie alone", ""), ("Among other cookies", apps::OTHER_COOKIES)]
    {
        let mut measured = in_this_process(&runtime, rounds, calls, others);
        measured.push(in_another(rounds, calls, others));
        report.heading(heading);
        tell(report, &measured);
    }
    report.text(
        "Over bare axum, that of actix over bare actix in a process of its own. Nanoseconds are the \
         difference of 20th percentiles; ratios are medians, taken round by round. The others are four \
         cookies of the kind that sites set besides: some crates take all of them apart.",
    );
}

fn in_another(rounds: usize, calls: usize, others: &str) -> Measured {
    let actix::OverBare { nanoseconds, allocations } = actix::measured(rounds, calls, others);
    Measured { name: actix::NAME, rounds: None, nanoseconds, allocations }
}

fn in_this_process(runtime: &Runtime, rounds: usize, calls: usize, others: &str) -> Vec<Measured> {
    let mut cases = Vec::new();
    for name in apps::ALL {
        cases.push(runtime.block_on(Case::named(name, others)));
    }
    let all = interleave(rounds, &mut cases, |case| {
        // What runs beside requests, such as the heartbeat that a cache lives by, runs outside of them.
        runtime.block_on(async {
            sleep(Duration::from_millis(1)).await;
            case.nanoseconds(calls).await
        })
    });
    let counts = Vec::from_iter(cases.iter_mut().map(|case| {
        let counted = count(|| {
            black_box(runtime.block_on(case.nanoseconds(calls)));
        });
        counted.allocations as f64 / calls as f64
    }));
    let bare = &all[0];
    let figures = cases.iter().zip(all.iter().zip(&counts));
    let over_bare = figures.skip(1).map(|(case, (own, count))| Measured {
        name: case.name,
        rounds: Some(own.iter().zip(bare).map(|(own, bare)| own - bare).collect()),
        nanoseconds: low(own.iter().copied()) - low(bare.iter().copied()),
        allocations: count - counts[0],
    });
    over_bare.collect()
}

fn tell(report: &mut Report, measured: &[Measured]) {
    let named = |name| measured.iter().find(|case| case.name == name).expect("it was measured");
    let share = |case: &Measured, of: &Measured| match (&case.rounds, &of.rounds) {
        (Some(own), Some(others)) => median(own.iter().zip(others).map(|(own, other)| own / other)),
        _ => case.nanoseconds / of.nanoseconds,
    };
    let (signed, saving) = (named(apps::TOWER_SESSIONS), named(apps::ALWAYS_SAVE));
    let row = |case: &Measured| {
        vec![
            case.name.to_owned(),
            short(case.nanoseconds),
            format!("{:.2}", share(case, signed)),
            format!("{:.2}", share(case, saving)),
            format!("{:.1}", case.allocations),
        ]
    };
    let columns =
        ["over bare", "ns of CPU", "of tower-sessions", "of it, always saving", "allocations"];
    report.table(&columns, &Vec::from_iter(measured.iter().map(row)));
    let bars = measured.iter().map(|case| (case.name.to_owned(), case.nanoseconds));
    report.bars("nanoseconds a request over bare axum", &Vec::from_iter(bars));
}
