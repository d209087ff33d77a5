//! What is for those who run the app and for nobody else, on an address of its own: figures for
//! Prometheus, and whether this node is ready.
//!
//! `examples/ops` has what Prometheus and Grafana make of it.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tower_curfew::{Curfew, readiness_route};

/// In seconds: a store in the same process answers within the first, and a call waits five.
const BUCKETS: [f64; 9] = [0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0];

pub(crate) fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
}

/// `GET /metrics` and `GET /ready`.
pub(crate) fn routes(curfew: Curfew, figures: PrometheusHandle) -> Router {
    Router::new()
        .route("/metrics", get(async move || scraped(&figures)))
        .merge(readiness_route(curfew))
}

fn scraped(figures: &PrometheusHandle) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    figures.run_upkeep();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], figures.render())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use time::Duration;
    use tower::ServiceExt as _;
    use tower_curfew::clock::ManualClock;
    use tower_curfew::store::MemoryStore;
    use tower_curfew::{ClientInfo, Keyring, Limits, NewSession, OrgPolicy};

    use super::*;

    const DASHBOARD: &str = include_str!("../ops/dashboard.json");
    const ALERTS: &str = include_str!("../ops/alerts.yml");

    async fn answer(router: &Router, path: &str, cookie: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(path);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// What the console exports after all that is counted has happened.
    async fn scrape() -> String {
        let recorder = builder().unwrap().build_recorder();
        let figures = recorder.handle();
        let _local = metrics::set_default_local_recorder(&recorder);
        let clock = ManualClock::default();
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let builder = || Curfew::builder(MemoryStore::new(), keyring.clone()).clock(clock.clone());
        let curfew = builder().build().unwrap();
        let app = crate::app::app(&curfew, Limits::default(), clock.clone());
        let new = NewSession::for_user("ada").orgs(["acme"]);
        let cookie = curfew.start(new, &ClientInfo::for_tests()).await.unwrap().request_header();
        let cookie = cookie.to_str().unwrap().to_owned();
        for hours in [0, 2] {
            clock.advance(Duration::hours(hours));
            assert_eq!(answer(&app, "/", Some(&cookie)).await.0, StatusCode::OK);
        }
        // Another handle is another node.
        let store = MemoryStore::new();
        let [one, other] = [store.clone(), store].map(|store| {
            Curfew::builder(store, keyring.clone()).clock(clock.clone()).build().unwrap()
        });
        one.health().await;
        let policy = OrgPolicy::absolute(Duration::DAY);
        other.operator("tests").set_policy("acme", policy).await.unwrap();
        one.health().await;
        assert_eq!(answer(&app, "/", None).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(
            answer(&app, "/", Some("__Host-Http-session=x")).await.0,
            StatusCode::UNAUTHORIZED
        );
        clock.advance(Duration::days(100));
        curfew.purge().await.unwrap();
        let (status, scraped) = answer(&routes(curfew, figures), "/metrics", None).await;
        assert_eq!(status, StatusCode::OK);
        scraped
    }

    /// All names of ours in a text, without what Prometheus appends to those of histograms.
    fn names(text: &str) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for (at, _) in text.match_indices("tower_curfew_") {
            let rest = &text[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &rest[..end.unwrap_or(rest.len())];
            let suffixes = ["_bucket", "_sum", "_count"];
            names.insert(suffixes.iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name));
        }
        names
    }

    #[tokio::test]
    async fn the_dashboard_and_the_alerts_draw_what_the_console_exports() {
        let scraped = scrape().await;
        let exported = names(&scraped);
        assert!(exported.len() >= 8, "{exported:?}");
        serde_json::from_str::<serde_json::Value>(DASHBOARD).unwrap();
        assert_eq!(names(DASHBOARD), exported);
        let unknown = Vec::from_iter(names(ALERTS).difference(&exported).copied());
        assert!(unknown.is_empty() && !names(ALERTS).is_empty(), "{unknown:?}");
        for name in ["ada", "acme"] {
            assert!(!scraped.contains(name), "{scraped}");
        }
    }

    #[tokio::test]
    async fn whether_it_is_ready_is_told_beside_the_figures() {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let curfew = Curfew::builder(MemoryStore::new(), keyring).build().unwrap();
        let figures = builder().unwrap().build_recorder().handle();
        let (status, body) = answer(&routes(curfew, figures), "/ready", None).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains(r#""ready":true"#), "{body}");
    }
}
