//! A node that is stopped.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tower_curfew::Selector;

use crate::support::{Site, days, on_every_store};

/// Who hung up learns nothing, but an admin who did so must not have ended half of the sessions.
#[tokio::test]
async fn what_was_begun_is_done_before_a_node_stops() {
    on_every_store(async |site| {
        let ada = site.signed_in("ada", &["acme"]).await;
        for _ in 0..40 {
            site.signed_in("bob", &["acme"]).await;
        }
        let mut held = site.store.hold("end");
        let (curfew, by) = (site.curfew.clone(), site.session(&ada).await);
        let revoking = tokio::spawn(async move { curfew.revoke(&by, Selector::user("bob")).await });
        held.arrived().await;
        revoking.abort();
        assert!(revoking.await.unwrap_err().is_cancelled());

        {
            let mut stopping = pin!(site.curfew.shutdown());
            let mut looks = Context::from_waker(Waker::noop());
            assert_eq!(stopping.as_mut().poll(&mut looks), Poll::Pending);
            held.release();
            stopping.await;
        }
        let restarted = site.another_node(|builder| builder).await;
        assert_eq!(restarted.curfew.list("bob").await.unwrap().len(), 0);
        assert!(ada.at(&restarted.router).is_signed_in().await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn trap_10_a_node_that_stops_purges_no_more() {
    for used_before in [true, false] {
        let site = Site::new();
        if used_before {
            site.signed_in("ada", &[]).await;
        }
        site.curfew.shutdown().await;
        let mut bob = site.signed_in("bob", &[]).await;
        site.store.calls();
        tokio::time::sleep(days(1).unsigned_abs()).await;
        assert_eq!(site.store.calls(), [""; 0]);
        assert!(bob.is_signed_in().await, "whoever still asks is answered");
    }
}

/// As a supervisor stops a process: what is under way is answered whole, and what the answers said is
/// so when the next process asks.
#[tokio::test]
async fn no_request_is_answered_half_when_a_node_stops() {
    on_every_store(async |site| {
        let mut browsers = Vec::new();
        for number in 0..20 {
            browsers.push(site.signed_in(&format!("user{number}"), &[]).await);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (router, curfew) = (site.router.clone(), site.curfew.clone());
        let server = tokio::spawn(async move {
            let serve = axum::serve(listener, router)
                .with_graceful_shutdown(async { stopped.await.unwrap() });
            serve.await.unwrap();
            curfew.shutdown().await;
        });

        let mut held = Vec::from_iter(browsers.iter().map(|_| site.store.hold("end")));
        let mut answers = Vec::new();
        for browser in &browsers {
            let request = format!(
                "POST /logout HTTP/1.1\r\nhost: {address}\r\ncookie: {}\r\n\
                 connection: close\r\ncontent-length: 0\r\n\r\n",
                browser.cookie.as_deref().unwrap()
            );
            let mut connection = TcpStream::connect(address).await.unwrap();
            answers.push(tokio::spawn(async move {
                connection.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                connection.read_to_string(&mut answer).await.unwrap();
                answer
            }));
        }
        for held in &mut held {
            held.arrived().await;
        }
        stop.send(()).unwrap();
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!server.is_finished());
        for held in held {
            held.release();
        }
        server.await.unwrap();

        let restarted = site.another_node(|builder| builder).await;
        for (answer, browser) in answers.into_iter().zip(browsers) {
            let answer = answer.await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.contains("Max-Age=0") && answer.contains("\r\n\r\n"), "{answer}");
            assert!(!browser.at(&restarted.router).is_signed_in().await);
        }
    })
    .await;
}
