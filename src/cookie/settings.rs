//! The settings of the session cookie, validated once.

use std::net::IpAddr;

use super::session_cookie::SessionCookie;

/// When a browser sends the cookie with a cross-site request (RFC 6265bis). Exhaustive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// Never, not even when the user follows a link from another site. The user then seems signed
    /// out.
    Strict,
    /// Only when the user follows a link from another site. The default.
    #[default]
    Lax,
    /// Always, for example in a frame of another site. Requests that change state then need CSRF
    /// protection.
    None,
}

/// The requested settings of the cookie, not yet validated.
#[derive(Clone, Debug, Default)]
pub(crate) struct CookieSettings {
    /// By default `__Host-Http-session`, or `__Secure-session` if the other settings rule that out
    /// (ASVS 3.3.1), or `session`.
    pub(crate) name: Option<String>,
    /// Without a domain, the default, the cookie goes only to the host that set it.
    pub(crate) domain: Option<String>,
    /// The path; by default `/`.
    pub(crate) path: Option<String>,
    pub(crate) same_site: SameSite,
    /// Whether to omit `Secure`.
    pub(crate) insecure: bool,
}

impl CookieSettings {
    /// Builds the cookie, unless a browser would reject it or it would be unsafe.
    pub(crate) fn build(self) -> Result<SessionCookie, CookieError> {
        let path = self.path.unwrap_or_else(|| "/".to_owned());
        let name = self.name.unwrap_or_else(|| {
            let one_host = self.domain.is_none() && path == "/";
            let name = match (self.insecure, one_host) {
                (true, _) => "session",
                (false, true) => "__Host-Http-session",
                (false, false) => "__Secure-session",
            };
            name.to_owned()
        });

        if !is_valid_name(&name) {
            return Err(CookieError::Name(name));
        }
        if !is_valid_path(&path) {
            return Err(CookieError::Path(path));
        }
        if let Some(domain) = &self.domain {
            check_domain(domain)?;
        }
        if self.insecure && self.same_site == SameSite::None {
            return Err(CookieError::SameSiteNoneInsecure);
        }
        let demands = Demands::of(&name);
        if demands.secure && self.insecure {
            return Err(CookieError::PrefixInsecure(name));
        }
        if let (true, Some(domain)) = (demands.one_host, &self.domain) {
            return Err(CookieError::PrefixWithDomain { name, domain: domain.clone() });
        }
        if demands.one_host && path != "/" {
            return Err(CookieError::PrefixWithPath { name, path });
        }

        let same_site = self.same_site.as_str();
        let secure = if self.insecure { "" } else { "; Secure" };
        let mut attributes = format!("; HttpOnly; SameSite={same_site}{secure}; Path={path}");
        if let Some(domain) = self.domain {
            attributes.push_str(&format!("; Domain={domain}"));
        }
        Ok(SessionCookie::new(name, attributes))
    }
}

/// A setting of the cookie that is invalid, with its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CookieError {
    #[error(
        "cookie name {0:?} is not 1 to {MAX_NAME} letters, digits or any of {NAME_SIGNS} (RFC 6265)"
    )]
    Name(String),
    #[error(
        "cookie path {0:?} is not a `/` and visible ASCII without `;`, at most {MAX_PATH} bytes"
    )]
    Path(String),
    #[error(
        "cookie domain {0:?} begins with a dot: leave the dot away, subdomains are meant anyway"
    )]
    LeadingDot(String),
    #[error("cookie domain {0:?} is an IP address, and browsers refuse those: set no domain")]
    IpAddress(String),
    #[error("cookie domain {0:?} has no dot, and browsers refuse those: set no domain")]
    NoDot(String),
    #[error("cookie domain {0:?} is not a domain name of ASCII letters, digits, `-` and `.`")]
    Domain(String),
    #[error("`SameSite=None` without `Secure` is refused by browsers: drop one of the two wishes")]
    SameSiteNoneInsecure,
    #[error("cookie {0:?} must be `Secure` because of its prefix: choose a name without it")]
    PrefixInsecure(String),
    #[error(
        "cookie {name:?} must not have a domain because of its prefix, and {domain:?} is set: \
         begin the name with `__Secure-` instead"
    )]
    PrefixWithDomain { name: String, domain: String },
    #[error(
        "cookie {name:?} must have the path `/` because of its prefix, and {path:?} is set: begin \
         the name with `__Secure-` instead"
    )]
    PrefixWithPath { name: String, path: String },
}

