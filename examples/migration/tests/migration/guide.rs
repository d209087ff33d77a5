//! What the guide shows of the apps is what they are. `UPDATE=1` writes it anew.

use std::path::Path;
use std::{env, fs};

use similar::TextDiff;

use crate::sign_out;

/// A block of the guide, found by the line before it.
struct Block {
    line: &'static str,
    language: &'static str,
    text: String,
}

#[test]
fn the_guide_shows_what_is_there() {
    let page = repository().join("src/docs/migration.md");
    let before = fs::read_to_string(&page).unwrap();
    let after = blocks().iter().fold(before.clone(), |text, block| with(&text, block));
    if env::var_os("UPDATE").is_some() {
        fs::write(page, after).unwrap();
    } else {
        let diff = TextDiff::from_lines(&before, &after).unified_diff().to_string();
        assert!(diff.is_empty(), "UPDATE=1 writes it anew; is, and should be:\n{diff}");
    }
}

/// What is neither compiled by rustdoc nor compared here is not in the guide.
#[test]
fn no_code_in_the_guide_is_left_out() {
    let page = fs::read_to_string(repository().join("src/docs/migration.md")).unwrap();
    let blocks = blocks();
    for language in ["rust", "diff"] {
        let fences = page.lines().filter(|line| *line == format!("```{language}")).count();
        let compared = blocks.iter().filter(|block| block.language == language).count();
        assert_eq!(fences, compared, "blocks of {language}");
    }
}

fn blocks() -> Vec<Block> {
    vec![
        part("`examples/migration/src/bin/sign_out.rs`:", "src/bin/sign_out.rs", "", ""),
        Block { line: "It prints:", language: "text", text: sign_out::printed() },
        part(
            "`own_cookie` in `examples/migration/src/lib.rs`:",
            "src/lib.rs",
            "/// A cookie of the app's own",
            "\n/// Serves",
        ),
        diff(
            "`examples/migration/tower_sessions`, before and after:",
            "tower_sessions",
            "before.rs",
            "after.rs",
        ),
        part(
            "`User` in `examples/migration/tower_sessions/side_by_side.rs`:",
            "tower_sessions/side_by_side.rs",
            "/// Who is signed in",
            "\nasync fn home",
        ),
        diff(
            "`examples/migration/axum_login`, the app before and after:",
            "axum_login",
            "before/main.rs",
            "after/main.rs",
        ),
        diff(
            "`examples/migration/axum_login`, the users before and after:",
            "axum_login",
            "before/users.rs",
            "after/users.rs",
        ),
        diff(
            "`examples/migration/axum_session`, before and after:",
            "axum_session",
            "before.rs",
            "after.rs",
        ),
        part(
            "`Carts` in `examples/migration/axum_session/carts.rs`:",
            "axum_session/carts.rs",
            "impl Carts",
            "",
        ),
        diff(
            "`examples/migration/actix_session`, before and after:",
            "actix_session",
            "before.rs",
            "after.rs",
        ),
    ]
}

/// The page with this block in the place of the one that follows the line.
fn with(page: &str, block: &Block) -> String {
    let Block { line, language, text } = block;
    let opening = format!("\n{line}\n\n```{language}\n");
    let (start, _) = page.split_once(&opening).unwrap_or_else(|| panic!("no block after {line}"));
    let rest = &page[start.len() + opening.len()..];
    let end = rest.find("```\n").expect("the block ends");
    format!("{start}{opening}{}\n{}", text.trim_end(), &rest[end..])
}

fn diff(line: &'static str, folder: &str, old: &str, new: &str) -> Block {
    let (old, new) = (format!("{folder}/{old}"), format!("{folder}/{new}"));
    let (before, after) = (read(&old), read(&new));
    let text = TextDiff::from_lines(&before, &after).unified_diff().header(&old, &new).to_string();
    Block { line, language: "diff", text }
}

/// A file from where one text begins until before the next one begins; without them, all of it.
fn part(line: &'static str, file: &str, from: &str, to: &str) -> Block {
    let file_text = read(file);
    let start = file_text.find(from).unwrap_or_else(|| panic!("{from:?} is not in {file}"));
    let rest = &file_text[start..];
    let end = if to.is_empty() { None } else { rest.find(to) };
    assert!(to.is_empty() || end.is_some(), "{to:?} is not in {file}");
    let text = rest[..end.unwrap_or(rest.len())].to_owned();
    Block { line, language: "rust", text }
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}
