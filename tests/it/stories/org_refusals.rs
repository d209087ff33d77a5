//! The JSON routes for admins: whom and what they refuse, and in what words.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, header};
use tower_curfew::Authorize;
use tower_curfew::{OrgPolicy, Session, SessionId};

use super::org_routes::{POLICY, PREVIEW, REVOKE, ask, grace, router, router_for};
use crate::support::{Answer, Browser, Probe, Site, days, on_every_store};

const WEEK: &str = r#"{"absolute_seconds":604800}"#;

/// Every request that there is.
const ALL: [(&str, &str, &str); 5] = [
    ("GET", POLICY, ""),
    ("PUT", POLICY, WEEK),
    ("DELETE", POLICY, ""),
    ("POST", PREVIEW, WEEK),
    ("POST", REVOKE, ""),
];

pub(super) fn is_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    assert!(answer.body.contains(&format!(r#""status":{status}"#)), "{}", answer.body);
}

/// That there is an organization with a policy of 30 days and a session, and none has changed.
async fn nothing_has_changed(site: &Site, ada: &Browser) {
    let policy = site.curfew.policy("acme").await.unwrap().unwrap();
    assert_eq!(policy.policy, Some(OrgPolicy::absolute(days(30))));
    assert_eq!(site.store.rules("acme").await.unwrap().versions(), [policy]);
    assert!(ada.clone().is_signed_in().await);
}

async fn acme(site: &Site) -> Browser {
    site.set_policy("acme", OrgPolicy::absolute(days(30))).await;
    site.signed_in("ada", &["acme"]).await
}

#[tokio::test]
async fn r20_403_for_whoever_may_not_is_the_same_whether_the_organization_exists_or_not() {
    on_every_store(async |site| {
        let ada = acme(&site).await;
        let mut mallory = site.signed_in("mallory", &["acme"]).await.at(&router(&site));
        let mut member = ada.at(&router(&site));
        for (method, path, body) in ALL {
            let unknown = path.replace("acme", "nowhere");
            for body in [body, "{", r#"{"absolute_seconds":0}"#] {
                site.store.calls();
                let answers = [
                    ask(&mut mallory, method, path, body).await,
                    ask(&mut mallory, method, &unknown, body).await,
                    ask(&mut member, method, path, body).await,
                    ask(&mut member, method, &unknown, body).await,
                ];
                assert_eq!(site.store.calls(), ["load"; 4], "{method} {path}");
                for answer in &answers {
                    is_problem(answer, 403);
                    assert_eq!(answer.body.as_bytes(), answers[0].body.as_bytes());
                    assert_eq!(answer.headers, answers[0].headers);
                    assert!(!answer.body.contains("acme"));
                }
            }
        }
        assert!(site.store.rules("nowhere").await.is_none());
        nothing_has_changed(&site, &ada).await;
    })
    .await;
}

#[tokio::test]
async fn r20_401_without_a_session_before_anybody_is_asked() {
    on_every_store(async |site| {
        let ada = acme(&site).await;
        let never = async |_: Session, _: String| panic!("nobody is to be asked");
        let router = router_for(&site, never);
        let mut ended = site.signed_in("grace", &[]).await.at(&router);
        ended.clone().post("/logout").await;
        for (method, path, body) in ALL {
            let nobody = ask(&mut site.browser().at(&router), method, path, body).await;
            is_problem(&nobody, 401);
            assert!(nobody.body.contains(r#""reason":"anonymous""#), "{}", nobody.body);
            let ended = ask(&mut ended, method, path, body).await;
            is_problem(&ended, 401);
            assert!(ended.body.contains(r#""reason":"revoked""#), "{}", ended.body);
        }
        nothing_has_changed(&site, &ada).await;
    })
    .await;
}

#[tokio::test]
async fn r20_who_may_is_asked_about_this_session_and_this_organization_before_it_is_read() {
    type Asked = Arc<Mutex<Vec<(SessionId, String, String, Vec<&'static str>)>>>;

    /// Notes what it is asked, and what the store was asked before.
    #[derive(Clone)]
    struct Notes(Probe, Asked);

    impl Authorize for Notes {
        async fn authorize(&self, session: &Session, org: &str) -> bool {
            let mut calls = self.0.calls();
            // After a change anywhere the node brings its copy of all rules up to date.
            calls.retain(|call| *call != "rules_since");
            let asked = (session.id(), session.user().to_owned(), org.to_owned(), calls);
            self.1.lock().unwrap().push(asked);
            true
        }
    }

    on_every_store(async |site| {
        let asked = Asked::default();
        let router = router_for(&site, Notes(site.store.clone(), asked.clone()));
        let mut grace = site.signed_in("grace", &["globex"]).await.at(&router);
        for (method, path, body) in ALL {
            site.store.calls();
            assert_eq!(ask(&mut grace, method, path, body).await.status, 200);
            let after = site.store.calls();
            assert!(after.contains(&"rules_since"), "{method} {path}: {after:?}");
            let asked = std::mem::take(&mut *asked.lock().unwrap());
            let one = (grace.session(), "grace".to_owned(), "acme".to_owned(), vec!["load"]);
            assert_eq!(asked, [one], "{method} {path}");
        }
    })
    .await;
}

#[tokio::test]
async fn r20_what_another_site_makes_a_browser_send_changes_nothing() {
    on_every_store(async |site| {
        let ada = acme(&site).await;
        let mut grace = grace(&site, &[]).await;
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://site.example")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://site.example.evil.example")],
            &[("origin", "null")],
        ] {
            for (method, path, body) in ALL {
                let mut request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::HOST, "site.example")
                    .header(header::CONTENT_TYPE, "application/json");
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let request = request.body(Body::from(body)).unwrap();
                let answer = grace.send(request).await;
                if method == "GET" {
                    assert_eq!(answer.status, 200, "{headers:?}");
                } else {
                    is_problem(&answer, 403);
                    assert!(answer.body.contains("another site"), "{}", answer.body);
                }
            }
            nothing_has_changed(&site, &ada).await;
        }
        for headers in [
            &[("sec-fetch-site", "same-origin"), ("origin", "https://site.example")][..],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://site.example")],
            // A program, which nobody can trick.
            &[],
        ] {
            let mut request = Request::builder().method("POST").uri(PREVIEW);
            request = request.header(header::HOST, "site.example");
            request = request.header(header::CONTENT_TYPE, "application/json");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = grace.send(request.body(Body::from(WEEK)).unwrap()).await;
            assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r23_422_names_the_field_its_value_and_the_bounds() {
    on_every_store(async |site| {
        let ada = acme(&site).await;
        let mut grace = grace(&site, &["acme"]).await;
        for (field, value) in [
            ("absolute_seconds", 0),
            ("absolute_seconds", -604_800),
            ("absolute_seconds", 299),
            ("absolute_seconds", 34_560_001),
            ("idle_seconds", 0),
            ("idle_seconds", -1),
            ("idle_seconds", i64::MAX),
            ("idle_seconds", i64::MIN),
        ] {
            let other = if field == "idle_seconds" { "absolute_seconds" } else { "idle_seconds" };
            let expected = format!(
                r#"{{"title":"{field} is {value}, which is not between 300 and 34560000","status":422,"field":"{field}","minimum":300,"maximum":34560000}}"#
            );
            for body in [
                format!(r#"{{"{field}":{value}}}"#),
                format!(r#"{{"{field}":{value},"{other}":3600}}"#),
            ] {
                for (method, path) in [("PUT", POLICY), ("POST", PREVIEW)] {
                    let answer = ask(&mut grace, method, path, &body).await;
                    is_problem(&answer, 422);
                    assert_eq!(answer.body, expected);
                }
            }
        }
        for none in ["{}", r#"{"absolute_seconds":null,"idle_seconds":null,"since":null}"#] {
            for (method, path) in [("PUT", POLICY), ("POST", PREVIEW)] {
                let answer = ask(&mut grace, method, path, none).await;
                is_problem(&answer, 422);
                let told = r#""field":"absolute_seconds","minimum":300,"maximum":34560000}"#;
                assert!(answer.body.ends_with(told), "{}", answer.body);
            }
        }
        nothing_has_changed(&site, &ada).await;
    })
    .await;
}

#[tokio::test]
async fn r23_a_body_that_is_no_policy_is_refused_as_a_problem() {
    on_every_store(async |site| {
        let ada = acme(&site).await;
        let mut grace = grace(&site, &[]).await;
        let json = "application/json";
        let large = format!(r#"{{"since":"{}"}}"#, "x".repeat(3 << 20));
        for (content_type, body, status) in [
            (json, "", 400),
            (json, "{", 400),
            (json, "absolute_seconds=604800", 400),
            (json, r#"{"absolute_seconds":604800"#, 400),
            (json, r#"{"absolute_seconds":"604800"}"#, 422),
            (json, r#"{"absolute_seconds":604800.5}"#, 422),
            (json, r#"{"absolute_seconds":9223372036854775808}"#, 422),
            (json, r#"{"absolute_seconds":true}"#, 422),
            (json, "7", 422),
            (json, "null", 422),
            (json, &large, 413),
            ("text/plain", WEEK, 415),
            ("application/x-www-form-urlencoded", "absolute_seconds=604800", 415),
            ("", WEEK, 415),
        ] {
            for (method, path) in [("PUT", POLICY), ("POST", PREVIEW)] {
                let mut request = Request::builder().method(method).uri(path);
                request = request.header("sec-fetch-site", "same-origin");
                if !content_type.is_empty() {
                    request = request.header(header::CONTENT_TYPE, content_type);
                }
                let request = request.body(Body::from(body.to_owned())).unwrap();
                is_problem(&grace.send(request).await, status);
            }
        }
        nothing_has_changed(&site, &ada).await;
    })
    .await;
}

#[tokio::test]
async fn r20_a_name_that_no_organization_can_have_is_refused_as_a_problem() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        for name in ["%00", "a%00b", &"x".repeat(513)] {
            // To read what cannot be there is no error.
            for (method, path, body) in ALL.into_iter().skip(1) {
                let path = path.replace("acme", name);
                is_problem(&ask(&mut grace, method, &path, body).await, 422);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r20_a_path_that_is_no_text_is_refused_as_a_problem() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        for (method, path, body) in ALL {
            let path = path.replace("acme", "%FF");
            is_problem(&ask(&mut grace, method, &path, body).await, 400);
        }
    })
    .await;
}

#[tokio::test]
async fn r22_409_for_one_policy_too_many() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        for n in 1..=64 {
            site.set_policy("acme", OrgPolicy::absolute(days(n))).await;
        }
        let longer = format!(r#"{{"absolute_seconds":{}}}"#, days(65).whole_seconds());
        for (method, path, body) in [("PUT", POLICY, &*longer), ("DELETE", POLICY, "")] {
            let answer = ask(&mut grace, method, path, body).await;
            is_problem(&answer, 409);
            assert!(answer.body.contains("64 times"), "{}", answer.body);
        }
        assert_eq!(ask(&mut grace, "POST", REVOKE, "").await.status, 200);
        assert_eq!(ask(&mut grace, "PUT", POLICY, WEEK).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn r22_what_is_in_force_may_be_saved_again_however_long_its_history() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        for n in 1..=64 {
            site.set_policy("acme", OrgPolicy::absolute(days(n))).await;
        }
        let again = format!(r#"{{"absolute_seconds":{}}}"#, days(64).whole_seconds());
        for (method, path) in [("POST", PREVIEW), ("PUT", POLICY)] {
            let answer = ask(&mut grace, method, path, &again).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    })
    .await;
}

#[tokio::test]
async fn r12_no_cache_keeps_what_an_admin_was_told() {
    on_every_store(async |site| {
        let mut grace = grace(&site, &[]).await;
        for (method, path, body) in ALL {
            let answer = ask(&mut grace, method, path, body).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
        }
    })
    .await;
}
