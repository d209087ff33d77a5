//! Encrypted connections, to a server whose certificate is checked.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::refused;
use crate::store::open_error::OpenError;

pub(super) fn connect_with(roots: Option<&Path>) -> Result<MakeRustlsConnect, OpenError> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(file) => {
            let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
                let file = file.display();
                let advice =
                    format!("`{file}` holds no certificates in PEM form; give such a file");
                refused(advice).caused_by(error)
            };
            for certificate in
                CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.into()))?
            {
                let certificate = certificate.map_err(|error| wrong(error.into()))?;
                store.add(certificate).map_err(|error| wrong(error.into()))?;
            }
            if store.is_empty() {
                return Err(wrong("there is none in it".into()));
            }
        }
        // If there are none, the server is refused, and that error says what to do.
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused("TLS does not start").caused_by(error))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
