//! Forms of which the rest arrives after the session has ended.

use std::net::SocketAddr;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{ACME, Browser, LIST, TOKENS, demo};

#[tokio::test]
async fn r39_trap_41_the_rest_of_a_form_creates_no_token_after_the_sign_out() {
    let (app, _) = demo();
    let address = served(&app).await;
    let slow = Browser::signed_in(&app, "ada", "lovelace").await;
    let alive = SlowForm::begin(address, &slow, TOKENS, "name=backup").await;
    let answer = alive.finish().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("curfew_"), "{answer}");

    let mut other = Browser::signed_in(&app, "ada", "lovelace").await;
    let form = SlowForm::begin(address, &slow, TOKENS, "name=backup").await;
    assert_eq!(other.post(&format!("{LIST}/end-all"), "").await, (303, "/login".to_owned()));
    let answer = form.finish().await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("curfew_"), "{answer}");

    let list = Browser::signed_in(&app, "ada", "lovelace").await.get(LIST).await.1;
    assert_eq!(list.matches("data-session=").count(), 1, "{list}");
    assert!(!list.contains("data-token"), "{list}");
}

#[tokio::test]
async fn r39_trap_41_the_rest_of_a_form_saves_no_policy_after_the_sign_out() {
    let (app, _) = demo();
    let address = served(&app).await;
    let slow = Browser::signed_in(&app, "grace", "hopper").await;
    let alive = SlowForm::begin(address, &slow, ACME, "absolute_seconds=86400").await;
    let answer = alive.finish().await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");

    let mut other = Browser::signed_in(&app, "grace", "hopper").await;
    let form = SlowForm::begin(address, &slow, ACME, "absolute_seconds=600").await;
    assert_eq!(other.post(&format!("{LIST}/end-all"), "").await, (303, "/login".to_owned()));
    let answer = form.finish().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");

    let page = Browser::signed_in(&app, "grace", "hopper").await.get(ACME).await.1;
    assert!(page.contains("Sign-in again after 1 day."), "{page}");
}

async fn served(app: &Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

/// A form of which the app has the first byte so far.
struct SlowForm {
    connection: TcpStream,
    rest: &'static [u8],
}

impl SlowForm {
    /// Returns when the app has let the session in, and waits for the form: only then does it say
    /// that the client may continue.
    async fn begin(address: SocketAddr, browser: &Browser, path: &str, form: &'static str) -> Self {
        let cookie = browser.cookie.as_ref().unwrap().to_str().unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
             Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nAccept: text/html\r\n\
             Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            form.len()
        );
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        let (first, rest) = form.as_bytes().split_at(1);
        connection.write_all(first).await.unwrap();
        Self { connection, rest }
    }

    /// The answer when the rest has come.
    async fn finish(mut self) -> String {
        self.connection.write_all(self.rest).await.unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).await.unwrap();
        answer
    }
}
