//! The checks, which are the same for each library. What its app did is the answer.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::sync::Barrier;
use tokio::time::{sleep, timeout};

use super::browser::Browser;
use super::meter::Meter;

/// What stands in a cell of the table.
pub type Cell = String;

/// The one kind of cell that no check has observed: the library has neither a setting nor a call for it.
pub fn not_offered() -> Cell {
    "not offered".to_owned()
}

/// An app over a library. All have the same routes, for `GET`:
///
/// - `/sign-in/{user}` signs in without asking who they are, and `/sign-out` signs out;
/// - `/` answers with the name of the user who is signed in;
/// - `/slow` loads the session, waits at the barrier twice, and then changes the session;
/// - `/everywhere-else`, `/shorten` and `/sessions` exist where the library has a call for them.
pub trait Library {
    /// What the nodes of an app share.
    type Store;

    fn store(meter: Meter) -> Self::Store;

    /// A process that has just started. It knows nothing but what is in the store.
    fn node(store: &Self::Store, settings: Settings) -> impl Future<Output = Router>;
}

pub struct Settings {
    /// It signs the cookies.
    pub key: [u8; 64],
    pub timeouts: Timeouts,
    /// Where a slow request waits.
    pub barrier: Arc<Barrier>,
}

#[derive(Clone, Copy)]
pub struct Timeouts {
    pub idle: Option<Duration>,
    pub absolute: Option<Duration>,
}

impl Timeouts {
    const USUAL: Self = Self::idle(Duration::from_secs(28 * 24 * 3600));

    const fn idle(idle: Duration) -> Self {
        Self { idle: Some(idle), absolute: None }
    }
}

impl Settings {
    fn usual() -> Self {
        Self { key: key(1), timeouts: Timeouts::USUAL, barrier: Arc::new(Barrier::new(2)) }
    }

    fn lasting(timeouts: Timeouts) -> Self {
        Self { timeouts, ..Self::usual() }
    }
}

/// Some libraries refuse keys of which all bytes are the same.
fn key(step: u8) -> [u8; 64] {
    std::array::from_fn(|at| (at as u8).wrapping_mul(2).wrapping_add(step))
}

/// A site of one node, and a user who is signed in there.
async fn site<L: Library>() -> (Meter, L::Store, Router, Browser) {
    let meter = Meter::default();
    let store = L::store(meter.clone());
    let node = L::node(&store, Settings::usual()).await;
    let mut browser = Browser::signed_in(&node).await;
    assert!(browser.is_admitted(&node).await, "it has just signed in");
    (meter, store, node, browser)
}

/// A request that began before the sign-out changes the session after it.
pub async fn sign_out_stays<L: Library>() -> Cell {
    let settings = Settings::usual();
    let barrier = settings.barrier.clone();
    let node = L::node(&L::store(Meter::default()), settings).await;

    let mut browser = Browser::signed_in(&node).await;
    let mut copy = browser.clone();
    browser.get(&node, "/sign-out").await;
    assert!(!copy.is_admitted(&node).await, "a sign-out without a slow request ends the session");

    let mut browser = Browser::signed_in(&node).await;
    let (mut copy, mut slow) = (browser.clone(), browser.clone());
    let slow_request = async {
        slow.get(&node, "/slow").await;
    };
    let sign_out = async {
        barrier.wait().await;
        browser.get(&node, "/sign-out").await;
        barrier.wait().await;
    };
    let both = async { tokio::join!(slow_request, sign_out) };
    timeout(Duration::from_secs(10), both).await.expect("a slow request reaches the barrier");

    let is_undone = copy.is_admitted(&node).await || slow.is_admitted(&node).await;
    if is_undone { "undone" } else { "yes" }.to_owned()
}

/// One call ends the other sessions of a user, and not the one that makes the call. If it does, the cell
/// is `how`.
pub async fn ends_all_others<L: Library>(how: &str) -> Cell {
    let (_, _, node, mut own) = site::<L>().await;
    let mut others = [Browser::signed_in(&node).await, Browser::signed_in(&node).await];
    own.get(&node, "/everywhere-else").await;
    let mut ended = 0;
    for other in &mut others {
        ended += usize::from(!other.is_admitted(&node).await);
    }
    match (ended, own.is_admitted(&node).await) {
        (2, true) => how,
        (2, false) => "own session too",
        _ => "no",
    }
    .to_owned()
}

const IDLE: Duration = Duration::from_secs(1);
const ABSOLUTE: Duration = Duration::from_secs(2);
const BETWEEN_REQUESTS: Duration = Duration::from_millis(100);
/// A session that should be over is tried this much later.
const LATE: Duration = Duration::from_millis(400);

/// For a library with a setting for each timeout.
pub async fn both_timeouts<L: Library>() -> Cell {
    let both = Timeouts { idle: Some(IDLE), absolute: Some(ABSOLUTE) };
    match enforced::<L>(both).await {
        (true, true) => "yes",
        (true, false) => "only idle",
        (false, true) => "only absolute",
        (false, false) => "no",
    }
    .to_owned()
}

