//! The program that signs out while a slow request is under way.

use std::process::Command;

#[test]
fn a_slow_request_undoes_the_sign_out_of_tower_sessions_and_not_ours() {
    let said = printed();
    let lines = said.lines().collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            "tower-sessions: signed out: 200 OK, slow request: 200 OK",
            "tower-sessions: the old cookie once more: 200 OK",
            "tower-curfew: signed out: 200 OK, slow request: 401 Unauthorized",
            "tower-curfew: the old cookie once more: 401 Unauthorized",
        ]
    );
}

pub(crate) fn printed() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sign-out")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
