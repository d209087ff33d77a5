//! What a store keeps, as bytes: past the store itself.

use tower_curfew::SessionId;

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
