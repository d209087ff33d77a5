//! What needs no provider: what the app sends there, and what it believes of what comes back. The
//! whole way, through a real provider, is in `tests/real.rs`.

mod browser;
mod real;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreEdDsaPrivateSigningKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::url::Url;
use openidconnect::{
    AuthUrl, EmptyAdditionalProviderMetadata, IssuerUrl, JsonWebKeySetUrl, PrivateSigningKey as _,
    reqwest,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_curfew::clock::ManualClock;
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession};

use crate::app::app;
use crate::provider::{Provider, Settings};

const ISSUER: &str = "https://provider.example";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The example key of RFC 8410.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";

fn curfew() -> Curfew {
    let keyring = Keyring::from_bytes([7; 32]).unwrap();
    let builder = Curfew::builder(MemoryStore::new(), keyring);
    builder.clock(ManualClock::default()).build().unwrap()
}

fn settings(issuer: &str, url: &str) -> Settings {
    Settings {
        issuer: issuer.to_owned(),
        client_id: "app".to_owned(),
        client_secret: "only for a try".to_owned(),
        callback: format!("{url}{}", crate::app::CALLBACK),
    }
}

/// One that is known, and never asked.
fn provider() -> Provider {
    let url = |path: &str| format!("{ISSUER}{path}");
    let metadata = CoreProviderMetadata::new(
        IssuerUrl::new(ISSUER.to_owned()).unwrap(),
        AuthUrl::new(url("/auth")).unwrap(),
        JsonWebKeySetUrl::new(url("/jwks")).unwrap(),
        Vec::new(),
        Vec::new(),
        vec![CoreJwsSigningAlgorithm::EdDsa],
        EmptyAdditionalProviderMetadata {},
    );
    let keys = CoreJsonWebKeySet::new(vec![key().as_verification_key()]);
    let settings = settings(ISSUER, "https://app.example");
    Provider::knowing(metadata.set_jwks(keys), settings, reqwest::Client::new())
}

fn key() -> CoreEdDsaPrivateSigningKey {
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(KEY, None).unwrap()
}

async fn send(app: &Router, request: Request<Body>) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap()
}

fn form(path: &str, body: String) -> Request<Body> {
    let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(Body::from(body)).unwrap()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

/// The parameters of a URL.
fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_sign_in_takes_state_nonce_and_pkce_along_and_the_browser_cannot_read_them() {
    let curfew = curfew();
    let app = app(curfew.layer().required(), provider());
    let sent = send(&app, form("/login?return_to=%2Freports", String::new())).await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    let url = header(&sent, LOCATION.as_str());
    assert!(url.starts_with("https://provider.example/auth?"), "{url}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "app"),
        ("scope", "openid"),
        ("redirect_uri", "https://app.example/callback"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameter(url, name).as_deref(), Some(value), "{url}");
    }
    assert!(parameter(url, "code_challenge").is_some(), "{url}");
    let cookie = header(&sent, SET_COOKIE.as_str());
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    for secret in ["state", "nonce"] {
        assert!(!cookie.contains(&parameter(url, secret).unwrap()), "{cookie}");
    }
    assert!(!cookie.contains("reports"), "{cookie}");
}

#[tokio::test]
async fn a_callback_of_another_sign_in_or_of_none_signs_nobody_in() {
    let curfew = curfew();
    let app = app(curfew.layer(), provider());
    let begun = send(&app, form("/login", String::new())).await;
    let cookie = header(&begun, SET_COOKIE.as_str()).split(';').next().unwrap();
    let state = parameter(header(&begun, LOCATION.as_str()), "state").unwrap();
    for (cookie, query) in [
        ("", format!("code=x&state={state}")),
        (cookie, "code=x&state=another".to_owned()),
        ("__Host-Http-sign-in=forged", format!("code=x&state={state}")),
        // This is what the provider says if the person turned back.
        (cookie, format!("error=access_denied&state={state}")),
    ] {
        let request = Request::get(format!("/callback?{query}")).header(COOKIE, cookie);
        let refused = send(&app, request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(!refused.headers().contains_key(SET_COOKIE), "{query}");
    }
}

/// The claims of a logout token that counts.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "app", "sub": "ada", "sid": "laptop",
        "iat": 1_767_225_600, "exp": 4_102_444_800_u64, "jti": "1", "events": { EVENT: {} },
    })
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims();
    change(&mut claims);
    claims
}

fn signed(claims: &Value) -> String {
    let token = unsigned(&json!({ "alg": "EdDSA", "typ": "logout+jwt" }), claims);
    let signature = key().sign(&CoreJwsSigningAlgorithm::EdDsa, token.as_bytes()).unwrap();
    format!("{token}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn unsigned(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

/// Ada at a laptop and at a phone, and an app that hears of a logout. How many sessions are left
/// of each.
async fn left_after(token: String, expected: u16) -> (usize, usize) {
    let curfew = curfew();
    for sid in ["laptop", "phone"] {
        let new = NewSession::for_user("ada").link("oidc", sid);
        let _ = curfew.start(new, &ClientInfo::for_tests()).await.unwrap();
    }
    let app = app(curfew.layer().required(), provider());
    let answer = send(&app, form("/backchannel-logout", format!("logout_token={token}"))).await;
    assert_eq!(answer.status().as_u16(), expected, "{token}");
    assert_eq!(header(&answer, "cache-control"), "no-store");
    let count = async |sid: &str| {
        let which = tower_curfew::Selector::link("oidc", sid);
        curfew.list_by(&which).await.unwrap().len()
    };
    (count("laptop").await, count("phone").await)
}

#[tokio::test]
async fn a_logout_token_ends_the_sessions_that_it_names() {
    assert_eq!(left_after(signed(&claims()), 200).await, (0, 1));
    let unknown = changed(|claims| claims["sid"] = "tablet".into());
    assert_eq!(left_after(signed(&unknown), 200).await, (1, 1));
    let everywhere = changed(|claims| _ = claims.as_object_mut().unwrap().remove("sid"));
    assert_eq!(left_after(signed(&everywhere), 200).await, (0, 0));
}

#[tokio::test]
async fn what_the_provider_did_not_sign_as_a_logout_token_ends_nothing() {
    let without = |name: &str| changed(|claims| _ = claims.as_object_mut().unwrap().remove(name));
    for claims in [
        changed(|claims| claims["iss"] = "https://another.example".into()),
        changed(|claims| claims["aud"] = "another app".into()),
        changed(|claims| claims["aud"] = json!(["app", "another app"])),
        changed(|claims| claims["exp"] = 1_767_225_660.into()),
        // That would be an id token.
        changed(|claims| claims["nonce"] = "n".into()),
        without("events"),
        changed(|claims| claims["events"] = json!({ "http://another.example/event": {} })),
        changed(|claims| claims["sid"] = "".into()),
    ] {
        assert_eq!(left_after(signed(&claims), 400).await, (1, 1), "{claims}");
    }

    let mut tampered = signed(&claims()).into_bytes();
    let last = tampered.len() - 10;
    tampered[last] = if tampered[last] == b'A' { b'B' } else { b'A' };
    let none = unsigned(&json!({ "alg": "none", "typ": "logout+jwt" }), &claims());
    let tokens = [String::from_utf8(tampered).unwrap(), format!("{none}."), "forged".to_owned()];
    for token in tokens {
        assert_eq!(left_after(token, 400).await, (1, 1));
    }
}
