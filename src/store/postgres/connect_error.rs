//! Why a PostgreSQL store cannot be used, and what to do.

use std::error::Error as StdError;
use std::io;

use tokio_postgres::Error;

use super::failure::Said;

/// A PostgreSQL store cannot be used. The text says what to do; what the server or the driver said
/// is the [`source`](StdError::source).
#[derive(Debug, thiserror::Error)]
#[error("cannot connect the session store to PostgreSQL: {advice}")]
pub struct ConnectError {
    advice: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ConnectError {
    pub(super) fn new(advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), source: None }
    }

    pub(super) fn caused(
        advice: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { advice: advice.into(), source: Some(source.into()) }
    }
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        Self::caused(advice(&error), Said::of(&error))
    }
}

fn advice(error: &Error) -> &'static str {
    if let Some(code) = error.code() {
        return match code.code() {
            "28P01" | "28000" => {
                "the server refuses the role or its password; check both, and the server's \
                 pg_hba.conf"
            }
            "3D000" => "there is no such database; create it, or name another",
            "42501" => {
                "the role lacks a right; let it create tables, or create them yourself (see \
                 `schema_sql`) and grant it SELECT, INSERT, UPDATE and DELETE on them"
            }
            "3F000" => "there is no such schema, or none in the search path; create or name one",
            "25006" => READ_ONLY,
            "53300" => {
                "the server has no connection left; let it have more (max_connections), or this \
                 store fewer"
            }
            "57P03" => "the server is starting up or shutting down; try again",
            _ => "the server refuses it; see the source of this error",
        };
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        // So the driver says that it found a server, but no primary.
        Some(io) if io.to_string() == "database does not allow writes" => return READ_ONLY,
        Some(_) if !is_tls(error) => {
            return "the server cannot be reached; check host and port, and that it is running";
        }
        _ => {}
    }
    if !is_tls(error) {
        return "the server refuses it; see the source of this error";
    }
    if cfg!(feature = "postgres-tls") {
        "the connection cannot be encrypted; check that the server has `ssl = on` and that its \
         certificate is valid for the host, and name the authority that signed it (`tls_roots`)"
    } else {
        "the connection cannot be encrypted; enable the feature `postgres-tls`"
    }
}

/// The driver does not tell it otherwise.
fn is_tls(error: &Error) -> bool {
    error.to_string().starts_with("error performing TLS handshake")
}

const READ_ONLY: &str =
    "it takes no writes: it is a replica, or the role or database is read-only; name the primary";
