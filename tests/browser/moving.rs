//! The moving picture of the README: two browsers side by side. A session is ended in one and is gone
//! in the other. A third browser shows what both show, and is what is recorded.

use std::env;
use std::io::Cursor;
use std::time::Duration;

use fantoccini::Locator;
use gif::{DecodeOptions, Encoder, Frame, Repeat};
use png::{Decoder, Transformations};
use serde_json::json;

use super::browser::{Browser, Profile};
use super::page::Page;
use super::pictures::{browser, committed, kept, sample_console};
use super::tour::{LAPTOP, OFFICE};
use super::{has_browser, skipped};

const FILE: &str = "ended-elsewhere.gif";
const MAX_SIZE: usize = 400_000;
const MAX_LENGTH: Duration = Duration::from_secs(12);

/// Of one browser, in pixels.
const WIDTH: u32 = 480;
const HEIGHT: u32 = 720;
const GAP: u32 = 16;
const TITLE: u32 = 32;

#[tokio::test(flavor = "multi_thread")]
async fn the_moving_picture_shows_a_session_that_ends_elsewhere() {
    let test = "the_moving_picture_shows_a_session_that_ends_elsewhere";
    if !is_wanted() {
        return skipped(
            test,
            "it takes a minute; CURFEW_LONG=1 or UPDATE=1 runs it",
            "CURFEW_LONG",
        );
    }
    if !has_browser(test) {
        return;
    }
    let server = sample_console();
    let left = browser(&server, LAPTOP, "203.0.113.7").await;
    let right = browser(&server, OFFICE, "198.51.100.20").await;
    for page in [&right, &left] {
        screen(page, WIDTH, HEIGHT).await;
        // The person of the sample who has no other sessions.
        page.open("/settings/account/sessions").await;
        page.sign_in("alan", "turing").await;
        page.heading("Active sessions").await;
    }
    right.open("/").await;
    let mut film = Film::new(Page::new(Browser::start(Profile::default()).await, 0)).await;

    film.cut(&left, &right, 1_500).await;
    film.point_at(&left, "//button[@aria-label='Terminate Firefox on Windows']", 0).await;
    left.click("Terminate Firefox on Windows").await;
    left.shown("//dialog").await;
    film.cut(&left, &right, 1_000).await;
    film.point_at(&left, "//dialog//button[. = 'Terminate']", 0).await;
    // Its script asks once a minute, and would leave the page before anybody clicks there.
    right.open("/").await;
    left.click_in("//dialog", "Terminate").await;
    left.tells("status", "The session is terminated.").await;
    film.cut(&left, &right, 1_500).await;
    film.point_at(&right, "//nav/a[. = 'Active sessions']", WIDTH + GAP).await;
    right.click("Active sessions").await;
    right.heading("Sign in").await;
    right.tells("status", "You were signed out from another device.").await;
    film.cut(&left, &right, 3_500).await;

    let made = film.encoded();
    kept(FILE, &made);
    for gif in [made, committed(FILE)] {
        assert!(gif.len() < MAX_SIZE, "{} bytes", gif.len());
        let mut decoder = DecodeOptions::new().read_info(&*gif).unwrap();
        assert_eq!(decoder.repeat(), Repeat::Infinite);
        let (mut frames, mut length) = (0, Duration::ZERO);
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            frames += 1;
            length += Duration::from_millis(u64::from(frame.delay) * 10);
        }
        assert!(length <= MAX_LENGTH && frames > 10, "{frames} frames in {length:?}");
    }
}

/// Nothing else depends on it, and two browsers and a third for the picture take long.
fn is_wanted() -> bool {
    ["CURFEW_LONG", "UPDATE"].iter().any(|name| env::var(name).as_deref() == Ok("1"))
}

struct Film {
    stage: Page,
    frames: Vec<(Picture, u64)>,
    pointer: (f64, f64),
}

impl Film {
    async fn new(stage: Page) -> Self {
        stage.client().goto("about:blank").await.unwrap();
        screen(&stage, 2 * WIDTH + 3 * GAP, HEIGHT + TITLE + 2 * GAP).await;
        stage.client().execute(STAGE, vec![json!([WIDTH, HEIGHT, GAP, TITLE])]).await.unwrap();
        Self { stage, frames: Vec::new(), pointer: (220.0, 640.0) }
    }

    /// What both browsers show now, for so many milliseconds.
    async fn cut(&mut self, left: &Page, right: &Page, milliseconds: u64) {
        for (id, page) in [("left", left), ("right", right)] {
            let picture = page.client().screenshot().await.unwrap();
            let arguments = vec![json!(id), json!(picture)];
            self.stage.client().execute_async(SHOW, arguments).await.unwrap();
        }
        self.frame(milliseconds).await;
    }

    /// Moves the pointer to the middle of an element.
    async fn point_at(&mut self, page: &Page, path: &str, from_left: u32) {
        page.shown(path).await;
        let element = page.client().find(Locator::XPath(path)).await.unwrap();
        let (x, y, width, height) = element.rectangle().await.unwrap();
        let to = (x + width / 2.0 + f64::from(from_left), y + height / 2.0);
        let from = self.pointer;
        for step in 1..=6 {
            let share = f64::from(step) / 6.0;
            let between = |from: f64, to: f64| from + (to - from) * share;
            self.pointer = (between(from.0, to.0), between(from.1, to.1));
            self.frame(if step == 6 { 500 } else { 60 }).await;
        }
    }

