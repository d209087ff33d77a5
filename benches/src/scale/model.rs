//! What a site asks of its stores, and how busy it keeps them.

use super::figures::{Assumed, Call, Figures};

/// What a site of some size asks for each second in its busiest hour.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub(super) sessions: f64,
    pub(super) requests: f64,
    pub(super) nodes: f64,
    pub(super) touches: f64,
    pub(super) sign_ins: f64,
    pub(super) ends: f64,
}

impl Site {
    /// Like the one that is assumed, with so many sessions.
    pub(super) fn new(assumed: &Assumed, sessions: f64) -> Self {
        let requests = assumed.requests_a_second * sessions / assumed.sessions;
        let sign_ins = sessions / (assumed.days_kept * 86_400.0) * assumed.peak_factor;
        Self {
            sessions,
            requests,
            // Two at least, or nobody is answered during a restart.
            nodes: (requests / assumed.requests_a_second_of_a_node).ceil().max(2.0),
            touches: sessions * assumed.active_share / 3600.0,
            sign_ins,
            ends: sign_ins * assumed.signed_out_share,
        }
    }

    /// The whole site, cut into so many.
    pub(super) fn cell(assumed: &Assumed, cells: f64) -> Self {
        Self::new(assumed, assumed.sessions / cells)
    }

    /// Changes that nodes with a cache are told of, by Redis.
    pub(super) fn changes(&self) -> f64 {
        self.touches + self.sign_ins + self.ends
    }

    /// With a cache, and requests of a session on one node, the store is asked to record activity and once
    /// after each change, and for one answer in 512 again.
    pub(super) fn loads(&self, near: Near) -> f64 {
        match near {
            Near::No => self.requests,
            Near::Yes => 2.0 * self.touches + self.sign_ins + self.requests / 512.0,
        }
    }

