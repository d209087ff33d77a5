//! The token: both halves of a session and the time of issue, under a MAC.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret::Secret;
use crate::clock::Timestamp;
use crate::session::SessionId;

/// The purpose of a token. A token of another purpose does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The session cookie of a browser.
    Cookie,
    /// The `Authorization` header of a client other than a browser.
    Bearer,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Bearer => "bearer",
        }
    }
}

/// The content of a client's token.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) id: SessionId,
    pub(crate) secret: Secret,
    /// In whole seconds: fractions are cut off when the token is signed.
    pub(crate) issued_at: Timestamp,
}

/// Signs and verifies the tokens of one purpose and name.
#[derive(Clone)]
pub(crate) struct Signer {
    /// By key id, the signing key first, each with its MAC state precomputed.
    keys: Vec<(u8, Hmac<Sha256>)>,
}

impl Signer {
    /// The length of every token, in characters.
    pub(crate) const LEN: usize = SIGNED / 3 * 4;

    /// A signer with these master keys and their ids, at least one; the first signs.
    pub(super) fn new<'k>(
        masters: impl IntoIterator<Item = (u8, &'k [u8])>,
        purpose: Purpose,
        name: &str,
    ) -> Self {
        let derive = |(id, master)| {
            let context: [&[u8]; 4] =
                [b"tower-curfew v1\0", purpose.label().as_bytes(), b"\0", name.as_bytes()];
            let derived = Zeroizing::new(mac(keyed(master), &context));
            (id, keyed(&*derived))
        };
        Self { keys: masters.into_iter().map(derive).collect() }
    }

    /// Signs a token as [`Signer::LEN`] characters of base64url.
    pub(crate) fn sign(&self, token: &Token) -> String {
        let (key_id, key) = self.keys.first().expect("a keyring is never empty");
        let seconds = token.issued_at.unix_millis().div_euclid(1000).clamp(0, LAST_SECOND);
        let mut bytes = Zeroizing::new([0; SIGNED]);
        bytes[0] = VERSION;
        bytes[1] = *key_id;
        bytes[2..18].copy_from_slice(token.id.as_bytes());
        bytes[18..34].copy_from_slice(token.secret.as_bytes());
        bytes[34..40].copy_from_slice(&seconds.to_be_bytes()[2..]);
        let tag = mac(key.clone(), &[&bytes[..BODY]]);
        bytes[BODY..].copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(*bytes)
    }

