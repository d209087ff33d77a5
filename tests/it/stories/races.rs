//! Requests that overtake each other.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tower_curfew::{Builder, Curfew, Selector, Session};

use crate::support::{
    Answer, Browser, Fault, Site, at_once, days, hours, minutes, on_every_store,
    on_every_store_with, races,
};

/// Calls that are held must not time out.
fn patient(builder: Builder) -> Builder {
    builder.timeout(Duration::MINUTE)
}

/// A request under way, and the browser that it leaves behind.
type Request = JoinHandle<(Answer, Browser)>;

fn opens(browser: &Browser, path: &'static str) -> Request {
    let mut browser = browser.clone();
    tokio::spawn(async move { (browser.open(path).await, browser) })
}

fn posts(browser: &Browser, path: &'static str) -> Request {
    let mut browser = browser.clone();
    tokio::spawn(async move { (browser.post(path).await, browser) })
}

/// Where a handler waits.
#[derive(Clone, Default)]
struct Gate(Arc<(Notify, Notify)>);

impl Gate {
    async fn pass(&self) {
        self.0.0.notify_one();
        self.0.1.notified().await;
    }

    /// Waits until a handler is there.
    async fn arrived(&self) {
        self.0.0.notified().await;
    }

    fn open(&self) {
        self.0.1.notify_one();
    }
}

/// Pages that are slow.
fn slow_pages(gate: &Gate) -> Router<Curfew> {
    let slow = |status: StatusCode| {
        let gate = gate.clone();
        get(async move |session: Session| {
            gate.pass().await;
            (status, session.user().to_owned())
        })
    };
    let gate = gate.clone();
    let rotate = async move |session: Session, curfew: Curfew| {
        gate.pass().await;
        curfew.rotate(&session).await
    };
    Router::new()
        .route("/slow", slow(StatusCode::OK))
        .route("/slow-and-broken", slow(StatusCode::INTERNAL_SERVER_ERROR))
        .route("/slow-rotation", post(rotate))
}

async fn is_over(site: &Site, browser: &Browser, because: &str) {
    let mut browser = browser.at(&site.router);
    assert!(site.record(&browser).await.has_ended());
    assert_eq!(browser.turned_away_because().await, because);
}

#[tokio::test]
async fn trap_01_a_request_that_records_activity_late_revives_no_session() {
    on_every_store_with(patient, async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let copy = ada.clone();
        site.pass(hours(1));
        let mut held = site.store.hold("touch");
        let slow = opens(&ada, "/");
        held.arrived().await;
        ada.post("/logout").await;
        let ended = site.record(&copy).await;
        held.release();

        let (answer, browser) = slow.await.unwrap();
        assert_eq!(answer.turned_away_because(), "revoked");
        assert_eq!(browser.cookie, None, "it got no new one");
        assert_eq!(*site.record(&copy).await, *ended, "not a fact has changed");
        is_over(&site, &copy, "revoked").await;
    })
    .await;
}

