//! Records as an app with many sessions has them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use time::Duration;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{Membership, Record, SecretHash, Stamp};
use tower_curfew::{ClientDetails, Limits, SessionId};

/// What is known of a session.
#[derive(Clone, Copy)]
pub struct Facts {
    pub organization: bool,
    pub client: bool,
}

impl Facts {
    pub const ALL: Self = Self { organization: true, client: true };
}

/// So many organizations, of which each session has one.
pub const ORGS: u64 = 1000;

/// Makes records by number, each with ids and keys that are spread as random ones are.
pub struct Records {
    seed: RandomState,
    began: Timestamp,
    /// So many sessions of the same user come after each other.
    each: u64,
    /// Where each of them stands in the history of its organization's rules.
    stamp: Stamp,
}

impl Records {
    pub fn new(began: Timestamp, each: u64) -> Self {
        let stamp = Stamp { generation: 1, version: 1, known: 1 };
        Self { seed: RandomState::new(), began, each, stamp }
    }

    /// The same where no organization ever had rules.
    pub fn without_rules(self) -> Self {
        Self { stamp: Stamp::default(), ..self }
    }

    /// The user of a session: a UUID.
    pub fn user(&self, number: u64) -> String {
        let user = number / self.each;
        format!("{:08x}-0000-4000-8000-{user:012x}", self.seed.hash_one(user) as u32)
    }

    pub fn id(&self, number: u64) -> SessionId {
        SessionId::from_bytes(self.random(number))
    }

    /// A session that lasts.
    pub fn record(&self, number: u64, facts: Facts) -> Record {
        let record = self.due(number, facts);
        let purge_after = record.created() + Duration::days(35);
        record.with_purge_after(purge_after)
    }

    /// One that has been due to be deleted since it began.
    ///
    /// Somebody in one of a thousand organizations, with one of a hundred devices, and an address that
    /// hardly anybody else has.
    pub fn due(&self, number: u64, facts: Facts) -> Record {
        let created = self.began + Duration::milliseconds(number as i64);
        let hash = SecretHash::from_bytes(self.random(!number));
        let user = self.user(number);
        let mut record = Record::begin(self.id(number), hash, user, created, number as u32)
            .with_limits(Limits::idle(Duration::days(28)));
        if facts.organization {
            let org = Arc::from(org(number / self.each));
            let member = Membership { org, stamp: self.stamp, joined: created };
            record = record.with_memberships(vec![member]);
        }
        if facts.client {
            let mut client = ClientDetails::default();
            client.device = Some(format!("Browser {} on an operating system", number % 100).into());
            client.address = Some(IpAddr::V4(Ipv4Addr::from_bits(number as u32)));
            record = record.with_client(&client);
        }
        record
    }

    fn random<const BYTES: usize>(&self, number: u64) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (place, chunk) in bytes.chunks_mut(8).enumerate() {
            chunk
                .copy_from_slice(&self.seed.hash_one((number, place)).to_be_bytes()[..chunk.len()]);
        }
        bytes
    }
}

pub fn org(number: u64) -> String {
    format!("organization {}", number % ORGS)
}
