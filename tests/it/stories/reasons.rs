//! Why a session has ended: one reason, the same in every answer.

use tower_curfew::{Limits, NewSession, OrgPolicy};

use crate::support::{Answer, Browser, Site, days, hours, on_every_store, routes};

fn ada() -> NewSession {
    NewSession::for_user("ada")
}

/// A story that ends a session, and the reason and the organization that it ends for.
async fn ended_by(site: &Site, what: &str) -> (Browser, &'static str, Option<&'static str>) {
    let limits = Limits::absolute(days(20)).and_idle(days(10));
    let mut ada = site.started(ada().orgs(["acme"]).at_most(limits)).await;
    let copy = ada.clone();
    let (reason, org) = match what {
        "idle" => {
            site.pass(days(10));
            ("idle", None)
        }
        "absolute" => {
            for _ in 0..4 {
                site.pass(days(5));
                ada.open("/").await;
            }
            ("absolute", None)
        }
        "signing out" => {
            ada.post("/logout").await;
            ("revoked", None)
        }
        "signing in again" => {
            ada.sign_in("ada", &["acme"]).await;
            ("revoked", None)
        }
        "the organization's idle limit" => {
            site.set_policy("acme", OrgPolicy::idle(days(1))).await;
            site.pass(days(2));
            ("idle", Some("acme"))
        }
        "the organization's absolute limit" => {
            site.set_policy("acme", OrgPolicy::absolute(days(1))).await;
            site.pass(days(2));
            ("absolute", Some("acme"))
        }
        "the organization's revocation" => {
            site.revoke_org("acme").await;
            ("revoked", Some("acme"))
        }
        other => panic!("{other}?"),
    };
    (copy, reason, org)
}

#[tokio::test]
async fn r04_the_reason_stands_in_the_redirect_in_the_problem_and_before_the_handler() {
    on_every_store(async |site| {
        for what in [
            "idle",
            "absolute",
            "signing out",
            "signing in again",
            "the organization's idle limit",
            "the organization's absolute limit",
            "the organization's revocation",
        ] {
            let (ada, reason, org) = ended_by(&site, what).await;

            let problem = ada.clone().fetch("GET", "/").await;
            assert_eq!(problem.status, 401, "{what}");
            assert_eq!(problem.header("content-type"), "application/problem+json");
            let named = format!(r#""reason":"{reason}""#);
            assert!(problem.body.contains(&named), "{what}: {problem:?}");
            match org {
                Some(org) => {
                    let named = format!(r#""organization":"{org}""#);
                    assert!(problem.body.contains(&named), "{what}: {problem:?}");
                }
                None => assert!(!problem.body.contains("organization"), "{what}: {problem:?}"),
            }
            assert_eq!(problem.set_cookies(), [""; 0], "a 401 clears no cookie");

            let presence = ada.clone().fetch("GET", "/presence").await;
            assert_eq!(presence.body, format!("ended {reason} {}", org.unwrap_or("-")), "{what}");

            let mut browser = ada.clone();
            let redirect = browser.open("/").await;
            assert_eq!(redirect.login_parameter("reason").as_deref(), Some(reason), "{what}");
            assert_eq!(redirect.login_parameter("organization").as_deref(), org, "{what}");
            assert_eq!(browser.cookie, None, "the redirect clears it");
        }
    })
    .await;
}

/// Neither turned away with a reason nor told to forget the cookie.
fn is_as_nobody(answer: &Answer, what: &str) {
    assert_eq!(answer.set_cookies(), [""; 0], "{what}: {answer:?}");
    assert!(!answer.body.contains("ended"), "{what}: {answer:?}");
    assert_eq!(answer.login_parameter("reason"), None, "{what}");
}

#[tokio::test]
async fn r04_an_older_secret_and_an_unknown_id_are_nobody_and_clear_no_cookie() {
    on_every_store(async |site| {
        let mut ada = site.started(ada()).await;
        let superseded = ada.clone();
        assert_eq!(ada.post("/rotate").await.status, 200);
        let unknown = Site::new().signed_in("ada", &[]).await.at(&site.router);

        for (mut browser, what) in [(superseded, "superseded"), (unknown, "unknown")] {
            let required = routes().layer(site.curfew.layer().required());
            let required = required.with_state(site.curfew.clone());
            for router in [site.router.clone(), required] {
                browser = browser.at(&router);
                let page = browser.open("/").await;
                assert_eq!(page.turned_away_because(), "", "{what}");
                is_as_nobody(&page, what);
                let login = browser.open("/login").await;
                assert_eq!(login.status, 200);
                is_as_nobody(&login, what);
                let problem = browser.fetch("GET", "/").await;
                assert_eq!(problem.status, 401);
                assert!(problem.body.contains(r#""reason":"anonymous""#), "{problem:?}");
                is_as_nobody(&problem, what);
            }
            browser = browser.at(&site.router);
            assert_eq!(browser.open("/presence").await.body, "anonymous", "{what}");
            assert_eq!(browser.open("/landing").await.body, "hello stranger", "{what}");
        }
        assert!(ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r04_an_older_secret_learns_nothing_of_how_the_session_ended() {
    on_every_store(async |site| {
        let mut ada = site.started(ada()).await;
        let mut superseded = ada.clone();
        ada.post("/rotate").await;
        ada.post("/logout").await;
        let page = superseded.open("/").await;
        assert_eq!(page.turned_away_because(), "");
        is_as_nobody(&page, "superseded and signed out");
        assert!(superseded.cookie.is_some());
    })
    .await;
}

#[tokio::test]
async fn r04_if_both_limits_strike_at_once_it_is_the_absolute_one() {
    on_every_store(async |site| {
        let both = Limits::absolute(days(1)).and_idle(days(1));
        let mut pair = site.started_twice(ada().at_most(both)).await;
        site.ends_in(days(1), &mut pair, "absolute").await;

        site.set_policy("acme", OrgPolicy::idle(days(1))).await;
        let absolute = Limits::absolute(days(1));
        let new = || ada().orgs(["acme"]).at_most(absolute);
        let mut pair = site.started_twice(new()).await;
        site.ends_in(days(1), &mut pair, "absolute").await;
    })
    .await;
}

#[tokio::test]
async fn r04_the_earlier_end_gives_the_reason_however_late_it_is_found() {
    on_every_store(async |site| {
        for (limits, because) in [
            (Limits::absolute(days(2)).and_idle(days(1)), "idle"),
            (Limits::absolute(days(1)).and_idle(days(2)), "absolute"),
        ] {
            let mut ada = site.started(ada().at_most(limits)).await;
            site.pass(days(5));
            assert_eq!(ada.turned_away_because().await, because);
        }
    })
    .await;
}

#[tokio::test]
async fn r04_a_policy_that_began_after_the_end_is_not_the_reason() {
    on_every_store(async |site| {
        let new = ada().orgs(["acme"]).at_most(Limits::idle(days(1)));
        let mut ada = site.started(new).await;
        site.pass(days(3));
        // It would have ended the session two hours after its start, had it been there then.
        let late = OrgPolicy::absolute(hours(2)).and_idle(hours(1));
        site.set_policy("acme", late).await;
        site.pass(days(2));
        assert_eq!(ada.turned_away_because().await, "idle");
    })
    .await;
}
