//! What is peculiar to PostgreSQL. That it keeps the contract, the conformance suite shows.
//!
//! Needs a server where schemas and roles may be created: `CURFEW_TEST_POSTGRES` is its connection
//! string. Each test has a schema of its own.

mod advice;
mod backends;
mod calls;
mod clock;
mod connections;
mod idle;
#[cfg(all(feature = "axum", feature = "deadpool"))]
mod lent;
mod locks;
mod opening;
#[cfg(feature = "conformance")]
mod patient;
mod plans;
#[cfg(feature = "axum")]
mod poolers;
mod primaries;
mod races;
mod relay;
mod road;
mod round_trips;
mod rows;
mod rules;
mod servers;
mod support;
#[cfg(all(feature = "axum", feature = "postgres-tls"))]
mod tls;
#[cfg(all(feature = "axum", feature = "postgres-tls"))]
mod tls_server;

/// What the tests leave behind is not in their way, nor is it that all who write take turns.
#[cfg(feature = "conformance")]
mod in_one_schema_over_two_connections {
    use tokio::sync::OnceCell;
    use tower_curfew::store_tests;

    use super::patient::Patient;
    use super::support::Schema;

    async fn open() -> Option<Patient> {
        static NAME: OnceCell<String> = OnceCell::const_new();
        let schema = Schema::new().await?;
        let name = NAME.get_or_init(async || schema.name.clone()).await;
        let options = schema.options().schema(name).connections(2);
        Some(Patient(options.connect().await.unwrap()))
    }

    store_tests!(
        tests,
        match open().await {
            Some(store) => store,
            None => return,
        }
    );
}
