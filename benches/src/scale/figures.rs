//! What the tables are computed from: `measured.toml`.

use std::fs;

use serde::Deserialize;

/// Where `unknown` keys are refused, so that none is written in vain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    pub(super) redis: Redis,
    pub(super) postgres: Postgres,
    pub(super) sqlite: Sqlite,
    pub(super) node: Node,
    pub(super) assumed: Assumed,
}

impl Figures {
    pub(crate) fn read() -> Self {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/measured.toml");
        let text = fs::read_to_string(file).expect("measured.toml is there");
        toml::from_str(&text).expect("measured.toml can be read")
    }
}

/// What one call costs a server.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    /// Microseconds of the server's processor.
    pub(super) cpu_us: f64,
    /// Microseconds of the node's.
    pub(super) node_cpu_us: f64,
    /// Bytes that the server receives, sends, and writes into its log.
    pub(super) received: f64,
    pub(super) sent: f64,
    pub(super) logged: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redis {
    pub(super) sign_in: Call,
    pub(super) load: Call,
    /// With 64 under way at one node, which shares calls.
    pub(super) load_among_64: Call,
    /// How many loads such a call is for.
    pub(super) loads_a_call_among_64: f64,
    pub(super) rules: Call,
    pub(super) touch: Call,
    pub(super) end: Call,
    pub(super) bare_get: Call,
    /// While so many connections are told of each change.
    pub(super) listeners: f64,
    pub(super) touch_told_at_once: Call,
    pub(super) touch_told_alone: Call,
    pub(super) touch_alone: Call,
    pub(super) node_cpu_us_for_each_change: f64,
    pub(super) bytes_a_session: f64,
}

impl Redis {
    /// Microseconds to tell one connection of a change that comes alone.
    pub(super) fn tell_alone_us(&self) -> f64 {
        (self.touch_told_alone.cpu_us - self.touch_alone.cpu_us) / self.listeners
    }

    /// The same where others come at the same time, which are told of in the same message.
    pub(super) fn tell_at_once_us(&self) -> f64 {
        (self.touch_told_at_once.cpu_us - self.touch.cpu_us) / self.listeners
    }

    /// Bytes that one connection is sent for a change that comes alone.
    pub(super) fn tell_bytes(&self) -> f64 {
        (self.touch_told_alone.sent - self.touch_alone.sent) / self.listeners
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Postgres {
    pub(super) sign_in: Call,
    pub(super) load: Call,
    /// With 64 under way at one node, which shares calls.
    pub(super) load_among_64: Call,
    pub(super) rules: Call,
    /// Of which nobody is told.
    pub(super) touch: Call,
    pub(super) end: Call,
    /// While so many connections are told of each change.
    pub(super) listeners: f64,
    pub(super) end_told: Call,
    /// While none tells of itself, and while each does.
    pub(super) commits_a_second: f64,
    pub(super) commits_told_a_second: f64,
    pub(super) bytes_a_session: f64,
}

impl Postgres {
    /// Microseconds to tell one connection of a change.
    pub(super) fn tell_us(&self) -> f64 {
        (self.end_told.cpu_us - self.end.cpu_us) / self.listeners
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sqlite {
    pub(super) whole_request_us: f64,
    pub(super) sign_ins_a_second: f64,
    pub(super) touches_a_second: f64,
    pub(super) bytes_a_session: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    pub(super) layer_us: f64,
    pub(super) near_hit_us: f64,
    pub(super) near_bytes_an_entry: f64,
    pub(super) rules_bytes_an_organization: f64,
}

/// What is not known, and has to be assumed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assumed {
    pub(super) sessions: f64,
    pub(super) requests_a_second: f64,
    pub(super) requests_a_second_of_a_node: f64,
    pub(super) organizations: f64,
    pub(super) active_share: f64,
    pub(super) days_kept: f64,
    pub(super) peak_factor: f64,
    pub(super) signed_out_share: f64,
    pub(super) zipf: f64,
    pub(super) busy: f64,
    pub(super) data_gb_a_shard: f64,
    pub(super) gbit_a_server: f64,
    pub(super) postgres_cores: f64,
    pub(super) postgres_connections: f64,
    pub(super) connections_a_node: f64,
    pub(super) replicas: f64,
    pub(super) seconds_of_storm: f64,
    pub(super) seconds_until_watched_again: f64,
    pub(super) seconds_of_failover: f64,
    pub(super) seconds_of_deploy: f64,
}
