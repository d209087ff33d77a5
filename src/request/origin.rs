//! The origin of a request.

use http::Uri;

/// Whether a text has the form in which browsers send an origin (RFC 6454): scheme, host, and the
/// port unless it is the default one.
pub(crate) fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return false,
    };
    let port = match uri.port_u16() {
        Some(port) if port == usual => return false,
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let scheme = uri.scheme_str().unwrap_or_default();
    !host.is_empty() && text == format!("{scheme}://{host}{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for origin in [
            "https://example.com",
            "https://example.com:8443",
            "https://example.com:80",
            "http://localhost:3000",
            "http://localhost",
            "http://192.0.2.1:443",
            "http://[::1]:3000",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "null",
            "example.com",
            "/",
            "ftp://example.com",
            "https://example.com/",
            "https://example.com/path",
            "https://Example.com",
            "https://example.com:443",
            "http://example.com:80",
            "https://user@example.com",
            "https://example.com:",
            "https://:8443",
            "https://",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}
