//! The house rules that the compiler does not know, kept by reading the sources.
//!
//! Each rule is a pure function from a file to its findings, so that `the_rules_can_fail` shows
//! that it does find something.

mod properties;
mod source;
mod the_rules_can_fail;
mod words;

use std::collections::HashSet;

use source::{Source, is_word, sources, test_modules};

/// The modules of the crate. Each names only those before it.
const ORDER: [&str; 19] = [
    "clock",
    "limits",
    "encoding",
    "session",
    "policy",
    "judge",
    "token",
    "cookie",
    "client",
    "event",
    "meter",
    "request",
    "reject",
    "store",
    "conformance",
    "curfew",
    "serialize",
    "service",
    "axum",
];

/// The most lines of a file, its test module not counted.
const MAX_LINES: usize = 300;

/// The most lines of the file in the middle, if they are sorted by length.
const MAX_MEDIAN_LINES: usize = 130;

/// The fewest words that a doc comment has.
const MIN_DOC_WORDS: usize = 4;

#[test]
fn modules_name_only_modules_above_them() {
    refuse(&["src"], out_of_order);
}

#[test]
fn only_clock_rs_reads_the_clock() {
    refuse(&["src"], clock_readings);
}

#[test]
fn only_token_draws_randomness() {
    refuse(&["src"], randomness);
}

#[test]
fn no_file_is_too_long() {
    refuse(&["src"], too_long);
}

#[test]
fn half_of_the_files_are_short() {
    let mut lines = sources(&["src"])
        .iter()
        .filter(|file| file.is_rust() && !file.is_tests())
        .map(lines_without_tests)
        .collect::<Vec<_>>();
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median <= MAX_MEDIAN_LINES, "half of the files have {median} lines or more");
}

#[test]
fn types_say_whether_one_may_match_or_make_them_exhaustively() {
    refuse(&["src"], undecided);
}

#[test]
fn docs_say_more_than_a_name() {
    refuse(&["src"], curt);
}

