//! The keys that sign tokens.

use std::env::{self, VarError};
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::key_error::{KeyringError, MIN_LEN, Problem};
use super::key_file;
use super::signed::{Purpose, Signer, key_id};

/// The keys that sign session tokens: one that signs, and older ones that still verify.
///
/// Each key has at least 32 bytes, which should be random.
///
/// As text, keys are written in base64, standard or url-safe, padded or not, separated by
/// whitespace or commas. The first one signs.
///
/// To change keys, put a new key first and keep the old one behind it. If several processes serve
/// the same sessions, first put the new key behind the old one in all of them: a process rejects
/// tokens signed with a key that it does not have. Each cookie is issued anew under the new key
/// when it is next due. Remove the old key once every cookie that it signed has been renewed or may
/// be refused. Bearer tokens are never issued anew: they stay with the key that signed them. [Key
/// rotation](crate::docs::operations#key-rotation) shows the steps.
///
/// `Debug` does not show the keys, and they are wiped from memory when the keyring is dropped.
///
/// ```
/// use tower_curfew::Keyring;
///
/// # let folder = std::env::temp_dir().join(format!("tower-curfew-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("curfew.key");
/// // Creates the file at the first start, so that a restart does not sign out users.
/// let keyring = Keyring::load_or_create(&file)?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Keyring {
    /// Never empty, and each id is unique. The first key signs.
    keys: Vec<Key>,
}

impl Keyring {
    /// Makes a keyring from this key, as raw bytes.
    ///
    /// The caller vouches for its randomness: unlike text, a key that repeats one byte is accepted,
    /// for tests.
    ///
    /// # Errors
    ///
    /// Fails if the key has fewer than 32 bytes.
    pub fn from_bytes(key: impl AsRef<[u8]>) -> Result<Self, KeyringError> {
        Self { keys: Vec::new() }.and_accept(key)
    }

    /// Adds a key that verifies but does not sign, as raw bytes. A key that is already there
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// Fails if the key has fewer than 32 bytes, or the same one-byte id as another key.
    pub fn and_accept(mut self, key: impl AsRef<[u8]>) -> Result<Self, KeyringError> {
        self.add(Zeroizing::new(key.as_ref().to_vec()), || "the key".to_owned())?;
        Ok(self)
    }

    /// Reads the keys from an environment variable.
    ///
    /// # Errors
    ///
    /// Fails if the variable is not set or empty; if a key is not base64, has fewer than 32 bytes
    /// or repeats one byte; or if two keys have the same one-byte id. The message says which key,
    /// and never shows it.
    pub fn from_env(variable: &str) -> Result<Self, KeyringError> {
        Self::from_variable(variable, env::var(variable))
    }

