//! The description is that of the routes, and of what they answer.

mod client;
mod document;

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use ecosystem::testing::{FailingStore, handle, handle_over};
use serde_json::{Value, json};
use time::Duration;
use tower_curfew::clock::ManualClock;
use tower_curfew::{AtCap, ClientInfo, Curfew, NewSession};

use self::client::Client;
use self::document::Document;
use super::*;

const SESSIONS: &str = "/api/sessions";
const CURRENT: &str = "/api/session";
const TOKENS: &str = "/api/tokens";
const POLICY: &str = "/api/organizations/{org}/policy";
const PREVIEW: &str = "/api/organizations/{org}/policy/preview";
const REVOKE: &str = "/api/organizations/{org}/revoke";

/// The console serves this file, which `UPDATE=1` writes anew.
#[test]
fn the_console_has_this_description() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/assets/openapi.json");
    let (_, document) = described();
    let ours = document.to_pretty_json().unwrap() + "\n";
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &ours).unwrap();
    }
    let theirs = fs::read_to_string(&path).unwrap_or_default();
    assert!(theirs == ours, "UPDATE=1 cargo test --bin utoipa writes {} anew", path.display());
}

#[test]
fn each_route_of_the_crate_is_described_with_its_methods() {
    let routes = [
        routes_in(include_str!("../../../../../../src/axum/account.rs")),
        routes_in(include_str!("../../../../../../src/axum/orgs.rs")),
    ];
    let routes = BTreeSet::from_iter(routes.into_iter().flatten());
    assert_eq!(routes.len(), 10, "{routes:#?}");
    assert_eq!(Document::ours().operations(), routes);
}

/// The paths and methods that stand in the source of a router, which does not tell them itself.
fn routes_in(source: &str) -> Vec<(String, String)> {
    const METHODS: [&str; 7] = ["delete", "get", "head", "options", "patch", "post", "put"];
    let mut routes = Vec::new();
    for route in source.split(".route(").skip(1) {
        let (path, handlers) =
            route.trim_start().strip_prefix('"').unwrap().split_once('"').unwrap();
        let handlers = handlers.split(';').next().unwrap();
        let calls = |method: &&&str| {
            let words = handlers.split(|sign: char| !sign.is_alphanumeric() && sign != '(');
            let call = format!("{method}(");
            words.into_iter().any(|word| word.starts_with(&call))
        };
        let methods = METHODS.iter().filter(calls).collect::<Vec<_>>();
        assert!(!methods.is_empty(), "{route}");
        routes.extend(methods.iter().map(|method| (format!("/api{path}"), method.to_string())));
    }
    routes
}

#[test]
fn each_reference_leads_somewhere() {
    let document = Document::ours();
    let references = document.references();
    assert!(references.len() > 10, "{references:?}");
    for (reference, target) in references {
        assert!(target.is_some(), "{reference}");
    }
}

#[tokio::test]
async fn what_is_not_described_is_not_there() {
    let app = app(&handle(&ManualClock::default()).build().unwrap());
    let mut client = Client::of(app);
    let described = Document::ours().operations();
    let paths = BTreeSet::from_iter(described.iter().map(|(path, _)| path.as_str()));
    for path in paths {
        for method in ["delete", "get", "patch", "post", "put"] {
            let status = client.status(method, path).await;
            let is_described = described.contains(&(path.to_owned(), method.to_owned()));
            assert_eq!(status, if is_described { 401 } else { 405 }, "{method} {path}");
        }
    }
}

/// Each answer is compared with its description as it comes, and in the end each description must
/// have been that of an answer.
#[tokio::test]
async fn what_is_answered_is_what_is_described() {
    let clock = ManualClock::default();
    let store = FailingStore::default();
    let curfew = handle_over(store.clone(), &clock)
        .name_devices_with(|_: &_| Some("a browser".to_owned()))
        .build()
        .unwrap();
    let mut client = Client::of(app(&curfew));

    without_a_session(&mut client).await;
    sessions_and_tokens(&mut client, &curfew).await;
    policies(&mut client, &curfew, &clock).await;
    as_many_sessions_as_one_may_have(&mut client).await;
    as_many_policies_as_one_may_have(&mut client, &curfew).await;
    without_a_store(&mut client, &curfew, &store).await;

    let described = Document::ours().answers();
    let never = described.difference(client.seen()).collect::<Vec<_>>();
    assert!(never.is_empty(), "never seen: {never:#?}");
}

/// The `Cookie` header of a user who has logged in, and belongs to the organization `acme`.
async fn log_in(curfew: &Curfew, user: &str) -> String {
    let new = NewSession::for_user(user).orgs(["acme"]);
    let cookie = curfew.start(new, &ClientInfo::for_tests()).await.unwrap();
    cookie.request_header().to_str().unwrap().to_owned()
}

async fn without_a_session(client: &mut Client) {
    for (path, method) in Document::ours().operations() {
        client.nobody().ask(&method, &path, Value::Null, 401).await;
    }
}

