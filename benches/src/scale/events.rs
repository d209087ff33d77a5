//! Tables of what happens now and then: changes of rules, storms, failovers, and what caches are like then.

use super::figures::Figures;
use super::model::{Near, Site, cluster, shards};
use super::simulation::{Balancing, Event, Second, World};
use super::text::{Table, number, percent, share};

/// Each by the name that it has on the page.
pub(super) fn tables(figures: &Figures) -> Vec<(&'static str, String)> {
    let simulated = Simulated::new(figures);
    vec![
        ("caches", caches(figures)),
        ("simulation", simulated.table()),
        ("changes", changes(figures)),
        ("storm", storm(figures)),
        ("failover", failover(figures)),
    ]
}

const HEAD: [&str; 6] =
    ["found near", "loads/s", "activity/s", "ends/s", "sign-ins/s", "Redis: messages/s"];

fn cells_of(figures: &Figures, second: &Second) -> [String; 6] {
    let nodes = Site::new(&figures.assumed, figures.assumed.sessions).nodes;
    [
        share(second.hits / second.requests),
        number(second.loads),
        number(second.touches),
        number(second.ends),
        number(second.sign_ins),
        number(second.changes() * nodes),
    ]
}

/// How often a request finds its session near, when nothing happens.
fn caches(figures: &Figures) -> String {
    let mut table =
        Table::new(&["a session's requests go to", "room of each cache", HEAD[0], HEAD[1]]);
    for (name, balancing, entries) in [
        ("one node", Balancing::Sticky, 100_000.0),
        ("one node", Balancing::Sticky, 10_000.0),
        ("any node", Balancing::Any, 100_000.0),
        ("any node", Balancing::Any, 1_000_000.0),
    ] {
        let mean = World::new(&figures.assumed, balancing, entries).warm_up();
        let [near, loads, ..] = cells_of(figures, &mean);
        table.row([name.to_owned(), number(entries), near, loads]);
    }
    table.0
}

/// What happens after something has happened, with requests of a session on one node.
struct Simulated<'a> {
    figures: &'a Figures,
    steady: Second,
    world: World<'a>,
}

impl<'a> Simulated<'a> {
    fn new(figures: &'a Figures) -> Self {
        let mut world = World::new(&figures.assumed, Balancing::Sticky, 100_000.0);
        Self { figures, steady: world.warm_up(), world }
    }

    fn table(&self) -> String {
        let mut table = Table::new(&[&["what happens", "when"], &HEAD[..]].concat());
        let mut row = |what: &str, when: &str, second: &Second| {
            let name = [what.to_owned(), when.to_owned()];
            table.row(name.into_iter().chain(cells_of(self.figures, second)));
        };
        row("nothing", "", &self.steady);
        for (what, event) in [
            ("all connections break", Event::Break),
            ("all nodes start anew at once", Event::DeployAtOnce),
            ("one node after the other starts anew", Event::DeployInTurn),
            ("a policy for everyone", Event::Policy),
            ("everyone is revoked, and signs in again", Event::Revocation),
        ] {
            let seconds = self.world.clone().after(event);
            for (when, second) in
                ["first second", "first minute", "tenth minute"].iter().zip(&seconds)
            {
                row(what, when, second);
            }
        }
        table.0
    }
}

/// What a change costs at once, and what it costs later.
fn changes(figures: &Figures) -> String {
    const OF_A_PERSON: f64 = 5.0;
    const RULES_AT_ONCE: f64 = 1000.0;
    let assumed = &figures.assumed;
    let site = Site::new(assumed, assumed.sessions);
    let of_an_organization = assumed.sessions / assumed.organizations;
    let mut table = Table::new(&[
        "change",
        "calls of the store",
        "each node then asks",
        "messages to nodes with caches",
        "sessions that write once more within the hour",
    ]);
    let mut row = |what: &str, calls: f64, asks: &str, told: f64, later: f64| {
        table.row([what.to_owned(), number(calls), asks.to_owned(), number(told), number(later)]);
    };
    let rules = "once for the rules";
    row("a sign-out", 1.0, "nothing", site.nodes, 0.0);
    row(
        &format!("a node starts, of {} organizations with rules", number(assumed.organizations)),
        // The last page is one that is not full.
        (assumed.organizations / RULES_AT_ONCE).floor() + 1.0,
        "nothing",
        0.0,
        0.0,
    );
    row(
        "a person with 5 sessions signs out everywhere",
        1.0 + OF_A_PERSON,
        "nothing",
        OF_A_PERSON * site.nodes,
        0.0,
    );
    for (who, sessions) in [("an organization", of_an_organization), ("everyone", assumed.sessions)]
    {
        let active = sessions * assumed.active_share;
        let of = format!("{who} of {} sessions", number(sessions));
        row(&format!("revoking {of}"), 2.0, rules, site.nodes, active);
        row(&format!("a policy for {of}"), 2.0, rules, site.nodes, active);
    }
    table.0
}

/// What it takes that everybody signs in again.
fn storm(figures: &Figures) -> String {
    let (redis, assumed) = (&figures.redis, &figures.assumed);
    let mut table = Table::new(&[
        "who signs in",
        "cells",
        "sign-ins/s",
        "server with the rules",
        "primaries of each cell, without caches",
        "… with",
        "there, for the busiest hour",
        "minutes with those",
    ]);
    for (who, part) in [("those who are active", assumed.active_share), ("everybody", 1.0)] {
        for count in [1.0, 10.0, 20.0, 50.0] {
            let site = Site::cell(assumed, count);
            let users = site.sessions * part;
            // Two loads: one finds the old session over, and one the new one.
            let rules = 2.0 * redis.bare_get.cpu_us + redis.rules.cpu_us;
            let own = 2.0 * redis.bare_get.cpu_us + redis.end.cpu_us + redis.sign_in.cpu_us
                - redis.rules.cpu_us;
            let told = 2.0 * site.nodes * redis.tell_at_once_us();
            let a_second = users / assumed.seconds_of_storm;
            let servers = |us: f64| a_second * us / 1e6;
            let there = shards(figures, &cluster(figures, &site, Near::Yes));
            let seconds = (users * rules / 1e6).max(users * (rules + own + told) / 1e6 / there);
            table.row([
                who.to_owned(),
                number(count),
                number(a_second * count),
                share(servers(rules)),
                number(servers(rules + own).ceil()),
                number(servers(rules + own + told).ceil()),
                number(there),
                number(seconds / 60.0),
            ]);
        }
    }
    table.0
}

/// What is missing while one primary of a cluster is replaced.
fn failover(figures: &Figures) -> String {
    let assumed = &figures.assumed;
    let mut table = Table::new(&[
        "cells",
        "primaries of each",
        "answered with 503, one primary",
        "… the one with the rules",
        "requests in that time",
        "with caches: the server with the rules meanwhile",
        "… all of them",
    ]);
    for count in [1.0, 5.0, 10.0, 20.0, 50.0] {
        let site = Site::cell(assumed, count);
        let there = shards(figures, &cluster(figures, &site, Near::Yes));
        let without = cluster(figures, &site, Near::No);
        let one = 1.0 / (there * count);
        table.row([
            number(count),
            number(there),
            percent(one),
            percent(1.0 / count),
            number(assumed.requests_a_second * assumed.seconds_of_failover / count),
            share(without.single[0].share),
            share(without.processors / there),
        ]);
    }
    table.0
}