#[tokio::test]
async fn trap_01_trap_02_a_handler_that_ends_after_the_sign_out_revives_no_session() {
    on_every_store(async |site| {
        let gate = Gate::default();
        for path in ["/slow", "/slow-and-broken"] {
            for due in [false, true] {
                let mut ada =
                    site.signed_in("ada", &[]).await.at(&site.router_with(slow_pages(&gate)));
                let copy = ada.clone();
                site.pass(if due { hours(1) } else { minutes(1) });
                let slow = opens(&ada, path);
                gate.arrived().await;
                ada.post("/logout").await;
                gate.open();

                let (answer, browser) = slow.await.unwrap();
                // The cookie was due when the request came in. It is one of a session that is over.
                assert_eq!(answer.set_cookies().len(), usize::from(due), "{path}");
                assert_eq!(browser.session(), copy.session(), "{path}");
                for browser in [copy, browser] {
                    is_over(&site, &browser, "revoked").await;
                }
                assert!(site.curfew.list("ada").await.unwrap().is_empty());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn trap_02_a_rotation_that_comes_after_the_sign_out_hands_out_nothing() {
    on_every_store(async |site| {
        let gate = Gate::default();
        let mut ada = site.signed_in("ada", &[]).await.at(&site.router_with(slow_pages(&gate)));
        let copy = ada.clone();
        let slow = posts(&ada, "/slow-rotation");
        gate.arrived().await;
        ada.post("/logout").await;
        gate.open();
        let (answer, _) = slow.await.unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.set_cookies(), [""; 0]);
        is_over(&site, &copy, "revoked").await;
    })
    .await;
}

#[tokio::test]
async fn trap_03_activity_a_new_secret_and_other_organizations_do_not_undo_each_other() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        on_every_store_with(patient, async |site| {
            let ada = site.signed_in("ada", &["globex"]).await;
            let old = site.record(&ada).await;
            site.pass(minutes(30));
            let mut rotate = site.store.hold("rotate");
            let rotation = posts(&ada, "/again");
            rotate.arrived().await;
            let mut set_orgs = site.store.hold("set_orgs");
            let curfew = site.curfew.clone();
            let change = tokio::spawn(async move { curfew.set_orgs("ada", ["acme"]).await });
            set_orgs.arrived().await;
            let proved = site.now();
            site.pass(minutes(40));
            let mut touch = site.store.hold("touch");
            let request = opens(&ada, "/");
            touch.arrived().await;

            let mut held = [rotate, set_orgs, touch].map(Some);
            let (mut rotation, mut change, mut request) =
                (Some(rotation), Some(change), Some(request));
            let mut new = None;
            for at in order {
                held[at].take().unwrap().release();
                match at {
                    0 => new = Some(rotation.take().unwrap().await.unwrap()),
                    1 => change.take().unwrap().await.unwrap().unwrap(),
                    // After the rotation it comes with an older secret, and is nobody's.
                    _ => {
                        let (answer, _) = request.take().unwrap().await.unwrap();
                        let (status, seen) =
                            if new.is_some() { (303, old.last_seen()) } else { (200, site.now()) };
                        assert_eq!(answer.status, status, "{order:?}");
                        assert_eq!(answer.set_cookies().len(), usize::from(status == 200));
                        assert_eq!(site.record(&ada).await.last_seen(), seen, "{order:?}");
                    }
                }
            }

            let (answer, mut new) = new.unwrap();
            assert_eq!(answer.status, 200);
            let record = site.record(&ada).await;
            assert_ne!(record.secret_hash(), old.secret_hash(), "{order:?}");
            assert_eq!(record.authenticated(), proved, "{order:?}");
            let orgs: Vec<&str> = record.memberships().iter().map(|member| &*member.org).collect();
            assert_eq!(orgs, ["acme"], "{order:?}");
            assert!(new.is_signed_in().await);
            assert!(!ada.clone().is_signed_in().await, "with the old secret");
        })
        .await;
    }
}

#[tokio::test]
async fn trap_03_activity_while_organizations_change_still_counts_for_28_days() {
    on_every_store_with(patient, async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        site.pass(days(20));
        let mut held = site.store.hold("set_orgs");
        let curfew = site.curfew.clone();
        let change = tokio::spawn(async move { curfew.set_orgs("ada", ["acme"]).await });
        held.arrived().await;
        assert!(ada.is_signed_in().await);
        held.release();
        change.await.unwrap().unwrap();

        let seen = site.now();
        assert_eq!(site.record(&ada).await.last_seen(), seen);
        site.pass(days(27));
        site.curfew.purge().await.unwrap();
        assert!(ada.is_signed_in().await, "27 days after the last activity");
    })
    .await;
}

#[tokio::test]
async fn trap_06_a_rotation_whose_answer_fails_destroys_nothing() {
    on_every_store(async |site| {
        let arrives = async |session: Session, curfew: Curfew| {
            let cookie = curfew.rotate(&session).await?;
            Ok::<_, tower_curfew::Error>(
                (StatusCode::INTERNAL_SERVER_ERROR, cookie).into_response(),
            )
        };
        let is_lost = async |session: Session, curfew: Curfew| {
            let _lost = curfew.rotate(&session).await?;
            Ok::<_, tower_curfew::Error>(StatusCode::INTERNAL_SERVER_ERROR)
        };
        let more = Router::new().route("/arrives", post(arrives)).route("/is-lost", post(is_lost));
        let mut ada = site.signed_in("ada", &[]).await.at(&site.router_with(more));
        assert_eq!(ada.post("/arrives").await.status, 500);
        assert!(ada.is_signed_in().await, "with the new cookie");

        let answer = ada.post("/is-lost").await;
        assert_eq!(answer.status, 500);
        assert!(ada.cookie.is_some(), "and nobody cleared the old one");
        assert_eq!(ada.fetch("GET", "/presence").await.body, "anonymous");
        assert_eq!(site.record(&ada).await.ended(), None, "superseded, not ended");
        assert_eq!(site.curfew.list("ada").await.unwrap().len(), 1);
        ada.sign_in("ada", &[]).await;
        assert!(ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r28_signing_in_again_ends_the_session_of_this_browser_before_the_answer() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let mut elsewhere = site.signed_in("ada", &[]).await;
        let old = ada.clone();
        site.store.calls();
        ada.sign_in("ada", &[]).await;
        assert_eq!(site.store.calls(), ["load", "rules_since", "insert", "end"]);
        is_over(&site, &old, "revoked").await;
        assert!(ada.is_signed_in().await && elsewhere.is_signed_in().await);
        assert_eq!(site.curfew.list("ada").await.unwrap().len(), 2);

        let before = ada.cookie.clone();
        for call in ["rules_since", "insert", "end"] {
            site.store.break_once(call, Fault::Fail);
            assert_eq!(ada.post("/login?user=ada").await.status, 503, "{call}");
            assert_eq!(ada.cookie, before, "{call}");
            assert!(ada.is_signed_in().await, "{call}: it was to be replaced, and was not");
            let listed = site.curfew.list("ada").await.unwrap();
            assert_eq!(listed.len(), 2, "{call}: nothing is left of the one that failed");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trap_34_logging_out_everywhere_never_misses_a_session_that_rotates() {
    on_every_store_with(patient, async |site| {
        for race in 0..races() {
            let user = format!("ada-{race}");
            let mut old = site.signed_in(&user, &[]).await;
            let (mut new, curfew) = (old.clone(), site.curfew.clone());
            let everywhere = Selector::user(&user);
            let rotates = async move {
                new.post("/rotate").await;
                new
            };
            let (mut new, ended) =
                at_once(rotates, async move { curfew.operator("tests").revoke(everywhere).await })
                    .await;
            assert_eq!(ended.unwrap(), 1, "race {race}");
            assert!(!new.is_signed_in().await && !old.is_signed_in().await, "race {race}");
            assert!(site.curfew.list(&user).await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trap_01_no_request_at_the_moment_of_a_sign_out_revives_the_session() {
    on_every_store_with(patient, async |site| {
        for race in 0..races() {
            let user = format!("ada-{race}");
            let mut ada = site.signed_in(&user, &[]).await;
            // For every other race activity is due.
            site.pass(hours(1) * (race % 2));
            let (mut slow, mut copy) = (ada.clone(), ada.clone());
            let page = async move {
                slow.open("/").await;
                slow
            };
            let (mut slow, answer) = at_once(page, async move { ada.post("/logout").await }).await;
            assert_eq!(answer.status, 200, "race {race}");
            assert!(!slow.is_signed_in().await, "race {race}");
            assert_eq!(copy.turned_away_because().await, "revoked", "race {race}");
        }
    })
    .await;
}
