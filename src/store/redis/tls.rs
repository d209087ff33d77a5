//! The certificates of encrypted connections.

use std::fs;
use std::path::{Path, PathBuf};

use redis::{Client, ClientTlsConfig, ConnectionInfo, RedisResult, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};

use super::error::refused;
use crate::store::open_error::OpenError;

/// Files with certificates, by their paths.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsFiles {
    pub(super) roots: Option<PathBuf>,
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

/// The content of those files.
pub(super) struct Tls(TlsCertificates);

impl TlsFiles {
    pub(super) fn read(&self) -> Result<Tls, OpenError> {
        let root_cert = self.roots.as_deref().map(read).transpose()?;
        let client_tls = match &self.client {
            None => None,
            Some((certificate, key)) => {
                Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
            }
        };
        Ok(Tls(TlsCertificates { client_tls, root_cert }))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, OpenError> {
    let found = fs::read(file).map_err(|error| {
        let advice = format!("`{}` cannot be read; correct its path or its mode", file.display());
        refused(advice).caused_by(error)
    })?;
    if found.windows(BEGIN.len()).any(|part| part == BEGIN) {
        return Ok(found);
    }
    let advice =
        format!("`{}` is no PEM file; give one that begins with -----BEGIN", file.display());
    Err(refused(advice))
}

const BEGIN: &[u8] = b"-----BEGIN ";

impl Tls {
    pub(super) fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        // The driver uses the default cryptography of the process. It would panic if another crate
        // adds a second one and the app has chosen neither.
        if CryptoProvider::get_default().is_none() {
            let _ = ring::default_provider().install_default();
        }
        Client::build_with_tls(info, self.0.clone())
    }
}
