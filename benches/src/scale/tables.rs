//! The tables of the page, but for what happens now and then.

use super::figures::{Call, Figures};
use super::model::{
    Demand, Near, Site, cluster, largest, one_redis, postgres, saved, shards, sqlite,
};
use super::text::{Table, bytes, number, percent, share};

/// Each by the name that it has on the page.
pub(super) fn tables(figures: &Figures) -> Vec<(&'static str, String)> {
    vec![
        ("assumed", assumed(figures)),
        ("calls", calls(figures)),
        ("tells", tells(figures)),
        ("rates", rates(figures)),
        ("node", node(figures)),
        ("limits", limits(figures)),
        ("cells", cells(figures)),
        ("told", told(figures)),
    ]
}

fn assumed(figures: &Figures) -> String {
    let assumed = &figures.assumed;
    let mut table = Table::new(&["assumed", ""]);
    let hundred = |share: f64| format!("{} %", number(share * 100.0));
    for (what, value) in [
        ("sessions that are kept", number(assumed.sessions)),
        (
            "requests a second with a session, in the busiest hour",
            number(assumed.requests_a_second),
        ),
        ("… of one node", number(assumed.requests_a_second_of_a_node)),
        ("sessions that are used in that hour", hundred(assumed.active_share)),
        ("organizations that have rules", number(assumed.organizations)),
        ("days that a session is kept", number(assumed.days_kept)),
        (
            "sign-ins in that hour, against the mean",
            format!("{} times", number(assumed.peak_factor)),
        ),
        ("sessions that end by a sign-out", hundred(assumed.signed_out_share)),
        ("exponent of the Zipf distribution of requests over sessions", number(assumed.zipf)),
        ("how busy a server may be", hundred(assumed.busy)),
        (
            "data of one Redis server; it has twice that memory",
            bytes(assumed.data_gb_a_shard * 1e9),
        ),
        ("network of one server", format!("{} Gbit/s", number(assumed.gbit_a_server))),
        (
            "processors of a PostgreSQL primary, or of the machine with SQLite",
            number(assumed.postgres_cores),
        ),
        ("connections that it takes", number(assumed.postgres_connections)),
        ("connections of a node to PostgreSQL", number(assumed.connections_a_node)),
        ("replicas of each primary", number(assumed.replicas)),
        (
            "seconds until a node watches again after its connections broke",
            number(assumed.seconds_until_watched_again),
        ),
        ("seconds of a failover", number(assumed.seconds_of_failover)),
        ("seconds of a deploy", number(assumed.seconds_of_deploy)),
        ("seconds within which all sign in again", number(assumed.seconds_of_storm)),
    ] {
        table.row([what.to_owned(), value]);
    }
    table.0
}

fn calls(figures: &Figures) -> String {
    let (redis, postgres) = (&figures.redis, &figures.postgres);
    let mut table = Table::new(&[
        "call",
        "Redis: µs",
        "µs of the node",
        "received",
        "sent",
        "log",
        "PostgreSQL: µs",
        "µs of the node",
        "log",
    ]);
    let mut row = |name: &str, of_redis: &Call, of_postgres: Option<&Call>| {
        let of_postgres = of_postgres.map_or_else(<[String; 3]>::default, |call| {
            [number(call.cpu_us), number(call.node_cpu_us), bytes(call.logged)]
        });
        let of_redis = [
            name.to_owned(),
            number(of_redis.cpu_us),
            number(of_redis.node_cpu_us),
            bytes(of_redis.received),
            bytes(of_redis.sent),
            bytes(of_redis.logged),
        ];
        table.row(of_redis.into_iter().chain(of_postgres));
    };
    row("load, for a request", &redis.load, Some(&postgres.load));
    let shared = number(redis.loads_a_call_among_64);
    let shared = format!("… with 64 under way at one node; Redis: {shared} in a call");
    row(&shared, &redis.load_among_64, Some(&postgres.load_among_64));
    row("`GET` of one key; on a cluster a load is two", &redis.bare_get, None);
    row("recording activity", &redis.touch, Some(&postgres.touch));
    row("sign-in, asking for the rules included", &redis.sign_in, Some(&postgres.sign_in));
    row("… asking for the rules", &redis.rules, Some(&postgres.rules));
    row("sign-out", &redis.end, Some(&postgres.end));
    table.0
}

fn tells(figures: &Figures) -> String {
    let (redis, postgres) = (&figures.redis, &figures.postgres);
    let mut table = Table::new(&["telling one node of one change", ""]);
    for (what, value) in [
        ("Redis, a change alone", format!("{} µs", number(redis.tell_alone_us()))),
        ("Redis, with others at once", format!("{} µs", number(redis.tell_at_once_us()))),
        ("… bytes", number(redis.tell_bytes())),
        ("PostgreSQL, an end", format!("{} µs", number(postgres.tell_us()))),
        ("PostgreSQL, commits/s of which none tells", number(postgres.commits_a_second)),
        ("… of which each tells", number(postgres.commits_told_a_second)),
        ("the node itself", format!("{} µs", number(redis.node_cpu_us_for_each_change))),
    ] {
        table.row([what.to_owned(), value]);
    }
    table.0
}

