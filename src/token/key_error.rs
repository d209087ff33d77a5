//! Errors of loading or making a keyring.

use std::io;
use std::path::PathBuf;

/// The reason why there is no keyring, its place, and how to fix it. It never shows a key.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct KeyringError(#[from] pub(super) Problem);

#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{place} has {len} bytes and needs at least {MIN_LEN}: make one with `{MAKE}`")]
    TooShort { place: String, len: usize },
    #[error("{place} is not base64: make one with `{MAKE}`")]
    Encoding { place: String },
    #[error("{place} has the same one-byte id as a different key, by chance: generate another key")]
    SameId { place: String },
    #[error("{place} is one byte repeated, which anybody can guess: make one with `{MAKE}`")]
    Repeated { place: String },
    #[error("{place} holds no key: make one with `{MAKE}`")]
    Empty { place: String },
    #[error("environment variable `{variable}` is not set: set it to the output of `{MAKE}`")]
    NoVariable { variable: String },
    #[error("key file `{path}` does not exist: make it with `{MAKE} > {path} && chmod 600 {path}`")]
    NoFile { path: PathBuf },
    #[error("the folder of key file `{path}` does not exist: create it first")]
    NoFolder { path: PathBuf },
    #[error(
        "key file `{path}` is open to others (mode {mode:03o}): close it with `chmod 600 {path}`"
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("key file `{path}` is no regular file: name a file that holds the key itself")]
    NotRegular { path: PathBuf },
    #[error(
        "key file `{path}` belongs to user {owner}, who could exchange the key: give it to the user \
         of this program with `chown {user} {path}`"
    )]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error("key file `{path}` is larger than {MAX_LEN} bytes: it holds something else")]
    TooLarge { path: PathBuf },
    #[error("key file `{path}` cannot be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "key file `{path}` cannot be created: make it with `{MAKE} > {path} && chmod 600 {path}`"
    )]
    Uncreatable { path: PathBuf, source: io::Error },
}

/// The fewest bytes of a key.
pub(super) const MIN_LEN: usize = 32;
const MAKE: &str = "head -c 32 /dev/urandom | base64";

/// A larger file cannot be a key file.
pub(super) const MAX_LEN: u64 = 16 * 1024;
