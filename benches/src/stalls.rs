//! How late a timer of 5 ms comes while two previews of one organization with 100,000 sessions run
//! over SQLite, on one thread. It fails if that is ever more than 50 ms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tower_curfew::clock::{Clock, SystemClock};
use tower_curfew::store::{Membership, Record, SecretHash, SqliteStore, Stamp, Store as _};
use tower_curfew::{ClientInfo, Curfew, NewSession, OrgPolicy, Presence, SessionId};

use crate::apps;
use crate::report::Report;
use crate::settings::Settings;

const EVERY: Duration = Duration::from_millis(5);
const LATEST: Duration = Duration::from_millis(50);

pub fn run(settings: &Settings, report: &mut Report) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Fewer than a preview counts at most would measure something else.
    runtime.block_on(measure(settings.count(100_000, 20_000) as u32, report));
}

async fn measure(sessions: u32, report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = SqliteStore::open(folder.path().join("sessions.db")).await.expect("it opens");
    fill(&store, sessions).await;
    let curfew = apps::curfew(store);
    let own = session(&curfew).await;

    let alone = latest(async { tokio::time::sleep(Duration::from_secs(1)).await }).await;
    let previews = async {
        for _ in 0..5 {
            let hour = OrgPolicy::absolute(time::Duration::HOUR);
            let (one, other) = tokio::join!(
                curfew.preview("acme", hour, &own),
                curfew.preview("acme", hour, &own)
            );
            let (one, other) = (one.expect("it answers"), other.expect("it answers"));
            assert_eq!(
                (one.at_least, other.at_least),
                (true, true),
                "there are more than it counts"
            );
        }
    };
    let beside = latest(previews).await;
    let late = |late: Duration| format!("{:.1}", late.as_secs_f64() * 1e3);
    let rows = [
        vec!["alone".to_owned(), late(alone)],
        vec!["beside two previews at once".to_owned(), late(beside)],
    ];
    report.table(&["a timer of 5 ms", "ms late at most"], &rows);
    assert!(beside <= LATEST, "{beside:?} is later than {LATEST:?}");
}

/// By how much the latest of many timers was late while this was done.
async fn latest(work: impl Future<Output = ()>) -> Duration {
    let mut work = std::pin::pin!(work);
    let mut latest = Duration::ZERO;
    loop {
        let begun = Instant::now();
        tokio::select! {
            biased;
            () = tokio::time::sleep(EVERY) => {
                latest = latest.max(begun.elapsed().saturating_sub(EVERY));
            }
            () = &mut work => return latest,
        }
    }
}

async fn fill(store: &SqliteStore, sessions: u32) {
    let now = Clock::now(&SystemClock);
    let mut under_way = JoinSet::new();
    for number in 0..sessions {
        let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let member = Membership { org: "acme".into(), stamp: Stamp::default(), joined: now };
        let id = SessionId::from_bytes(spread.to_le_bytes());
        let user = format!("user {number}");
        let record = Record::begin(id, SecretHash::from_bytes([7; 32]), user, now, number)
            .with_memberships(vec![member])
            .with_purge_after(now + time::Duration::days(35));
        let store = store.clone();
        under_way.spawn(async move { store.insert(Arc::new(record), None).await });
    }
    while let Some(inserted) = under_way.join_next().await {
        let _ = inserted.expect("no task panics").expect("there is room");
    }
}

/// A session as a handler gets it.
async fn session(curfew: &Curfew) -> tower_curfew::Session {
    use axum::http::{Request, header};
    use tower::{ServiceExt as _, service_fn};
    use tower_layer::Layer as _;

    let new = NewSession::for_user("grace");
    let cookie = curfew.start(new, &ClientInfo::for_tests()).await.expect("the store answers");
    let service = curfew.layer().layer(service_fn(async |request: Request<()>| {
        let session = Presence::of(&request).and_then(Presence::session).cloned();
        let mut response = axum::http::Response::new(axum::body::Bytes::new());
        response.extensions_mut().insert(session.expect("somebody is signed in"));
        Ok::<_, std::convert::Infallible>(response)
    }));
    let request = Request::get("/").header(header::COOKIE, cookie.request_header()).body(());
    let response = service.oneshot(request.expect("it is a request")).await.expect("it answers");
    response.extensions().get::<tower_curfew::Session>().expect("it was put there").clone()
}
