//! How many changes a second SQLite takes, on the disk of this machine.

use tower_curfew::store::SqliteStore;

use super::{Site, UNDER_WAY};

pub(super) async fn run() {
    let folder = tempfile::tempdir_in("target").or_else(|_| tempfile::tempdir()).expect("a folder");
    let store = SqliteStore::open(folder.path().join("sessions.db")).await.expect("a file");
    let mut site = Site::new(vec![store; UNDER_WAY]);
    println!("\n[sqlite] # {UNDER_WAY} callers of one process");
    for (name, is_touch) in [("sign_ins", false), ("touches", true)] {
        let began = std::time::Instant::now();
        let calls = if is_touch { site.touch(500).await } else { site.sign_in(500).await };
        println!("{name}_a_second = {:.0}", f64::from(calls) / began.elapsed().as_secs_f64());
    }
}
