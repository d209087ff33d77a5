//! Sessions that are over before anything can have ended them.

use tower_curfew_checker::Outcome::{Alive, Done, Refused, Unavailable, Unknown};
use tower_curfew_checker::{AtCap, Header, Kind, Outcome, Reason};

use crate::{
    MS, NOTHING, capped, clear_policy, found, limited, over, request, revoke_user, set_policy,
    sign_in, sign_out, started, unlimited,
};

#[test]
fn it_ended_for_no_reason() {
    let log = [started(0, 1, "s"), request(2, 3, "s", over(Reason::Revoked))];
    assert_eq!(found(unlimited(), log), [(Kind::CutEarly, vec![2, 3])]);
}

#[test]
fn anything_that_had_begun_may_have_ended_it() {
    for outcome in [Done, Unknown, Unavailable] {
        let ended = request(4, 6, "s", over(Reason::Revoked));
        let log = [started(0, 1, "s"), sign_out(5, 7, "s", outcome), ended];
        assert_eq!(found(unlimited(), log), NOTHING);
    }
    let ended = request(4, 6, "s", over(Reason::Revoked));
    let log = [started(0, 1, "s"), sign_out(7, 8, "s", Done), ended];
    assert_eq!(found(unlimited(), log), [(Kind::CutEarly, vec![2, 4])]);
}

#[test]
fn a_revocation_of_before_ends_it_only_if_it_may_be_late() {
    let log =
        [revoke_user(0, 1, None), started(2, 3, "s"), request(4, 5, "s", over(Reason::Revoked))];
    assert_eq!(found(unlimited(), log), [(Kind::CutEarly, vec![3, 4])]);
    let mut log =
        [revoke_user(0, 1, None), started(2, 3, "s"), request(4, 5, "s", over(Reason::Revoked))];
    log[0].outcome = Unknown;
    assert_eq!(found(unlimited(), log), NOTHING);
}

#[test]
fn a_limit_strikes_when_it_is_due() {
    let too_old = |at: i64| [started(0, 1, "s"), request(at, at + 1, "s", over(Reason::Absolute))];
    assert_eq!(found(limited(Some(100), None), too_old(100)), NOTHING);
    assert_eq!(found(limited(Some(100), None), too_old(90)), [(Kind::CutEarly, vec![2, 3])]);
    let apart = Header { clock_tolerance: 10 * MS, ..limited(Some(100), None) };
    assert_eq!(found(apart, too_old(90)), NOTHING);
}

#[test]
fn the_reason_counts() {
    let log = [started(0, 1, "s"), request(100, 101, "s", over(Reason::Idle))];
    assert_eq!(found(limited(Some(50), None), log), [(Kind::CutEarly, vec![2, 3])]);
    let log = [started(0, 1, "s"), request(100, 101, "s", Outcome::Ended { reason: None })];
    assert_eq!(found(limited(Some(50), None), log), NOTHING);
}

#[test]
fn activity_puts_off_the_idle_end() {
    let log = |active: Outcome| {
        [
            started(0, 1, "s"),
            request(80, 81, "s", active),
            request(110, 111, "s", over(Reason::Idle)),
        ]
    };
    assert_eq!(found(limited(None, Some(100)), log(Alive)), [(Kind::CutEarly, vec![2, 3, 4])]);
    assert_eq!(found(limited(None, Some(100)), log(Unknown)), NOTHING);
    let unproven = Header { touch_every: None, ..limited(None, Some(100)) };
    assert_eq!(found(unproven, log(Alive)), NOTHING);
    let lagging = Header { touch_every: Some(70 * MS), ..limited(None, Some(100)) };
    assert_eq!(found(lagging, log(Alive)), NOTHING);
}

#[test]
fn a_policy_that_was_replaced_before_does_not_bind() {
    let log = [
        set_policy(0, 1, Some(50), None),
        clear_policy(2, 3, Done),
        started(4, 5, "s"),
        request(70, 71, "s", over(Reason::Absolute)),
    ];
    assert_eq!(found(unlimited(), log.clone()), [(Kind::CutEarly, vec![4, 5])]);
    let mut late = log.clone();
    late[0].outcome = Unknown;
    assert_eq!(found(unlimited(), late), NOTHING);
    let mut overlapping = log;
    overlapping[2].began = 2 * MS;
    assert_eq!(found(unlimited(), overlapping), NOTHING);
}

#[test]
fn a_sign_in_displaces_the_oldest_only_where_there_may_be_too_many() {
    let log = [
        started(0, 1, "s"),
        started(2, 3, "t"),
        started(4, 5, "u"),
        request(6, 7, "s", over(Reason::Revoked)),
    ];
    assert_eq!(found(capped(2, AtCap::EndOldest), log.clone()), NOTHING);
    assert_eq!(found(capped(3, AtCap::EndOldest), log.clone()), [(Kind::CutEarly, vec![2, 5])]);
    assert_eq!(found(capped(2, AtCap::Refuse), log.clone())[0].0, Kind::CutEarly);
    let mut not_the_oldest = log.clone();
    not_the_oldest[3] = request(6, 7, "u", over(Reason::Revoked));
    assert_eq!(found(capped(2, AtCap::EndOldest), not_the_oldest), [(Kind::CutEarly, vec![4, 5])]);
    let mut room = log.clone();
    room[1] = sign_in(2, 3, Refused);
    assert_eq!(found(capped(2, AtCap::EndOldest), room)[0].0, Kind::CutEarly);
    let mut unsure = log;
    unsure[1] = sign_in(2, 3, Unknown);
    assert_eq!(found(capped(2, AtCap::EndOldest), unsure), NOTHING);
}

#[test]
fn one_that_had_ended_displaces_nobody() {
    let log = [
        started(0, 1, "s"),
        started(2, 3, "t"),
        sign_out(4, 5, "t", Done),
        started(6, 7, "u"),
        request(8, 9, "s", over(Reason::Revoked)),
    ];
    assert_eq!(found(capped(2, AtCap::EndOldest), log), [(Kind::CutEarly, vec![2, 6])]);
}

#[test]
fn an_idle_limit_strikes_while_it_is_asked() {
    let log = [started(0, 1, "s"), request(90, 101, "s", over(Reason::Idle))];
    assert_eq!(found(limited(None, Some(100)), log), NOTHING);
}

#[test]
fn activity_that_is_recorded_too_late_puts_off_nothing() {
    let log = [
        started(0, 1, "s"),
        request(98, 103, "s", Alive),
        request(99, 104, "s", over(Reason::Idle)),
    ];
    assert_eq!(found(limited(None, Some(100)), log), NOTHING);
}

#[test]
fn clocks_may_disagree_on_whether_activity_came_after_a_policy() {
    let log = [
        started(0, 1, "s"),
        set_policy(2, 3, None, Some(50)),
        clear_policy(30, 31, Done),
        request(35, 36, "s", Alive),
        request(90, 91, "s", over(Reason::Idle)),
    ];
    let apart = Header { clock_tolerance: 10 * MS, ..unlimited() };
    assert_eq!(found(apart, log.clone()), NOTHING);
    assert_eq!(found(unlimited(), log), [(Kind::CutEarly, vec![2, 5, 6])]);
}