    /// Reads the keys from a file, one on each line.
    ///
    /// # Errors
    ///
    /// Fails if the file is missing, cannot be read, or is not a regular file. On Unix it also
    /// fails if users other than the owner and the readers of its group can read or write the file,
    /// or if it belongs to a user other than root and the one that this process runs as. The
    /// content must be valid as in [`Keyring::from_env`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyringError> {
        let path = path.as_ref();
        let text = key_file::read(path)?;
        Self::parse(&text, &Source::File(path))
    }

    /// Reads the keys from a file as [`Keyring::load`] does; creates the file first if it is
    /// missing.
    ///
    /// A new file has one random key, and only its owner can read it.
    ///
    /// Processes that do this at the same time end up with the same key, and never read a partial
    /// file. The folder must exist.
    ///
    /// # Errors
    ///
    /// The same errors as [`Keyring::load`]. It also fails if the file is missing and cannot be
    /// created. This needs a file system with hard links; on one without them, create the file by
    /// hand.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, KeyringError> {
        let path = path.as_ref();
        match Self::load(path) {
            Err(KeyringError(Problem::NoFile { .. })) => {
                key_file::create(path)?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    pub(crate) fn signer(&self, purpose: Purpose, name: &str) -> Signer {
        Signer::new(self.keys.iter().map(|key| (key.id, &key.bytes[..])), purpose, name)
    }

    fn from_variable(
        variable: &str,
        value: Result<String, VarError>,
    ) -> Result<Self, KeyringError> {
        match value.map(Zeroizing::new) {
            Ok(value) => Self::parse(value.as_bytes(), &Source::Variable(variable)),
            Err(VarError::NotPresent) => {
                Err(Problem::NoVariable { variable: variable.to_owned() }.into())
            }
            // The error contains the value, so it must not become the source of ours. (R36)
            Err(VarError::NotUnicode(_)) => {
                Err(Problem::Encoding { place: Source::Variable(variable).to_string() }.into())
            }
        }
    }

    fn parse(text: &[u8], source: &Source<'_>) -> Result<Self, KeyringError> {
        let mut keyring = Self { keys: Vec::new() };
        let mut number = 0;
        for (line, content) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let words = content.split(|byte| byte.is_ascii_whitespace() || *byte == b',');
            for word in words.filter(|word| !word.is_empty()) {
                number += 1;
                let place = || source.place(line, number);
                let Some(key) = decode(word) else {
                    return Err(Problem::Encoding { place: place() }.into());
                };
                if key.len() >= MIN_LEN && key.iter().all(|byte| *byte == key[0]) {
                    return Err(Problem::Repeated { place: place() }.into());
                }
                keyring.add(key, place)?;
            }
        }
        if keyring.keys.is_empty() {
            return Err(Problem::Empty { place: source.to_string() }.into());
        }
        Ok(keyring)
    }

    fn add(
        &mut self,
        bytes: Zeroizing<Vec<u8>>,
        place: impl Fn() -> String,
    ) -> Result<(), KeyringError> {
        if bytes.len() < MIN_LEN {
            return Err(Problem::TooShort { place: place(), len: bytes.len() }.into());
        }
        let id = key_id(&bytes);
        match self.keys.iter().find(|known| known.id == id) {
            None => self.keys.push(Key { id, bytes }),
            Some(known) if known.bytes == bytes => {}
            Some(_) => return Err(Problem::SameId { place: place() }.into()),
        }
        Ok(())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keys.len() {
            1 => f.write_str("Keyring(1 key)"),
            count => write!(f, "Keyring({count} keys)"),
        }
    }
}

#[derive(Clone)]
struct Key {
    id: u8,
    bytes: Zeroizing<Vec<u8>>,
}

/// The source of a text with keys.
enum Source<'a> {
    File(&'a Path),
    Variable(&'a str),
}

impl Source<'_> {
    fn place(&self, line: usize, number: usize) -> String {
        match self {
            Self::File(_) => format!("the key on line {line} of {self}"),
            Self::Variable(_) => format!("key number {number} in {self}"),
        }
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "key file `{}`", path.display()),
            Self::Variable(name) => write!(f, "environment variable `{name}`"),
        }
    }
}