#[test]
fn prose_is_plain() {
    let pages = ["src", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
    refuse(&pages, words::stilted);
}

#[test]
fn lib_rs_holds_no_code() {
    refuse(&["src"], code_in_lib);
}

#[test]
fn the_project_stands_alone() {
    let tops = [
        "src",
        "tests",
        "examples",
        "benches",
        "fuzz",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        ".ci",
        "Cargo.toml",
    ];
    refuse(&tops, neighbours);
}

/// Each fault that the long run plants is there to be found, which it is not where it cannot be planted.
#[test]
fn planted_faults_fit_the_sources() {
    let files = sources(&["src", "examples"]);
    let patches = sources(&["tests/broken"]);
    assert!(2 <= patches.len(), "these are not the patches");
    let found = patches.iter().flat_map(|patch| does_not_fit(patch, &files)).collect::<Vec<_>>();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Tests are named after rules and traps, which the pages list by their numbers.
#[test]
fn rules_and_traps_that_tests_are_named_after_are_listed() {
    let pages = sources(&["src/docs"]);
    let text = |name: &str| &pages.iter().find(|page| page.path.ends_with(name)).unwrap().text;
    let (rules, traps) = (text("/rules.md"), text("/traps.md"));
    refuse(&["src", "tests", "examples"], |file| unlisted(file, rules, traps));
}

/// An auditor goes by these names.
#[test]
fn tests_that_the_security_page_names_exist() {
    let files = sources(&["src", "tests", "examples"]);
    let page = files.iter().find(|file| file.path == "src/docs/security.md").unwrap();
    let functions = files.iter().filter(|file| file.is_rust()).flat_map(functions).collect();
    let mut found = not_there(page, &functions);
    found.extend(left_out(page));
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// What an auditor reads there can be checked, and it can fail.
#[test]
fn properties_have_tests_and_planted_faults() {
    let files = sources(&["src", "tests", "examples"]);
    let page = files.iter().find(|file| file.path == "src/docs/properties.md").unwrap();
    let functions = files.iter().filter(|file| file.is_rust()).flat_map(functions).collect();
    let patches = files.iter().filter(|file| file.path.ends_with(".patch")).collect::<Vec<_>>();
    let mut found = not_there(page, &functions);
    found.extend(properties::unproven(page, &patches, &functions));
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

// --- the rules -----------------------------------------------------------------------------------

fn out_of_order(file: &Source) -> Vec<String> {
    let Some(module) = file.module() else {
        return Vec::new();
    };
    let Some(own) = place(module) else {
        return vec![file.finding(0, &format!("`{module}` has no place yet: put it in ORDER"))];
    };
    let code = file.code_without_tests();
    let mut found = Vec::new();
    for (at, name) in names_at_the_root(&code, file.depth()) {
        let complaint = match place(name) {
            Some(other) if other <= own => continue,
            Some(_) => format!("`{module}` names `{name}`, which stands below it"),
            None if name.starts_with(char::is_uppercase) => {
                format!("`crate::{name}` is a re-export: name the module that it lives in")
            }
            None => format!("`crate::{name}` is no module in ORDER"),
        };
        found.push(file.finding(at, &complaint));
    }
    found
}

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|&name| name == module)
}

/// What the code names at the crate root, through `crate::` or through enough `super::`.
fn names_at_the_root(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        // What a macro names is what a user of the crate sees.
        if !code[..at].ends_with(|c| is_word(c) || c == '$') {
            found.extend(heads(code, at + prefix.len()));
        }
    }
    for (at, _) in code.match_indices("super::") {
        let rest = code[at..].trim_start_matches("super::");
        let start = code.len() - rest.len();
        if (start - at) / "super::".len() >= depth && !code[..at].ends_with("super::") {
            // In a nested module, `super` goes less far than the file's depth says. So only what
            // is surely a module counts here.
            found.extend(heads(code, start).into_iter().filter(|(_, name)| place(name).is_some()));
        }
    }
    found
}

/// The first name of the path at `start`, or of each path in the braces there.
fn heads(code: &str, start: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut depth, mut fresh) = (0, true);
    for (i, c) in code[start..].char_indices() {
        match c {
            '{' => (depth, fresh) = (depth + 1, depth == 0),
            '}' => depth -= 1,
            ',' => fresh |= depth == 1,
            _ if fresh && !c.is_whitespace() => {
                let rest = &code[start + i..];
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                found.push((start + i, if end == 0 { "*" } else { &rest[..end] }));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn clock_readings(file: &Source) -> Vec<String> {
    if file.path == "src/clock.rs" {
        return Vec::new();
    }
    let words = ["SystemTime", "Instant", "OffsetDateTime::now", "UtcDateTime::now"];
    file.mentions(&words, "only src/clock.rs reads the clock: take `now` as an argument")
}

fn randomness(file: &Source) -> Vec<String> {
    if file.module() == Some("token") {
        return Vec::new();
    }
    file.mentions(&["getrandom"], "only src/token draws randomness")
}

fn too_long(file: &Source) -> Vec<String> {
    if !file.is_rust() || file.is_tests() {
        return Vec::new();
    }
    let lines = lines_without_tests(file);
    if lines <= MAX_LINES {
        return Vec::new();
    }
    vec![file.finding(0, &format!("{lines} lines without tests, {MAX_LINES} is the most"))]
}

fn lines_without_tests(file: &Source) -> usize {
    let tests = test_modules(&file.code).into_iter().map(|range| file.text[range].lines().count());
    file.text.lines().count() - tests.sum::<usize>()
}

/// Public enums, and structs with public fields, of which nobody knows whether they may grow.
fn undecided(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !file.is_rust() {
        return found;
    }
    let code = file.code_without_tests();
    for (at, item) in
        ["\npub enum ", "\npub struct "].iter().flat_map(|start| code.match_indices(start))
    {
        let item_text = code[at + 1..].split("\n}").next().unwrap_or_default();
        let first_line = item_text.lines().next().unwrap_or_default();
        let has_fields = first_line.ends_with('{') && item_text.contains("\n    pub ");
        let is_open = item.contains("enum") || has_fields;
        let head = file.text[..=at].rsplit("\n\n").next().unwrap_or_default();
        let says = head.contains("#[non_exhaustive]") || head.contains("Exhaustive");
        if is_open && !says {
            let complaint = "add #[non_exhaustive], or say in its docs that it is exhaustive";
            found.push(file.finding(at + 1, complaint));
        }
    }
    found
}

/// Doc comments that tell no more than the name does.
fn curt(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let (mut at, mut begins, mut words) = (0, None, 0);
    let tests = test_modules(&file.code);
    for line in file.text.split_inclusive('\n') {
        match line.trim_start().strip_prefix("/// ") {
            Some(text) => {
                begins.get_or_insert(at);
                words += text.split_whitespace().count();
            }
            None if line.trim_end().ends_with("///") => {}
            None => {
                if let Some(begins) = begins.take().filter(|_| words < MIN_DOC_WORDS)
                    && !tests.iter().any(|range| range.contains(&begins))
                {
                    let complaint = format!("say it in at least {MIN_DOC_WORDS} words");
                    found.push(file.finding(begins, &complaint));
                }
                words = 0;
            }
        }
        at += line.len();
    }
    if file.is_rust() { found } else { Vec::new() }
}

fn code_in_lib(file: &Source) -> Vec<String> {
    if file.path != "src/lib.rs" {
        return Vec::new();
    }
    file.mentions(
        &["fn", "struct", "enum", "trait", "impl"],
        "lib.rs declares and re-exports, no more",
    )
}

/// What a patch takes for granted and is not there.
fn does_not_fit(patch: &Source, files: &[Source]) -> Vec<String> {
    if !patch.path.ends_with(".patch") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut changed = None;
    let head = patch.text.split("--- ").next().unwrap_or_default();
    for field in ["Features: ", "Stores: ", "Found by: "] {
        if !head.lines().any(|line| line.starts_with(field)) {
            found.push(patch.finding(0, &format!("it does not say `{field}`")));
        }
    }
    for part in patch.text.split("\n--- a/").skip(1) {
        let (path, hunks) = part.split_once('\n').unwrap_or_default();
        for hunk in hunks.split("\n@@").skip(1) {
            let old = hunk.lines().skip(1).filter_map(|line| line.strip_prefix([' ', '-']));
            let old = Vec::from_iter(old).join("\n");
            let file = files.iter().find(|file| file.path == path);
            if !file.is_some_and(|file| file.text.contains(&old)) {
                found.push(patch.finding(0, &format!("{path} has no such lines any more")));
            }
            changed = Some(path);
        }
    }
    if changed.is_none() {
        found.push(patch.finding(0, "it changes nothing"));
    }
    found
}

/// Names of tests with the number of a rule or a trap that no page lists.
fn unlisted(file: &Source, rules: &str, traps: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !file.is_rust() {
        return found;
    }
    for (at, _) in file.code.match_indices("fn ") {
        let name = file.code[at + 3..].split('(').next().unwrap_or_default();
        let mut words = name.split('_').peekable();
        while let Some(word) = words.next() {
            let number = |digits: &str| digits.parse::<u32>().ok().filter(|_| digits.len() == 2);
            let listed = match word.strip_prefix('r').and_then(number) {
                Some(rule) => rules.contains(&format!("**R{rule}**")),
                None if word == "trap" => match words.peek().and_then(|next| number(next)) {
                    Some(trap) => traps.contains(&format!("**Trap {trap}**")),
                    None => true,
                },
                None => true,
            };
            if !listed {
                found.push(file.finding(at, &format!("`{name}` is about what no page lists")));
            }
        }
    }
    found
}

fn functions(file: &Source) -> impl Iterator<Item = &str> {
    let names = file.code.match_indices("fn ").map(|(at, start)| &file.code[at + start.len()..]);
    names.map(|rest| &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())])
}

/// Names of tests, and of other functions of three words or more, that a page gives between backticks
/// and no source has.
fn not_there(page: &Source, functions: &HashSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    for (number, part) in page.text.split('`').enumerate() {
        let is_sign = |sign: u8| matches!(sign, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let is_name = part.split('_').count() >= 3 && part.bytes().all(is_sign);
        if number % 2 == 1 && is_name && !functions.contains(part) {
            found.push(page.finding(at, &format!("there is no function `{part}`")));
        }
        at += part.len() + 1;
    }
    found
}

/// Requirements of OWASP ASVS 5.0 (V7 and V3.3) that have no row.
fn left_out(page: &Source) -> Vec<String> {
    let sections =
        [("7.1", 3), ("7.2", 4), ("7.3", 2), ("7.4", 5), ("7.5", 3), ("7.6", 2), ("3.3", 5)];
    let numbers = sections
        .into_iter()
        .flat_map(|(section, last)| (1..=last).map(move |number| format!("{section}.{number}")));
    let missing = numbers.filter(|number| !page.text.contains(&format!("\n| {number} | ")));
    missing.map(|number| page.finding(0, &format!("requirement {number} has no row"))).collect()
}

/// A clone has no neighbours: whatever the project needs is inside it.
fn neighbours(file: &Source) -> Vec<String> {
    // In two halves, or this file would find itself.
    let needles = [concat!("../sh", "ared"), concat!("work/sh", "ared")];
    let found = needles.iter().flat_map(|needle| file.text.match_indices(needle));
    found
        .map(|(at, needle)| file.finding(at, &format!("`{needle}` is outside the project")))
        .collect()
}

#[track_caller]
fn refuse(tops: &[&str], rule: impl FnMut(&Source) -> Vec<String>) {
    let files = sources(tops);
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "these are not the sources");
    let found: Vec<String> = files.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
