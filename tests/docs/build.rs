//! Makes documentation tests of the pages in `src/docs`. What a program needs before and after the lines that
//! a reader sees stands around it in comments, which neither rustdoc nor the hosted repository shows:
//!
//! ````text
//! <!-- before:
//! async fn example(curfew: Curfew) -> Result<(), Error> {
//! -->
//! ```rust
//! curfew.revoke_everyone().await?;
//! ```
//! <!-- after:
//! Ok(())
//! }
//! -->
//! ````
//!
//! Each line stays where it is, so that a failing test names the line of the page.

#![expect(clippy::unwrap_used, reason = "what cannot be read stops the build")]

use std::path::Path;
use std::{env, fs};

/// Pages whose programs are compiled elsewhere: by `tests/tutorial`, and in `examples/migration`.
const TESTED_ELSEWHERE: &[&str] = &["migration", "tutorial"];

fn main() {
    let pages = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../src/docs");
    let out = env::var("OUT_DIR").unwrap();
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut modules = String::new();
    for entry in fs::read_dir(&pages).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if TESTED_ELSEWHERE.contains(&name) {
            continue;
        }
        let page = fs::read_to_string(&path).unwrap();
        fs::write(Path::new(&out).join(name), with_hidden_lines(&page)).unwrap();
        modules += &format!(
            "#[doc = include_str!({out:?})]\npub mod {name} {{}}\n",
            out = format!("{out}/{name}")
        );
    }
    fs::write(Path::new(&out).join("pages.rs"), modules).unwrap();
}

/// Where a line stands.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Text,
    Before,
    Program { is_hidden_before: bool },
    After,
}

fn with_hidden_lines(page: &str) -> String {
    let lines = page.lines().collect::<Vec<_>>();
    let mut part = Part::Text;
    let mut written = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let next = lines.get(at + 1).copied().unwrap_or_default();
        let (line, then) = match (part, *line) {
            // The fence opens here, with what is said where it stands.
            (Part::Text, "<!-- before:") => (fence_after(&lines[at..]).to_owned(), Part::Before),
            (Part::Before, "-->") => ("#".to_owned(), Part::Program { is_hidden_before: true }),
            (Part::Text, line) if line.starts_with("```") => {
                (line.to_owned(), Part::Program { is_hidden_before: false })
            }
            (Part::Program { is_hidden_before: true }, line) if line.starts_with("```rust") => {
                ("#".to_owned(), Part::Program { is_hidden_before: false })
            }
            (Part::Program { .. }, "```") if next == "<!-- after:" => ("#".to_owned(), Part::After),
            (Part::Program { .. }, "```") => ("```".to_owned(), Part::Text),
            (Part::After, "<!-- after:") => ("#".to_owned(), Part::After),
            (Part::After, "-->") => ("```".to_owned(), Part::Text),
            (Part::Before | Part::After, line) => (format!("# {line}"), part),
            (_, line) => (line.to_owned(), part),
        };
        written.push(line);
        part = then;
    }
    assert!(part == Part::Text, "a page ends within a program or a comment");
    written.join("\n") + "\n"
}

fn fence_after<'a>(lines: &[&'a str]) -> &'a str {
    let fence = lines.iter().find(|line| line.starts_with("```"));
    fence.expect("after such a comment comes a program")
}
