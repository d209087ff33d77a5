//! The program, as a shell sees it.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::{env, fs};

const HEADER: &str = r#"{"limits": {"absolute": null, "idle": null}, "cap": null, "touch_every": null, "clock_tolerance": 0}"#;
const SIGN_IN: &str = r#"{"call": {"sign_in": {"user": "ann", "orgs": []}}, "began": 0, "ended": 9, "outcome": {"started": {"session": "s1"}}}"#;
const LOST: &str =
    r#"{"call": {"request": {"session": "s1"}}, "began": 10, "ended": 19, "outcome": "nobody"}"#;

fn run(arguments: &[PathBuf]) -> (Option<i32>, String) {
    let program = Command::new(env!("CARGO_BIN_EXE_tower-curfew-checker")).args(arguments).output();
    let Output { status, stdout, stderr } = program.unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

fn over(name: &str, lines: &[&str]) -> (Option<i32>, String) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, lines.join("\n")).unwrap();
    run(&[path])
}

#[test]
fn a_log_without_a_violation() {
    let (code, told) = over("kept.jsonl", &[HEADER, SIGN_IN]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("1  acknowledged sign-ins\n") && told.contains("0  violations\n"),
        "{told}"
    );
}

#[test]
fn a_log_with_a_violation_and_its_proof() {
    let (code, told) = over("broken.jsonl", &[HEADER, SIGN_IN, LOST]);
    assert_eq!(code, Some(1), "{told}");
    let proof = format!("\n  2: {SIGN_IN}\n  3: {LOST}\n");
    assert!(told.contains("\nacknowledged is lost: ") && told.ends_with(&proof), "{told}");
}

#[test]
fn what_is_no_log() {
    let (code, told) = over("cut.jsonl", &[HEADER, &LOST[..40]]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("cut.jsonl: line 2: ") && told.contains("write it anew"), "{told}");
    let (code, told) = run(&["no such file".into()]);
    assert_eq!(code, Some(2), "{told}");
    let (code, told) = run(&[]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("name one file"), "{told}");
}