    /// Verifies a token; `None` if it is malformed or forged. Computes at most one MAC.
    pub(crate) fn verify(&self, text: &[u8]) -> Option<Token> {
        if text.len() != Self::LEN {
            return None;
        }
        let mut bytes = Zeroizing::new([0; SIGNED]);
        // 96 characters encode 72 bytes without a spare bit, so no two texts decode to the same.
        URL_SAFE_NO_PAD.decode_slice(text, &mut *bytes).ok().filter(|len| *len == SIGNED)?;
        if bytes[0] != VERSION {
            return None;
        }
        let (_, key) = self.keys.iter().find(|(id, _)| *id == bytes[1])?;
        let (body, tag) = bytes.split_at(BODY);
        key.clone().chain_update(body).verify_slice(tag).ok()?;

        let seconds =
            i64::from_be_bytes([0, 0, body[34], body[35], body[36], body[37], body[38], body[39]]);
        Some(Token {
            id: SessionId::from_bytes(array(&body[2..18])),
            secret: Secret::from_bytes(array(&body[18..34])),
            issued_at: Timestamp::from_unix_millis(seconds * 1000),
        })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// The first byte of the HMAC-SHA256 of a fixed text: it tells keys apart, and reveals nothing else
/// about them.
pub(super) fn key_id(master: &[u8]) -> u8 {
    mac(keyed(master), &[b"tower-curfew key id"])[0]
}

// version (1) | key id (1) | id (16) | secret (16) | issued at, big-endian seconds (6) | MAC (32)
const VERSION: u8 = 1;
const BODY: usize = 40;
const SIGNED: usize = BODY + 32;
const LAST_SECOND: i64 = (1 << 48) - 1;

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn mac(keyed: Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let hash = parts.iter().fold(keyed, |hash, part| hash.chain_update(part));
    hash.finalize().into_bytes().into()
}

fn array(sixteen: &[u8]) -> [u8; 16] {
    sixteen.try_into().expect("the halves of a session have 16 bytes each")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "__Host-Http-session";
    const NEW: &[u8] = &[b'n'; 32];
    const OLD: &[u8; 32] = &counted(0);

    const fn counted<const N: usize>(from: u8) -> [u8; N] {
        let mut bytes = [from; N];
        let mut at = 0;
        while at < N {
            bytes[at] += at as u8;
            at += 1;
        }
        bytes
    }

    fn signer(keys: &[&[u8]], purpose: Purpose, name: &str) -> Signer {
        Signer::new(keys.iter().map(|key| (key_id(key), *key)), purpose, name)
    }

    fn cookies(keys: &[&[u8]]) -> Signer {
        signer(keys, Purpose::Cookie, NAME)
    }

    fn token(seconds: i64) -> Token {
        Token {
            id: SessionId::from_bytes(counted(0)),
            secret: Secret::from_bytes(counted(16)),
            issued_at: Timestamp::from_unix_millis(seconds * 1000),
        }
    }

    /// Made once by this program in Python:
    ///
    /// ```python
    /// import base64, hashlib, hmac
    ///
    /// def mac(key, *parts): return hmac.new(key, b"".join(parts), hashlib.sha256).digest()
    /// def key_id(key): return mac(key, b"tower-curfew key id")[:1]
    /// def token(key, purpose, name, issued_at):
    ///     body = b"\x01" + key_id(key) + bytes(range(16)) + bytes(range(16, 32))
    ///     body += issued_at.to_bytes(6, "big")
    ///     signing = mac(key, b"tower-curfew v1\0", purpose, b"\0", name)
    ///     return base64.urlsafe_b64encode(body + mac(signing, body)).decode()
    ///
    /// new, old, long = b"n" * 32, bytes(range(32)), bytes(range(100))
    /// print(token(new, b"cookie", b"__Host-Http-session", 1767225600))
    /// print(token(old, b"cookie", b"__Host-Http-session", 2**48 - 1))
    /// print(token(long, b"bearer", b"", 0))
    /// ```
    #[test]
    fn golden_tokens_of_a_second_implementation() {
        for (signer, seconds, golden) in [
            (
                cookies(&[NEW]),
                1_767_225_600,
                "AWcAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHwAAaVW5ANTbpqK1JTsiQJaaFiRlDMcXXVJ2Bj4mn0G6m34s9RyY",
            ),
            (
                cookies(&[OLD]),
                LAST_SECOND,
                "AT0AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH________xtPhOVSNpO2_l9qf1cwEq6At9h4HlGwr1kFzRI_OlWd",
            ),
            (
                signer(&[&counted::<100>(0)], Purpose::Bearer, ""),
                0,
                "AfMAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHwAAAAAAAGkz2JKvIoa6eF5TZFYEQGMimEBAKtJzX7wc3XT2noqb",
            ),
        ] {
            assert_eq!(golden.len(), Signer::LEN);
            assert_eq!(signer.sign(&token(seconds)), golden);
            let read = signer.verify(golden.as_bytes()).unwrap();
            assert_eq!(read.id, token(0).id);
            assert_eq!(read.secret.as_bytes(), token(0).secret.as_bytes());
            assert_eq!(read.issued_at, token(seconds).issued_at);
        }
    }

    #[test]
    fn times_are_cut_to_what_48_bits_of_seconds_hold() {
        let signer = cookies(&[NEW]);
        let each_byte = 0x0102_0304_0506 * 1000;
        let last = LAST_SECOND * 1000;
        for (millis, kept) in [
            (1999, 1000),
            (-1, 0),
            (each_byte, each_byte),
            (last, last),
            (last + 1000, last),
            (i64::MAX, last),
        ] {
            let issued_at = Timestamp::from_unix_millis(millis);
            let text = signer.sign(&Token { issued_at, ..token(0) });
            let read = signer.verify(text.as_bytes()).unwrap();
            assert_eq!(read.issued_at, Timestamp::from_unix_millis(kept));
        }
    }

    #[test]
    fn what_an_older_key_signed_verifies_as_long_as_that_key_is_accepted() {
        let under_old = cookies(&[OLD]).sign(&token(0));
        let rotated = cookies(&[NEW, OLD]);
        assert!(rotated.verify(under_old.as_bytes()).is_some());
        let under_new = rotated.sign(&token(0));
        assert_ne!(under_new, under_old);
        assert!(cookies(&[NEW]).verify(under_new.as_bytes()).is_some());
        assert!(cookies(&[NEW]).verify(under_old.as_bytes()).is_none());
        assert!(cookies(&[OLD]).verify(under_new.as_bytes()).is_none());
    }

    #[test]
    fn trap_18_a_token_of_another_name_or_purpose_does_not_verify() {
        let ours = cookies(&[NEW]);
        for (purpose, name) in [
            (Purpose::Cookie, "theme"),
            (Purpose::Cookie, "__Host-Http-sessio"),
            (Purpose::Bearer, NAME),
        ] {
            let text = signer(&[NEW], purpose, name).sign(&token(0));
            assert!(ours.verify(text.as_bytes()).is_none(), "{purpose:?} {name}");
        }
    }

    #[test]
    fn r34_one_bit_anywhere_refuses() {
        let signer = cookies(&[NEW, OLD]);
        let text = signer.sign(&token(1_767_225_600));
        for at in 0..Signer::LEN {
            for bit in 0..8 {
                let mut wrong = text.clone().into_bytes();
                wrong[at] ^= 1 << bit;
                assert!(signer.verify(&wrong).is_none(), "bit {bit} of character {at}");
            }
        }
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..SIGNED * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let wrong = URL_SAFE_NO_PAD.encode(wrong);
            assert!(signer.verify(wrong.as_bytes()).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn r34_what_is_too_short_too_long_or_written_otherwise_refuses() {
        let signer = cookies(&[NEW]);
        let text = signer.sign(&token(-1));
        for len in 0..Signer::LEN {
            assert!(signer.verify(&text.as_bytes()[..len]).is_none(), "{len}");
        }
        for wrong in [
            format!("{text}A"),
            format!("{text}===="),
            format!(" {text}"),
            format!("\"{text}\""),
            format!("{}=", &text[..95]),
            format!("{}==", &text[..94]),
            text.replace('A', "+"),
            text.replace('A', "\0"),
            "A".repeat(Signer::LEN),
            "A".repeat(1 << 20),
        ] {
            assert!(signer.verify(wrong.as_bytes()).is_none());
        }
        // The standard alphabet writes the same bytes differently; that text is not a valid token.
        let standard =
            cookies(&[OLD]).sign(&token(LAST_SECOND)).replace('_', "/").replace('-', "+");
        assert!(cookies(&[OLD]).verify(standard.as_bytes()).is_none());
    }

    #[test]
    fn another_version_refuses_even_with_a_sound_mac() {
        let signer = cookies(&[NEW]);
        let mut bytes = URL_SAFE_NO_PAD.decode(signer.sign(&token(0))).unwrap();
        bytes[0] = 2;
        let tag = mac(signer.keys[0].1.clone(), &[&bytes[..BODY]]);
        bytes[BODY..].copy_from_slice(&tag);
        assert!(signer.verify(URL_SAFE_NO_PAD.encode(&bytes).as_bytes()).is_none());
        bytes[0] = VERSION;
        let tag = mac(signer.keys[0].1.clone(), &[&bytes[..BODY]]);
        bytes[BODY..].copy_from_slice(&tag);
        assert!(signer.verify(URL_SAFE_NO_PAD.encode(&bytes).as_bytes()).is_some());
    }

    #[test]
    fn r36_tokens_and_signers_do_not_print() {
        assert_eq!(format!("{:?}", cookies(&[NEW])), "Signer(..)");
        let token = format!("{:?}", token(0));
        assert!(token.contains("secret: Secret(..)"), "{token}");
    }
}
