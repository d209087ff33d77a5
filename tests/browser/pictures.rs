//! The pictures of the console that the README shows, made of its pages with `--sample`.
//!
//! Each run makes them, into `target/screenshots`; with `UPDATE=1` they replace those in
//! `examples/console/pictures`.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::{env, fs};

use png::{Compression, Decoder, Encoder, Filter};
use serde_json::json;

use super::audit::{NARROW, WIDE, audit, look, look_at_all, target};
use super::browser::{Browser, Profile};
use super::has_browser;
use super::page::Page;
use super::server::Server;

/// A reader waits for each of them, in bytes.
const MAX_SIZE: usize = 120_000;

/// The console with sessions of the last weeks, and a database of locations for their addresses.
pub(crate) fn sample_console() -> Server {
    let places = console().join("places/places.mmdb");
    let arguments = ["--addr", "{address}", "--store", "memory", "--sample", "--geoip"];
    let behind_a_proxy = ["--trust-proxy", "127.0.0.0/8"];
    let places = [places.to_str().unwrap()];
    Server::start("console", &[&arguments[..], &places, &behind_a_proxy].concat(), &[])
}

/// A browser of somebody at this address.
pub(crate) async fn browser(server: &Server, agent: &'static str, address: &str) -> Page {
    let profile = Profile { user_agent: Some(agent), without_javascript: false };
    let page = Page::new(Browser::start(profile).await, server.port());
    page.devtools("Network.enable", json!({})).await;
    let headers = json!({ "headers": { "X-Forwarded-For": address } });
    page.devtools("Network.setExtraHTTPHeaders", headers).await;
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pictures_are_of_the_pages_and_small() {
    if !has_browser("the_pictures_are_of_the_pages_and_small") {
        return;
    }
    let server = sample_console();
    let ada = browser(&server, super::tour::LAPTOP, "203.0.113.7").await;
    ada.open("/settings/account/sessions").await;
    ada.sign_in("ada", "lovelace").await;
    ada.heading("Active sessions").await;
    for text in ["Berlin, Germany", "Firefox on Windows", "Japan", "backup", "curl"] {
        ada.says(text).await;
    }
    audit(&ada, "active-sessions of the sample").await;
    taken(&ada, "active-sessions").await;

    let grace = browser(&server, super::tour::OFFICE, "203.0.113.9").await;
    grace.open("/admin/acme/security").await;
    grace.sign_in("grace", "hopper").await;
    grace.heading("Session security").await;
    grace.shown("//input[@name='length'][@value='604800']").await.click().await.unwrap();
    grace.click("Preview").await;
    grace.heading("Before you save").await;
    // Of the 46 sessions of acme, ada's token, and hers and grace's in this test among them.
    grace.says("As it is: 46 within 28 days.").await;
    audit(&grace, "session-security of the sample").await;
    taken(&grace, "session-security").await;
}

/// Takes the pictures of a page: wide and narrow, light and dark.
async fn taken(page: &Page, name: &str) {
    for (scheme, width, suffix) in [
        ("light", WIDE, ""),
        ("dark", WIDE, "-dark"),
        ("light", NARROW, "-390"),
        ("dark", NARROW, "-390-dark"),
    ] {
        look_at_all(page, scheme, width).await;
        let picture = smaller(&page.client().screenshot().await.unwrap());
        kept(&format!("{name}{suffix}.png"), &picture);
        for bytes in [picture, committed(&format!("{name}{suffix}.png"))] {
            assert_eq!(width_of(&bytes), width, "{name}{suffix}");
            assert!(bytes.len() < MAX_SIZE, "{name}{suffix}: {} bytes", bytes.len());
        }
    }
    look(page, "light", WIDE).await;
}

/// The same picture in fewer bytes: Chromium saves time, and letters compress best as they are.
fn smaller(png: &[u8]) -> Vec<u8> {
    let mut reader = Decoder::new(Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let mut smaller = Vec::new();
    let mut encoder = Encoder::new(&mut smaller, info.width, info.height);
    encoder.set_color(info.color_type);
    encoder.set_depth(info.bit_depth);
    encoder.set_compression(Compression::High);
    encoder.set_filter(Filter::NoFilter);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels[..info.buffer_size()]).unwrap();
    writer.finish().unwrap();
    smaller
}

/// Files a picture.
pub(crate) fn kept(file: &str, picture: &[u8]) {
    let folder = target().join("screenshots");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(file), picture).unwrap();
    if env::var("UPDATE").as_deref() == Ok("1") {
        fs::write(console().join("pictures").join(file), picture).unwrap();
    }
}

/// The picture of this name that the README may show.
pub(crate) fn committed(file: &str) -> Vec<u8> {
    let path = console().join("pictures").join(file);
    fs::read(&path).unwrap_or_else(|error| panic!("{error}: make {} with UPDATE=1", path.display()))
}

fn console() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/console")
}

/// As PNG says it at its beginning.
fn width_of(png: &[u8]) -> u32 {
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    u32::from_be_bytes(png[16..20].try_into().unwrap())
}
