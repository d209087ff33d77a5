//! Encrypted connections. Needs a server with `ssl = on`, and in `CURFEW_TEST_POSTGRES_ROOTS` the
//! file with the authority that signed its certificate.

use tower_curfew::store::{PostgresStore, Store};

use super::support::{Schema, chain, id, in_time, setting, with};

#[tokio::test]
async fn the_server_shows_a_certificate_that_is_trusted() {
    let Some(roots) = setting("CURFEW_TEST_POSTGRES_ROOTS") else { return };
    let Some(schema) = Schema::new().await else { return };
    let name = &schema.name;
    let url = with(&schema.url, &format!("sslmode=require&application_name={name}"));
    let options = || PostgresStore::options(&url).schema(name);
    let store = options().tls_roots(&roots).connect().await.unwrap();
    assert!(store.load(id(1)).await.unwrap().is_none());
    let encrypted = format!(
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE ssl AND application_name = '{name}'"
    );
    assert_eq!(schema.number(&encrypted).await, 4);
    drop(store);

    let text = chain(&in_time(options().connect()).await.unwrap_err());
    assert!(text.contains("name the authority that signed it (`tls_roots`)"), "{text}");
    for file in ["/no/such/file", "Cargo.toml"] {
        let text = chain(&options().tls_roots(file).connect().await.unwrap_err());
        assert!(text.contains(&format!("`{file}` holds no certificates in PEM form")), "{text}");
    }
    schema.drop().await;
}
