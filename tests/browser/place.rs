//! Where a console keeps its sessions: a place of its own on a server that others use as well.

use std::env;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_postgres::NoTls;

/// The kinds of stores that a tour is made on.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Redis,
}

pub(crate) struct Place {
    kind: Kind,
    server: String,
    /// As the option `--store` takes it.
    pub(crate) url: String,
    name: String,
}

impl Place {
    /// If there is no such server it says which variable is missing.
    pub(crate) async fn new(kind: Kind) -> Result<Self, String> {
        match kind {
            // The folder that the console runs in is its own.
            Kind::Sqlite => Ok(Self {
                kind,
                server: String::new(),
                url: "sqlite:sessions.db".to_owned(),
                name: String::new(),
            }),
            Kind::Postgres => {
                let server = variable("CURFEW_TEST_POSTGRES")?;
                let name = schema();
                run(&server, &format!("CREATE SCHEMA {name}")).await;
                let mark = if server.contains('?') { '&' } else { '?' };
                let url = format!("{server}{mark}options=-csearch_path%3D{name}");
                Ok(Self { kind, server, url, name })
            }
            Kind::Redis => {
                let server = variable("CURFEW_TEST_REDIS")?;
                let name = free_database(&server);
                let url = with_database(&server, &name);
                Ok(Self { kind, server, url, name })
            }
        }
    }

    /// Leaves nothing behind.
    pub(crate) async fn clear(self) {
        match self.kind {
            Kind::Sqlite => {}
            Kind::Postgres => {
                run(&self.server, &format!("DROP SCHEMA {} CASCADE", self.name)).await;
            }
            Kind::Redis => {
                let mut link = redis::Client::open(&*self.url).unwrap().get_connection().unwrap();
                let () = redis::cmd("FLUSHDB").query(&mut link).unwrap();
            }
        }
    }
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("set {name}"))
}

fn schema() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let started = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("curfew_tour_{started}_{}_{count}", process::id())
}

async fn run(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

/// Takes one that is empty, by a mark that only one of several runs can set.
fn free_database(server: &str) -> String {
    for number in (1..=15).rev() {
        let name = number.to_string();
        let mut link =
            redis::Client::open(with_database(server, &name)).unwrap().get_connection().unwrap();
        let taken: bool = redis::cmd("SETNX").arg("tour").arg(1).query(&mut link).unwrap();
        let keys: u64 = redis::cmd("DBSIZE").query(&mut link).unwrap();
        if taken && keys == 1 {
            return name;
        }
        if taken {
            let () = redis::cmd("DEL").arg("tour").query(&mut link).unwrap();
        }
    }
    panic!("no database is empty on {server}");
}

fn with_database(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(name);
    url.into()
}
