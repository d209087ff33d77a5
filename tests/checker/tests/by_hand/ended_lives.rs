//! Sessions that live on after their end.

use tower_curfew_checker::Outcome::{Alive, Done, Refused, Unavailable, Unknown};
use tower_curfew_checker::{Call, Kind, Reason};

use crate::{
    NOTHING, entry, found, list, over, request, revoke_user, sign_out, started, unlimited,
};

#[test]
fn alive_after_it_was_signed_out() {
    let log = [started(0, 1, "s"), sign_out(2, 3, "s", Done), request(4, 5, "s", Alive)];
    assert_eq!(found(unlimited(), log), [(Kind::EndedLives, vec![2, 3, 4])]);
}

#[test]
fn alive_while_it_is_signed_out() {
    let log = [started(0, 1, "s"), sign_out(2, 4, "s", Done), request(3, 5, "s", Alive)];
    assert_eq!(found(unlimited(), log), NOTHING);
}

#[test]
fn alive_after_a_sign_out_that_may_have_come_to_nothing() {
    for outcome in [Unknown, Unavailable, Refused] {
        let log = [started(0, 1, "s"), sign_out(2, 3, "s", outcome), request(4, 5, "s", Alive)];
        assert_eq!(found(unlimited(), log), NOTHING);
    }
}

#[test]
fn alive_after_an_answer_that_it_is_over() {
    let log = [
        started(0, 1, "s"),
        sign_out(2, 3, "s", Unknown),
        request(9, 10, "s", over(Reason::Revoked)),
        request(11, 12, "s", Alive),
    ];
    assert_eq!(found(unlimited(), log), [(Kind::EndedLives, vec![2, 4, 5])]);
}

#[test]
fn revocations_end_those_that_had_begun_before() {
    let calls = || {
        let (user, except) = ("ann".into(), None);
        [
            Call::RevokeUser { user, except },
            Call::RevokeOrg { org: "acme".into() },
            Call::RevokeEveryone,
        ]
    };
    for call in calls() {
        let log = [started(0, 1, "s"), entry(2, 3, call.clone(), Done), list(4, 5, "ann", &["s"])];
        assert_eq!(found(unlimited(), log), [(Kind::EndedLives, vec![2, 3, 4])]);
        let log = [started(0, 2, "s"), entry(1, 3, call, Done), request(4, 5, "s", Alive)];
        assert_eq!(found(unlimited(), log), NOTHING, "it may have begun after");
    }
}

#[test]
fn the_session_that_is_excepted_lives() {
    let log = [
        started(0, 1, "s"),
        started(0, 1, "t"),
        revoke_user(2, 3, Some("s")),
        request(4, 5, "s", Alive),
        request(4, 5, "t", Alive),
    ];
    assert_eq!(found(unlimited(), log), [(Kind::EndedLives, vec![3, 4, 6])]);
}
