//! The pages that the examples show.

use std::fmt;

use tower_curfew::clock::Timestamp;
use tower_curfew::{EndReason, Limit, Presence, Session};

/// For everybody.
pub(crate) fn welcome(presence: &Presence) -> String {
    let who = match presence {
        Presence::Live(session) => format!("<p>You are signed in as {}.</p>", Text(session.user())),
        Presence::Ended(ended) => said(why(ended.reason, ended.org.is_some())),
        Presence::Anonymous => "<p>You are not signed in.</p>".to_owned(),
    };
    page(
        "Welcome",
        &format!(
            r#"{who}
<p>Everybody may see this page. There is <a href="/">another</a> for those who sign in.</p>"#
        ),
    )
}

/// For those who are signed in.
pub(crate) fn home(session: &Session) -> String {
    for_members(session, "Home", &format!("<p>Hello {}.</p>", Text(session.user())))
}

/// A page with a query, to come back to after signing in.
pub(crate) fn reports(session: &Session, query: Option<&str>) -> String {
    let year = parameter(query, "year").and_then(|year| year.parse::<u16>().ok());
    let year = year.map_or("every year".to_owned(), |year| year.to_string());
    for_members(session, "Reports", &format!("<p>Here are the reports of {year}.</p>"))
}

/// The form to sign in with, and from the query of the request why that is needed. Without an
/// `action` it is sent to the URL that it stands on, so `return_to` stays with it.
///
/// Anybody can make a link to this page, so nothing of its URL is shown. Nor is anything told of an
/// organization, not even whether there is one of that name: strangers see this page too.
pub(crate) fn sign_in(query: Option<&str>, refused: Option<&str>) -> String {
    let reason = parameter(query, "reason").and_then(|name| EndReason::named(&name));
    let notice = match (refused, reason) {
        (Some(_), _) => said("This user name and password do not go together."),
        (None, Some(reason)) => said(why(reason, parameter(query, "organization").is_some())),
        (None, None) => String::new(),
    };
    page(
        "Sign in",
        &format!(
            r#"{notice}
<form method="post">
  <label>User name
    <input name="username" value="{}" autocomplete="username" required autofocus></label>
  <label>Password
    <input name="password" type="password" autocomplete="current-password" required></label>
  <button>Sign in</button>
</form>
<p>This demo knows <code>ada</code> with the password <code>lovelace</code>.</p>"#,
            Text(refused.unwrap_or_default())
        ),
    )
}

/// A parameter of the query of a request.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn why(reason: EndReason, by_org: bool) -> &'static str {
    match (reason, by_org) {
        (EndReason::Idle, false) => "You were signed out because you were away for too long.",
        (EndReason::Idle, true) => "You were away for longer than your organization allows.",
        (EndReason::Absolute, false) => "You were signed out because you signed in too long ago.",
        (EndReason::Absolute, true) => "You signed in longer ago than your organization allows.",
        (EndReason::Revoked, false) => "You signed out, or were signed out from elsewhere.",
        (EndReason::Revoked, true) => "Your organization has signed everybody out.",
    }
}

fn said(text: &str) -> String {
    format!(r#"<p role="status">{}</p>"#, Text(text))
}

fn for_members(session: &Session, title: &str, content: &str) -> String {
    page(
        title,
        &format!(
            r#"<nav>
  <a href="/">Home</a>
  <a href="/reports?year=2026">Reports 2026</a>
  <a href="/welcome">Welcome</a>
</nav>
{content}
<p>{}</p>
<form method="post" action="/logout"><button>Sign out</button></form>"#,
            when_it_ends(session)
        ),
    )
}

fn when_it_ends(session: &Session) -> String {
    match session.bound_by() {
        None => "Your session ends when you sign out.".to_owned(),
        Some(end) => {
            let unless = match end.limit {
                Limit::Idle => " unless you come back before then",
                Limit::Absolute => "",
            };
            format!("Your session ends on {}{unless}.", time(end.at))
        }
    }
}

/// To the minute, as in `2026-03-01 12:00 UTC`.
pub(crate) fn time(at: Timestamp) -> String {
    let exact = at.to_string();
    let short = exact.get(..16).unwrap_or(&exact).replace('T', " ");
    format!(r#"<time datetime="{exact}">{short} UTC</time>"#)
}

/// A whole page, with this content below its title.
pub(crate) fn page(title: &str, content: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} · Curfew</title>
<link rel="icon" href="data:,">
<style>
  :root {{ color-scheme: light dark; font: 1.1rem/1.6 system-ui, sans-serif }}
  main {{ max-width: 32rem; margin: 4rem auto; padding: 0 1rem }}
  label, input {{ display: block; margin-block: .5rem }}
  input, button {{ font: inherit; padding: .3rem .6rem }}
  nav a {{ margin-inline-end: 1rem }}
  [role=status] {{ border-inline-start: .3rem solid; padding-inline-start: .8rem }}
</style>
<main>
<h1>{title}</h1>
{content}
</main>
</html>
"#
    )
}

/// Text from anywhere, safe between tags and in quoted attributes.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => write!(f, "{char}")?,
            }
        }
        Ok(())
    }
}
