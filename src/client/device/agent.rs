//! Device and browser from the `User-Agent` header.

use std::borrow::Cow;

use http::{HeaderMap, header};

use super::harmless;
use super::table::{ALONE, APPS, BROWSERS, ENGINES, PLATFORMS, RENAMED, Row};

/// The part of the header that is examined.
pub(super) fn of(headers: &HeaderMap) -> Cow<'_, str> {
    let bytes = headers.get(header::USER_AGENT).map_or(&[][..], |agent| agent.as_bytes());
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_LEN)])
}

/// In bytes. Real headers are shorter, even those of apps.
const MAX_LEN: usize = 512;

/// The name of a robot, television or console, which is used alone: robots pretend to be phones,
/// and users do not choose the browser of a television.
pub(super) fn alone(agent: &str) -> Option<String> {
    find(ALONE, agent).map(str::to_owned).or_else(|| robot(agent).map(str::to_owned))
}

/// The name of the browser, app or tool.
pub(super) fn browser(agent: &str) -> Option<String> {
    let known = find(APPS, agent).or_else(|| renamed(&product(agent)?));
    let name = known
        .map(Cow::Borrowed)
        .or_else(|| product(agent))
        .or_else(|| find(BROWSERS, agent).map(Cow::Borrowed));
    name.map(Cow::into_owned)
}

pub(super) fn platform(agent: &str) -> Option<&'static str> {
    find(PLATFORMS, agent)
}

/// The name in the first row of a table whose needle occurs at the start of a word.
fn find(table: &[Row], agent: &str) -> Option<&'static str> {
    let begins_there = |needle: &str| {
        agent.match_indices(needle).any(|(at, _)| {
            let goes_on = needle.starts_with(char::is_alphanumeric);
            !(goes_on && agent[..at].ends_with(char::is_alphanumeric))
        })
    };
    table.iter().find(|(needle, _)| begins_there(needle)).map(|(_, name)| *name)
}

/// `Name` of `(compatible; Name/1.0; +https://…)`.
fn robot(agent: &str) -> Option<&str> {
    let (_, rest) = agent.split_once("compatible; ")?;
    let rest = rest.split_once(')').map_or(rest, |(comment, _)| comment);
    let name = rest.split(['/', ';']).next()?;
    let says_so =
        ["http", "bot", "Bot", "spider", "crawler"].iter().any(|word| rest.contains(word));
    if says_so { harmless(name) } else { None }
}

/// The name that an app gives itself, in any of the usual forms.
fn product(agent: &str) -> Option<Cow<'_, str>> {
    if agent.starts_with("Mozilla/") { extra(agent).map(Cow::Borrowed) } else { leading(agent) }
}

/// `Name` of `Mozilla/5.0 (…) AppleWebKit/537.36 (…) Name/1.2 Chrome/120.0.0.0 …`.
fn extra(agent: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let outside = agent.split_inclusive(['(', ')']).filter_map(move |part| {
        let text = (depth == 0).then(|| part.trim_end_matches('('));
        if part.ends_with('(') {
            depth += 1;
        } else if part.ends_with(')') {
            depth = depth.saturating_sub(1);
        }
        text
    });
    for word in outside.flat_map(str::split_ascii_whitespace) {
        if let Some((name, _)) = word.split_once('/')
            && !ENGINES.contains(&name)
            && let Some(name) = harmless(name)
        {
            return Some(name);
        }
    }
    None
}

/// `Name` of `Name/1.2 (…)`, `Name 1.2` and `Name`.
fn leading(agent: &str) -> Option<Cow<'_, str>> {
    let named = agent.split(['/', '(']).next()?.trim_end();
    let name = if named.len() < agent.trim_end().len() {
        named
    } else {
        // Without a mark that ends the name it is one word, so that prose is not taken for a name.
        let (word, rest) = named.split_once(' ').unwrap_or((named, "1"));
        let version = rest.strip_prefix('v').unwrap_or(rest);
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(word)?
    };
    // Apple's library writes the name of an app like this.
    if name.contains("%20") {
        return harmless(&name.replace("%20", " ")).map(|name| Cow::Owned(name.to_owned()));
    }
    (!name.eq_ignore_ascii_case("Mozilla")).then(|| harmless(name))?.map(Cow::Borrowed)
}

fn renamed(product: &str) -> Option<&'static str> {
    let row = RENAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(product));
    row.map(|(_, name)| *name)
}