fn decode(word: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const EITHER: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER);

    let url_safe = word.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if url_safe { URL_SAFE } else { STANDARD };
    let mut key = Zeroizing::new(vec![0; base64::decoded_len_estimate(word.len())]);
    let len = engine.decode_slice(word, &mut key).ok()?;
    key.truncate(len);
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::ffi::OsString;
    use std::fs;
    use std::io;
    use std::path::PathBuf;
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::clock::Timestamp;
    use crate::session::SessionId;
    use crate::token::{Secret, Token};

    const BYTES: [u8; 32] = {
        let mut bytes = [0xfb; 32];
        bytes[31] = 0xfa;
        bytes
    };
    const STANDARD: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/o=";

    fn variable(value: &str) -> Result<Keyring, KeyringError> {
        Keyring::from_variable("CURFEW_KEYS", Ok(value.to_owned()))
    }

    fn write(folder: &tempfile::TempDir, text: &str, mode: u32) -> PathBuf {
        let path = folder.path().join("curfew.key");
        fs::write(&path, text).unwrap();
        set_mode(&path, mode);
        path
    }

    #[cfg(unix)]
    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(not(unix))]
    fn set_mode(_path: &Path, _mode: u32) {}

    fn keys(keyring: &Keyring) -> Vec<&[u8]> {
        keyring.keys.iter().map(|key| &key.bytes[..]).collect()
    }

    fn verifies(by: &Keyring, signed_by: &Keyring) -> bool {
        let token = Token {
            id: SessionId::from_bytes([1; 16]),
            secret: Secret::random(),
            issued_at: Timestamp::from_unix_millis(0),
        };
        let text = signed_by.signer(Purpose::Cookie, "session").sign(&token);
        by.signer(Purpose::Cookie, "session").verify(text.as_bytes()).is_some()
    }

    /// `hmac.new(key, b"tower-curfew key id", hashlib.sha256).digest()[0]` in Python.
    #[test]
    fn key_ids_are_those_of_a_second_implementation() {
        let counted: Vec<u8> = (0..100).collect();
        assert_eq!(key_id(&[b'n'; 32]), 0x67);
        assert_eq!(key_id(&counted[..32]), 0x3d);
        assert_eq!(key_id(&counted), 0xf3);
    }

    #[test]
    fn reads_every_way_to_write_base64() {
        let url_safe = STANDARD.replace('+', "-").replace('/', "_");
        for text in
            [STANDARD, STANDARD.trim_end_matches('='), &url_safe, url_safe.trim_end_matches('=')]
        {
            assert_eq!(keys(&variable(text).unwrap()), [BYTES]);
        }
        assert!(variable(&STANDARD.replacen('+', "-", 1)).is_err(), "two alphabets in one key");
    }

    #[test]
    fn separators_are_whitespace_and_commas_and_the_first_key_signs() {
        let (first, second) = ([&[0; 31][..], &[1]].concat(), [0x10, 0x41, 0x04].repeat(11));
        let (a, b) = ("A".repeat(42) + "E=", "EEEE".repeat(11));
        for text in [format!("{a} {b}"), format!("{a},{b}"), format!("\r\n\t {a} ,\r\n{b}\n\n")] {
            let keyring = variable(&text).unwrap();
            assert_eq!(keys(&keyring), [&first[..], &second]);
            let alone = Keyring::from_bytes(&first).unwrap();
            assert!(verifies(&alone, &keyring), "the first signs");
        }
    }

    #[test]
    fn older_keys_verify_but_do_not_sign() {
        let old = Keyring::from_bytes(BYTES).unwrap();
        let new = Keyring::from_bytes([1; 64]).unwrap();
        let rotated = new.clone().and_accept(BYTES).unwrap();
        assert!(verifies(&rotated, &old));
        assert!(verifies(&new, &rotated));
        assert!(!verifies(&old, &rotated));
        assert!(!verifies(&new, &old));
    }

    #[test]
    fn the_same_key_twice_is_one_and_two_with_one_id_are_refused() {
        let keyring = Keyring::from_bytes(BYTES).unwrap().and_accept(BYTES).unwrap();
        assert_eq!(keys(&keyring), [BYTES]);
        let twin = (0..=u16::MAX)
            .map(|number| [&number.to_be_bytes()[..], &[7; 30]].concat())
            .find(|key| key_id(key) == key_id(&BYTES))
            .unwrap();
        assert_eq!(
            keyring.and_accept(twin).unwrap_err().to_string(),
            "the key has the same one-byte id as a different key, by chance: generate another key"
        );
    }

    #[test]
    fn short_keys_are_refused() {
        assert_eq!(
            Keyring::from_bytes([0; 31]).unwrap_err().to_string(),
            "the key has 31 bytes and needs at least 32: make one with \
             `head -c 32 /dev/urandom | base64`"
        );
        assert!(Keyring::from_bytes([0; 32]).is_ok());
    }

    #[test]
    fn in_text_one_byte_repeated_is_refused() {
        let make = "make one with `head -c 32 /dev/urandom | base64`";
        let zeros = "A".repeat(43) + "=";
        let letters = "YWFh".repeat(11);
        for text in [&zeros, &letters, &format!("{STANDARD} {zeros}")] {
            let number = text.split(' ').count();
            assert_eq!(
                variable(text).unwrap_err().to_string(),
                format!(
                    "key number {number} in environment variable `CURFEW_KEYS` is one byte \
                     repeated, which anybody can guess: {make}"
                )
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, &format!("\n{zeros}\n"), 0o600);
        let message = format!(
            "the key on line 2 of key file `{}` is one byte repeated, which anybody can guess: {make}",
            path.display()
        );
        assert_eq!(Keyring::load(&path).unwrap_err().to_string(), message);
        assert_eq!(Keyring::load_or_create(&path).unwrap_err().to_string(), message);
    }

    #[test]
    fn a_variable_is_refused_by_name() {
        let make = "`head -c 32 /dev/urandom | base64`";
        let named = "environment variable `CURFEW_KEYS`";
        for (value, message) in [
            (
                Err(VarError::NotPresent),
                format!("{named} is not set: set it to the output of {make}"),
            ),
            (Ok(" ,\n"), format!("{named} holds no key: make one with {make}")),
            (
                Ok("c2hvcnQ="),
                format!(
                    "key number 1 in {named} has 5 bytes and needs at least 32: make one with {make}"
                ),
            ),
        ] {
            let error =
                Keyring::from_variable("CURFEW_KEYS", value.map(str::to_owned)).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let error = variable(&format!("{STANDARD},{STANDARD} pass!word")).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("key number 3 in {named} is not base64: make one with {make}")
        );
        let missing = Keyring::from_env("TOWER_CURFEW_SET_BY_NOBODY").unwrap_err();
        assert!(
            missing.to_string().contains("`TOWER_CURFEW_SET_BY_NOBODY` is not set"),
            "{missing}"
        );
    }

    #[test]
    fn r36_errors_and_debug_output_show_no_key() {
        let nearly = format!("{}!", &STANDARD[..43]);
        let raw = VarError::NotUnicode(OsString::from(&nearly));
        let short = &STANDARD[..40];
        for error in [
            variable(&nearly).unwrap_err(),
            variable(short).unwrap_err(),
            Keyring::from_variable("CURFEW_KEYS", Err(raw)).unwrap_err(),
        ] {
            let shown = format!("{error} {error:?} {:?}", error.source());
            assert!(!shown.contains(&STANDARD[..8]), "{shown}");
        }
        let keyring = Keyring::from_bytes(BYTES).unwrap();
        assert_eq!(format!("{keyring:?}"), "Keyring(1 key)");
        let keyring = keyring.and_accept([1; 32]).unwrap();
        assert_eq!(format!("{keyring:#?}"), "Keyring(2 keys)");
    }

    #[test]
    fn a_file_is_refused_by_name_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curfew.key");
        let shown = path.display();
        let make = "head -c 32 /dev/urandom | base64";
        assert_eq!(
            Keyring::load(&path).unwrap_err().to_string(),
            format!(
                "key file `{shown}` does not exist: make it with `{make} > {shown} && chmod 600 {shown}`"
            )
        );
        for (text, message) in [
            (String::new(), format!("key file `{shown}` holds no key: make one with `{make}`")),
            (
                format!("{STANDARD}\n\nc2hvcnQ\n"),
                format!(
                    "the key on line 3 of key file `{shown}` has 5 bytes and needs at least 32: make one with `{make}`"
                ),
            ),
            (
                format!("{STANDARD}\n\u{fffd}\n"),
                format!(
                    "the key on line 2 of key file `{shown}` is not base64: make one with `{make}`"
                ),
            ),
            (
                "x".repeat(100_000),
                format!("key file `{shown}` is larger than 16384 bytes: it holds something else"),
            ),
        ] {
            write(&folder, &text, 0o600);
            assert_eq!(Keyring::load(&path).unwrap_err().to_string(), message);
            assert_eq!(Keyring::load_or_create(&path).unwrap_err().to_string(), message);
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "what is there stays");
        }
    }

    #[test]
    fn a_missing_folder_is_named_and_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/curfew.key");
        let message =
            format!("the folder of key file `{}` does not exist: create it first", path.display());
        assert_eq!(Keyring::load(&path).unwrap_err().to_string(), message);
        assert_eq!(Keyring::load_or_create(&path).unwrap_err().to_string(), message);
        assert!(!folder.path().join("etc").exists());
    }

    #[test]
    fn what_cannot_be_read_says_why_in_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, STANDARD, 0o600).join("below");
        let error = Keyring::load_or_create(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("key file `{}` cannot be read", path.display()));
        assert!(error.source().unwrap().is::<io::Error>());
    }

    #[test]
    fn a_file_may_have_16_kib_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let padded = |len: usize| write(&folder, &format!("{STANDARD:<len$}"), 0o600);
        assert_eq!(keys(&Keyring::load(padded(16 * 1024)).unwrap()), [BYTES]);
        let error = Keyring::load(padded(16 * 1024 + 1)).unwrap_err().to_string();
        assert!(error.contains("is larger than 16384 bytes"), "{error}");
    }

    #[test]
    fn a_name_without_a_folder_is_looked_for_where_the_program_runs() {
        let error = Keyring::load("no-such-file.key").unwrap_err().to_string();
        assert!(error.starts_with("key file `no-such-file.key` does not exist"), "{error}");
    }

    #[test]
    fn a_short_key_of_one_byte_repeated_is_too_short() {
        let error = variable("AAAA").unwrap_err().to_string();
        assert!(error.contains("has 3 bytes and needs at least 32"), "{error}");
    }

    /// Its own name is not too long, that of the temporary file is.
    #[test]
    fn a_file_that_cannot_be_created_is_said_to_be_just_that() {
        let folder = tempfile::tempdir().unwrap();
        let error = Keyring::load_or_create(folder.path().join("k".repeat(250))).unwrap_err();
        assert!(error.to_string().contains("cannot be created"), "{error}");
    }

    #[test]
    fn a_folder_is_no_key_file() {
        let folder = tempfile::tempdir().unwrap();
        is_no_regular_file(folder.path());
    }

    #[track_caller]
    fn is_no_regular_file(path: &Path) {
        let message = format!(
            "key file `{}` is no regular file: name a file that holds the key itself",
            path.display()
        );
        assert_eq!(Keyring::load(path).unwrap_err().to_string(), message);
        assert_eq!(Keyring::load_or_create(path).unwrap_err().to_string(), message);
    }

    /// Opening a pipe without a writer would take forever.
    #[cfg(unix)]
    #[test]
    fn pipes_sockets_and_devices_are_no_key_files() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        is_no_regular_file(&socket);
        for device in ["/dev/null", "/dev/zero"] {
            is_no_regular_file(Path::new(device));
        }
        let pipe = folder.path().join("pipe");
        if !std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|s| s.success()) {
            eprintln!("skipped in part: there is no mkfifo");
            return;
        }
        is_no_regular_file(&pipe);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        is_no_regular_file(&link);
    }

    /// A link to a file is accepted like the file: that is how secrets are mounted.
    #[cfg(unix)]
    #[test]
    fn a_link_to_a_key_file_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, STANDARD, 0o600);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(keys(&Keyring::load(link).unwrap()), [BYTES]);
    }

    /// Only root can give a file to another user.
    #[cfg(unix)]
    #[test]
    fn a_file_of_another_user_is_refused_as_root() {
        use std::os::unix::fs::{MetadataExt as _, chown};

        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, STANDARD, 0o600);
        let own = fs::metadata(&path).unwrap().uid();
        assert_eq!(keys(&Keyring::load(&path).unwrap()), [BYTES]);
        let other = own + 1;
        if chown(&path, Some(other), None).is_err() {
            eprintln!("skipped: this is not root");
            return;
        }
        let message = format!(
            "key file `{0}` belongs to user {other}, who could exchange the key: give it to the user \
             of this program with `chown {own} {0}`",
            path.display()
        );
        assert_eq!(Keyring::load(&path).unwrap_err().to_string(), message);
        assert_eq!(Keyring::load_or_create(&path).unwrap_err().to_string(), message);
        chown(&path, Some(own), None).unwrap();
        assert_eq!(keys(&Keyring::load(&path).unwrap()), [BYTES]);
    }

    #[cfg(unix)]
    #[test]
    fn files_open_to_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o644, 0o604, 0o602, 0o601, 0o620, 0o660, 0o666, 0o777] {
            let path = write(&folder, STANDARD, mode);
            assert_eq!(
                Keyring::load(&path).unwrap_err().to_string(),
                format!(
                    "key file `{0}` is open to others (mode {mode:03o}): close it with `chmod 600 {0}`",
                    path.display()
                )
            );
        }
        for mode in [0o600, 0o400, 0o640, 0o440, 0o700] {
            let path = write(&folder, STANDARD, mode);
            assert_eq!(keys(&Keyring::load(path).unwrap()), [BYTES]);
        }
    }

    #[test]
    fn the_file_is_made_once_and_read_ever_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curfew.key");
        let made = Keyring::load_or_create(&path).unwrap();
        assert_eq!(keys(&made)[0].len(), 32);
        assert_eq!(keys(&Keyring::load_or_create(&path).unwrap()), keys(&made));
        assert_eq!(keys(&Keyring::load(&path).unwrap()), keys(&made));
        let other = Keyring::load_or_create(folder.path().join("other.key")).unwrap();
        assert_ne!(keys(&other), keys(&made));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else stays behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn those_who_make_the_file_at_once_get_the_same_key() {
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("curfew.key");
            let start = Barrier::new(4);
            let made: Vec<Keyring> = thread::scope(|scope| {
                let create = || {
                    start.wait();
                    Keyring::load_or_create(&path).unwrap()
                };
                let racing: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
                racing.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(made.iter().all(|keyring| keys(keyring) == keys(&made[0])));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curfew.key");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        let error = Keyring::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("does not exist"), "{error}");
        assert!(!folder.path().join("elsewhere").exists());
    }
}
