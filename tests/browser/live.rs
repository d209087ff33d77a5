//! The example `live`: what is open in one browser ends when somebody logs out everywhere in another.

use std::time::{Duration, Instant};

use super::browser::{Browser, Profile};
use super::has_browser;
use super::page::Page;
use super::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn connections_end_when_the_session_is_ended_in_another_browser() {
    if !has_browser("connections_end_when_the_session_is_ended_in_another_browser") {
        return;
    }
    let server = Server::start("live", &[], &[("ADDR", "{address}")]);
    let here = Page::new(Browser::start(Profile::default()).await, server.port());
    let there = Page::new(Browser::start(Profile::default()).await, server.port());
    for page in [&here, &there] {
        page.open("/").await;
        page.sign_in("ada", "lovelace").await;
        page.heading("Live").await;
        page.says("open, it said hello").await;
        page.says("under way").await;
    }

    there.click("Log out everywhere").await;
    there.heading("Sign in").await;
    let signed_out = Instant::now();
    here.says("closed with 1008, revoked").await;
    assert!(signed_out.elapsed() < Duration::from_secs(1), "{:?}", signed_out.elapsed());
    here.says("ended, revoked").await;
    here.says("cut after").await;
    here.open("/").await;
    here.heading("Sign in").await;
}
