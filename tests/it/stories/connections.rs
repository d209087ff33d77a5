//! WebSockets, streams of events and downloads that end with the session, over real connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::{SinkExt as _, StreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower_curfew::{Curfew, LiveWebSocketUpgrade, OrgPolicy, Session};

use crate::support::{Browser, Site, days, hours, is_long, minutes, on_every_store};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// More than it may take until a connection ends.
const SOON: Duration = Duration::from_secs(2);

fn routes() -> Router<Curfew> {
    Router::new()
        .route("/chat", any(chat))
        .route("/feed", get(feed))
        .route("/export", get(export))
        .route("/flood", any(flood))
}

async fn chat(upgrade: LiveWebSocketUpgrade, session: Session, curfew: Curfew) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        while let Some(message) = socket.recv().await {
            if curfew.touch(&session).await.is_err() || socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

/// It sends without an end, and reads nothing.
async fn flood(upgrade: LiveWebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let much = axum::extract::ws::Message::binary(vec![7; 1 << 16]);
        while socket.send(much.clone()).await.is_ok() {}
    })
}

async fn feed(session: Session, curfew: Curfew) -> impl IntoResponse {
    let first = stream::iter([Ok::<_, std::convert::Infallible>(Event::default().data("hello"))]);
    curfew.ended(&session).sse(first.chain(stream::pending()))
}

async fn export(session: Session, curfew: Curfew) -> Response {
    let row = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"first row"))]);
    curfew.ended(&session).cut(Body::from_stream(row.chain(stream::pending())))
}

impl Site {
    async fn served(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router_with(routes());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

fn upgrade(address: SocketAddr, path: &str, browser: &Browser, origin: Option<&str>) -> Request {
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    let headers = request.headers_mut();
    if let Some(cookie) = &browser.cookie {
        headers.insert("cookie", cookie.parse().unwrap());
    }
    if let Some(bearer) = &browser.bearer {
        headers.insert("authorization", bearer.parse().unwrap());
    }
    if let Some(origin) = origin {
        headers.insert("origin", origin.parse().unwrap());
    }
    request
}

async fn connected(address: SocketAddr, path: &str, browser: &Browser) -> Socket {
    let origin = format!("http://{address}");
    connect_async(upgrade(address, path, browser, Some(&origin))).await.unwrap().0
}

/// How the other side has closed it.
async fn closed(mut socket: Socket) -> CloseFrame {
    let close = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(close)))) => return close,
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(SOON, close).await.expect("it goes on")
}

/// A response whose body goes on, read so far.
async fn opened(address: SocketAddr, path: &str, browser: &Browser, until: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let cookie = browser.cookie.as_deref().unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(until) {
        assert_ne!(connection.read_buf(&mut read).await.unwrap(), 0, "{read:?}");
    }
    connection
}

