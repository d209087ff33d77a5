//! The fuzzer. `fuzz/run` builds it, and names the target in the environment: libFuzzer reads all
//! arguments itself.
#![no_main]

use std::env;
use std::sync::LazyLock;

use targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("CURFEW_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("set CURFEW_FUZZ_TARGET to a target, and not to {name:?}"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (TARGET.run)(data);
});
