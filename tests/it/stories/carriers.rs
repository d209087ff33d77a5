//! Which responses carry the refreshed cookie, and for how long a browser keeps it.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use tower_curfew::{Curfew, Error, Limits, NewSession, OrgPolicy, Session, SetCookie};

use crate::support::{
    Answer, Browser, Site, days, hours, minutes, on_every_store, on_every_store_with,
};

fn max_age(answer: &Answer) -> i64 {
    let [cookie] = answer.set_cookies()[..] else {
        panic!("{answer:?}");
    };
    let (_, age) = cookie.split_once("Max-Age=").unwrap();
    age.split(';').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn r09_the_cookie_outlives_the_session_by_seven_days_up_to_400() {
    for (limits, at_first, an_hour_later) in [
        (Limits::default(), days(35), days(35)),
        (Limits::absolute(days(7)), days(14), days(14) - hours(1)),
        (Limits::absolute(days(7)).and_idle(days(1)), days(8), days(8)),
        (Limits::idle(days(393)), days(400), days(400)),
        (Limits::idle(days(394)), days(400), days(400)),
        (Limits::unlimited(), days(400), days(400)),
    ] {
        on_every_store_with(
            |builder| builder.limits(limits),
            async |site| {
                let mut ada = site.browser();
                let answer = ada.post("/login?user=ada").await;
                assert_eq!(max_age(&answer), at_first.whole_seconds(), "{limits:?}");
                site.pass(hours(1));
                let answer = ada.open("/").await;
                assert_eq!(max_age(&answer), an_hour_later.whole_seconds(), "{limits:?}");
                let answer = ada.post("/rotate").await;
                assert_eq!(max_age(&answer), an_hour_later.whole_seconds(), "{limits:?}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn r09_as_long_as_a_browser_keeps_the_cookie_it_learns_the_reason() {
    for limits in [Limits::default(), Limits::absolute(days(7)), Limits::idle(minutes(15))] {
        on_every_store_with(
            |builder| builder.limits(limits),
            async |site| {
                let mut ada = site.browser();
                let kept = max_age(&ada.post("/login?user=ada").await);
                let mut grace = site.browser();
                grace.post("/login?user=grace").await;
                site.pass(time::Duration::seconds(kept - 1));
                let because = ada.turned_away_because().await;
                assert!(["idle", "absolute"].contains(&&*because), "{because:?}");
                assert_eq!(ada.cookie, None);
                // The browser drops its copy; the server would not have let it in either way.
                site.pass(days(1));
                assert_eq!(grace.turned_away_because().await, "");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn r09_an_old_copy_of_the_cookie_is_as_good_as_a_new_one() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let mut backup = ada.clone();
        for _ in 0..20 {
            site.pass(days(20));
            assert!(ada.is_signed_in().await);
        }
        let answer = backup.open("/").await;
        assert_eq!(answer.status, 200, "long after its Max-Age");
        assert_eq!(max_age(&answer), days(35).whole_seconds());
    })
    .await;
}

/// Pages that say how they may be kept.
fn pages() -> Router<Curfew> {
    let page = |cache: &'static str| get(async move || ([(header::CACHE_CONTROL, cache)], "page"));
    Router::new()
        .route("/public", page("public"))
        .route("/for-a-minute", page("max-age=60"))
        .route("/shared", page("must-revalidate, S-MaxAge=60"))
        .route("/for-ever", page("Public, max-age=31536000, immutable"))
        .route("/not-modified", get(async || StatusCode::NOT_MODIFIED))
        .route("/private", page("private, max-age=60"))
        .route("/no-cache", page("no-cache"))
        .route("/no-store", page("no-store"))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/empty", get(async || StatusCode::NO_CONTENT))
        .route("/theme", get(async || ([(header::SET_COOKIE, "theme=dark; Path=/")], "page")))
        .route("/language", get(async || ([(header::VARY, "Accept-Language")], "page")))
        .route("/own", post(own))
}

async fn own(session: Session, curfew: Curfew) -> Result<(SetCookie, &'static str), Error> {
    Ok((curfew.rotate(&session).await?, "page"))
}

async fn an_hour_later(site: &Site, browser: &mut Browser, path: &str) -> Answer {
    site.pass(hours(1));
    browser.open(path).await
}

#[tokio::test]
async fn r12_what_carries_the_cookie_is_kept_by_no_cache() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await.at(&site.router_with(pages()));
        for path in ["/", "/private", "/no-cache", "/no-store", "/broken", "/empty", "/language"] {
            let answer = an_hour_later(&site, &mut ada, path).await;
            assert_eq!(answer.set_cookies().len(), 1, "{path}");
            let cache = answer.headers.get_all(header::CACHE_CONTROL).iter().collect::<Vec<_>>();
            assert_eq!(cache, ["no-store"], "{path}");
            let vary = answer.headers.get_all(header::VARY).iter().collect::<Vec<_>>();
            assert_eq!(*vary.last().unwrap(), "Cookie", "{path}");
            assert_eq!(vary.len(), if path == "/language" { 2 } else { 1 }, "{path}");
            let answer = ada.open(path).await;
            assert_ne!(answer.header("vary"), "Cookie", "{path}, without the cookie");
        }
        let answer = an_hour_later(&site, &mut ada, "/theme").await;
        assert_eq!(answer.set_cookies().len(), 2, "the handler's cookie stays");
        assert_eq!(answer.set_cookies()[0], "theme=dark; Path=/");
    })
    .await;
}

#[tokio::test]
async fn r12_trap_23_what_others_may_be_shown_carries_nothing_and_another_request_does() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await.at(&site.router_with(pages()));
        for path in ["/public", "/for-a-minute", "/shared", "/for-ever", "/not-modified"] {
            let plain = site.browser().at(&site.router_with(pages())).open(path).await;
            let answer = an_hour_later(&site, &mut ada, path).await;
            assert_eq!(answer.headers, plain.headers, "{path}: as for anybody");
            assert_eq!(answer.set_cookies(), [""; 0], "{path}");
            assert_eq!(site.record(&ada).await.last_seen(), site.now(), "{path} is activity");
            let answer = an_hour_later(&site, &mut ada, "/").await;
            assert_eq!(answer.set_cookies().len(), 1, "after {path}");
        }
    })
    .await;
}