impl SameSite {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// The requirements of a cookie name prefix. Browsers compare prefixes without regard to case.
struct Demands {
    secure: bool,
    /// Requires no domain, and the path `/`.
    one_host: bool,
}

impl Demands {
    fn of(name: &str) -> Self {
        let begins_with = |prefix: &str| {
            name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
        };
        // This includes `__Host-Http-`. `Http` also requires `HttpOnly`, which is always set.
        let one_host = begins_with("__Host-");
        let secure = one_host || begins_with("__Secure-") || begins_with("__Http-");
        Self { secure, one_host }
    }
}

const MAX_NAME: usize = 64;
const NAME_SIGNS: &str = "!#$%&'*+-.^_`|~";

fn is_valid_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(|sign| sign.is_ascii_alphanumeric() || NAME_SIGNS.contains(sign))
}

/// Browsers ignore longer attributes.
const MAX_PATH: usize = 1023;

fn is_valid_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= MAX_PATH
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
}

fn check_domain(domain: &str) -> Result<(), CookieError> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = domain.rsplit('.').next().unwrap_or_default();
    if domain.starts_with('.') {
        Err(CookieError::LeadingDot(domain.to_owned()))
    } else if domain.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        Err(CookieError::IpAddress(domain.to_owned()))
    } else if domain.len() > 253 || !domain.split('.').all(is_label) {
        Err(CookieError::Domain(domain.to_owned()))
    } else if last.starts_with(|digit: char| digit.is_ascii_digit()) {
        // Browsers read `127.1` and `1.0x7f` as addresses, and no top-level domain begins with a
        // digit.
        Err(CookieError::IpAddress(domain.to_owned()))
    } else if !domain.contains('.') {
        Err(CookieError::NoDot(domain.to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::SetCookie;

    fn text(cookie: &SetCookie) -> &str {
        cookie.header_value().unwrap().to_str().unwrap()
    }

    fn refusal(settings: CookieSettings) -> String {
        settings.build().unwrap_err().to_string()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_default_name_follows_the_other_wishes() {
        let name = |settings: CookieSettings| settings.build().unwrap().name().to_owned();
        let insecure = CookieSettings { insecure: true, ..Default::default() };
        let domain = CookieSettings { domain: some("example.com"), ..Default::default() };
        let path = CookieSettings { path: some("/app"), ..Default::default() };
        let root = CookieSettings { path: some("/"), ..Default::default() };
        let insecure_path = CookieSettings { insecure: true, ..path.clone() };
        assert_eq!(name(insecure.clone()), "session");
        assert_eq!(name(insecure_path), "session");
        assert_eq!(name(domain.clone()), "__Secure-session");
        assert_eq!(name(path.clone()), "__Secure-session");
        assert_eq!(name(root), "__Host-Http-session");

        let render = |settings: CookieSettings| settings.build().unwrap().render("v", None);
        assert_eq!(text(&render(insecure)), "session=v; HttpOnly; SameSite=Lax; Path=/");
        assert_eq!(
            text(&render(domain)),
            "__Secure-session=v; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com"
        );
        let same_site = CookieSettings { same_site: SameSite::None, ..path };
        assert_eq!(
            text(&render(same_site)),
            "__Secure-session=v; HttpOnly; SameSite=None; Secure; Path=/app"
        );
        let strict = CookieSettings { same_site: SameSite::Strict, ..Default::default() };
        assert!(text(&render(strict)).contains("; SameSite=Strict;"));
    }

    #[test]
    fn what_browsers_refuse_for_the_prefix_is_refused() {
        for name in ["__Host-s", "__host-S", "__HOST-HTTP-s", "__Host-Http-s"] {
            let named = CookieSettings { name: some(name), ..Default::default() };
            assert!(named.clone().build().is_ok());
            assert_eq!(
                refusal(CookieSettings { domain: some("example.com"), ..named.clone() }),
                format!(
                    "cookie \"{name}\" must not have a domain because of its prefix, and \
                     \"example.com\" is set: begin the name with `__Secure-` instead"
                )
            );
            assert_eq!(
                refusal(CookieSettings { path: some("/app"), ..named }),
                format!(
                    "cookie \"{name}\" must have the path `/` because of its prefix, and \"/app\" \
                     is set: begin the name with `__Secure-` instead"
                )
            );
        }
        for name in
            ["__Host-s", "__host-http-s", "__Secure-s", "__sEcure-s", "__Http-s", "__HTTP-s"]
        {
            let named = CookieSettings { name: some(name), insecure: true, ..Default::default() };
            assert_eq!(
                refusal(named),
                format!(
                    "cookie \"{name}\" must be `Secure` because of its prefix: choose a name without it"
                )
            );
        }
        let elsewhere = CookieSettings {
            domain: some("example.com"),
            path: some("/app"),
            ..Default::default()
        };
        for name in ["__Secure-s", "__Http-s", "s", "_Host-s", "__Host", "Host-s"] {
            let named = CookieSettings { name: some(name), ..elsewhere.clone() };
            assert!(named.build().is_ok(), "{name}");
        }
    }

    #[test]
    fn same_site_none_wants_secure() {
        let settings = CookieSettings { same_site: SameSite::None, ..Default::default() };
        assert!(settings.clone().build().is_ok());
        assert_eq!(
            refusal(CookieSettings { insecure: true, ..settings }),
            "`SameSite=None` without `Secure` is refused by browsers: drop one of the two wishes"
        );
    }

    #[test]
    fn names_are_tokens_of_at_most_64_bytes() {
        let long = "a".repeat(65);
        for name in
            ["", " s", "a b", "a=b", "a;b", "a,b", "a\"b", "a/b", "a\tb", "a\0", "sé", &long]
        {
            let error = refusal(CookieSettings { name: some(name), ..Default::default() });
            assert!(error.starts_with(&format!("cookie name {name:?} is not 1 to 64")), "{error}");
        }
        for name in ["s", &long[1..], "!#$%&'*+-.^_`|~09AZaz"] {
            assert!(CookieSettings { name: some(name), ..Default::default() }.build().is_ok());
        }
    }

    #[test]
    fn paths_are_visible_ascii_from_the_root() {
        let long = format!("/{}", "a".repeat(1023));
        for path in ["", "app", "/a;Domain=b.c", "/a b", "/a\r\nb", "/a\0", "/é", &long] {
            let error = refusal(CookieSettings { path: some(path), ..Default::default() });
            assert!(error.starts_with(&format!("cookie path {path:?} is not a `/`")), "{error}");
        }
        for path in ["/", "/app/", "/%20", &long[1..].replacen('a', "/", 1)] {
            assert!(CookieSettings { path: some(path), ..Default::default() }.build().is_ok());
        }
    }

    #[test]
    fn domains_are_names_that_browsers_take() {
        let label = format!("{}.com", "a".repeat(64));
        let long = format!("{}co", "a.".repeat(126));
        for (wrong, why) in [
            (".example.com", "begins with a dot"),
            (".", "begins with a dot"),
            ("127.0.0.1", "is an IP address"),
            ("127.1", "is an IP address"),
            ("example.0x7f", "is an IP address"),
            ("2130706433", "is an IP address"),
            ("::1", "is an IP address"),
            ("[2001:db8::1]", "is an IP address"),
            ("localhost", "has no dot"),
            ("com", "has no dot"),
            ("", "is not a domain name"),
            ("example.com.", "is not a domain name"),
            ("a..com", "is not a domain name"),
            ("a_b.com", "is not a domain name"),
            ("bücher.de", "is not a domain name"),
            ("a.com; Path=/", "is not a domain name"),
            ("example.com:80", "is not a domain name"),
            (" example.com", "is not a domain name"),
            ("*.example.com", "is not a domain name"),
            (&label, "is not a domain name"),
            (&long, "is not a domain name"),
        ] {
            let error = refusal(CookieSettings { domain: some(wrong), ..Default::default() });
            assert!(error.starts_with(&format!("cookie domain {wrong:?} {why}")), "{error}");
        }
        // The longest label, and the longest domain.
        let (label, long) = (&label[1..], &long[..253]);
        for domain in [
            "example.com",
            "Shop.Example.COM",
            "xn--bcher-kva.de",
            "1.example.com",
            "a.co",
            label,
            long,
        ] {
            assert!(CookieSettings { domain: some(domain), ..Default::default() }.build().is_ok());
        }
    }
}
