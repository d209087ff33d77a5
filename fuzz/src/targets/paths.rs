//! The path of a request on the first line, against the patterns of an app on the others: paths that
//! are open, passive or not cached.

use axum::body::Body;
use axum::http::{Request, Uri, header};
use time::Duration;
use tower_curfew::store::{MemoryStore, Record, Store as _};
use tower_curfew::{ReturnTo, SessionId};
use url::Url;

use crate::asked::Asked;
use crate::site::{KEY, NAME, Secret, Site, hash, insert, now, token, wait};

pub(crate) const SIDES: &[&str] =
    &["no request", "meant", "meant by its beginning", "another path", "doubtful"];

const ADA: SessionId = SessionId::from_bytes([1; 16]);
const SECRET: Secret = [1; 16];

/// A path gets what a pattern grants if everybody reads it as the path in the pattern, and a user is
/// sent back to a path as it was.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let mut lines = data.split(|&byte| byte == b'\n');
    let Ok(uri) = Uri::try_from(lines.next().unwrap_or_default()) else { return "no request" };
    let lines = lines.filter_map(|line| str::from_utf8(line).ok());
    let patterns = Vec::from_iter(lines.filter(|line| is_pattern(line)).take(4));

    let path = uri.path();
    let meant = patterns.iter().find(|pattern| means(pattern, path));
    let is_plain = is_plain(path);
    let granted = meant.is_some() && is_plain;
    let is_open = granted || path == "/login";
    let must_ask = !patterns.is_empty() && (meant.is_some() || !is_plain);

    let store = Asked::new(MemoryStore::new());
    let ada = Record::begin(ADA, hash(SECRET), "ada", now() - Duration::hours(2), 7)
        .with_purge_after(now() + Duration::days(28));
    insert(&store.store, ada);
    let site = Site::with(
        store.clone(),
        |builder| builder,
        |layer| {
            let layer = layer.required().open(patterns.clone()).passive(patterns.clone());
            layer.uncached(patterns.clone())
        },
    );
    let status = site.ask(to(&uri)).status();
    assert_eq!(status, if is_open { 200 } else { 401 }, "open paths, and no others");

    let with_cookie = || {
        let mut request = to(&uri);
        let cookie = format!("{NAME}={}", token(KEY, "cookie", ADA, SECRET));
        let cookie = cookie.parse().expect("tokens are of visible ASCII");
        request.headers_mut().insert(header::COOKIE, cookie);
        site.seen(request);
    };
    with_cookie();
    let loaded = wait(store.store.load(ADA)).expect("memory does not fail");
    let record = loaded.expect("it is there").record;
    assert_eq!(record.last_seen() != now(), granted, "passive paths, and no others");
    store.loads();
    with_cookie();
    assert_eq!(store.loads() != 0, must_ask, "paths that are not cached, and doubtful ones");
    if !is_open {
        is_sent_back(&site, &uri);
    }
    match meant {
        _ if !is_plain => "doubtful",
        Some(pattern) if pattern.ends_with('*') => "meant by its beginning",
        Some(_) => "meant",
        None => "another path",
    }
}

fn to(uri: &Uri) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri.clone();
    request
}

/// Signing in is on this host, and leads to what was asked for, if anywhere.
fn is_sent_back(site: &Site, uri: &Uri) {
    let mut request = to(uri);
    request.headers_mut().insert("sec-fetch-mode", header::HeaderValue::from_static("navigate"));
    let response = site.ask(request);
    assert_eq!(response.status(), 303);
    let location = response.headers()[header::LOCATION].to_str().expect("it is ASCII");
    let page = Url::parse("https://app.example/").expect("it is an address");
    let there = page.join(location).expect("a browser can go there");
    assert_eq!((there.origin(), there.path()), (page.origin(), "/login"));
    if there.query().is_some() {
        let back = ReturnTo::from_query(there.query());
        assert_eq!(back.path(), uri.path_and_query().map(|asked| asked.as_str()));
    }
}

fn means(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => path.len() >= beginning.len() && path.starts_with(beginning),
        None => pattern == path,
    }
}

/// What an app may give: the layer panics for all else.
fn is_pattern(text: &str) -> bool {
    let path = text.strip_suffix('*').filter(|path| path.ends_with('/')).unwrap_or(text);
    is_plain(text) && !path.contains(['*', '?', '#'])
}

/// A path that all servers read alike, by what the documentation of the layer says.
fn is_plain(path: &str) -> bool {
    let Some(decoded) = decoded(path) else { return false };
    let Ok(decoded) = String::from_utf8(decoded) else { return false };
    let hides = |c: char| c.is_ascii_control() || "\\;".contains(c);
    path.len() <= 2048
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic())
        && !decoded.contains(hides)
        && decoded.matches('/').count() == path.matches('/').count()
        && !decoded.split('/').any(|segment| matches!(segment, "." | ".."))
        && !encodes_more(&decoded)
}

/// Decodes strictly: `None` if a `%` encodes nothing.
fn decoded(path: &str) -> Option<Vec<u8>> {
    let mut parts = path.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(byte(part)?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    Some(bytes)
}

fn encodes_more(text: &str) -> bool {
    text.split('%').skip(1).any(|part| byte(part).is_some())
}

fn byte(digits: &str) -> Option<u8> {
    let digits = digits.get(..2)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}
