//! Logs that make no sense.

use tower_curfew_checker::Log;

use crate::{started, unlimited};

#[test]
fn what_cannot_be_read_says_where_and_what_to_do() {
    let header = serde_json::to_string(&unlimited()).unwrap();
    let call = r#"{"call": "revoke_everyone", "began": 5, "ended": 6, "outcome": "done"}"#;
    let refused = |text: &str| Log::read(text).unwrap_err().to_string();
    assert!(Log::read(&format!("{header}\n{call}\n")).is_ok());
    assert!(refused("").starts_with("line 1: "));
    assert!(refused(&format!("{header}\n{call}\n{}", &call[..20])).contains("line 3: "));
    let no_answer = call.replace("done", "alive");
    assert!(refused(&format!("{header}\n{no_answer}")).contains("correct the outcome"));
    let back = call.replace('6', "4");
    assert!(refused(&format!("{header}\n{back}")).contains("one clock"));
    let never = call.replace('6', "null");
    assert!(refused(&format!("{header}\n{never}")).contains("set `ended`"));
    let twice = [started(0, 1, "s"), started(2, 3, "s")];
    let twice = Log::new(unlimited(), twice.into()).unwrap_err().to_string();
    assert!(twice.contains("line 2") && twice.starts_with("line 3"), "{twice}");
}
