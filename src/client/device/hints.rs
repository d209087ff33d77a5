//! Client hints: headers in which Chromium browsers say more than in their user agent.

use http::HeaderMap;

use super::harmless;
use super::table::Row;

/// The client hints of a request. An unreadable hint counts as absent.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub(super) brand: Option<String>,
    pub(super) platform: Option<&'static str>,
}

impl Hints {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let brands = header(headers, "sec-ch-ua").and_then(strings).unwrap_or_default();
        let platform = string(headers, "sec-ch-ua-platform").or_else(|| {
            // A phone that does not say more: the phones of this family all run Android.
            (header(headers, "sec-ch-ua-mobile")?.trim() == "?1").then(|| "Android".to_owned())
        });
        let version = string(headers, "sec-ch-ua-platform-version");
        Self { brand: brand(&brands), platform: self::platform(platform.as_deref(), version) }
    }
}

/// Whether a browser name from a user agent is ambiguous.
pub(super) fn is_vague_browser(browser: Option<&str>, brand: &str) -> bool {
    match browser {
        None | Some("Chrome") => true,
        // A page inside an app sometimes names the app, and always names its engine.
        Some("App") => brand != CHROMIUM,
        Some(_) => false,
    }
}

/// Whether a platform from a user agent is one that other devices claim to be.
pub(super) fn is_vague_platform(platform: Option<&str>) -> bool {
    let vague = ["Android", "ChromeOS", "Linux", "Windows", "macOS"];
    platform.is_none_or(|platform| vague.contains(&platform))
}

/// The most specific brand: the others are the engine's or invented.
fn brand(brands: &[String]) -> Option<String> {
    for (known, name) in BRANDS {
        if brands.iter().any(|brand| brand == known) {
            return Some((*name).to_owned());
        }
    }
    let own = brands.iter().find(|brand| *brand != CHROMIUM && !is_grease(brand));
    let brand = own.or_else(|| brands.iter().find(|brand| *brand == CHROMIUM));
    brand.and_then(|brand| harmless(brand)).map(str::to_owned)
}

const CHROMIUM: &str = "Chromium";

/// Brands that users know by another name, or that come with a brand of another vendor.
const BRANDS: &[Row] = &[
    ("Android WebView", "App"),
    ("Brave", "Brave"),
    ("HeadlessChrome", "Headless Chrome"),
    ("Microsoft Edge WebView2", "App"),
    ("Microsoft Edge", "Edge"),
    ("Opera", "Opera"),
    ("Opera GX", "Opera GX"),
    ("Samsung Internet", "Samsung Internet"),
    ("Vivaldi", "Vivaldi"),
    ("YaBrowser", "Yandex Browser"),
    ("YandexBrowser", "Yandex Browser"),
    ("DuckDuckGo", "DuckDuckGo"),
    ("Google Chrome", "Chrome"),
];

/// Whether it is an invented brand, which keeps servers from relying on the list: `Not?A_Brand`.
fn is_grease(brand: &str) -> bool {
    let letters = brand.chars().filter(char::is_ascii_alphabetic);
    letters.map(|c| c.to_ascii_lowercase()).eq("notabrand".chars())
}

fn platform(platform: Option<&str>, version: Option<String>) -> Option<&'static str> {
    Some(match platform? {
        "Windows" => match version.as_deref().and_then(major) {
            Some(13..) => "Windows 11",
            Some(1..) => "Windows 10",
            _ => "Windows",
        },
        "macOS" | "Mac OS X" => "macOS",
        "Chrome OS" | "Chromium OS" => "ChromeOS",
        "Android" => "Android",
        "Linux" => "Linux",
        "iOS" => "iOS",
        _ => return None,
    })
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// The value of a header, if it is a short text.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| text.len() <= MAX_LEN)
}

/// In bytes. Real values have at most about 150.
const MAX_LEN: usize = 512;

/// The value of a header that is one string.
fn string(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut strings = strings(header(headers, name)?)?;
    if strings.len() == 1 { strings.pop() } else { None }
}

/// The members of a list of strings (RFC 8941), without their parameters.
fn strings(mut text: &str) -> Option<Vec<String>> {
    let mut strings = Vec::new();
    loop {
        let (string, rest) = quoted(text.trim_start())?;
        strings.push(string);
        text = parameters(rest)?.trim_start();
        if text.is_empty() {
            return Some(strings);
        }
        text = text.strip_prefix(',')?;
    }
}

/// The string at the start, and the rest after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut string = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((string, &text[at + 1..])),
            '\\' => string.push(chars.next().map(|(_, c)| c).filter(|c| matches!(c, '"' | '\\'))?),
            _ => string.push(c),
        }
    }
    None
}

/// Skips the parameters of a member.
fn parameters(mut text: &str) -> Option<&str> {
    while let Some(rest) = text.trim_start().strip_prefix(';') {
        let value = rest.trim_start_matches(|c: char| !matches!(c, '"' | ',' | ';'));
        text = if value.starts_with('"') { quoted(value)?.1 } else { value };
    }
    Some(text)
}
