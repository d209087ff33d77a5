//! Sessions in memory: nothing to wait for.

use tower_curfew::store::MemoryStore;

use super::{Bench, ours, theirs};
use crate::report::Report;

pub fn measure(bench: &Bench<'_>, report: &mut Report) {
    let cases = bench.runtime.block_on(async {
        let mut cases = ours(MemoryStore::new(), |_| Vec::new()).await;
        cases.push(theirs(tower_sessions::MemoryStore::default()).await);
        cases
    });
    bench.compare(report, "Memory", cases);
}
