//! The same for Redis.

use std::time::Duration;

use cpu_time::ProcessTime;
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_curfew::store::{Near, RedisStore, Store as _};

use super::{Site, UNDER_WAY, Used, print, processor_time};

const NODES: usize = 100;
const PREFIX: &str = "curfew-costs:";

pub(super) async fn run(url: &str) {
    let client = redis::Client::open(url).expect("a URL");
    let mut server =
        Server { raw: client.get_multiplexed_async_connection().await.expect("a server"), id: 0 };
    server.id = server.info("server", "process_id").await as u32;
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let options = RedisStore::options(url).prefix(PREFIX).without_clock_check();
        nodes.push(options.connect().await.expect("a server"));
    }
    let mut site = Site::new(nodes);
    println!("\n[redis] # {NODES} nodes, with one call under way each");
    site.sign_in(10).await;
    server.measures("sign_in", async || site.sign_in(200).await).await;
    server.measures("load", async || site.load(200).await).await;
    among_others(&mut server, &site.nodes[0]).await;
    server.measures("rules", async || site.rules(100).await).await;
    server.measures("touch", async || site.touch(200).await).await;
    let mut raw = Raw::open(url, NODES).await;
    server.measures("bare_get", async || raw.get(500).await).await;
    listeners(url, &mut server, &mut site).await;
    server.measures("end", async || site.end(200).await).await;
    drop(site);
    node(url, &mut server).await;
    server.clear().await;
}

/// What a load costs while many are under way at one node.
async fn among_others(server: &mut Server, node: &RedisStore) {
    let mut callers = Site::new(vec![node.clone(); UNDER_WAY]);
    callers.sign_in(200).await;
    let before = server.info("stats", "total_commands_processed").await;
    let mut loads = 0;
    server
        .measures("load_among_64", async || {
            loads = callers.load(200).await;
            loads
        })
        .await;
    let calls = server.info("stats", "total_commands_processed").await - before;
    println!("loads_a_call_among_64 = {:.1}", f64::from(loads) / calls);
}

/// Plain connections that get one key, one at a time.
struct Raw(Vec<TcpStream>);

impl Raw {
    async fn open(url: &str, count: usize) -> Self {
        let address = address(url);
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(TcpStream::connect(&*address).await.expect("a server"));
        }
        Self(connections)
    }

    async fn get(&mut self, times: usize) -> u32 {
        let mut under_way = JoinSet::new();
        let count = self.0.len();
        for mut connection in self.0.drain(..) {
            under_way.spawn(async move {
                let mut answer = [0; 64];
                for _ in 0..times {
                    let get =
                        format!("*2\r\n$3\r\nGET\r\n${}\r\n{PREFIX}format\r\n", PREFIX.len() + 6);
                    connection.write_all(get.as_bytes()).await.expect("a server");
                    assert_ne!(connection.read(&mut answer).await.expect("a server"), 0);
                }
                connection
            });
        }
        self.0 = under_way.join_all().await;
        (times * count) as u32
    }
}

/// What a touch costs while so many connections are told of it.
async fn listeners(url: &str, server: &mut Server, site: &mut Site<RedisStore>) {
    const LISTENERS: usize = 500;
    let address = address(url);
    let mut all = JoinSet::new();
    for _ in 0..LISTENERS {
        let mut connection = TcpStream::connect(&*address).await.expect("a server");
        let track = format!("HELLO 3\r\nCLIENT TRACKING ON BCAST PREFIX {PREFIX}session:\r\n");
        connection.write_all(track.as_bytes()).await.expect("a server");
        all.spawn(async move {
            let mut told = vec![0; 1 << 16];
            while connection.read(&mut told).await.is_ok_and(|bytes| bytes != 0) {}
        });
    }
    sleep(Duration::from_secs(1)).await;
    println!(
        "# {LISTENERS} connections are told; first all nodes change something at once, then one alone"
    );
    server.measures("touch_told_at_once", async || site.touch(20).await).await;
    let others = site.nodes.split_off(1);
    server.measures("touch_told_alone", async || site.touch(200).await).await;
    site.nodes.extend(others);
    all.shutdown().await;
    sleep(Duration::from_secs(1)).await;
    let others = site.nodes.split_off(1);
    server.measures("touch_alone", async || site.touch(200).await).await;
    site.nodes.extend(others);
}

/// What it costs a node to be told of a change.
async fn node(url: &str, server: &mut Server) {
    const CHANGES: u32 = 500;
    const ROUNDS: u32 = 100;
    let options = RedisStore::options(url).prefix(PREFIX).without_clock_check();
    let near = options.connect().await.expect("a server").near(Near::default());
    let change = "for n = 1, tonumber(ARGV[1]) do \
                  redis.call('SET', KEYS[1] .. string.format('%016d', n), 'x', 'PX', 60000) end";
    let mut cpu = Vec::new();
    for is_watched in [false, true] {
        let changes = if is_watched { near.watch().await.expect("a server") } else { None };
        sleep(Duration::from_millis(200)).await;
        let before = ProcessTime::now();
        for _ in 0..ROUNDS {
            let mut all = redis::cmd("EVAL");
            all.arg(change).arg(1).arg(format!("{PREFIX}session:")).arg(CHANGES);
            all.exec_async(&mut server.raw).await.expect("a server");
            // All of them are taken down before the next.
            sleep(Duration::from_millis(5)).await;
        }
        cpu.push(before.elapsed().as_secs_f64());
        drop(changes);
    }
    let each = (cpu[1] - cpu[0]) / f64::from(CHANGES * ROUNDS);
    println!("node_cpu_us_for_each_change = {:.2} # {CHANGES} in one message", each * 1e6);
}

struct Server {
    raw: MultiplexedConnection,
    id: u32,
}

impl Server {
    async fn measures(&mut self, name: &str, calls: impl AsyncFnOnce() -> u32) {
        let before = self.used().await;
        let count = calls().await;
        print(name, count, [before, self.used().await]);
    }

    async fn used(&mut self) -> Used {
        Used {
            seconds: processor_time(self.id),
            own_seconds: ProcessTime::now().as_duration().as_secs_f64(),
            received: self.info("stats", "total_net_input_bytes").await,
            sent: self.info("stats", "total_net_output_bytes").await,
            logged: self.info("persistence", "aof_current_size").await,
        }
    }

    /// A number, or zero where there is none.
    async fn info(&mut self, section: &str, name: &str) -> f64 {
        let mut info = redis::cmd("INFO");
        let info: String = info.arg(section).query_async(&mut self.raw).await.expect("INFO");
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    }

    async fn clear(&mut self) {
        let mut keys = redis::cmd("KEYS");
        let keys: Vec<Vec<u8>> =
            keys.arg(format!("{PREFIX}*")).query_async(&mut self.raw).await.expect("KEYS");
        for keys in keys.chunks(1000) {
            let _: u64 = redis::cmd("DEL").arg(keys).query_async(&mut self.raw).await.expect("DEL");
        }
    }
}

fn address(url: &str) -> String {
    let client = redis::Client::open(url).expect("a URL");
    client.get_connection_info().addr().to_string()
}
