//! What is fuzzed: one target for each input that a client makes up, and for what a store keeps.
//!
//! A target goes through the public API, mostly through a whole router over the memory store, and
//! panics if the crate breaks a promise. It returns which side its input has reached, so that the
//! tests see that the seeds reach all of them.

mod asked;
mod credentials;
mod site;
mod targets;

use targets::{address, bearer, cookie, device, json, paths, record, return_to, rules};

/// One target, with the seeds in the folder of its name.
#[derive(Debug)]
pub struct Target {
    pub name: &'static str,
    /// Tries an input, and returns the side that it has reached.
    pub run: fn(&[u8]) -> &'static str,
    /// What the seeds must reach, at the least.
    pub sides: &'static [&'static str],
}

pub const TARGETS: [Target; 9] = [
    Target { name: "address", run: address::target, sides: address::SIDES },
    Target { name: "bearer", run: bearer::target, sides: bearer::SIDES },
    Target { name: "cookie", run: cookie::target, sides: cookie::SIDES },
    Target { name: "device", run: device::target, sides: device::SIDES },
    Target { name: "json", run: json::target, sides: json::SIDES },
    Target { name: "paths", run: paths::target, sides: paths::SIDES },
    Target { name: "record", run: record::target, sides: record::SIDES },
    Target { name: "return_to", run: return_to::target, sides: return_to::SIDES },
    Target { name: "rules", run: rules::target, sides: rules::SIDES },
];
