//! Encrypted connections, to a server that the tests start.

use tower_curfew::store::{PostgresOptions, PostgresStore, Store};

use super::support::{chain, id, in_time, setting};
use super::tls_server::TlsServer;

/// One for each test. `None` if there is no PostgreSQL.
async fn server() -> Option<TlsServer> {
    setting("CURFEW_TEST_POSTGRES")?;
    Some(TlsServer::start().await)
}

fn options(url: &str) -> PostgresOptions {
    PostgresStore::options(url).schema("tls").connections(2)
}

async fn refused(options: PostgresOptions) -> String {
    chain(&in_time(options.connect()).await.unwrap_err())
}

/// How many of the store's connections are encrypted, and how many there are.
async fn encrypted(server: &TlsServer, options: PostgresOptions) -> (i64, i64) {
    let store = options.connect().await.unwrap();
    assert!(store.load(id(1)).await.unwrap().is_none());
    let client = server.client().await;
    let sql = "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl \
               JOIN pg_stat_activity USING (pid) WHERE application_name = 'tower-curfew'";
    loop {
        let row = client.query_one(sql, &[]).await.unwrap();
        // Those of the start, and of the store before, go when the server notices.
        if row.get::<_, i64>(1) == 2 {
            return (row.get(0), row.get(1));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_server_shows_a_certificate_that_is_trusted() {
    let Some(server) = server().await else { return };
    let roots = server.file("authority.pem");
    let named = roots.display();
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let by_url = server.url("curfew", &format!("sslmode={mode}&sslrootcert={named}"));
        assert_eq!(in_time(encrypted(&server, options(&by_url))).await, (2, 2), "{mode}");
    }
    let port = server.port;
    let pairs = format!(
        "host=localhost port={port} user=curfew dbname=postgres sslmode = 'verify-full' \
         sslrootcert='{named}'"
    );
    assert_eq!(in_time(encrypted(&server, options(&pairs))).await, (2, 2));
    let by_option = options(&server.url("encrypted", "sslmode=require")).tls_roots(&roots);
    let by_option = by_option.schema("tls_encrypted");
    assert_eq!(in_time(encrypted(&server, by_option)).await, (2, 2));
    let plain = server.url("curfew", "sslmode=disable&sslrootcert=/no/such/file");
    assert_eq!(in_time(encrypted(&server, options(&plain))).await, (0, 2));
}

/// Whatever the mode: only `verify-ca` is content with another name, and none with another authority.
#[tokio::test]
async fn a_server_that_is_not_vouched_for_is_refused() {
    let Some(server) = server().await else { return };
    let other_name = |mode: &str| {
        let url = server.url("curfew", &format!("sslmode={mode}"));
        options(&url.replace("localhost", "127.0.0.1"))
    };
    for mode in ["prefer", "require", "verify-full"] {
        let text = refused(other_name(mode).tls_roots(server.file("authority.pem"))).await;
        assert!(text.contains("certificate is for another host name"), "{mode}: {text}");
    }
    let one = other_name("verify-ca").tls_roots(server.file("authority.pem"));
    assert_eq!(in_time(encrypted(&server, one)).await, (2, 2));
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let url = server.url("curfew", &format!("sslmode={mode}"));
        for options in [options(&url).tls_roots(server.file("other.pem")), options(&url)] {
            let text = refused(options).await;
            let advice = "name the one that has (`tls_roots`, or `sslrootcert`)";
            assert!(text.contains(advice), "{mode}: {text}");
        }
    }
}

#[tokio::test]
async fn a_client_shows_a_certificate_where_the_server_wants_one() {
    let Some(server) = server().await else { return };
    let (certificate, key) = (server.file("client.pem"), server.file("client.key"));
    let options = |url: &str| options(url).schema("tls_certified");
    let url = server.url("certified", "sslmode=require");
    let rooted = |url: &str| options(url).tls_roots(server.file("authority.pem"));
    let shown = rooted(&url).tls_client(&certificate, &key);
    assert_eq!(in_time(encrypted(&server, shown)).await, (2, 2));
    let named = format!("{url}&sslcert={}&sslkey={}", certificate.display(), key.display());
    assert_eq!(in_time(encrypted(&server, rooted(&named))).await, (2, 2));

    let text = refused(rooted(&url)).await;
    assert!(text.contains("the server wants a client certificate for this role"), "{text}");
    let stranger =
        rooted(&url).tls_client(server.file("stranger.pem"), server.file("stranger.key"));
    let text = refused(stranger).await;
    assert!(text.contains("the server refuses the client certificate"), "{text}");
    let unencrypted = server.url("encrypted", "sslmode=disable");
    let text = refused(options(&unencrypted)).await;
    assert!(text.contains("without encryption; say `sslmode=require`"), "{text}");
    // Its files are read all the same.
    let mixed = rooted(&url).tls_client(&certificate, server.file("stranger.key"));
    let text = refused(mixed).await;
    assert!(text.contains("is not the key of the certificate in"), "{text}");
}

/// None of these needs a server.
#[tokio::test]
async fn files_and_modes_that_cannot_be_meant_are_refused() {
    let at = |query: &str| options(&format!("postgres://curfew:secret@127.0.0.1:1/d?{query}"));
    for (options, advice) in [
        (at("sslrootcert=/no/such/file"), "`/no/such/file` cannot be read"),
        (at("").tls_roots("Cargo.toml"), "`Cargo.toml` does not hold certificates in PEM form"),
        (at("sslcert=Cargo.toml"), "`sslcert` is given without `sslkey`"),
        (at("sslkey=Cargo.toml"), "`sslkey` is given without `sslcert`"),
        (
            at("").tls_client("Cargo.toml", "Cargo.toml"),
            "`Cargo.toml` does not hold certificates in PEM form",
        ),
        (at("sslmode=allow"), "`allow` is no `sslmode`; give disable"),
        (at("sslmode=verify-ca&sslrootcert=system"), "say verify-full, or name your own authority"),
    ] {
        let text = refused(options).await;
        assert!(text.contains(advice), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

/// A server that says that it does not encrypt.
#[tokio::test]
async fn a_server_without_encryption_is_refused_where_it_is_asked_for() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"N").await.unwrap();
        }
    });
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("postgres://curfew@127.0.0.1:{port}/d?sslmode={mode}");
        let text = refused(options(&url)).await;
        assert!(text.contains("the server offers no encryption; let it (`ssl = on`)"), "{text}");
    }
    server.abort();
}
