//! Feeds each rule what it must refuse, and what it must let pass.

use super::*;

fn lines(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    let found = rule(&Source::new(path, text));
    found
        .into_iter()
        .map(|finding| finding.split(": ").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_module_that_names_one_below_it() {
    let found =
        out_of_order(&Source::new("src/limits.rs", "//! Limits.\nuse crate::judge::Verdict;"));
    assert_eq!(found, ["src/limits.rs:2: `limits` names `judge`, which stands below it"]);
    assert_eq!(
        lines(out_of_order, "src/store/mod.rs", "fn f() { crate::axum::g() }"),
        ["src/store/mod.rs:1"]
    );
}

#[test]
fn one_of_many_in_braces() {
    let text =
        "use crate::{\n    limits::{self, axum, Limits},\n    clock::Timestamp,\n    store,\n};";
    assert_eq!(lines(out_of_order, "src/judge/mod.rs", text), ["src/judge/mod.rs:4"]);
    assert!(out_of_order(&Source::new("src/curfew.rs", text)).is_empty());
}

#[test]
fn the_way_through_super() {
    assert_eq!(lines(out_of_order, "src/limits.rs", "use super::judge::X;"), ["src/limits.rs:1"]);
    let text = "use super::super::judge::X;\nuse super::judge::X;";
    assert_eq!(lines(out_of_order, "src/session/id.rs", text), ["src/session/id.rs:1"]);
    assert_eq!(lines(out_of_order, "src/session/mod.rs", text).len(), 2);
}

#[test]
fn names_that_are_no_module() {
    for text in
        ["use crate::Curfew;", "use crate::*;", "crate::helper!()", "use crate::{clock, Curfew};"]
    {
        assert_eq!(lines(out_of_order, "src/axum/mod.rs", text).len(), 1, "{text}");
    }
    let found = out_of_order(&Source::new("src/extra/mod.rs", ""));
    assert_eq!(found, ["src/extra/mod.rs:1: `extra` has no place yet: put it in ORDER"]);
}

#[test]
fn but_not_what_is_prose_or_a_test() {
    let text = concat!(
        "/// [`crate::Curfew`]\n// crate::axum\n/* crate::axum */ fn f<'a>(é: &'a str) { \"crate::\\\"axum\"; '\"'; '\\''; }\n",
        "const X: &str = r#\"crate::\"axum\"#;\n",
        "#[cfg(test)]\nmod tests {\n    use crate::axum::X;\n    fn f() {}\n}\n",
        "use my_crate::axum;\nuse crate::store::X;\n",
    );
    assert_eq!(lines(out_of_order, "src/clock.rs", text), ["src/clock.rs:11"]);
    assert!(lines(out_of_order, "src/judge/tests.rs", "use crate::store::X;").is_empty());
}

#[test]
fn clocks_and_dice() {
    let text = "use std::time::{Duration, SystemTime};\n// Instant\ntokio::time::Instant::now();\nOffsetDateTime::now_utc();";
    assert_eq!(
        lines(clock_readings, "src/curfew.rs", text),
        [1, 3, 4].map(|n| format!("src/curfew.rs:{n}"))
    );
    assert!(clock_readings(&Source::new("src/clock.rs", text)).is_empty());
    assert_eq!(lines(randomness, "src/session/id.rs", "getrandom::fill(x)").len(), 1);
    assert!(lines(randomness, "src/token/mod.rs", "getrandom::fill(x)").is_empty());
}

#[test]
fn long_files_and_code_in_lib() {
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(MAX_LINES));
    let (full, over) = ("\n".repeat(MAX_LINES), "\n".repeat(MAX_LINES + 1));
    assert!(lines(too_long, "src/policy.rs", &(full + &tests)).is_empty());
    assert_eq!(lines(too_long, "src/policy.rs", &(over + &tests)).len(), 1);
    assert_eq!(
        lines(code_in_lib, "src/lib.rs", "//! fn\nmod time;\npub fn f() {}"),
        ["src/lib.rs:3"]
    );
}

#[test]
fn a_way_out_of_the_project() {
    let text = concat!("\n# see ../sh", "ared/x");
    assert_eq!(lines(neighbours, "README.md", text), ["README.md:2"]);
}

#[test]
fn a_patch_that_fits_no_more_is_found() {
    let files = [Source::new("src/a.rs", "one\ntwo\nthree\n")];
    let patch = |text: &str| {
        let head = "Why.\n\nFeatures: axum\nStores: memory\nFound by: trap\n\n";
        does_not_fit(&Source::new("tests/broken/01.patch", &format!("{head}{text}")), &files)
    };
    let fits = "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";
    assert_eq!(patch(fits), [""; 0]);
    assert_eq!(patch(&fits.replace("-two", "-zwei")).len(), 1);
    assert_eq!(patch(&fits.replace("a.rs", "b.rs")).len(), 1);
    assert_eq!(patch("").len(), 1);
    let silent = Source::new("tests/broken/01.patch", &format!("Why.\n\n{fits}"));
    assert_eq!(does_not_fit(&silent, &files).len(), 3);
}

#[test]
fn a_test_that_is_named_after_what_nobody_lists() {
    let lines = |name: &str| {
        let file = Source::new("tests/it/a.rs", &format!("fn {name}() {{}}"));
        unlisted(&file, "- **R5** …", "- **Trap 17** …").len()
    };
    assert_eq!(lines("r05_trap_17_what_is_listed"), 0);
    assert_eq!(lines("r06_what_is_not"), 1);
    assert_eq!(lines("r06_trap_18_neither"), 2);
    assert_eq!(lines("a_trap_for_everybody"), 0);
}

#[test]
fn a_type_that_may_or_may_not_grow() {
    let text = concat!(
        "\n\n/// What it is.\npub enum A {\n    B,\n}\n",
        "\n/// What it is. Exhaustive.\npub enum C {\n    D,\n}\n",
        "\n/// What it is.\n#[non_exhaustive]\npub struct E {\n    pub f: u8,\n}\n",
        "\npub struct G {\n    pub h: u8,\n}\n",
        "\npub struct I {\n    j: u8,\n}\n\npub struct K(u8);\n",
    );
    assert_eq!(lines(undecided, "src/limits.rs", text), ["src/limits.rs:4", "src/limits.rs:19"]);
}

#[test]
fn docs_of_few_words() {
    let text = "/// When.\nat: u8,\n/// When it has\n///\n/// ended.\nfn f() {}\n/// Two words.\nfn g() {}\n";
    assert_eq!(lines(curt, "src/limits.rs", text), ["src/limits.rs:1", "src/limits.rs:7"]);
    assert!(curt(&Source::new("src/docs/rules.md", text)).is_empty());
}

#[test]
fn names_on_a_page_that_no_source_has() {
    let source = Source::new(
        "src/a.rs",
        "async fn r01_it_is_so() {}\nfn it_is<T>() {}\n// fn r02_it_was_so()",
    );
    let functions = functions(&source).collect();
    let text = "`r01_it_is_so`, `it_is`\n```text\nr03_it_is_not\n```\n`r02_it_was_so`, it_is_no_name, `r05_`, `a::it_is_a_path`";
    let found = not_there(&Source::new("src/docs/security.md", text), &functions);
    assert_eq!(found, ["src/docs/security.md:5: there is no function `r02_it_was_so`"]);
}

#[test]
fn properties_that_nothing_proves() {
    let test = "| `r01_it_is_so` | every store |\n";
    let fault = "| `01_it_is_not.patch` | it is not | `r01_it_is_so` | memory, Redis Cluster |\n";
    let patch = |path: &str| {
        let head = "Why.\n\nStores: memory, redis-cluster\nFound by: {store}::r01_it_is_so\n\n";
        Source::new(path, head)
    };
    let patches = [patch("tests/broken/01_it_is_not.patch"), patch("tests/broken/02_nor_is.patch")];
    let functions = HashSet::from(["r01_it_is_so", "r02_it_was_so"]);
    let found = |text: &str, patches: &[&Source]| {
        let page = Source::new("src/docs/properties.md", text);
        properties::unproven(&page, patches, &functions)
            .into_iter()
            .map(|finding| finding.split(": ").skip(1).collect::<Vec<_>>().join(": "))
            .collect::<Vec<_>>()
    };
    let one = [&patches[0]];
    let page = format!("## P1: It\n{test}\n{fault}");
    assert_eq!(found(&page, &one), [""; 0]);
    assert_eq!(found("", &[]), ["it has no property"]);
    assert_eq!(found(&page, &[&patches[0], &patches[1]]), ["it belongs to no property"]);
    for (text, finding) in [
        (page.replace("`01", "`03"), "P1: there is no patch `03_it_is_not.patch`"),
        (format!("{page}\n## P2: No\n"), "P2: no fault is planted"),
        (format!("{page}{fault}"), "P1: `01_it_is_not.patch` belongs to another property, too"),
        (page.replace("memory, ", ""), "P1: `01_it_is_not.patch` names other stores"),
        (
            page.replace("r01_it_is_so", "r02_it_was_so"),
            "P1: `01_it_is_not.patch` is found by another test",
        ),
        (format!("{page}| `r03_it` | memory |"), "P1: there is no test `r03_it`"),
        (format!("{page}| `r02_it_was_so` | disk |"), "P1: `r02_it_was_so` runs over no store"),
        (
            page.replace("every store", "memory"),
            "P1: `r01_it_is_so` is not listed over each store of `01_it_is_not.patch`",
        ),
    ] {
        assert_eq!(found(&text, &one)[0], finding, "{text}");
    }
    let rest = format!("# Others\n| `r03_it` | memory |\n{page}");
    assert_eq!(found(&rest, &one), [""; 0], "what is in no property is not read");
}

#[test]
fn requirements_that_have_no_row() {
    let page =
        Source::new("src/docs/security.md", "\n| 7.1.1 | 2 | about 7.1.2 |\n| 7.1.3 | 2 | … |");
    let found = left_out(&page);
    assert_eq!(found[0], "src/docs/security.md:1: requirement 7.1.2 has no row");
    assert_eq!(found.len(), 22, "{found:?}");
}

#[test]
fn words_that_a_reader_stops_at() {
    let page = "Whoever signs in, for\ngood.\n```text\nwhoever\n```\n<!-- before:\nwhoever\n-->\n`whoever` the\nwhatever.";
    assert_eq!(
        lines(words::stilted, "src/docs/rules.md", page),
        ["src/docs/rules.md:1", "src/docs/rules.md:1", "src/docs/rules.md:10"]
    );
    let code = "let whoever = \"whatever\"; // nobody is here\n/// `whoever`, with the\n/// door\nfn f() {}";
    assert_eq!(
        lines(words::stilted, "src/limits.rs", code),
        ["src/limits.rs:1", "src/limits.rs:3"]
    );
}