    /// Nodes with a cache ask for the revision of all rules.
    fn heartbeats(&self, near: Near) -> f64 {
        const OF_A_NODE: f64 = 2.0;
        match near {
            Near::No => 0.0,
            Near::Yes => self.nodes * OF_A_NODE,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Near {
    No,
    Yes,
}

/// What a deployment has only one of, as shares of all that it can do.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) name: &'static str,
    /// How much of it is used, and how much may be.
    pub(super) share: f64,
    pub(super) may_be: f64,
}

impl Part {
    pub(super) fn is_too_much(&self) -> bool {
        self.may_be < self.share
    }
}

/// What a site asks of one deployment of a store.
pub(super) struct Demand {
    pub(super) single: Vec<Part>,
    /// Processors of the server's, or servers of Redis where each has one.
    pub(super) processors: f64,
    /// Bytes a second.
    pub(super) sent: f64,
    pub(super) logged: f64,
    /// Bytes at rest.
    pub(super) data: f64,
}

impl Demand {
    /// The part that is full first.
    pub(super) fn first(&self) -> Part {
        let of = |part: &&Part| part.share / part.may_be;
        let first = self.single.iter().max_by(|one, other| of(one).total_cmp(&of(other)));
        *first.expect("each deployment has such a part")
    }
}

/// A cluster. Each load asks two servers, one of which is the same for all: that with the rules.
pub(super) fn cluster(figures: &Figures, site: &Site, near: Near) -> Demand {
    let redis = &figures.redis;
    let loads = site.loads(near);
    let beats = site.heartbeats(near);
    let rules = loads * redis.bare_get.cpu_us
        + beats * redis.load.cpu_us
        + site.sign_ins * redis.rules.cpu_us;
    let without = site.requests * redis.bare_get.cpu_us + site.sign_ins * redis.rules.cpu_us;
    let told = told(site, near) * redis.tell_alone_us();
    let rest = loads * redis.bare_get.cpu_us + writes(site, redis) + told;
    let sent = loads * redis.load.sent + told_bytes(figures, site, near);
    let mut single = parts(figures, "the server with the rules", rules / 1e6, without / 1e6);
    if near == Near::Yes {
        let told = told / saved(figures, site);
        single.push(Part {
            name: "telling nodes, which is all that caches save",
            share: told,
            may_be: 1.0,
        });
    }
    Demand {
        single,
        processors: (rules + rest) / 1e6,
        sent,
        logged: logged(site, redis),
        data: site.sessions * redis.bytes_a_session,
    }
}

/// Microseconds a second of the servers that caches save a cluster.
pub(super) fn saved(figures: &Figures, site: &Site) -> f64 {
    (site.loads(Near::No) - site.loads(Near::Yes)) * 2.0 * figures.redis.bare_get.cpu_us
}

/// One that is busy, and as busy as it would be while no cache is asked. That may be all that it can do: if it
/// is more, the server does not answer in time who watches it, and caches stay as they are.
fn parts(figures: &Figures, name: &'static str, share: f64, without_caches: f64) -> Vec<Part> {
    vec![
        Part { name, share, may_be: figures.assumed.busy },
        Part { name: BYPASSED, share: without_caches, may_be: 1.0 },
    ]
}

pub(super) const BYPASSED: &str = "the same, while caches are bypassed";

/// One server, which has one processor.
pub(super) fn one_redis(figures: &Figures, site: &Site, near: Near) -> Demand {
    let redis = &figures.redis;
    let told = told(site, near) * redis.tell_alone_us();
    let writes = site.sign_ins * redis.rules.cpu_us + writes(site, redis) + told;
    let [busy, without] =
        [site.loads(near), site.requests].map(|loads| loads * redis.load.cpu_us + writes);
    let data = site.sessions * redis.bytes_a_session;
    let memory = data / (figures.assumed.data_gb_a_shard * 1e9);
    let mut single = parts(figures, "the server's processor", busy / 1e6, without / 1e6);
    single.push(Part { name: "its memory", share: memory, may_be: 1.0 });
    Demand {
        single,
        processors: busy / 1e6,
        sent: site.loads(near) * redis.load.sent + told_bytes(figures, site, near),
        logged: logged(site, redis),
        data,
    }
}

fn writes(site: &Site, redis: &super::figures::Redis) -> f64 {
    let file = redis.sign_in.cpu_us - redis.rules.cpu_us;
    site.touches * redis.touch.cpu_us + site.sign_ins * file + site.ends * redis.end.cpu_us
}

fn logged(site: &Site, redis: &super::figures::Redis) -> f64 {
    site.touches * redis.touch.logged
        + site.sign_ins * redis.sign_in.logged
        + site.ends * redis.end.logged
}

fn told(site: &Site, near: Near) -> f64 {
    match near {
        Near::No => 0.0,
        Near::Yes => site.changes() * site.nodes,
    }
}

fn told_bytes(figures: &Figures, site: &Site, near: Near) -> f64 {
    told(site, near) * figures.redis.tell_bytes()
}

/// One primary. It tells of ends whether anybody listens or not, and of one commit at a time. Of activity, and
/// of new sessions, it tells nobody.
pub(super) fn postgres(figures: &Figures, site: &Site, near: Near) -> Demand {
    let (postgres, assumed) = (&figures.postgres, &figures.assumed);
    let of = |loads: f64, of: fn(&Call) -> f64| {
        loads * of(&postgres.load)
            + site.touches * of(&postgres.touch)
            + site.sign_ins * of(&postgres.sign_in)
            + site.ends * of(&postgres.end)
    };
    let told = match near {
        Near::No => 0.0,
        Near::Yes => site.ends * site.nodes * postgres.tell_us(),
    };
    // A heartbeat costs a load at most.
    let [processors, without] = [site.loads(near), site.requests]
        .map(|loads| (of(loads + site.heartbeats(near), |call| call.cpu_us) + told) / 1e6);
    let connections = site.nodes * assumed.connections_a_node / assumed.postgres_connections;
    let commits = (site.touches + site.sign_ins + site.ends) / postgres.commits_a_second;
    let telling = site.ends / postgres.commits_told_a_second;
    let cores = assumed.postgres_cores;
    let mut single = parts(figures, "its processors", processors / cores, without / cores);
    single.push(Part { name: "commits", share: commits, may_be: assumed.busy });
    single.push(Part { name: "commits that tell", share: telling, may_be: assumed.busy });
    single.push(Part { name: "connections", share: connections, may_be: 1.0 });
    Demand {
        single,
        processors,
        sent: 0.0,
        logged: of(0.0, |call| call.logged),
        data: site.sessions * postgres.bytes_a_session,
    }
}

/// One machine that the app runs on as well.
pub(super) fn sqlite(figures: &Figures, site: &Site) -> Demand {
    let (sqlite, assumed) = (&figures.sqlite, &figures.assumed);
    let processors = site.requests * sqlite.whole_request_us / 1e6;
    let writes = site.touches / sqlite.touches_a_second + site.sign_ins / sqlite.sign_ins_a_second;
    Demand {
        single: vec![
            Part {
                name: "processors, if the app did nothing",
                share: processors / assumed.postgres_cores,
                may_be: assumed.busy,
            },
            Part { name: "writes to the disk", share: writes, may_be: assumed.busy },
        ],
        processors,
        sent: 0.0,
        logged: 0.0,
        data: site.sessions * sqlite.bytes_a_session,
    }
}

/// The largest site for which no part of one deployment is too much.
pub(super) fn largest(figures: &Figures, demand: impl Fn(&Site) -> Demand) -> Site {
    let assumed = &figures.assumed;
    let (mut fits, mut does_not) = (1.0, 1e12);
    while 1.001 < does_not / fits {
        let middle = f64::sqrt(fits * does_not);
        let site = Site::new(assumed, middle);
        if demand(&site).first().is_too_much() {
            does_not = middle;
        } else {
            fits = middle;
        }
    }
    Site::new(assumed, fits)
}

/// How many servers of Redis a cluster needs for that.
pub(super) fn shards(figures: &Figures, demand: &Demand) -> f64 {
    let assumed = &figures.assumed;
    let by_processor = demand.processors / assumed.busy;
    let by_memory = demand.data / (assumed.data_gb_a_shard * 1e9);
    let by_network = demand.sent * 8.0 / (assumed.gbit_a_server * 1e9 * assumed.busy);
    // With fewer there is nobody to elect another primary.
    by_processor.max(by_memory).max(by_network).ceil().max(3.0)
}
