//! What is peculiar to PostgreSQL. That it keeps the contract, the conformance suite shows.
//!
//! Needs a server where schemas and roles may be created: `CURFEW_TEST_POSTGRES` is its connection
//! string. Each test has a schema of its own.

mod connections;
mod opening;
mod plans;
mod races;
mod rows;
mod support;
#[cfg(feature = "postgres-tls")]
mod tls;

#[cfg(feature = "conformance")]
use support::Schema;
#[cfg(feature = "conformance")]
use tower_curfew::conformance;

#[cfg(feature = "conformance")]
#[tokio::test]
async fn keeps_the_contract_twice() {
    let Some(schema) = Schema::new("keeps_the_contract_twice").await else { return };
    let store = schema.store().await;
    conformance::all(&store).await;
    conformance::all(&store).await;
    schema.drop().await;
}

#[cfg(feature = "conformance")]
#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_over_two_connections() {
    let Some(schema) = Schema::new("keeps_the_contract_over_two_connections").await else { return };
    let store = schema.options().connections(2).connect().await.unwrap();
    conformance::all(&store).await;
    schema.drop().await;
}
