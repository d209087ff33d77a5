//! Tables about cells over PostgreSQL.

use super::figures::Figures;
use super::model::{Demand, Near, Site, postgres};
use super::text::{Table, number, share};

/// Each by the name that it has on the page.
pub(super) fn tables(figures: &Figures) -> Vec<(&'static str, String)> {
    vec![("postgres", cells(figures)), ("postgres storm", storm(figures))]
}

fn cells(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "cells",
        "nodes of each",
        "processors of each primary",
        "commits",
        "commits that tell",
        "connections",
        "with caches: processors",
        "servers in all",
    ]);
    for count in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0] {
        let site = Site::cell(&figures.assumed, count);
        let [without, with] = [Near::No, Near::Yes].map(|near| postgres(figures, &site, near));
        let of = |demand: &Demand, name: &str| {
            let part = demand.single.iter().find(|part| part.name == name);
            let part = part.expect("each primary has that part");
            format!("{}{}", share(part.share), if part.is_too_much() { ", too much" } else { "" })
        };
        table.row([
            number(count),
            number(site.nodes),
            of(&without, "its processors"),
            of(&without, "commits"),
            of(&without, "commits that tell"),
            of(&without, "connections"),
            of(&with, "its processors"),
            number(count * (1.0 + figures.assumed.replicas)),
        ]);
    }
    table.0
}

/// What it takes that everybody signs in again. The rules have told of the ends, which are taken for as dear
/// as those that tell: that was measured.
fn storm(figures: &Figures) -> String {
    let (postgres, assumed) = (&figures.postgres, &figures.assumed);
    let mut table = Table::new(&[
        "who signs in",
        "cells",
        "sign-ins/s of each",
        "processors of each primary",
        "commits",
        "minutes at full load",
    ]);
    for (who, part) in [("those who are active", assumed.active_share), ("everybody", 1.0)] {
        for count in [10.0, 50.0, 100.0] {
            let site = Site::cell(assumed, count);
            let users = site.sessions * part;
            let a_second = users / assumed.seconds_of_storm;
            // Two loads: one finds the old session over, and one the new one.
            let own = 2.0 * postgres.load.cpu_us + postgres.end.cpu_us + postgres.sign_in.cpu_us;
            let processors = a_second * own / 1e6 / assumed.postgres_cores;
            let commits = 2.0 * a_second / postgres.commits_a_second;
            let fullest = processors.max(commits);
            table.row([
                who.to_owned(),
                number(count),
                number(a_second),
                share(processors),
                share(commits),
                number(fullest * assumed.seconds_of_storm / 60.0),
            ]);
        }
    }
    table.0
}
