//! Sessions that live on after their limit.

use tower_curfew_checker::Outcome::{Alive, Done, Refused, Unavailable, Unknown};
use tower_curfew_checker::{Call, Header, Kind, Limits, Outcome};

use crate::{
    MS, NOTHING, clear_policy, found, limited, list, request, set_policy, started, unlimited,
};

/// Beyond what the rounding of clocks explains.
const LATER: i64 = 2;

#[test]
fn alive_after_its_absolute_limit() {
    let log = |at: i64| [started(0, 5, "s"), request(at, at + 1, "s", Alive)];
    assert_eq!(found(limited(Some(100), None), log(105 + LATER)).len(), 1);
    assert_eq!(found(limited(Some(100), None), log(106)), NOTHING, "clocks count milliseconds");
    let apart = Header { clock_tolerance: 10 * MS, ..limited(Some(100), None) };
    assert_eq!(found(apart, log(110)), NOTHING);
}

#[test]
fn limits_of_its_own_bind_it() {
    let mut log = [started(0, 1, "s"), request(60, 61, "s", Alive)];
    let Call::SignIn { at_most, .. } = &mut log[0].call else { unreachable!() };
    *at_most = Some(Limits { absolute: Some(50 * MS), idle: None });
    assert_eq!(found(limited(Some(100), None), log), [(Kind::OutlivesALimit, vec![1, 2, 3])]);
}

#[test]
fn alive_after_its_idle_limit() {
    let log = |between: Outcome| {
        [started(0, 1, "s"), request(60, 61, "s", between), request(150, 151, "s", Alive)]
    };
    let idle = || limited(None, Some(100));
    assert_eq!(found(idle(), log(Alive)), NOTHING);
    assert_eq!(found(idle(), log(Unknown)), NOTHING, "it may have been activity");
    assert_eq!(found(idle(), log(Unavailable)), [(Kind::OutlivesALimit, vec![1, 2, 4])]);
    let late = [started(0, 1, "s"), request(60, 61, "s", Unknown), request(300, 301, "s", Alive)];
    assert_eq!(found(idle(), late), [(Kind::OutlivesALimit, vec![1, 2, 4])], "not that late");
    let mut by = log(Unavailable);
    by[1] = list(60, 61, "ann", &["s"]);
    by[1].by = Some("s".into());
    assert_eq!(found(idle(), by.clone()), NOTHING);
    by[1].outcome = Refused;
    assert_eq!(found(idle(), by.clone()), NOTHING, "what was refused may be activity, too");
    by[1].outcome = Unavailable;
    by[2] = request(190, 191, "s", Alive);
    assert_eq!(found(idle(), by), NOTHING, "it may have come late");
}

#[test]
fn two_that_are_too_late_do_not_excuse_each_other() {
    let log = [started(0, 1, "s"), request(150, 180, "s", Alive), request(151, 179, "s", Alive)];
    assert_eq!(found(limited(None, Some(100)), log), [(Kind::OutlivesALimit, vec![1, 2, 3])]);
}

#[test]
fn a_policy_shortens() {
    let log = |began: i64| {
        [
            started(0, 1, "s"),
            set_policy(began, began + 1, Some(50), None),
            request(60, 61, "s", Alive),
        ]
    };
    assert_eq!(found(unlimited(), log(10)), [(Kind::OutlivesALimit, vec![3, 2, 4])]);
    assert_eq!(found(unlimited(), log(59)), NOTHING, "it may have come after");
}

#[test]
fn an_end_that_was_scheduled_stays() {
    let log = [
        started(0, 1, "s"),
        set_policy(2, 3, Some(50), None),
        clear_policy(4, 5, Done),
        request(60, 61, "s", Alive),
    ];
    assert_eq!(found(unlimited(), log), [(Kind::OutlivesALimit, vec![3, 2, 5])]);
    let before = [
        set_policy(0, 1, Some(50), None),
        clear_policy(2, 3, Unknown),
        started(10, 11, "s"),
        request(70, 71, "s", Alive),
    ];
    assert_eq!(found(unlimited(), before.clone()), NOTHING, "it may have been cleared");
    let mut kept = before;
    kept[1].began = 12 * MS;
    kept[1].ended = None;
    assert_eq!(found(unlimited(), kept), [(Kind::OutlivesALimit, vec![2, 4, 5])]);
}

#[test]
fn an_idle_limit_that_was_cleared_binds_until_the_next_activity() {
    let log = |active: i64| {
        [
            set_policy(0, 1, None, Some(50)),
            started(2, 3, "s"),
            request(active, active + 1, "s", Alive),
            clear_policy(30, 31, Done),
            request(90, 91, "s", Alive),
        ]
    };
    assert_eq!(found(unlimited(), log(10)), [(Kind::OutlivesALimit, vec![2, 3, 4, 6])]);
    assert_eq!(found(unlimited(), log(32)), NOTHING);
    assert_eq!(found(unlimited(), log(30)), NOTHING, "it may have come after");
    let apart = Header { clock_tolerance: 10 * MS, ..unlimited() };
    assert_eq!(found(apart, log(25)), NOTHING, "clocks may disagree on that");
    let mut unsure = log(10);
    unsure[2].outcome = Unknown;
    unsure[4] = request(200, 201, "s", Alive);
    assert_eq!(found(unlimited(), unsure), NOTHING, "it may have come late");
}