/// For a library with one setting, which is either of them.
pub async fn either_timeout<L: Library>() -> Cell {
    let (idle, _) = enforced::<L>(Timeouts::idle(IDLE)).await;
    let (_, absolute) = enforced::<L>(Timeouts { idle: None, absolute: Some(ABSOLUTE) }).await;
    match (idle, absolute) {
        (true, true) => "one of the two",
        (true, false) => "only idle",
        (false, true) => "only absolute",
        (false, false) => "no",
    }
    .to_owned()
}

/// Whether the idle timeout ends a session without requests, but not one with requests; and whether the
/// absolute timeout ends a session with requests.
async fn enforced<L: Library>(timeouts: Timeouts) -> (bool, bool) {
    let node = L::node(&L::store(Meter::default()), Settings::lasting(timeouts)).await;
    let mut left = Browser::signed_in(&node).await;
    let mut used = Browser::signed_in(&node).await;
    let began = Instant::now();
    while began.elapsed() < IDLE + LATE {
        sleep(BETWEEN_REQUESTS).await;
        // The clone sends the cookie even if an answer deletes it.
        if !used.clone().is_admitted(&node).await {
            return (false, false);
        }
    }
    let is_idle_enforced = !left.is_admitted(&node).await;
    while began.elapsed() < ABSOLUTE + LATE {
        sleep(BETWEEN_REQUESTS).await;
        used.clone().is_admitted(&node).await;
    }
    (is_idle_enforced, !used.is_admitted(&node).await)
}

/// A node that has just started has to ask the store. It fails, and later works again.
pub async fn store_fails<L: Library>() -> Cell {
    let (meter, store, _, browser) = site::<L>().await;
    let node = L::node(&store, Settings::usual()).await;
    let mut during = browser.clone();
    meter.break_store();
    let (status, _) = during.get(&node, "/").await;
    meter.repair_store();
    if status.is_success() {
        return "admitted".to_owned();
    }
    if !status.is_server_error() || during != browser {
        return "signed out".to_owned();
    }
    let is_back = browser.clone().is_admitted(&node).await;
    if is_back { "yes" } else { "signed out afterwards" }.to_owned()
}

/// A cookie of the right form, signed with another key.
pub async fn forged_cookie<L: Library>() -> Cell {
    let (meter, _, node, _) = site::<L>().await;
    let forger = Settings { key: key(2), ..Settings::usual() };
    let forger = L::node(&L::store(Meter::default()), forger).await;
    let mut forged = Browser::signed_in(&forger).await;
    let before = meter.calls();
    assert!(!forged.is_admitted(&node).await, "a forged cookie signs nobody in");
    match meter.calls() - before {
        0 => "yes".to_owned(),
        calls => format!("{calls} calls"),
    }
}

/// With the same settings, the check of the timeouts shows that requests keep a session alive.
pub async fn writes_of_100_requests<L: Library>() -> Cell {
    let (meter, _, node, mut browser) = site::<L>().await;
    let before = meter.writes();
    for _ in 0..100 {
        assert!(browser.is_admitted(&node).await, "it is signed in");
    }
    (meter.writes() - before).to_string()
}

/// A session becomes too old, by a call or because the process starts again with other settings.
pub async fn shortened_by<L: Library>(by: Shortening) -> Cell {
    const SHORT: Duration = Duration::from_secs(1);
    let (_, store, mut node, mut browser) = site::<L>().await;
    sleep(SHORT + LATE).await;
    let how = match by {
        Shortening::Call => {
            Browser::signed_in(&node).await.get(&node, "/shorten").await;
            "yes"
        }
        Shortening::Restart => {
            let short = Timeouts { idle: Some(SHORT), absolute: Some(SHORT) };
            node = L::node(&store, Settings::lasting(short)).await;
            "after a restart"
        }
    };
    let mut new = Browser::signed_in(&node).await;
    assert!(new.is_admitted(&node).await, "a new session is not too old");
    if browser.is_admitted(&node).await { "no" } else { how }.to_owned()
}

pub enum Shortening {
    /// `/shorten`: one second.
    Call,
    /// The library has no call for it.
    Restart,
}

/// `/sessions` has a line for each session: the last activity, a tab, and what the library knows of the
/// device.
pub async fn users_list_sessions<L: Library>() -> Cell {
    let (_, _, node, mut browser) = site::<L>().await;
    Browser::signed_in(&node).await;
    let (_, listed) = browser.get(&node, "/sessions").await;
    let lines = Vec::from_iter(listed.lines().filter_map(|line| line.split_once('\t')));
    let seen = BTreeSet::from_iter(lines.iter().map(|(seen, _)| !seen.is_empty()));
    // The browser said in its `User-Agent` that it is Firefox.
    let named = lines.iter().all(|(_, device)| device.contains("Firefox"));
    match (lines.len(), seen.contains(&false), named) {
        (2, false, true) => "yes",
        (2, false, false) => "without the device",
        (2, true, _) => "only ids",
        _ => "no",
    }
    .to_owned()
}