async fn sessions_and_tokens(client: &mut Client, curfew: &Curfew) {
    client.cookie(log_in(curfew, "ada").await);
    client.ask("get", CURRENT, Value::Null, 200).await;
    let issued = client.ask("post", TOKENS, json!({ "name": "laptop" }), 201).await;
    let (id, token) = (issued["id"].as_str().unwrap(), issued["token"].as_str().unwrap());
    let list = client.ask("get", SESSIONS, Value::Null, 200).await;
    assert_eq!(list["sessions"].as_array().unwrap().len(), 2, "{list}");

    for name in [json!(""), json!("\u{200b}"), json!("x".repeat(513)), json!(7)] {
        client.ask("post", TOKENS, json!({ "name": name }), 422).await;
    }
    client.ask_with("post", TOKENS, Some("application/json"), "{", 400).await;
    client.ask_with("post", TOKENS, Some("application/json"), &too_long(), 413).await;
    client.ask_with("post", TOKENS, None, r#"{"name":"laptop"}"#, 415).await;
    client.ask("delete", "/api/sessions?excpet=current", Value::Null, 400).await;
    client.ask("delete", "/api/sessions/MDEyMzQ1Njc4OWFiY2RlZg", Value::Null, 404).await;
    client.all_from_another_site().await;

    let cookie = client.bearer(token);
    client.ask("get", CURRENT, Value::Null, 200).await;
    client.ask("post", TOKENS, json!({ "name": "another" }), 403).await;
    client.cookie(cookie);
    client.ask("delete", &format!("/api/sessions/{id}"), Value::Null, 204).await;
    let others = client.ask("delete", "/api/sessions?except=current", Value::Null, 200).await;
    assert_eq!(others["ended"], 0);
    let all = client.ask("delete", SESSIONS, Value::Null, 200).await;
    assert_eq!(all["ended"], 1);
}

/// A body of three megabytes, where axum reads two.
fn too_long() -> String {
    " ".repeat(3_000_000)
}

async fn policies(client: &mut Client, curfew: &Curfew, clock: &ManualClock) {
    client.cookie(log_in(curfew, "grace").await);
    for (method, path) in [("get", POLICY), ("put", POLICY), ("delete", POLICY)] {
        client.ask(method, path, json!({ "idle_seconds": 3600 }), 403).await;
    }
    for path in [PREVIEW, REVOKE] {
        client.ask("post", path, json!({ "idle_seconds": 3600 }), 403).await;
    }

    client.cookie(log_in(curfew, "ada").await);
    let none = client.ask("get", POLICY, Value::Null, 200).await;
    assert_eq!(none, json!({ "absolute_seconds": null, "idle_seconds": null, "since": null }));
    for (method, path) in [("post", PREVIEW), ("put", POLICY)] {
        for wrong in [json!({}), json!({ "idle_seconds": 1 }), json!({ "idle_seconds": "1" })] {
            client.ask(method, path, wrong, 422).await;
        }
        client.ask_with(method, path, Some("application/json"), "{", 400).await;
        client.ask_with(method, path, Some("application/json"), &too_long(), 413).await;
        client.ask_with(method, path, None, "{}", 415).await;
    }
    let week = json!({ "absolute_seconds": 604_800 });
    let preview = client.ask("post", PREVIEW, week.clone(), 200).await;
    assert_eq!((&preview["shortened"], &preview["own_session"]), (&json!(2), &json!("shortened")));
    let changed = client.ask("put", POLICY, week, 200).await;
    assert_eq!(changed, json!({ "ends_now": 0, "shortened": 2 }));
    client.ask("get", POLICY, Value::Null, 200).await;
    clock.advance(Duration::DAY);
    let current = client.ask("get", CURRENT, Value::Null, 200).await;
    assert_eq!(current["bound_by"], json!({ "limit": "absolute", "organization": "acme" }));
    client.ask("get", SESSIONS, Value::Null, 200).await;
    client.ask("delete", POLICY, Value::Null, 200).await;
    let ended = client.ask("post", REVOKE, Value::Null, 200).await;
    assert_eq!(ended["ended"], 2);
}

async fn as_many_sessions_as_one_may_have(client: &mut Client) {
    let builder = handle(&ManualClock::default()).at_most_per_user(1, AtCap::Refuse);
    let curfew = builder.build().unwrap();
    let before = client.serve(app(&curfew));
    client.cookie(log_in(&curfew, "ada").await);
    client.ask("post", TOKENS, json!({ "name": "laptop" }), 409).await;
    let _ = client.serve(before);
}

async fn as_many_policies_as_one_may_have(client: &mut Client, curfew: &Curfew) {
    client.cookie(log_in(curfew, "ada").await);
    // A node keeps each policy as long as it may bind a session, up to 64. One was set before.
    for days in 1..=63 {
        client.ask("put", POLICY, json!({ "idle_seconds": days * 86_400 }), 200).await;
    }
    client.ask("put", POLICY, json!({ "idle_seconds": 65 * 86_400 }), 409).await;
    client.ask("delete", POLICY, Value::Null, 409).await;
}

async fn without_a_store(client: &mut Client, curfew: &Curfew, store: &FailingStore) {
    client.cookie(log_in(curfew, "ada").await);
    store.fail();
    for (path, method) in Document::ours().operations() {
        client.ask(&method, &path, json!({ "name": "laptop", "idle_seconds": 3600 }), 503).await;
    }
}
