//! The JSON routes for admins: what they answer to whoever may.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::get;
use tower_curfew::{Authorize, org_routes};
use tower_curfew::{NewSession, OrgPolicy, Session};

use crate::support::{
    Answer, Browser, Fault, MS, Site, days, hours, minutes, on_every_store, on_every_store_with,
    seconds,
};

pub(super) const POLICY: &str = "/api/organizations/acme/policy";
pub(super) const PREVIEW: &str = "/api/organizations/acme/policy/preview";
pub(super) const REVOKE: &str = "/api/organizations/acme/revoke";

/// The site with the routes for admins, who is grace for every organization.
pub(super) fn router(site: &Site) -> Router {
    let grace_only = async |session: Session, _: String| session.user() == "grace";
    router_for(site, grace_only)
}

pub(super) fn router_for(site: &Site, authorize: impl Authorize) -> Router {
    site.router_with(Router::new().nest("/api", org_routes(authorize)))
}

/// Grace, who has just signed in.
pub(super) async fn grace(site: &Site, orgs: &[&str]) -> Browser {
    site.signed_in("grace", orgs).await.at(&router(site))
}

/// Sends JSON, or nothing if it is empty, as a script of the site itself does.
pub(super) async fn ask(browser: &mut Browser, method: &str, path: &str, json: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "application/json");
    if !json.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    browser.send(request.body(Body::from(json.to_owned())).unwrap()).await
}

/// Asks, and is answered with this JSON.
async fn answers(browser: &mut Browser, method: &str, path: &str, json: &str, expected: &str) {
    let answer = ask(browser, method, path, json).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, expected), "{method} {path} {json}");
    assert_eq!(answer.header("content-type"), "application/json", "{method} {path}");
}

fn ada() -> NewSession {
    NewSession::for_user("ada").orgs(["acme"])
}

const WEEK: &str = r#"{"absolute_seconds":604800,"idle_seconds":null}"#;

