//! How much room a session takes: in memory by part, beside the peers with as many, and on servers
//! with their indexes.

pub mod peers;
mod servers;

use std::fs;
use std::hint::black_box;
use std::mem::size_of;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{Inserted, MemoryStore, Record, Store as _};

use crate::apps;
use crate::counting::count;
use crate::records::{Facts, Records};
use crate::report::{Report, short};
use crate::settings::{Server, Settings};

pub fn run(settings: &Settings, report: &mut Report) {
    settings.tell_what_is_left_out(report, &[Server::Postgres, Server::Redis]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let sessions = settings.count(1_000_000, 10_000) as u64;
    by_part(&runtime, report, sessions);
    beside_peers(report, sessions);
    servers::measure(settings, &runtime, report);
}

fn by_part(runtime: &Runtime, report: &mut Report, sessions: u64) {
    let records = Records::new(Timestamp::from_unix_millis(1_700_000_000_000), 1);
    let alone = Facts { organization: false, client: false };
    let member = Facts { organization: true, ..alone };
    let each = |work: &mut dyn FnMut()| count(work).bytes as f64 / sessions as f64;

    let records_alone = |facts| {
        let mut all = Vec::with_capacity(sessions as usize);
        let bytes = each(&mut || {
            all.extend((0..sessions).map(|number| Arc::new(records.record(number, facts))));
        });
        black_box(all);
        bytes
    };
    let stored = |facts| {
        let store = MemoryStore::with_capacity(sessions as usize);
        each(&mut || {
            runtime.block_on(async {
                for number in 0..sessions {
                    let filed = store.insert(Arc::new(records.record(number, facts)), None).await;
                    assert_eq!(filed.expect("there is room"), Inserted::Done);
                }
            });
        })
    };

    let (all, with_org, bare) = (stored(Facts::ALL), stored(member), stored(alone));
    let record = size_of::<Record>() as f64;
    let user = records_alone(alone) - record;
    let parts = [
        ("the record itself", record),
        ("its user, a name of 36 characters, and what counts its owners", user),
        ("finding it: by id, by user, by when it is due", bare - user - record),
        ("an organization: the membership, and finding it by that", with_org - bare),
        ("device and address", all - with_org),
        ("in all", all),
    ];
    report.heading("tower-curfew in memory, by part");
    let rows = parts.map(|(part, bytes)| vec![part.to_owned(), format!("{bytes:.1}")]);
    let columns = ["part", "bytes a session"];
    report.table(&columns, &rows);
    report.text(&format!(
        "With {} sessions: what was asked of the allocator.",
        short(sessions as f64)
    ));
}

fn beside_peers(report: &mut Report, sessions: u64) {
    let names = [
        apps::OURS,
        apps::OURS_FULL,
        apps::TOWER_SESSIONS,
        apps::AXUM_LOGIN,
        apps::AXUM_SESSION,
        apps::AXESS,
    ];
    let grown = names.map(|name| (name.to_owned(), peers::grown_by(name, sessions)));
    report.heading("Beside peers, in memory");
    let rows = grown.iter().map(|(name, bytes)| vec![name.clone(), short(*bytes)]);
    report.table(&["over memory", "bytes a session"], &Vec::from_iter(rows));
    report.text(&format!(
        "By which a process of its own has grown when {} users had signed in through the app, a session \
         each. The peers' sessions hold a user, and an organization where they hold data of any kind.",
        short(sessions as f64)
    ));
    report.bars("bytes a session in memory", &grown);
}

/// Pages that the process has in memory, in bytes.
pub fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4096
}
