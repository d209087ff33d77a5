//! Servers that encrypt, and those that ask for a certificate.

use std::path::PathBuf;

use tower_curfew::store::{RedisOptions, RedisStore, Store as _};

use super::server::{Server, server};
use super::support::record;
use crate::processes::certificates::write_certificates;
use crate::processes::free_port;

#[tokio::test]
async fn an_encrypted_server_is_reached_with_the_authority_that_vouches_for_it() {
    let name = "an_encrypted_server_is_reached_with_the_authority_that_vouches_for_it";
    let Some(encrypted) = Encrypted::start(name, "no").await else { return };
    let store = encrypted.options().tls_roots(encrypted.file("authority.pem"));
    let store = store.connect().await.unwrap();
    let session = std::sync::Arc::new(record("ada"));
    let _ = store.insert(session.clone(), None).await.unwrap();
    assert!(store.load(session.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks_for_one() {
    let name = "a_client_certificate_is_shown_to_a_server_that_asks_for_one";
    let Some(encrypted) = Encrypted::start(name, "yes").await else { return };
    let options = || encrypted.options().tls_roots(encrypted.file("authority.pem"));
    let shown = |name: &str| {
        let file = |end| encrypted.file(&format!("{name}.{end}"));
        options().tls_client(file("pem"), file("key")).connect()
    };
    shown("client").await.unwrap();
    for error in [options().connect().await, shown("stranger").await].map(Result::unwrap_err) {
        assert!(error.to_string().contains("give it one (`tls_client`)"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_encryption_is_told() {
    let Some(encrypted) = Encrypted::start("what_is_wrong_with_encryption_is_told", "no").await
    else {
        return;
    };
    let roots = |options: RedisOptions, name: &str| options.tls_roots(encrypted.file(name));
    let by_number = RedisStore::options(format!("rediss://127.0.0.1:{}/", encrypted.port));
    let plain = format!("rediss://localhost:{}/", encrypted.server.port());
    let no_pem = encrypted.file("no.pem");
    std::fs::write(&no_pem, "nonsense").unwrap();
    for (what, options, part) in [
        ("nobody's authority", encrypted.options(), "name the authority that signed it"),
        ("another's authority", roots(encrypted.options(), "other.pem"), "name the authority"),
        ("another name", roots(by_number, "authority.pem"), "valid for the host"),
        (
            "a port without TLS",
            roots(RedisStore::options(plain), "authority.pem"),
            "only where the port is one for TLS",
        ),
        ("no file", roots(encrypted.options(), "missing.pem"), "cannot be read"),
        ("no PEM", roots(encrypted.options(), "no.pem"), "is no PEM file"),
    ] {
        let error = options.connect().await.unwrap_err();
        assert!(error.to_string().contains(part), "{what}: {error:?}");
    }
}

struct Encrypted {
    folder: tempfile::TempDir,
    server: Server,
    port: u16,
}

impl Encrypted {
    async fn start(test: &str, asks_for_certificates: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        write_certificates(folder.path());
        let server = server(test, &[]).await?;
        let mut raw = server.raw().await;
        let port = free_port();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("tls-cert-file").arg(file("server.pem"));
        set.arg("tls-key-file").arg(file("server.key"));
        set.arg("tls-ca-cert-file").arg(file("authority.pem"));
        set.arg("tls-auth-clients").arg(asks_for_certificates).arg("tls-port").arg(port);
        let () = set.query_async(&mut raw).await.unwrap();
        Some(Self { folder, server, port })
    }

    fn options(&self) -> RedisOptions {
        RedisStore::options(format!("rediss://localhost:{}/", self.port))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
