//! The encryption options of connections: mode, authorities, and client certificate.

use std::path::PathBuf;

use tokio_postgres::config::SslMode;

use super::connection_string::NamedTls;
use super::error::refused;
use crate::store::open_error::OpenError;

/// The files in the options of the store.
#[derive(Clone, Default)]
pub(super) struct TlsFiles {
    pub(super) roots: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// The encryption options of a store's connections.
#[cfg_attr(not(feature = "postgres-tls"), expect(dead_code, reason = "what encrypts reads it"))]
pub(super) struct TlsOptions {
    pub(super) mode: SslMode,
    pub(super) checks_host_name: bool,
    /// `None` for the authorities that the operating system trusts.
    pub(super) roots: Option<PathBuf>,
    /// The files of the client's certificate and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl TlsOptions {
    /// The options of the store, which take precedence over those of the connection string.
    pub(super) fn of(named: NamedTls, files: TlsFiles) -> Result<Self, OpenError> {
        let is_system = files.roots.is_none() && named.roots.as_deref() == Some("system");
        let (mode, checks_host_name) = match named.mode.as_deref() {
            // As with libpq.
            None if is_system => (SslMode::Require, true),
            None | Some("prefer") => (SslMode::Prefer, true),
            Some("disable") => (SslMode::Disable, true),
            Some("require" | "verify-full") => (SslMode::Require, true),
            Some("verify-ca") => (SslMode::Require, false),
            Some(other) => {
                let advice = format!(
                    "`{other}` is no `sslmode`; give disable, prefer, require, verify-ca or \
                     verify-full"
                );
                return Err(refused(advice));
            }
        };
        if is_system && !checks_host_name {
            return Err(refused(ANYBODY));
        }
        let named_roots = named.roots.filter(|_| !is_system).map(PathBuf::from);
        let certificate = files.certificate.or(named.certificate.map(PathBuf::from));
        let key = files.key.or(named.key.map(PathBuf::from));
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(refused("`sslcert` is given without `sslkey`; give both"));
            }
            (None, Some(_)) => {
                return Err(refused("`sslkey` is given without `sslcert`; give both"));
            }
        };
        let tls = Self { mode, checks_host_name, roots: files.roots.or(named_roots), client };
        let asks = tls.mode == SslMode::Require || tls.roots.is_some() || tls.client.is_some();
        if asks && tls.mode != SslMode::Disable && !cfg!(feature = "postgres-tls") {
            return Err(refused(NO_FEATURE));
        }
        Ok(tls)
    }
}

const ANYBODY: &str = "with `sslrootcert=system` and `sslmode=verify-ca` anybody who has a \
    certificate for any host could pose as the server; say verify-full, or name your own authority";

const NO_FEATURE: &str =
    "the connection string asks for encryption; enable the feature `postgres-tls` of tower-curfew";