#[tokio::test]
async fn r12_if_the_handler_sets_the_cookie_itself_ours_stays_away() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await.at(&site.router_with(pages()));
        for (path, then) in [
            ("/own", "live ada"),
            ("/rotate", "live ada"),
            ("/login?user=grace", "live grace"),
            ("/logout", "anonymous"),
        ] {
            site.pass(hours(1));
            let before = ada.cookie.clone();
            let answer = ada.post(path).await;
            assert_eq!(answer.set_cookies().len(), 1, "{path}: {answer:?}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert_ne!(ada.cookie, before, "{path}");
            assert_eq!(ada.fetch("GET", "/presence").await.body, then, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn trap_39_if_all_that_comes_in_time_is_a_304_a_later_request_carries_the_cookie() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await.at(&site.router_with(pages()));
        let mut cookies = 0;
        for ten_minutes in 1..=24 * 6 {
            site.pass(minutes(10));
            let polled = ada.open("/not-modified").await;
            assert_eq!(polled.status, 304);
            assert_eq!(polled.set_cookies(), [""; 0]);
            // A page is opened now and then, and never is its request the one that is recorded.
            if ten_minutes % 6 == 1 {
                site.store.calls();
                cookies += ada.open("/").await.set_cookies().len();
                assert_eq!(site.store.calls(), ["load"]);
            }
        }
        assert!((8..=12).contains(&cookies), "{cookies} in 24 hours");
    })
    .await;
}

#[tokio::test]
async fn r09_a_policy_shortens_the_life_of_the_cookie_too() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
        let mut ada = site.started(NewSession::for_user("ada").orgs(["acme"])).await;
        site.pass(hours(1));
        let answer = ada.open("/").await;
        assert_eq!(max_age(&answer), (days(14) - hours(1)).whole_seconds());
    })
    .await;
}