async fn rest(mut connection: TcpStream) -> String {
    let mut rest = Vec::new();
    timeout(SOON, connection.read_to_end(&mut rest)).await.expect("it goes on").unwrap();
    String::from_utf8(rest).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_what_is_open_ends_with_the_session() {
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let elsewhere = site.another_node(|builder| builder).await;
        let address = site.served().await;
        let mut ada = site.signed_in("ada", &["acme"]).await;
        let mut socket = connected(address, "/chat", &ada).await;
        let feed = opened(address, "/feed", &ada, "hello").await;
        let export = opened(address, "/export", &ada, "first row").await;
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));

        ada.at(&elsewhere.router).post("/logout").await;
        let close = closed(socket).await;
        assert_eq!((u16::from(close.code), &*close.reason), (1008, "revoked"));
        let events = rest(feed).await;
        assert!(events.contains("event: session-ended\ndata: revoked\n\n"), "{events}");
        assert!(events.ends_with("0\r\n\r\n"), "the stream ends as a stream ends: {events}");
        let rows = rest(export).await;
        assert!(!rows.contains("0\r\n\r\n"), "nobody may take it for the whole: {rows}");
        assert!(!ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_what_is_open_ends_by_limits_policies_and_revocations() {
    let site = Site::new();
    let address = site.served().await;
    let operator = site.curfew.operator("tests");
    let open = async || connected(address, "/chat", &site.signed_in("ada", &["acme"]).await).await;

    let socket = open().await;
    site.pass(days(28));
    assert_eq!(&*closed(socket).await.reason, "idle");

    let socket = open().await;
    site.pass(minutes(30));
    operator.set_policy("acme", OrgPolicy::absolute(minutes(20))).await.unwrap();
    assert_eq!(&*closed(socket).await.reason, "absolute");

    let socket = open().await;
    site.pass(minutes(20));
    assert_eq!(&*closed(socket).await.reason, "absolute");

    let socket = open().await;
    operator.revoke_org("acme").await.unwrap();
    assert_eq!(&*closed(socket).await.reason, "revoked");

    let socket = open().await;
    operator.revoke_everyone().await.unwrap();
    assert_eq!(&*closed(socket).await.reason, "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_messages_keep_a_session_alive_and_silence_does_not() {
    let site = Site::new();
    let address = site.served().await;
    let mut writes = connected(address, "/chat", &site.signed_in("ada", &[]).await).await;
    let silent = connected(address, "/chat", &site.signed_in("bob", &[]).await).await;
    for _ in 0..27 {
        site.pass(days(1));
        writes.send(Message::text("still here")).await.unwrap();
        writes.next().await.unwrap().unwrap();
    }
    site.pass(days(1) + hours(1));
    assert_eq!(&*closed(silent).await.reason, "idle");
    writes.send(Message::text("still here")).await.unwrap();
    assert_eq!(writes.next().await.unwrap().unwrap(), Message::text("still here"));
}

/// A client that reads nothing cannot keep it open.
#[tokio::test(flavor = "multi_thread")]
async fn r31_a_client_that_reads_nothing_is_cut_off_too() {
    let site = Site::new();
    let address = site.served().await;
    let ada = site.signed_in("ada", &[]).await;
    let mut socket = connected(address, "/flood", &ada).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    ada.at(&site.router).post("/logout").await;
    tokio::time::sleep(SOON).await;
    let drained = async { while let Some(Ok(_)) = socket.next().await {} };
    timeout(SOON, drained).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_50_a_page_of_another_origin_opens_no_websocket() {
    let site = Site::with(|builder| builder.trust_origins(["https://app.example.com"]));
    let address = site.served().await;
    let ada = site.signed_in("ada", &[]).await;
    let own = format!("http://{address}");
    let opens = async |browser: &Browser, origin: Option<&str>| match connect_async(upgrade(
        address, "/chat", browser, origin,
    ))
    .await
    {
        Ok(_) => 101,
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    for origin in [None, Some(&*own), Some("https://app.example.com")] {
        assert_eq!(opens(&ada, origin).await, 101, "{origin:?}");
    }
    let port = address.port();
    let strangers = [
        "null".to_owned(),
        "https://evil.example".to_owned(),
        format!("http://127.0.0.1:{}", port ^ 1),
        format!("http://other.127.0.0.1:{port}"),
        format!("{own}.evil.example"),
        "https://app.example.com.evil.example".to_owned(),
    ];
    for origin in &strangers {
        assert_eq!(opens(&ada, Some(origin)).await, 403, "{origin}");
    }
    let program = site.program(tower_curfew::NewSession::for_user("ada")).await;
    assert_eq!(
        opens(&program, Some("https://evil.example")).await,
        101,
        "no browser sends a token"
    );
    assert_eq!(opens(&site.browser(), Some(&own)).await, 401);
}

/// How fast connections end that are open on another node than the one that ends the session.
#[tokio::test(flavor = "multi_thread")]
async fn r31_connections_end_soon_after_a_revocation_on_another_node() {
    let rounds = if is_long() { 1000 } else { 30 };
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let elsewhere = site.another_node(|builder| builder).await;
        let address = site.served().await;
        let mut took = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            let ada = site.signed_in("ada", &[]).await;
            let mut socket = connected(address, "/chat", &ada).await;
            socket.send(Message::text("hello")).await.unwrap();
            socket.next().await.unwrap().unwrap();
            let feed = opened(address, "/feed", &ada, "hello").await;
            let export = opened(address, "/export", &ada, "first row").await;
            ada.at(&elsewhere.router).post("/logout").await;
            let revoked = Instant::now();
            let (socket, feed, export) = tokio::join!(
                async { (closed(socket).await, revoked.elapsed()).1 },
                async { (rest(feed).await, revoked.elapsed()).1 },
                async { (rest(export).await, revoked.elapsed()).1 },
            );
            for (took, this) in took.iter_mut().zip([socket, feed, export]) {
                took.push(this);
            }
        }
        for (what, mut took) in ["WebSocket", "stream of events", "download"].iter().zip(took) {
            took.sort_unstable();
            let (half, most) = (took[rounds / 2], took[rounds * 99 / 100]);
            println!("{:?}: {what}: half in {half:?}, 99 of 100 in {most:?}", site.store);
            assert!(most < SOON);
        }
    })
    .await;
}
