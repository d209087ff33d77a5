//! The path to return to after signing in: only ever a plain path of this host.

use std::borrow::Cow;

/// The page to return to after signing in, from the query parameter `return_to`.
///
/// A value that is not a plain path of this host, as in an attacker's link, counts as absent. A
/// plain path begins with exactly one `/` and is visible ASCII. It has no backslash, and no
/// percent-encoded slash, backslash or control character. Decoded, it is UTF-8, and a second
/// decoding would not change it. It is still such a path when `.` and `..` are resolved. In the
/// query only control characters are refused: an encoded `%2F` or `%252F` is common there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReturnTo(Option<String>);

impl ReturnTo {
    /// Reads the path from the query of a request (the part after the `?`).
    pub fn from_query(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut given = pairs.filter(|(name, _)| name == "return_to").map(|(_, value)| value);
        let (first, second) = (given.next(), given.next());
        Self(first.filter(|_| second.is_none()).and_then(|path| local_path(&path)))
    }

    /// Returns the path and query to return to; `None` without one.
    pub fn path(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Returns the path and query to return to, or `default`.
    pub fn path_or<'a>(&'a self, default: &'a str) -> &'a str {
        self.path().unwrap_or(default)
    }
}

/// A longer path is not worth returning to.
const MAX_LEN: usize = 2048;

/// The path in its normal form, if it is plain.
fn local_path(given: &str) -> Option<String> {
    if !looks_local(given) {
        return None;
    }
    let path = path_of(given);
    let rest = &given[path.len()..];
    let normal = format!("{}{rest}", without_dots(path));
    looks_local(&normal).then_some(normal)
}

/// Whether it is a plain path that is already in its normal form.
pub(crate) fn is_plain(given: &str) -> bool {
    local_path(given).is_some_and(|normal| normal == given)
}

/// Whether it is a plain path that every server reads in the same way. Some servers drop the part
/// after a `;` in a segment before they resolve dots, so they read `/a/..;/b` as `/b`. A browser
/// does not, so a user may return to such a path.
pub(crate) fn is_plain_to_all(given: &str) -> bool {
    let path = path_of(given);
    !path.contains(';') && encoded(path).all(|byte| byte != Some(b';')) && is_plain(given)
}

fn path_of(given: &str) -> &str {
    &given[..given.find(['?', '#']).unwrap_or(given.len())]
}

fn looks_local(given: &str) -> bool {
    let path = path_of(given);
    given.len() <= MAX_LEN
        && given.starts_with('/')
        && !given.starts_with("//")
        && given.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && encoded(given).flatten().all(|byte| !byte.is_ascii_control())
        && encoded(path).all(|byte| !matches!(byte, None | Some(b'/' | b'\\')))
        && decodes_once(path)
}

/// Whether all decoders agree on the text, and decoding it again changes nothing. Text that is not
/// UTF-8 can be an overlong `/`, which some decoders accept.
fn decodes_once(path: &str) -> bool {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for (part, byte) in parts.zip(encoded(path)) {
        bytes.extend(byte);
        bytes.extend(part.bytes().skip(2));
    }
    str::from_utf8(&bytes).is_ok_and(|text| encoded(text).all(|again| again.is_none()))
}

/// The percent-encoded bytes in a text; `None` for a `%` without two digits, which servers read
/// differently.
fn encoded(text: &str) -> impl Iterator<Item = Option<u8>> {
    text.split('%').skip(1).map(|rest| {
        rest.get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
    })
}

/// Resolves `.` and `..` as browsers do, including encoded dots.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let dots = if segment.contains('%') {
            Cow::Owned(segment.replace("%2e", ".").replace("%2E", "."))
        } else {
            Cow::Borrowed(segment)
        };
        let last = segments.peek().is_none();
        match &*dots {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_27_only_plain_local_paths_are_gone_back_to() {
        for evil in [
            "",
            "evil",
            "//evil.example",
            "///evil.example",
            r"/\evil.example",
            r"\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a/..//evil.example",
            "/.//evil.example",
            "/a/%2e%2E//evil.example",
            "/%2e//evil.example",
            "/%2f%2fevil.example",
            "/%2F/evil.example",
            "/%5cevil.example",
            "/%09/evil.example",
            "/%0d%0aSet-Cookie:x",
            "/?a=%0d%0a",
            "https:evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a b",
            "/é",
            "/%",
            "/%2",
            "/%zz",
            "/%+1",
            " /",
            "/..//evil.example",
            "/./../\\x",
            "/%252fevil.example",
            "/%252Fevil.example",
            "/%25%32%66evil.example",
            "/%255cevil.example",
            "/a/%252e%252e/b",
            "/%25252f",
            "/%c0%afevil.example",
            "/%e0%80%afevil.example",
            "/%f0%80%80%afevil.example",
            "/%ed%a0%80",
            "/%c3",
            "/%ff",
            "/a%c3/%a9",
        ] {
            assert_eq!(local_path(evil), None, "{evil:?}");
        }
        assert_eq!(local_path(&format!("/{}", "a".repeat(2048))), None);
    }

    #[test]
    fn plain_paths_are_kept_in_their_normal_form() {
        for (given, normal) in [
            ("/", "/"),
            ("/reports", "/reports"),
            ("/reports/", "/reports/"),
            ("/a//b", "/a//b"),
            (
                "/reports?from=2026-01-01&q=a%20b%2Fc#top",
                "/reports?from=2026-01-01&q=a%20b%2Fc#top",
            ),
            ("/caf%C3%A9", "/caf%C3%A9"),
            ("/100%25/of", "/100%25/of"),
            ("/100%25%20sure", "/100%25%20sure"),
            ("/search?q=%252f&next=%252Fa&old=%e9", "/search?q=%252f&next=%252Fa&old=%e9"),
            ("/cars;color=red", "/cars;color=red"),
            ("/offers?discount=100%", "/offers?discount=100%"),
            ("/offers?discount=%+1", "/offers?discount=%+1"),
            ("/?next=//x/../y", "/?next=//x/../y"),
            ("/a/../b", "/b"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/../../a", "/a"),
        ] {
            assert_eq!(local_path(given).as_deref(), Some(normal), "{given:?}");
        }
        let longest = format!("/{}", "a".repeat(2047));
        assert_eq!(local_path(&longest).as_ref(), Some(&longest));
    }

    #[test]
    fn r13_a_path_that_others_may_read_as_another_one_is_not_plain() {
        for plain in ["/", "/a/b", "/a%20b", "/caf%C3%A9", "/100%25", "/a?b;c=%3b%252f"] {
            assert!(is_plain_to_all(plain), "{plain:?}");
        }
        for other in [
            "/assets/..;/admin",
            "/assets/..;a=b/admin",
            "/assets/..%3b/admin",
            "/assets/..%3B/admin",
            "/assets;/x",
            "/;",
            "/assets/%2e%2e/admin",
            "/assets/..%2fadmin",
            "/assets/..%252fadmin",
            "/assets/%252e%252e/admin",
            "/assets/..%25%32%66admin",
            "/assets/..%c0%afadmin",
            "/assets/..%e0%80%afadmin",
            "/assets/%ff",
        ] {
            assert!(!is_plain_to_all(other), "{other:?}");
        }
    }

    #[test]
    fn it_is_read_from_the_query_and_only_if_it_stands_there_once() {
        let path = |query| ReturnTo::from_query(Some(query)).0;
        assert_eq!(path("a=b&return_to=%2Fa%3Fb%3Dc").as_deref(), Some("/a?b=c"));
        assert_eq!(path("return_to=%2F%2Fevil.example"), None);
        assert_eq!(path("return_to=/a&return_to=/b"), None);
        assert_eq!(ReturnTo::from_query(None).path_or("/home"), "/home");
    }
}
