//! Lists that are not what lives.

use tower_curfew_checker::Kind;
use tower_curfew_checker::Outcome::Alive;

use crate::{NOTHING, found, limited, list, request, started, unlimited};

#[test]
fn a_list_that_misses_one() {
    let log = |sign_in: i64, seen: i64| {
        [
            started(sign_in, sign_in + 1, "s"),
            list(10, 12, "ann", &[]),
            request(seen, seen + 1, "s", Alive),
        ]
    };
    let kind = Kind::ListIsNotTheLiving;
    assert_eq!(found(unlimited(), log(0, 13)), [(kind, vec![2, 3, 4])]);
    assert_eq!(found(unlimited(), log(9, 13)), NOTHING, "it may have begun after");
    assert_eq!(found(unlimited(), log(0, 12)), NOTHING, "it may have ended before");
}

#[test]
fn a_list_that_holds_one_beyond_its_limit() {
    let log = |at: i64| [started(0, 1, "s"), list(at, at + 1, "ann", &["s"])];
    let kind = Kind::ListIsNotTheLiving;
    assert_eq!(found(limited(Some(50), None), log(60)), [(kind, vec![1, 2, 3])]);
    assert_eq!(found(limited(Some(50), None), log(50)), NOTHING);
}

#[test]
fn a_list_that_holds_one_of_another_user() {
    let log = [started(0, 1, "s"), list(2, 3, "bob", &["s", "unheard-of"])];
    assert_eq!(found(unlimited(), log), [(Kind::ListIsNotTheLiving, vec![2, 3])]);
}
