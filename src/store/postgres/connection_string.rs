//! The options of a connection string that the driver does not support.

use percent_encoding::percent_decode_str;

/// The encryption options of a libpq connection string.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NamedTls {
    pub(super) mode: Option<String>,
    pub(super) roots: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

impl NamedTls {
    fn place(&mut self, option: &str) -> Option<&mut Option<String>> {
        match option {
            "sslmode" => Some(&mut self.mode),
            "sslrootcert" => Some(&mut self.roots),
            "sslcert" => Some(&mut self.certificate),
            "sslkey" => Some(&mut self.key),
            _ => None,
        }
    }
}

/// Separates the encryption options from a connection string. Unreadable parts are left for the
/// driver to reject.
pub(super) fn part(string: &str) -> (String, NamedTls) {
    if string.starts_with("postgres://") || string.starts_with("postgresql://") {
        part_url(string)
    } else {
        part_pairs(string)
    }
}

fn part_url(url: &str) -> (String, NamedTls) {
    let mut named = NamedTls::default();
    // As the driver does: a password may contain a question mark.
    let after_password = url.find('@').map_or(0, |at| at + 1);
    let Some(mark) = url[after_password..].find('?') else {
        return (url.to_owned(), named);
    };
    let (rest, query) = url.split_at(after_password + mark);
    let mut left = Vec::new();
    for pair in query[1..].split('&') {
        let (option, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (named.place(option), percent_decode_str(value).decode_utf8()) {
            (Some(place), Ok(value)) => *place = Some(value.into_owned()),
            _ => left.push(pair),
        }
    }
    let sign = if left.is_empty() { "" } else { "?" };
    (format!("{rest}{sign}{}", left.join("&")), named)
}

fn part_pairs(string: &str) -> (String, NamedTls) {
    let mut named = NamedTls::default();
    let mut left = String::new();
    let mut rest = string;
    while let Some((pair, option, value)) = next_pair(&mut rest) {
        match named.place(option) {
            Some(place) => *place = Some(value),
            None => {
                left.push_str(pair);
                left.push(' ');
            }
        }
    }
    left.push_str(rest);
    (left.trim().to_owned(), named)
}

/// Takes an option and its value from the beginning, and returns them with their original text.
/// `None` takes nothing: the string is at its end, or has no such pair next.
fn next_pair<'a>(rest: &mut &'a str) -> Option<(&'a str, &'a str, String)> {
    let whole = rest.trim_start();
    let (option, after) = whole.split_once('=')?;
    let option = option.trim_end();
    if option.contains(char::is_whitespace) {
        return None;
    }
    let written = after.trim_start();
    let quoted = written.strip_prefix('\'');
    let mut signs = quoted.unwrap_or(written).char_indices();
    let mut value = String::new();
    let end = loop {
        match signs.next() {
            Some((_, '\\')) => value.extend(signs.next().map(|(_, sign)| sign)),
            Some((at, '\'')) if quoted.is_some() => break at + 2,
            Some((at, sign)) if quoted.is_none() && sign.is_whitespace() => break at,
            Some((_, sign)) => value.push(sign),
            None if quoted.is_some() => return None,
            None => break written.len(),
        }
    };
    let length = whole.len() - written.len() + end;
    *rest = &whole[length..];
    Some((&whole[..length], option, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(mode: &str, roots: &str) -> NamedTls {
        NamedTls { mode: Some(mode.into()), roots: Some(roots.into()), ..NamedTls::default() }
    }

    #[test]
    fn a_url_is_parted_and_keeps_what_the_driver_knows() {
        for (url, left) in [
            (
                "postgres://a:b?c@h/d?sslmode=verify-ca&sslrootcert=/a%20b.pem",
                "postgres://a:b?c@h/d",
            ),
            (
                "postgresql://h,i/d?x=%3D&sslmode=verify-ca&y=2&sslrootcert=/a b.pem",
                "postgresql://h,i/d?x=%3D&y=2",
            ),
        ] {
            assert_eq!(part(url), (left.to_owned(), named("verify-ca", "/a b.pem")), "{url}");
        }
        let plain = "postgres://h/d?application_name=sslmode";
        assert_eq!(part(plain), (plain.to_owned(), NamedTls::default()));
    }

    #[test]
    fn pairs_are_parted_however_they_are_quoted() {
        for string in [
            "host=h sslmode=require sslrootcert=/a\\ b.pem password='it\\'s sslmode=x'",
            " host=h sslrootcert = '/a b.pem'  sslmode ='require' password='it\\'s sslmode=x' ",
        ] {
            let left = "host=h password='it\\'s sslmode=x'";
            assert_eq!(part(string), (left.to_owned(), named("require", "/a b.pem")), "{string}");
        }
        for nonsense in ["host=h sslmode='require", "what is this", "host"] {
            let (left, named) = part(nonsense);
            assert!(left.parse::<tokio_postgres::Config>().is_err(), "{nonsense}: {named:?}");
        }
    }

    #[test]
    fn all_four_are_found() {
        let (_, named) = part("sslcert=c sslkey=k sslmode=m sslrootcert=r");
        let found = [named.certificate, named.key, named.mode, named.roots];
        assert_eq!(found, ["c", "k", "m", "r"].map(|text| Some(text.to_owned())));
    }
}
