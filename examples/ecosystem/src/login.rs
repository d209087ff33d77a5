//! The login page and the logout of the programs here.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use tower_curfew::{ClientInfo, Curfew, Error, NewSession, ReturnTo, Session, SetCookie};

use crate::users;

/// `/login`, as `ada` with `lovelace`, and `/logout`.
pub fn login_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/login", get(form).post(log_in)).route("/logout", post(log_out))
}

/// Without an `action` the form is sent to the URL that it stands on, so `return_to` stays with it.
const FORM: &str = r#"<!DOCTYPE html>
<html lang="en">
<title>Login</title>
<form method="post">
  <label>User name <input name="username" autocomplete="username" required></label>
  <label>Password
    <input name="password" type="password" autocomplete="current-password" required></label>
  <button>Log in</button>
</form>
</html>
"#;

async fn form() -> Html<&'static str> {
    Html(FORM)
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

async fn log_in(
    curfew: Curfew,
    client: ClientInfo,
    back: ReturnTo,
    Form(login): Form<Login>,
) -> Result<(SetCookie, Redirect), Response> {
    if !users::check(&login.username, &login.password) {
        return Err((StatusCode::UNAUTHORIZED, Html(FORM)).into_response());
    }
    let start = curfew.start(NewSession::for_user(login.username), &client).await;
    let cookie = start.map_err(Error::into_response)?;
    Ok((cookie, back.or("/")))
}

async fn log_out(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Error> {
    Ok((curfew.end(&session).await?, Redirect::to("/login")))
}
