//! Sessions that nobody knows any more.

use tower_curfew_checker::Outcome::Nobody;
use tower_curfew_checker::{Header, Kind};

use crate::{MS, NOTHING, found, limited, request, started, unlimited};

#[test]
fn nobody_knows_it() {
    let log = [started(0, 1, "s"), request(2, 3, "s", Nobody)];
    assert_eq!(found(unlimited(), log), [(Kind::AcknowledgedIsLost, vec![2, 3])]);
}

#[test]
fn nobody_knows_it_yet() {
    let log = [started(0, 2, "s"), request(1, 3, "s", Nobody)];
    assert_eq!(found(unlimited(), log), NOTHING);
}

#[test]
fn it_is_forgotten_when_that_may_be() {
    let header = Header { kept_for: Some(10 * MS), ..limited(Some(100), None) };
    let log = |at: i64| [started(0, 1, "s"), request(at, at + 1, "s", Nobody)];
    assert_eq!(found(header.clone(), log(110)), NOTHING);
    assert_eq!(found(header, log(105)), [(Kind::AcknowledgedIsLost, vec![2, 3])]);
}
