//! The pages. Nothing of what they show needs to be escaped: users have plain names.

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};

/// The login form as axum answers with it.
pub async fn login() -> Response {
    page(login_html(""))
}

/// The same once more, after a wrong password.
pub fn wrong_password() -> Response {
    (StatusCode::UNAUTHORIZED, page(login_html(WRONG_PASSWORD))).into_response()
}

/// The page of a user as axum answers with it.
pub fn home(user: &str, flash: Option<&str>, cart: u32) -> Response {
    page(home_html(user, flash, cart))
}

/// A page that the back button does not show again after a sign-out.
fn page(html: String) -> Response {
    ([(CACHE_CONTROL, "no-store")], Html(html)).into_response()
}

/// What the login form says of a wrong password.
pub const WRONG_PASSWORD: &str = "This user name and password do not go together.";

/// The login form, with a message.
pub fn login_html(message: &str) -> String {
    document(&format!(
        "<h1>Sign in</h1><p>{message}</p>\
         <form method=post>\
         <label>User <input name=username></label>\
         <label>Password <input name=password type=password></label>\
         <button>Sign in</button></form>"
    ))
}

/// The page of a user, with the message that is shown once.
pub fn home_html(user: &str, flash: Option<&str>, cart: u32) -> String {
    let flash = flash.map(|text| format!("<p role=status>{text}</p>")).unwrap_or_default();
    document(&format!(
        "<h1>Hello {user}!</h1>{flash}<p>Your cart has {cart}.</p>\
         <form method=post action=/cart><button>Add to cart</button></form>\
         <form method=post action=/logout><button>Sign out</button></form>"
    ))
}

fn document(main: &str) -> String {
    format!("<!doctype html><html lang=en><title>Shop</title><main>{main}</main>")
}
