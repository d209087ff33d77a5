//! The same for PostgreSQL.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ProcessTime;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};
use tower_curfew::store::PostgresStore;

use super::{Site, UNDER_WAY, Used, print, processor_time, rate};

const NODES: usize = 20;
const LISTENERS: usize = 50;
const SCHEMA: &str = "curfew_costs";

pub(super) async fn run(url: &str) {
    let server = Server::new(url).await;
    server.clear().await;
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let options = PostgresStore::options(url).schema(SCHEMA).without_clock_check();
        nodes.push(options.connect().await.expect("a server"));
    }
    let mut site = Site::new(nodes);
    println!("\n[postgres] # {NODES} nodes, with one call under way each");
    site.sign_in(20).await;
    server.measures("sign_in", async || site.sign_in(300).await).await;
    server.measures("load", async || site.load(300).await).await;
    let mut callers = Site::new(vec![site.nodes[0].clone(); UNDER_WAY]);
    callers.sign_in(200).await;
    server.measures("load_among_64", async || callers.load(200).await).await;
    server.measures("rules", async || site.rules(300).await).await;
    server.measures("touch", async || site.touch(300).await).await;
    let mut all = Vec::new();
    for _ in 0..LISTENERS {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
        tokio::spawn(connection);
        let channel = "SELECT 'curfew_' || ('curfew_costs.curfew_sessions'::regclass::oid)::text";
        let channel: String = client.query_one(channel, &[]).await.expect("a table").get(0);
        client.batch_execute(&format!("LISTEN {channel}")).await.expect("a server");
        all.push(client);
    }
    println!("# {LISTENERS} connections are told");
    server.measures("end_told", async || site.end(300).await).await;
    drop(all);
    sleep(Duration::from_secs(1)).await;
    site.sign_in(300).await;
    server.measures("end", async || site.end(300).await).await;
    drop(site);
    commits(url, &server).await;
    server.clear().await;
}

/// How many commits a second there are, of a small update, if each tells of itself, and if none does.
async fn commits(url: &str, server: &Server) {
    const CALLERS: usize = 32;
    let table = "CREATE TABLE curfew_costs.plain (id int PRIMARY KEY, n int NOT NULL) WITH (fillfactor = 50); \
                 INSERT INTO curfew_costs.plain SELECT n, 0 FROM generate_series(0, 99) AS n";
    server.client.batch_execute(table).await.expect("SQL");
    let mut clients = Vec::new();
    for _ in 0..CALLERS {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
        tokio::spawn(connection);
        clients.push(Arc::new(client));
    }
    for (name, told) in [("commits", ""), ("commits_told", ", pg_notify('curfew_costs', id::text)")]
    {
        let update =
            format!("UPDATE curfew_costs.plain SET n = n + 1 WHERE id = $1 RETURNING id{told}");
        let mut prepared = Vec::new();
        for client in &clients {
            prepared.push((client.clone(), client.prepare(&update).await.expect("SQL")));
        }
        let prepared = Arc::new(prepared);
        let a_second = rate(CALLERS, move |caller| {
            let prepared = prepared.clone();
            async move {
                let (client, update) = &prepared[caller];
                client.query(update, &[&(caller as i32)]).await.expect("SQL");
            }
        });
        println!("{name}_a_second = {:.0} # {CALLERS} connections", a_second.await);
    }
}

struct Server {
    client: Client,
    /// The process that all others of the server are children of.
    id: u32,
}

impl Server {
    async fn new(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
        tokio::spawn(connection);
        let own: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.expect("SQL").get(0);
        let stat = fs::read_to_string(format!("/proc/{own}/stat")).expect("it is on this machine");
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        let id = parent.and_then(|parent| parent.parse().ok()).expect("it has a parent");
        Self { client, id }
    }

    async fn measures(&self, name: &str, calls: impl AsyncFnOnce() -> u32) {
        let before = self.used().await;
        let count = calls().await;
        print(name, count, [before, self.used().await]);
    }

    /// It does not say what it received and sent.
    async fn used(&self) -> Used {
        let log = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8";
        let logged = self.client.query_one(log, &[]).await.expect("SQL").get(0);
        let own_seconds = ProcessTime::now().as_duration().as_secs_f64();
        Used { seconds: processor_time(self.id), own_seconds, logged, ..Used::default() }
    }

    async fn clear(&self) {
        let drop = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE");
        self.client.batch_execute(&drop).await.expect("it is ours");
    }
}