    async fn frame(&mut self, milliseconds: u64) {
        let (x, y) = self.pointer;
        self.stage.client().execute(POINT, vec![json!(x), json!(y)]).await.unwrap();
        let picture = self.stage.client().screenshot().await.unwrap();
        self.frames.push((Picture::decoded(&picture), milliseconds));
    }

    fn encoded(&self) -> Vec<u8> {
        let mut gif = Vec::new();
        let size = |side: usize| u16::try_from(side).unwrap();
        let whole = self.frames[0].0.whole();
        let mut encoder =
            Encoder::new(&mut gif, size(whole.width), size(whole.height), &[]).unwrap();
        encoder.set_repeat(Repeat::Infinite).unwrap();
        let mut before = None;
        for (picture, milliseconds) in &self.frames {
            let part = before.map_or(whole, |before| picture.changed(before));
            let (width, height) = (size(part.width), size(part.height));
            let mut frame = Frame::from_rgba_speed(width, height, &mut picture.cropped(part), 5);
            (frame.left, frame.top) = (size(part.left), size(part.top));
            frame.delay = u16::try_from(milliseconds / 10).unwrap();
            encoder.write_frame(&frame).unwrap();
            before = Some(picture);
        }
        drop(encoder);
        gif
    }
}

/// In red, green, blue and opacity, line by line.
struct Picture {
    width: usize,
    pixels: Vec<[u8; 4]>,
}

#[derive(Clone, Copy)]
struct Part {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Picture {
    fn decoded(png: &[u8]) -> Self {
        let mut decoder = Decoder::new(Cursor::new(png));
        decoder
            .set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let pixels = bytes.as_chunks().0.to_vec();
        Self { width: usize::try_from(info.width).unwrap(), pixels }
    }

    fn whole(&self) -> Part {
        Part { left: 0, top: 0, width: self.width, height: self.pixels.len() / self.width }
    }

    /// The part that differs from the picture before: only that is stored.
    fn changed(&self, before: &Self) -> Part {
        let (mut left, mut top, mut right, mut bottom) = (self.width, usize::MAX, 0, 0);
        for (at, pixel) in self.pixels.iter().enumerate() {
            if before.pixels[at] != *pixel {
                let (x, y) = (at % self.width, at / self.width);
                (left, right) = (left.min(x), right.max(x));
                (top, bottom) = (top.min(y), bottom.max(y));
            }
        }
        // Nothing has changed: one pixel holds the time.
        if right < left {
            return Part { left: 0, top: 0, width: 1, height: 1 };
        }
        Part { left, top, width: right - left + 1, height: bottom - top + 1 }
    }

    fn cropped(&self, part: Part) -> Vec<u8> {
        let lines = self.pixels.chunks(self.width).skip(part.top).take(part.height);
        lines.flat_map(|line| line[part.left..][..part.width].as_flattened()).copied().collect()
    }
}

async fn screen(page: &Page, width: u32, height: u32) {
    let screen =
        json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    page.devtools("Emulation.setDeviceMetricsOverride", screen).await;
}

/// Two windows and a pointer.
const STAGE: &str = r##"
    const [width, height, gap, title] = arguments[0];
    const add = (tag, style) => {
        const element = document.body.appendChild(document.createElement(tag));
        Object.assign(element.style, { position: 'absolute', ...style });
        return element;
    };
    document.body.style.cssText = 'margin: 0; background: #d5d9e0; font: 600 15px system-ui';
    const windows = [['left', 'Chrome on a laptop'], ['right', 'Firefox at the office']];
    windows.forEach(([id, text], number) => {
        const left = `${gap + number * (width + gap)}px`;
        add('div', {
            left, top: `${gap}px`, width: `${width}px`, height: `${title}px`, color: '#fff',
            background: '#3b4252', borderRadius: '8px 8px 0 0', lineHeight: `${title}px`,
            textAlign: 'center',
        }).textContent = text;
        add('img', { left, top: `${gap + title}px`, width: `${width}px`, height: `${height}px` }).id = id;
    });
    const pointer = add('div', { zIndex: 1, marginLeft: `${gap}px`, marginTop: `${gap + title}px` });
    pointer.id = 'pointer';
    pointer.innerHTML = `<svg width="22" height="30" viewBox="0 0 22 30"><path fill="#000"
        stroke="#fff" stroke-width="2" d="M2 2v22l6-5 4 9 4-2-4-9h8z"/></svg>`;
"##;

/// Returns when the picture can be seen.
const SHOW: &str = r"
    const [id, bytes, done] = arguments;
    const blob = new Blob([new Uint8Array(bytes)], { type: 'image/png' });
    const image = document.getElementById(id);
    image.src = URL.createObjectURL(blob);
    image.decode().then(() => done(), (error) => done(String(error)));
";

const POINT: &str = r"
    const [x, y] = arguments;
    const { style } = document.getElementById('pointer');
    style.left = `${x}px`;
    style.top = `${y}px`;
";
