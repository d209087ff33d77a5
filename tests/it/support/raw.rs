//! What a store keeps, as bytes: past the store itself.

use tower_curfew::SessionId;
use tower_curfew::store::Store as _;

use super::any_store::AnyStore;

/// Something that a store keeps.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "redis")),
    expect(dead_code, reason = "the memory store keeps no bytes")
)]
#[derive(Clone, Copy, Debug)]
pub enum Kept<'a> {
    Session(SessionId),
    Rules(&'a str),
}

impl AnyStore {
    /// What is kept of a session, as a thief of the store finds it.
    pub async fn kept(&self, id: SessionId) -> Vec<u8> {
        match self {
            Self::Memory(store) => store.load(id).await.unwrap().unwrap().record.encode(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite { file, .. } => {
                let log = file.with_extension("db-wal");
                [file, &log].map(|file| std::fs::read(file).unwrap()).concat()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres { url, schema, .. } => {
                let (client, connection) =
                    tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                // As text, so that no column is forgotten: its bytes are in hexadecimal digits there.
                let row = format!(
                    "SELECT s.body, s::text FROM {schema}.curfew_sessions AS s WHERE id = $1"
                );
                let row = client.query_one(&row, &[&&id.as_bytes()[..]]).await.unwrap();
                [row.get::<_, &[u8]>(0), row.get::<_, &str>(1).as_bytes()].concat()
            }
            #[cfg(feature = "redis")]
            Self::Redis { url, prefix, .. } => {
                let key = [prefix.as_bytes(), b"session:", &id.as_bytes()[..]].concat();
                crate::processes::redis_nodes::owner(url, redis::cmd("GET").arg(key)).await
            }
        }
    }

    /// Writes other bytes in the place of what is kept; `false` if the store keeps no bytes.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres", feature = "redis")),
        expect(unused_variables, reason = "the memory store keeps no bytes")
    )]
    pub async fn overwrite(&self, kept: Kept<'_>, bytes: &[u8]) -> bool {
        match self {
            Self::Memory(_) => false,
            #[cfg(feature = "sqlite")]
            Self::Sqlite { file, .. } => {
                let file = rusqlite::Connection::open(file).unwrap();
                let changed = match kept {
                    Kept::Session(id) => file.execute(
                        "UPDATE curfew_sessions SET body = ?1 WHERE id = ?2",
                        rusqlite::params![bytes, id.as_bytes()],
                    ),
                    Kept::Rules(org) => file.execute(
                        "UPDATE curfew_rules SET body = ?1 WHERE org = ?2",
                        rusqlite::params![bytes, org],
                    ),
                };
                assert_eq!(changed, Ok(1), "{kept:?}");
                true
            }
            #[cfg(feature = "postgres")]
            Self::Postgres { url, schema, .. } => {
                let (client, connection) =
                    tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                let changed = match kept {
                    Kept::Session(id) => {
                        let set =
                            format!("UPDATE {schema}.curfew_sessions SET body = $1 WHERE id = $2");
                        client.execute(&set, &[&bytes, &&id.as_bytes()[..]]).await
                    }
                    Kept::Rules(org) => {
                        let set =
                            format!("UPDATE {schema}.curfew_rules SET body = $1 WHERE org = $2");
                        client.execute(&set, &[&bytes, &org]).await
                    }
                };
                assert_eq!(changed.unwrap(), 1, "{kept:?}");
                true
            }
            #[cfg(feature = "redis")]
            Self::Redis { url, prefix, .. } => {
                use redis::cmd;

                use crate::processes::redis_nodes::owner;

                // In front of the facts stands what scripts look at: a revision, and whether it lives.
                match kept {
                    Kept::Session(id) => {
                        let key = [prefix.as_bytes(), b"session:", &id.as_bytes()[..]].concat();
                        let value: Vec<u8> = owner(url, cmd("GET").arg(&key)).await;
                        let value = [&value[..9], bytes].concat();
                        let () = owner(url, cmd("SET").arg(key).arg(value)).await;
                    }
                    Kept::Rules(org) => {
                        let key = format!("{prefix}{{rules}}:bodies");
                        let value: Vec<u8> = owner(url, cmd("HGET").arg(&key).arg(org)).await;
                        let value = [&value[..8], bytes].concat();
                        let () = owner(url, cmd("HSET").arg(key).arg(org).arg(value)).await;
                    }
                }
                true
            }
        }
    }
}
