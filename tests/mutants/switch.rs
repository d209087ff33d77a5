//! Which mutant is switched on. `tower-curfew-mutants` adds this module to its copy of the crate.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

const UNREAD: u32 = u32::MAX;
const RECORDING: u32 = u32::MAX - 1;

static CHOSEN: AtomicU32 = AtomicU32::new(UNREAD);

/// One bit for each number that was reached.
static REACHED: [AtomicU32; 2048] = [const { AtomicU32::new(0) }; 2048];

/// Whether the mutant with this number is switched on.
pub(crate) fn is(number: u32) -> bool {
    let chosen = match CHOSEN.load(Relaxed) {
        UNREAD => choose(),
        chosen => chosen,
    };
    if chosen == RECORDING {
        note(number);
    }
    chosen == number
}

fn choose() -> u32 {
    let number = env::var("CURFEW_MUTANT").ok().and_then(|number| number.parse().ok());
    let recording = env::var_os("CURFEW_MUTANTS_REACHED").map(|_| RECORDING);
    let chosen = number.or(recording).unwrap_or(0);
    CHOSEN.store(chosen, Relaxed);
    chosen
}

/// Written down at once, since a test may end its process in any way.
fn note(number: u32) {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    let bit = 1 << (number % 32);
    if REACHED[number as usize / 32].fetch_or(bit, Relaxed) & bit != 0 {
        return;
    }
    let open = || {
        let path = env::var_os("CURFEW_MUTANTS_REACHED")?;
        OpenOptions::new().append(true).create(true).open(path).ok()
    };
    if let Some(mut file) = FILE.get_or_init(open).as_ref() {
        let _ = file.write_all(format!("{number}\n").as_bytes());
    }
}
