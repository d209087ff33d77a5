//! Readable names for the device and the browser of a request.

mod agent;
mod hints;
mod table;

use http::HeaderMap;

use crate::session::is_invisible;
use hints::Hints;

/// Names the device and the browser of a request for users, as in `Chrome on macOS`.
///
/// Functions of the headers implement it.
pub trait NameDevice: Send + Sync + 'static {
    /// Returns the name, from the headers of a request; `None` if it is unknown.
    ///
    /// It is called when a session starts and when its activity is recorded, at most about hourly.
    /// It may take some microseconds but must not block.
    fn name_device(&self, headers: &HeaderMap) -> Option<String>;
}

impl<F> NameDevice for F
where
    F: Fn(&HeaderMap) -> Option<String> + Send + Sync + 'static,
{
    fn name_device(&self, headers: &HeaderMap) -> Option<String> {
        self(headers)
    }
}

/// Names devices by a small table of well-known browsers, apps, tools and robots. The default.
///
/// It reads `User-Agent` and, if a browser sends them, client hints.
///
/// A client that is not in the table gets the name that it gives itself, if that is short and
/// plain. Both halves of a name have at most 30 characters, none of which has a meaning in HTML.
///
/// Use it as a fallback if the app knows more names:
///
/// ```
/// use http::HeaderMap;
/// use tower_curfew::client::{NameDevice, WellKnown};
///
/// fn name_device(headers: &HeaderMap) -> Option<String> {
///     let till = headers.get("x-till").and_then(|till| till.to_str().ok());
///     till.map(|till| format!("till {till}")).or_else(|| WellKnown.name_device(headers))
/// }
///
/// let mut headers = HeaderMap::new();
/// headers.insert("user-agent", "curl/8.5.0".parse().unwrap());
/// assert_eq!(name_device(&headers).as_deref(), Some("curl"));
/// headers.insert("x-till", "4".parse().unwrap());
/// assert_eq!(name_device(&headers).as_deref(), Some("till 4"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WellKnown;

impl NameDevice for WellKnown {
    fn name_device(&self, headers: &HeaderMap) -> Option<String> {
        let agent = agent::of(headers);
        if let Some(name) = agent::alone(&agent) {
            return Some(name);
        }
        Device::of(&agent).refine(&Hints::of(headers)).name()
    }
}

/// The two halves of a name.
#[derive(Debug, Default)]
struct Device {
    /// The browser, app or tool.
    browser: Option<String>,
    /// The platform that it runs on.
    platform: Option<String>,
}

impl Device {
    /// Reads a user agent.
    fn of(agent: &str) -> Self {
        Self { browser: agent::browser(agent), platform: agent::platform(agent).map(str::to_owned) }
    }

    /// Replaces the ambiguous parts of a user agent by the hints.
    fn refine(mut self, hints: &Hints) -> Self {
        if let Some(brand) = &hints.brand
            && hints::is_vague_browser(self.browser.as_deref(), brand)
        {
            self.browser = Some(brand.clone());
        }
        if let Some(platform) = hints.platform
            && hints::is_vague_platform(self.platform.as_deref())
        {
            self.platform = Some(platform.to_owned());
        }
        self
    }

    fn name(self) -> Option<String> {
        match (self.browser, self.platform) {
            (Some(browser), Some(platform)) => Some(format!("{browser} on {platform}")),
            (browser, platform) => browser.or(platform),
        }
    }
}

/// The name that an unknown client gives itself, if it is short and cannot be mistaken for anything
/// but a name.
///
/// Two such names with ` on ` between them have at most 64 characters.
fn harmless(text: &str) -> Option<&str> {
    let text = text.trim();
    // Unicode counts some characters that show nothing as letters.
    let is_letter = |c: char| c.is_alphanumeric() && !is_invisible(c);
    let is_plain = |c: char| is_letter(c) || matches!(c, ' ' | '-' | '_' | '.' | '+');
    let fits = text.chars().take(MAX_NAME + 1).count() <= MAX_NAME;
    (fits && text.chars().all(is_plain) && text.contains(char::is_alphabetic)).then_some(text)
}

