//! More sessions of a user than may be.

use tower_curfew_checker::Outcome::{Alive, Unknown};
use tower_curfew_checker::{AtCap, Call, Kind, Reason};

use crate::{NOTHING, capped, found, list, over, request, sign_in, started};

#[test]
fn three_live_where_two_may() {
    for at_cap in [AtCap::EndOldest, AtCap::Refuse] {
        let log = [
            started(0, 1, "s"),
            started(2, 3, "t"),
            started(4, 5, "u"),
            request(6, 7, "s", Alive),
            request(6, 7, "t", Alive),
            request(6, 7, "u", Alive),
        ];
        let proof = vec![2, 5, 3, 6, 4, 7];
        assert_eq!(found(capped(2, at_cap), log), [(Kind::OverTheCap, proof)]);
    }
}

#[test]
fn one_that_may_have_ended_before_does_not_count() {
    let log = [
        started(0, 1, "s"),
        started(2, 3, "t"),
        started(5, 7, "u"),
        request(6, 8, "s", Alive),
        request(8, 9, "t", Alive),
        request(8, 9, "u", Alive),
    ];
    assert_eq!(found(capped(2, AtCap::EndOldest), log), NOTHING);
}

#[test]
fn a_list_that_is_too_long() {
    let log = [sign_in(0, 1, Unknown), sign_in(0, 1, Unknown), list(2, 3, "ann", &["a", "b"])];
    assert_eq!(found(capped(1, AtCap::Refuse), log.clone()), [(Kind::OverTheCap, vec![4])]);
    assert_eq!(found(capped(2, AtCap::Refuse), log), NOTHING);
}

#[test]
fn one_that_is_about_to_be_replaced_does_not_count() {
    let mut log = [
        started(0, 1, "s"),
        started(2, 9, "t"),
        list(4, 5, "ann", &["s", "t"]),
        request(10, 11, "s", over(Reason::Revoked)),
    ];
    let Call::SignIn { replaces, .. } = &mut log[1].call else { unreachable!() };
    *replaces = Some("s".into());
    assert_eq!(found(capped(1, AtCap::Refuse), log.clone()), NOTHING);
    log[3].outcome = Alive;
    assert_eq!(found(capped(1, AtCap::Refuse), log), [(Kind::EndedLives, vec![2, 3, 5])]);
}
