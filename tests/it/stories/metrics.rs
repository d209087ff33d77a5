//! What is counted, for the recorder of the app.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower_curfew::OrgPolicy;

use crate::support::{Fault, Site, days, hours};

/// What was counted since this was asked last, by name and labels; of times, how many there were.
fn counted(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let mut labels = Vec::from_iter(key.key().labels().map(|label| label.value().to_owned()));
        labels.sort_unstable();
        let name = key.key().name().strip_prefix("tower_curfew_").unwrap();
        let number = match value {
            DebugValue::Counter(number) => number,
            DebugValue::Gauge(gauge) => gauge.0 as u64,
            DebugValue::Histogram(values) => values.len() as u64,
        };
        if number > 0 {
            counted.insert(format!("{name} {}", labels.join(" ")).trim_end().to_owned(), number);
        }
    }
    counted
}

#[tokio::test]
async fn requests_calls_and_refusals_are_counted_and_no_label_names_anybody() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _local = metrics::set_default_local_recorder(&recorder);
    let site = Site::new();
    let mut ada = site.signed_in("ada", &["acme"]).await;
    counted(&snapshotter);

    assert!(ada.is_signed_in().await);
    let once = counted(&snapshotter);
    assert_eq!(once["requests_total live"], 1);
    assert_eq!(once["store_calls_total done load"], 1);
    assert_eq!(once["store_call_seconds load"], 1);
    assert_eq!(once.len(), 3, "{once:?}");

    site.pass(hours(2));
    assert!(ada.is_signed_in().await);
    let due = counted(&snapshotter);
    assert_eq!(due["activity_recorded_total"], 1);
    assert_eq!(due["cookies_refreshed_total"], 1);
    assert_eq!(due["store_calls_total done replace"], 1);

    let mut forged = ada.clone();
    forged.cookie = forged.cookie.map(|cookie| format!("{cookie}x"));
    forged.open("/").await;
    site.browser().open("/").await;
    let strangers = counted(&snapshotter);
    assert_eq!(strangers["requests_total anonymous"], 2);
    assert_eq!(strangers["refusals_total unverified"], 1);

    site.store.break_only("load", Fault::Fail);
    ada.open("/").await;
    site.store.mend();
    let failed = counted(&snapshotter);
    assert_eq!(failed["requests_total unavailable"], 1);
    assert_eq!(failed["refusals_total unavailable"], 1);
    assert_eq!(failed["store_calls_total failed load"], 1);

    let other = site.beside(site.clock.clone(), |builder| builder);
    other.set_policy("acme", OrgPolicy::absolute(days(1))).await;
    site.pass(days(1));
    counted(&snapshotter);
    assert_eq!(ada.turned_away_because().await, "absolute acme");
    let ended = counted(&snapshotter);
    assert_eq!(ended["requests_total ended"], 1);
    assert_eq!(ended["refusals_total absolute"], 1);
    assert_eq!(ended["rules_lag_seconds"], 1, "another node has changed them");

    site.pass(days(60));
    site.curfew.purge().await.unwrap();
    let purged = counted(&snapshotter);
    assert_eq!(purged["purged_total"], 1);
}
