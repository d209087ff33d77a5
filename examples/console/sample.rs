//! Sessions of the last weeks, so that the pages have something to show: `--sample`.
//!
//! They are started and used through the layer, as any others, while the clock of the app is late.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path};
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderValue, Request};
use axum::routing::{get, post};
use time::Duration;
use tower::ServiceExt as _;
use tower_curfew::clock::{Clock, SystemClock, Timestamp};
use tower_curfew::{ClientInfo, Curfew, Error, NewSession, Session, SetCookie};

use crate::users::USERS;

/// The clock of this machine, less so many milliseconds; clones share them.
#[derive(Clone, Default)]
pub(crate) struct LateClock(Arc<AtomicI64>);

impl Clock for LateClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() - Duration::milliseconds(self.0.load(Ordering::SeqCst))
    }
}

impl LateClock {
    fn set_late_by(&self, age: Duration) {
        let milliseconds = i64::try_from(age.whole_milliseconds()).unwrap_or(i64::MAX);
        self.0.store(milliseconds, Ordering::SeqCst);
    }
}

const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like \
                   Gecko) Chrome/140.0.0.0 Safari/537.36";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                     (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
const WINDOWS: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// One session: whose it is, by which program and from where, and how long ago it began and was last
/// used.
struct Sample {
    user: String,
    agent: &'static str,
    address: &'static str,
    began: Duration,
    used: Duration,
}

fn samples() -> Vec<Sample> {
    let of_ada = [
        (MAC, "203.0.113.7", 20 * 24, 3),
        (PHONE, "203.0.113.80", 12 * 24, 25),
        (WINDOWS, "198.51.100.20", 9 * 24, 6 * 24),
    ];
    let of_ada = of_ada.map(|(agent, address, began, used)| Sample {
        user: "ada".to_owned(),
        agent,
        address,
        began: Duration::hours(began),
        used: Duration::hours(used),
    });
    // Numbers without a meaning, that look as if there was none.
    let of_others = (0..40).map(|n| {
        let began = 5 + n * n * 7 % 640;
        Sample {
            user: format!("colleague-{n}"),
            agent: [MAC, PHONE, WINDOWS][n % 3],
            address: "203.0.113.7",
            began: Duration::hours(began as i64),
            used: Duration::hours((began * (n * 5 % 12) / 12) as i64),
        }
    });
    of_ada.into_iter().chain(of_others).collect()
}

/// Fills the store of this handle, whose clock it sets late, and right again.
pub(crate) async fn fill(curfew: &Curfew, clock: &LateClock) -> anyhow::Result<()> {
    let app = Router::new()
        .route("/", get(async |_: Session| ()))
        .route("/{user}", post(start))
        .layer(curfew.layer());
    let samples = samples();
    let mut cookies = vec![None::<HeaderValue>; samples.len()];
    // What happens to which of them, in the order of time. A beginning stands before a use.
    let begins = samples.iter().enumerate().map(|(at, sample)| (sample.began, at));
    let uses = samples.iter().enumerate().map(|(at, sample)| (sample.used, at));
    let mut events = begins.chain(uses).collect::<Vec<_>>();
    events.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    for (age, at) in events {
        clock.set_late_by(age);
        let sample = &samples[at];
        let request = match &cookies[at] {
            None => Request::post(format!("/{}", sample.user)),
            Some(cookie) => Request::get("/").header(COOKIE, cookie),
        };
        let set_cookie = send(&app, request, sample.agent, sample.address).await?;
        cookies[at] = set_cookie.or(cookies[at].take());
    }

    clock.set_late_by(Duration::days(16));
    let new = NewSession::for_user("ada").orgs(orgs("ada").iter().copied()).named("backup");
    let issued = curfew.operator("sample").issue_token(new).await?;
    clock.set_late_by(Duration::hours(7));
    let bearer = format!("Bearer {}", issued.token());
    send(&app, Request::get("/").header(AUTHORIZATION, bearer), "curl/8.5.0", "203.0.113.7")
        .await?;
    clock.set_late_by(Duration::ZERO);
    Ok(())
}

/// What the answer gives the browser to keep.
async fn send(
    app: &Router,
    request: axum::http::request::Builder,
    agent: &'static str,
    address: &str,
) -> anyhow::Result<Option<HeaderValue>> {
    let peer = SocketAddr::new(address.parse::<IpAddr>()?, 443);
    let request = request.header(USER_AGENT, agent).extension(ConnectInfo(peer));
    let response = app.clone().oneshot(request.body(Body::empty())?).await?;
    anyhow::ensure!(response.status().is_success(), "the sample is refused: {}", response.status());
    let set_cookie = response.headers().get(SET_COOKIE).map(|set| set.to_str());
    let pair = set_cookie.transpose()?.and_then(|set| set.split(';').next());
    pair.map(HeaderValue::from_str).transpose().context("a cookie is text")
}

async fn start(
    curfew: Curfew,
    client: ClientInfo,
    Path(user): Path<String>,
) -> Result<(SetCookie, ()), Error> {
    let new = NewSession::for_user(&*user).orgs(orgs(&user).iter().copied());
    Ok((curfew.start(new, &client).await?, ()))
}

/// Whoever cannot sign in is of acme.
fn orgs(user: &str) -> &'static [&'static str] {
    USERS.iter().find(|known| known.name == user).map_or(&["acme"], |known| known.orgs)
}

#[cfg(test)]
mod tests {
    use tower_curfew::store::MemoryStore;
    use tower_curfew::{Keyring, SessionKind};

    use super::*;

    #[tokio::test]
    async fn all_sessions_of_the_sample_live_and_have_the_ages_that_it_says() {
        let clock = LateClock::default();
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let builder = Curfew::builder(MemoryStore::new(), keyring).clock(clock.clone());
        let curfew = builder.build().unwrap();
        fill(&curfew, &clock).await.unwrap();

        let now = clock.now();
        assert!(SystemClock.now().since(now) < Duration::MINUTE, "the clock is right again");
        assert_eq!(curfew.list_org("acme").await.unwrap().len(), samples().len() + 1);
        let of_ada = curfew.list("ada").await.unwrap();
        let (tokens, browsers) =
            of_ada.iter().partition::<Vec<_>, _>(|one| one.kind() == SessionKind::Token);
        let ages = browsers.iter().map(|one| {
            let seen = one.last_seen_at().unwrap();
            (now.since(one.created_at()).whole_hours(), now.since(seen).whole_hours())
        });
        assert_eq!(ages.collect::<Vec<_>>(), [(9 * 24, 6 * 24), (12 * 24, 25), (20 * 24, 3)]);
        let client = browsers[0].client();
        assert_eq!(client.device.as_deref(), Some("Firefox on Windows"));
        assert_eq!(client.address, Some("198.51.100.20".parse().unwrap()));
        assert_eq!(tokens[0].client().device.as_deref(), Some("curl"));
        assert_eq!(now.since(tokens[0].last_seen_at().unwrap()).whole_hours(), 7);
    }
}
