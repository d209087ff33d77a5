//! A readiness route for load balancers.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::Serialize;

use crate::curfew::{Curfew, Health};

/// A route that tells whether this node can serve requests with a session: `GET /ready`.
///
/// It answers 200, or 503 if [`Curfew::health`] finds a problem. The body is JSON in both cases:
///
/// ```json
/// { "ready": false, "store_answered_in_ms": 3, "store_clock_ahead_ms": -90012,
///   "rules_behind_ms": 0, "recent_failures": 2 }
/// ```
///
/// The clock is null if the store has none or did not answer. The cause of a problem is logged and
/// not part of the answer, so the route may be public. Each request costs one call to the store.
///
/// Merge it outside of the layer, since the load balancer has no session.
///
/// ```
/// use axum::Router;
/// use tower_curfew::{Curfew, readiness_route};
///
/// # fn app(pages: Router, curfew: Curfew) -> Router {
/// pages.layer(curfew.layer()).merge(readiness_route(curfew))
/// # }
/// ```
pub fn readiness_route<S: Clone + Send + Sync + 'static>(curfew: Curfew) -> Router<S> {
    Router::new().route("/ready", get(ready)).with_state(curfew)
}

async fn ready(State(curfew): State<Curfew>) -> Response {
    let health = curfew.health().await;
    let status = match &health.problem {
        None => StatusCode::OK,
        Some(problem) => {
            tracing::warn!(error = %problem.with_causes(), "this node is not ready");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(Ready::from(&health))).into_response()
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    store_answered_in_ms: i128,
    store_clock_ahead_ms: Option<i128>,
    rules_behind_ms: i128,
    recent_failures: usize,
}

impl From<&Health> for Ready {
    fn from(health: &Health) -> Self {
        Self {
            ready: health.is_ready(),
            store_answered_in_ms: health.answered_in.whole_milliseconds(),
            store_clock_ahead_ms: health.store_clock_ahead.map(time::Duration::whole_milliseconds),
            rules_behind_ms: health.rules_behind.whole_milliseconds(),
            recent_failures: health.last_failures.len(),
        }
    }
}
