//! By how much a process grows with the sessions of an app in it: what is freed is not given back, so
//! each app has a process of its own.

use tokio::runtime::Builder;

use super::resident;
use crate::{apps, child};

/// Bytes for each of so many sessions.
pub fn grown_by(app: &str, sessions: u64) -> f64 {
    let printed = child::output(&["room", app, &sessions.to_string()]);
    printed.trim().parse().expect("a figure")
}

/// For a child, which prints what it has measured.
pub fn measure_and_tell(arguments: &[String]) {
    let [app, sessions] = arguments else {
        panic!("an app, and how many sessions");
    };
    let sessions = sessions.parse::<u64>().expect("a count");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let app = apps::named(app).await;
        // What the first of them needs is not for each of them.
        apps::sign_in(&app, apps::USER).await;
        let before = resident();
        for number in 1..sessions {
            let user = format!("0190a5b2-7c4e-7d10-8f3a-{number:012x}");
            apps::sign_in(&app, &user).await;
        }
        println!("{}", (resident() - before) as f64 / sessions as f64);
    });
}