#[tokio::test]
async fn r14_each_route_answers_as_the_table_says() {
    on_every_store(async |site| {
        let mut old = site.started(ada()).await;
        site.pass(days(8));
        let mut young = site.started_twice(ada()).await;
        let mut grace = grace(&site, &[]).await;
        site.pass(days(2));
        let nothing = r#"{"absolute_seconds":null,"idle_seconds":null,"since":null}"#;
        answers(&mut grace, "GET", POLICY, "", nothing).await;
        let previewed = r#"{"ends_now":1,"shortened":2,"own_session":"unchanged"}"#;
        answers(&mut grace, "POST", PREVIEW, WEEK, previewed).await;
        answers(&mut grace, "GET", POLICY, "", nothing).await;
        answers(&mut grace, "PUT", POLICY, WEEK, r#"{"ends_now":1,"shortened":2}"#).await;
        let since = site.now();
        assert_eq!(old.turned_away_because().await, "absolute acme");

        site.pass(hours(1));
        let set = format!(r#"{{"absolute_seconds":604800,"idle_seconds":null,"since":"{since}"}}"#);
        answers(&mut grace, "GET", POLICY, "", &set).await;
        let head = ask(&mut grace, "HEAD", POLICY, "").await;
        assert_eq!((head.status.as_u16(), &*head.body), (200, ""));
        let now = site.now();
        let gone = format!(r#"{{"absolute_seconds":null,"idle_seconds":null,"since":"{now}"}}"#);
        answers(&mut grace, "DELETE", POLICY, "", &gone).await;
        site.pass(MS);
        answers(&mut grace, "DELETE", POLICY, "", &gone).await;
        answers(&mut grace, "GET", POLICY, "", &gone).await;
        let mut new = site.started(ada()).await;
        // The ends that were scheduled stay.
        site.ends_in(days(5) - hours(1) - MS, &mut young, "absolute acme").await;
        assert!(new.is_signed_in().await);
        answers(&mut grace, "POST", REVOKE, "", r#"{"ended":1}"#).await;
        answers(&mut grace, "POST", REVOKE, "", r#"{"ended":0}"#).await;
        assert_eq!(new.turned_away_because().await, "revoked acme");
    })
    .await;
}

#[tokio::test]
async fn r20_both_limits_and_either_alone_are_read_and_told_in_seconds() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        let (week, quarter) = (days(7), minutes(15));
        for (body, policy) in [
            (r#"{"absolute_seconds":604800}"#, OrgPolicy::absolute(week)),
            (r#"{"idle_seconds":900}"#, OrgPolicy::idle(quarter)),
            (r#"{"absolute_seconds":null,"idle_seconds":300}"#, OrgPolicy::idle(minutes(5))),
            (
                r#" { "idle_seconds" : 900, "since": "yesterday", "absolute_seconds": 34560000 }"#,
                OrgPolicy::absolute(days(400)).and_idle(quarter),
            ),
        ] {
            site.pass(hours(1));
            answers(&mut grace, "PUT", POLICY, body, r#"{"ends_now":0,"shortened":0}"#).await;
            assert_eq!(site.curfew.policy("acme").await.unwrap().unwrap().policy, Some(policy));
            let seconds = |limit: Option<time::Duration>| {
                limit.map_or("null".to_owned(), |limit| limit.whole_seconds().to_string())
            };
            let read = ask(&mut grace, "GET", POLICY, "").await.body;
            let expected = format!(
                r#"{{"absolute_seconds":{},"idle_seconds":{},"since":"{}"}}"#,
                seconds(policy.absolute_limit()),
                seconds(policy.idle_limit()),
                site.now()
            );
            assert_eq!(read, expected);
            // What was read may be sent back, and changes nothing.
            site.pass(hours(1));
            answers(&mut grace, "PUT", POLICY, &read, r#"{"ends_now":0,"shortened":0}"#).await;
            answers(&mut grace, "GET", POLICY, "", &expected).await;
        }
    })
    .await;
}

#[tokio::test]
async fn r21_a_preview_says_what_becomes_of_ones_own_session() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &["acme"]).await;
        site.pass(days(2));
        for (body, expected) in [
            (
                r#"{"absolute_seconds":172800}"#,
                r#"{"ends_now":1,"shortened":0,"own_session":"ends"}"#,
            ),
            (
                r#"{"absolute_seconds":172801}"#,
                r#"{"ends_now":0,"shortened":1,"own_session":"shortened"}"#,
            ),
            (
                r#"{"absolute_seconds":34560000}"#,
                r#"{"ends_now":0,"shortened":0,"own_session":"unchanged"}"#,
            ),
        ] {
            answers(&mut grace, "POST", PREVIEW, body, expected).await;
        }
        // Whoever goes on regardless is signed out by it.
        let body = r#"{"absolute_seconds":172800}"#;
        answers(&mut grace, "PUT", POLICY, body, r#"{"ends_now":1,"shortened":0}"#).await;
        assert_eq!(grace.turned_away_because().await, "absolute acme");
    })
    .await;
}

#[tokio::test]
async fn r19_a_revocation_counts_and_ends_the_living_and_ones_own_session_with_them() {
    on_every_store(async |site| {
        let over = site.started(ada().at_most(tower_curfew::Limits::idle(hours(1)))).await;
        site.pass(hours(1));
        assert_eq!(over.clone().turned_away_because().await, "idle");
        let mut members = Vec::new();
        for _ in 0..120 {
            members.push(site.started(ada()).await);
        }
        let mut elsewhere = site.started(ada().orgs(["globex"])).await;
        let mut grace = grace(&site, &["acme", "globex"]).await;
        site.store.calls();
        answers(&mut grace, "POST", REVOKE, "", r#"{"ended":121}"#).await;
        let writes = ["replace_rules", "end", "set_orgs", "insert", "rotate", "touch"];
        let calls = site.store.calls().into_iter().filter(|call| writes.contains(call));
        assert!(calls.eq(["replace_rules"]), "one write");
        let refused = ask(&mut grace, "GET", POLICY, "").await;
        assert_eq!(refused.status, 401);
        let told = r#""reason":"revoked","login_url":"/login","organization":"acme"}"#;
        assert!(refused.body.ends_with(told), "{}", refused.body);
        for browser in &mut members {
            assert_eq!(browser.turned_away_because().await, "revoked acme");
        }
        assert!(elsewhere.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r23_bounds_that_are_set_are_those_of_the_routes() {
    on_every_store_with(
        |builder| builder.policy_bounds(seconds(1), hours(1)),
        async |site| {
            let mut grace = grace(&site, &[]).await;
            let counts = r#"{"ends_now":0,"shortened":0}"#;
            for body in [r#"{"idle_seconds":1}"#, r#"{"idle_seconds":3600}"#] {
                answers(&mut grace, "PUT", POLICY, body, counts).await;
            }
            let refused = ask(&mut grace, "PUT", POLICY, r#"{"idle_seconds":3601}"#).await;
            assert_eq!(refused.status, 422);
            let told = r#""field":"idle_seconds","minimum":1,"maximum":3600}"#;
            assert!(refused.body.ends_with(told), "{}", refused.body);
        },
    )
    .await;
}

#[tokio::test]
async fn trap_32_below_a_prefix_with_parameters_of_its_own_the_organization_is_found() {
    on_every_store(async |site| {
        let everybody = async |_: Session, org: String| org == "acme";
        let tenants = Router::new().nest("/tenants/{tenant}", org_routes(everybody));
        let more = tenants.route("/tenants/{tenant}/about", get(async || "about"));
        let router = site.router_with(more);
        let mut grace = site.signed_in("grace", &[]).await.at(&router);
        let path = "/tenants/initech/organizations/acme/policy";
        answers(&mut grace, "PUT", path, WEEK, r#"{"ends_now":0,"shortened":0}"#).await;
        assert!(site.curfew.policy("acme").await.unwrap().is_some());
        assert!(site.curfew.policy("initech").await.unwrap().is_none());
        let other = "/tenants/acme/organizations/initech/policy";
        assert_eq!(ask(&mut grace, "GET", other, "").await.status, 403);
        // And without any prefix, in a router with a state.
        let everybody = async |_: Session, _: String| true;
        let mut grace = grace.at(&site.router_with(org_routes(everybody)));
        assert_eq!(ask(&mut grace, "GET", "/organizations/acme/policy", "").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn r17_whatever_is_in_the_name_of_an_organization_it_is_the_one_that_is_meant() {
    on_every_store(async |site| {
        for (path, name) in [
            ("a%20b", "a b"),
            ("caf%C3%A9", "café"),
            ("a%2Fpolicy", "a/policy"),
            ("%252e", "%2e"),
            ("a+b", "a+b"),
            ("%E6%9D%B1%E4%BA%AC", "東京"),
            ("..%2f..", "../.."),
            ("a%3Fb%23c", "a?b#c"),
        ] {
            let mut ada = site.started(ada().orgs([name])).await;
            let exactly = move |_: Session, org: String| async move { org == name };
            let mut grace = site.signed_in("grace", &[]).await.at(&router_for(&site, exactly));
            let counts = r#"{"ends_now":0,"shortened":1}"#;
            let path = |rest| format!("/api/organizations/{path}/{rest}");
            answers(&mut grace, "PUT", &path("policy"), WEEK, counts).await;
            let policy = site.curfew.policy(name).await.unwrap().unwrap().policy;
            assert_eq!(policy, Some(OrgPolicy::absolute(days(7))), "{name}");
            answers(&mut grace, "POST", &path("revoke"), "", r#"{"ended":1}"#).await;
            assert_eq!(ada.turned_away_because().await, format!("revoked {name}"));
        }
    })
    .await;
}

#[tokio::test]
async fn r32_503_while_the_store_is_down_and_nothing_is_half_done() {
    on_every_store(async |site| {
        let mut ada = site.started(ada()).await;
        let mut grace = grace(&site, &["acme"]).await;
        answers(&mut grace, "PUT", POLICY, WEEK, r#"{"ends_now":0,"shortened":2}"#).await;
        let before = site.curfew.policy("acme").await.unwrap();
        let shorter = r#"{"absolute_seconds":300}"#;
        site.pass(minutes(10));
        for broken in ["load", "rules_since", "list", "replace_rules"] {
            site.store.break_only(broken, Fault::Fail);
            for (method, path, body, asks) in [
                ("GET", POLICY, "", &["rules_since"][..]),
                ("PUT", POLICY, shorter, &["rules_since", "replace_rules"]),
                ("DELETE", POLICY, "", &["rules_since", "replace_rules"]),
                ("POST", PREVIEW, shorter, &["rules_since", "list"]),
                ("POST", REVOKE, "", &["rules_since", "replace_rules"]),
            ] {
                // Where only counting fails, it is done all the same: see the emergencies.
                if broken != "load" && !asks.contains(&broken) {
                    continue;
                }
                let answer = ask(&mut grace, method, path, body).await;
                assert_eq!(answer.status, 503, "{broken}: {method} {path}");
                assert_eq!(answer.header("content-type"), "application/problem+json");
                assert_eq!(answer.header("cache-control"), "no-store");
                assert_ne!(answer.header("retry-after"), "");
            }
            site.store.mend();
            assert_eq!(site.curfew.policy("acme").await.unwrap(), before, "{broken}");
            assert!(ada.is_signed_in().await && grace.is_signed_in().await, "{broken}");
        }
    })
    .await;
}