/// In characters, for each half of a name.
const MAX_NAME: usize = 30;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn name(headers: &[(&'static str, &[u8])]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_bytes(value).unwrap());
        }
        WellKnown.name_device(&map)
    }

    fn agent(agent: &str) -> Option<String> {
        name(&[("user-agent", agent.as_bytes())])
    }

    fn brands(list: &str) -> Option<String> {
        name(&[("sec-ch-ua", list.as_bytes())])
    }

    #[test]
    fn a_function_of_the_headers_names_devices() {
        let namer = |headers: &HeaderMap| headers.get("x-app")?.to_str().ok().map(str::to_owned);
        let mut headers = HeaderMap::new();
        assert_eq!(NameDevice::name_device(&namer, &headers), None);
        headers.insert("x-app", HeaderValue::from_static("Till 4"));
        assert_eq!(NameDevice::name_device(&namer, &headers).as_deref(), Some("Till 4"));
    }

    #[test]
    fn an_unknown_client_is_what_it_calls_itself() {
        for (text, expected) in [
            ("acme-cli/2.0", "acme-cli"),
            ("acme-cli", "acme-cli"),
            ("Faraday v2.9.0", "Faraday"),
            ("Acme Mail/3.1 (Macintosh; macOS 14.5)", "Acme Mail on macOS"),
            ("Acme%20Mail/3 CFNetwork/1485 Darwin/23.1.0", "Acme Mail"),
            ("Mozilla/5.0 (Android) Acme-sync/3.27.0", "Acme-sync on Android"),
            ("Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X) Mobile/15E148 Acme/1", "Acme on iPad"),
            ("Mozilla/5.0 (compatible; AcmeBot; see acme.example)", "AcmeBot"),
        ] {
            assert_eq!(agent(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn r24_no_letter_of_a_name_is_invisible() {
        for letter in ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'] {
            assert!(letter.is_alphanumeric(), "{letter:?}");
            assert_eq!(agent(&format!("{letter}/1.0")), None, "{letter:?}");
            assert_eq!(agent(&format!("A{letter}cme/1.0")), None, "{letter:?}");
            let on_windows = agent(&format!("{letter}/1.0 (Windows NT 10.0)"));
            assert_eq!(on_windows.as_deref(), Some("Windows"), "{letter:?}");
        }
    }

    #[test]
    fn nonsense_has_no_name_or_a_harmless_one() {
        for text in ["", " ", "-", "/", "1/2", "one two three", "<b>/1", "%3Cb%3E/1", "(((", ")))("]
        {
            assert_eq!(agent(text), None, "{text}");
        }
        let cases: [&[u8]; 6] = [
            b"\xff\xfe\xfd/1.0 (iPhone)",
            "Mozilla/5.0 Größe<i>/1 \u{202e}/2 (".as_bytes(),
            b"compatible; \"><script>http/1;",
            b"a\tb/1.0",
            &[b'x'; 10_240],
            &[b'('; 10_240],
        ];
        for bytes in cases {
            let Some(name) = name(&[("user-agent", bytes)]) else { continue };
            assert!(name.chars().count() <= 64, "{name}");
            assert!(!name.contains(|c: char| c.is_control() || "<>&\"'".contains(c)), "{name}");
        }
    }

    #[test]
    fn a_long_name_is_cut_nowhere_but_refused() {
        let longest = "x".repeat(MAX_NAME);
        assert_eq!(agent(&format!("{longest}/1")), Some(longest.clone()));
        assert_eq!(agent(&format!("{longest}x/1")), None);
        assert_eq!(agent(&format!("{longest}x/1 (iPhone)")).as_deref(), Some("iPhone"));
    }

    #[test]
    fn brands_are_read_as_a_list_of_strings() {
        for (list, expected) in [
            (r#""Google Chrome";v="131", "Chromium";v="131""#, Some("Chrome")),
            (r#""Google Chrome" ; v="1" , "Chromium""#, Some("Chrome")),
            (r#""A, B; C";v=1;w, "Vivaldi";v="a,b;\"c""#, Some("Vivaldi")),
            (r#""Acme Browser";v="1", "Chromium";v="1""#, Some("Acme Browser")),
            (r#"" Not;A Brand";v="99", "Chromium";v="96""#, Some("Chromium")),
            (r#""\\Not\"A\\Brand";v="99""#, None),
            (r#""Android WebView";v="130", "Chromium";v="130""#, Some("App")),
            (r#""<b>Acme</b>";v="1""#, None),
            (r#""Google Chrome"#, None),
            (r#""Google Chrome","#, None),
            (r#""Google Chrome" "Chromium""#, None),
            (r#""Google\nChrome""#, None),
            ("Google Chrome", None),
            ("", None),
        ] {
            assert_eq!(brands(list).as_deref(), expected, "{list}");
        }
        assert_eq!(name(&[("sec-ch-ua", b"\"Br\xc3\xa4ve\"")]), None);
        assert_eq!(brands(&format!("{}\"Brave\"", "\"a\",".repeat(200))), None);
    }

    #[test]
    fn the_version_of_the_platform_tells_windows_10_from_11() {
        for (version, expected) in [
            (&b"\"19.0.0\""[..], "Windows 11"),
            (b"\"13\"", "Windows 11"),
            (b"\"10.0.0\"", "Windows 10"),
            (b"\"0.3.0\"", "Windows"),
            (b"\"\"", "Windows"),
            (b"\"99999999999999\"", "Windows"),
            (b"15.0.0", "Windows"),
        ] {
            let hints = [
                ("sec-ch-ua-platform", &b"\"Windows\""[..]),
                ("sec-ch-ua-platform-version", version),
            ];
            assert_eq!(name(&hints).as_deref(), Some(expected), "{version:?}");
        }
    }

    #[test]
    fn hints_replace_what_is_vague_and_nothing_else() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36";
        for (text, expected) in [
            (chrome, "Acme on macOS"),
            ("Mozilla/5.0 (iPhone) Instagram 1.0", "Instagram on iPhone"),
            ("Mozilla/5.0 (Windows NT 10.0; Xbox) Edge/44", "Edge on Xbox"),
            ("Mozilla/5.0 (Web0S) Chrome/94", "LG TV"),
            ("", "Acme on macOS"),
        ] {
            let named = name(&[
                ("user-agent", text.as_bytes()),
                ("sec-ch-ua", b"\"Acme\", \"Chromium\""),
                ("sec-ch-ua-platform", b"\"macOS\""),
            ]);
            assert_eq!(named.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_phone_that_tells_no_platform_is_an_android_one() {
        let mobile = [("sec-ch-ua", &b"\"Google Chrome\""[..]), ("sec-ch-ua-mobile", b"?1")];
        assert_eq!(name(&mobile).as_deref(), Some("Chrome on Android"));
    }
}