fn rates(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "sessions",
        "requests/s",
        "nodes",
        "recording activity/s",
        "sign-ins/s",
        "sign-outs/s",
        "Redis: memory",
        "log",
        "PostgreSQL: disk",
        "log",
    ]);
    for less in [100.0, 10.0, 1.0] {
        let site = Site::new(&figures.assumed, figures.assumed.sessions / less);
        let (redis, postgres) =
            (cluster(figures, &site, Near::No), postgres(figures, &site, Near::No));
        table.row([
            number(site.sessions),
            number(site.requests),
            number(site.nodes),
            number(site.touches),
            number(site.sign_ins),
            number(site.ends),
            bytes(redis.data),
            format!("{}/s", bytes(redis.logged)),
            bytes(postgres.data),
            format!("{}/s", bytes(postgres.logged)),
        ]);
    }
    table.0
}

/// What sessions cost one node.
fn node(figures: &Figures) -> String {
    let (node, redis, assumed) = (&figures.node, &figures.redis, &figures.assumed);
    let site = Site::new(assumed, assumed.sessions);
    let mut table = Table::new(&["each node", "without a cache", "with one"]);
    let each =
        |of: fn(&Site, Near) -> f64| [Near::No, Near::Yes].map(|near| of(&site, near) / site.nodes);
    let [loads, near_loads] = each(Site::loads);
    let requests = site.requests / site.nodes;
    let kept = assumed.sessions * assumed.active_share / site.nodes;
    let rules = bytes(assumed.organizations * node.rules_bytes_an_organization);
    for (what, without, with) in [
        ("requests/s", number(requests), number(requests)),
        ("loads/s", number(loads), number(near_loads)),
        (
            "processor for the layer",
            percent(requests * node.layer_us / 1e6),
            percent(requests * node.near_hit_us / 1e6),
        ),
        (
            "… for calls of Redis",
            percent(loads * redis.load.node_cpu_us / 1e6),
            percent(near_loads * redis.load.node_cpu_us / 1e6),
        ),
        (
            "… for what Redis tells it",
            "0".to_owned(),
            percent(site.changes() * redis.node_cpu_us_for_each_change / 1e6),
        ),
        ("memory for the rules", rules.clone(), rules),
        (
            "… for the sessions that are used",
            "0".to_owned(),
            bytes(kept * node.near_bytes_an_entry),
        ),
    ] {
        table.row([what.to_owned(), without, with]);
    }
    table.0
}

fn limits(figures: &Figures) -> String {
    let mut table =
        Table::new(&["one deployment", "sessions", "requests/s", "nodes", "what is full first"]);
    let mut row = |name: &str, demand: &dyn Fn(&Site) -> Demand| {
        let site = largest(figures, demand);
        let first = demand(&site).first().name.to_owned();
        let nodes = if name.starts_with("SQLite") { "1".to_owned() } else { number(site.nodes) };
        table.row([name.to_owned(), number(site.sessions), number(site.requests), nodes, first]);
    };
    row("SQLite, one machine", &|site| sqlite(figures, site));
    for (near, with) in [(Near::No, ""), (Near::Yes, ", with caches")] {
        row(&format!("PostgreSQL{with}"), &|site| postgres(figures, site, near));
        row(&format!("Redis, one server{with}"), &|site| one_redis(figures, site, near));
        row(&format!("Redis Cluster{with}"), &|site| cluster(figures, site, near));
    }
    table.0
}

const CELLS: [f64; 7] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];

fn cells(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "cells",
        "nodes of each",
        "without caches: busiest server",
        "primaries in all",
        "with caches: busiest server",
        "primaries in all",
        "told of changes/s, each node",
        "sent in all",
    ]);
    for count in CELLS {
        let site = Site::cell(&figures.assumed, count);
        let [without, with] = [Near::No, Near::Yes].map(|near| cluster(figures, &site, near));
        let primaries = |demand: &Demand| {
            let all = number(shards(figures, demand) * count);
            if demand.first().is_too_much() { "too few cells".to_owned() } else { all }
        };
        table.row([
            number(count),
            number(site.nodes),
            share(without.single[0].share),
            primaries(&without),
            share(with.single[0].share),
            primaries(&with),
            number(site.changes()),
            format!("{}/s", bytes(with.sent * count)),
        ]);
    }
    table.0
}

fn told(figures: &Figures) -> String {
    let (redis, assumed) = (&figures.redis, &figures.assumed);
    let mut table = Table::new(&[
        "nodes",
        "changes/s",
        "messages/s",
        "Redis: processors for them",
        "… that caches save",
        "one change occupies its server for",
        "each node is sent",
    ]);
    for count in [10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0] {
        let of_all = count * assumed.requests_a_second_of_a_node / assumed.requests_a_second;
        let site = Site::new(assumed, assumed.sessions * of_all);
        let messages = site.changes() * site.nodes;
        table.row([
            number(site.nodes),
            number(site.changes()),
            number(messages),
            number(messages * redis.tell_alone_us() / 1e6),
            number(saved(figures, &site) / 1e6),
            format!("{} ms", number(site.nodes * redis.tell_alone_us() / 1e3)),
            format!("{}/s", bytes(site.changes() * redis.tell_bytes())),
        ]);
    }
    table.0
}
