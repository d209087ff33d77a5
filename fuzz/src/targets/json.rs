//! The JSON routes. The first line is the method, the path, and the type of the body if it is not
//! JSON; the body follows.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use time::Duration;
use tower_curfew::store::{Membership, MemoryStore, Record, Stamp};
use tower_curfew::{Session, SessionId, SessionKind, account_routes, org_routes};

use crate::site::{KEY, NAME, Secret, Site, hash, insert, now, token, wait};

pub(crate) const SIDES: &[&str] = &[
    "no route",
    "unreadable",
    "refused",
    "forbidden",
    "not found",
    "read",
    "policy",
    "preview",
    "token",
    "ended",
];

const ADA: SessionId = SessionId::from_bytes([1; 16]);
const SECRET: Secret = [1; 16];

/// No body makes an answer of 500. A policy that is accepted is in force as it was given, a token
/// signs in, and whatever is refused is told why.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let (line, body) = data.split_at(data.iter().position(|&b| b == b'\n').unwrap_or(data.len()));
    let body = body.strip_prefix(b"\n").unwrap_or_default();
    let mut words = str::from_utf8(line).unwrap_or_default().splitn(3, ' ');
    let mut word = || words.next();
    let (method, path) = (word().unwrap_or_default(), word().unwrap_or_default());
    let kind = word().unwrap_or("application/json");
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind);
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return "no route" };
    let method = request.method().clone();

    let site = site();
    let Answer { status, headers, body: answer } = ask(&site, request, Some(&cookie()));
    assert!(!status.is_server_error(), "{status}: {answer}");
    if headers.get(header::CACHE_CONTROL).is_none_or(|value| value != "no-store") {
        assert_eq!(answer, Value::Null, "an answer that says something is for nobody else");
        return "no route";
    }
    if status.is_client_error() {
        return refused(status, &headers, &answer, body);
    }
    assert!(status.is_success(), "{status}: {answer}");
    match (method, path.split('?').next().unwrap_or_default().rsplit('/').next()) {
        (Method::PUT, Some("policy")) => {
            is_in_force(&site, path, body);
            "policy"
        }
        (Method::POST, Some("preview")) => "preview",
        (Method::POST, Some("tokens")) => {
            signs_in(&site, body, &answer);
            "token"
        }
        (Method::DELETE | Method::POST, _) => "ended",
        _ => "read",
    }
}

fn site() -> Site {
    let store = MemoryStore::new();
    let member = Membership { org: "acme".into(), stamp: Stamp::default(), joined: now() };
    let ada = Record::begin(ADA, hash(SECRET), "ada", now(), 7)
        .with_purge_after(now() + Duration::days(28))
        .with_memberships(vec![member]);
    insert(&store, ada);
    let is_admin =
        |session: Session, org: String| async move { session.user() == "ada" && org != "globex" };
    let routes =
        Router::new().nest("/account", account_routes()).nest("/api", org_routes(is_admin));
    Site::with_routes(store, |builder| builder, |layer| layer, routes)
}

fn cookie() -> String {
    format!("{NAME}={}", token(KEY, "cookie", ADA, SECRET))
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// `Null` if it is empty.
    body: Value,
}

fn ask(site: &Site, mut request: Request<Body>, cookie: Option<&str>) -> Answer {
    if let Some(cookie) = cookie {
        let value = cookie.parse().expect("tokens are of visible ASCII");
        request.headers_mut().insert(header::COOKIE, value);
    }
    let (parts, body) = site.ask(request).into_parts();
    let body = wait(body.collect()).expect("no answer breaks off").to_bytes();
    let body = if body.is_empty() { Value::Null } else { json(&body) };
    Answer { status: parts.status, headers: parts.headers, body }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("an answer is JSON")
}

/// A refusal says its status and why. One that names a field says what the field may be, and that
/// is not what was given.
fn refused(status: StatusCode, headers: &HeaderMap, answer: &Value, body: &[u8]) -> &'static str {
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return "no route";
    }
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{answer}");
    assert_eq!(answer["status"], status.as_u16(), "{answer}");
    assert!(answer["title"].as_str().is_some_and(|title| !title.is_empty()), "{answer}");
    match status {
        StatusCode::UNPROCESSABLE_ENTITY => {
            let bounds = (answer["minimum"].as_i64(), answer["maximum"].as_i64());
            if let (Some(field), (Some(least), Some(most))) = (answer["field"].as_str(), bounds) {
                let given = given(body, field).and_then(|given| given.as_i64());
                assert!(!given.is_some_and(|given| (least..=most).contains(&given)), "{answer}");
                return "refused";
            }
            if answer["field"].is_string() { "refused" } else { "unreadable" }
        }
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not found",
        StatusCode::BAD_REQUEST
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::PAYLOAD_TOO_LARGE => "unreadable",
        _ => panic!("{status} is no answer to a body: {answer}"),
    }
}

const FIELDS: [&str; 2] = ["absolute_seconds", "idle_seconds"];

/// A field of a body, which may also be a list of all fields in their order. `None` if another field,
/// which is passed over, is no valid JSON by itself.
fn given(body: &[u8], field: &str) -> Option<Value> {
    let mut body = serde_json::from_slice::<Value>(body).ok()?;
    let value = match &mut body {
        Value::Array(fields) => {
            let at = FIELDS.iter().position(|&known| known == field).unwrap_or_default();
            fields.get_mut(at)
        }
        body => body.get_mut(field),
    };
    Some(value.map(Value::take).unwrap_or_default())
}

fn is_in_force(site: &Site, path: &str, body: &[u8]) {
    let request = Request::get(path).body(Body::empty()).expect("it was valid before");
    let Answer { status, body: answer, .. } = ask(site, request, Some(&cookie()));
    assert_eq!(status, StatusCode::OK, "the shortest policy is longer than this");
    for field in FIELDS {
        let given = given(body, field).unwrap_or_else(|| answer[field].clone());
        assert_eq!(answer[field], given, "{field}");
    }
    assert!(answer["since"].is_string(), "{answer}");
}

fn signs_in(site: &Site, body: &[u8], answer: &Value) {
    let token = answer["token"].as_str().expect("it is shown here");
    let request =
        Request::get("/account/sessions").header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).expect("a token is a value");
    let Answer { status, body: list, .. } = ask(site, request, None);
    assert_eq!(status, StatusCode::OK, "it signs in");
    let sessions = list["sessions"].as_array().expect("it is a list");
    let own = sessions.iter().find(|session| session["current"] == true).expect("it is there");
    assert_eq!((&own["id"], &own["kind"]), (&answer["id"], &SessionKind::Token.as_str().into()));
    let name = own["name"].as_str().expect("it has the name that it was given");
    assert!(!name.contains(char::is_control), "{name:?}");
    if let Some(given) = given(body, "name") {
        assert_eq!(given.as_str().map(str::trim), Some(name));
    }
}
