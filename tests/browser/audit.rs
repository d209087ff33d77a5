//! What axe-core says about a page, in light and dark, wide and narrow, and with more contrast.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs};

use serde_json::{Value, json};

use super::page::Page;
use super::skipped;

/// The folder of the build, where cargo puts all that belongs to it.
pub(crate) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The text of axe-core, if `tests/run` has fetched it.
fn axe() -> Option<&'static str> {
    static AXE: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let file = env::var_os("CURFEW_TEST_AXE")
            .map_or_else(|| target().join("axe/axe.min.js"), PathBuf::from);
        let text = fs::read_to_string(&file);
        if let Err(error) = &text {
            let why = format!("{}: {error}", file.display());
            skipped("tour: accessibility by axe-core", &why, "CURFEW_REQUIRE_AXE");
        }
        text.ok()
    };
    AXE.get_or_init(read).as_deref()
}

/// All its rules, also those that it leaves out because they are new, of WCAG 2.2.
const RUN: &str = r"
    const done = arguments[arguments.length - 1];
    const told = ({ id, help, nodes }) =>
        ({ id, help, nodes: nodes.map(({ html, failureSummary }) => html + '\n' + failureSummary) });
    const options = { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } };
    axe.run(document, options).then(
        ({ violations }) => done({ violations: violations.map(told) }),
        (error) => done({ error: String(error) }),
    );
";

/// Nothing on the page is hard to use for anybody, as far as a program can tell.
pub(crate) async fn audit(page: &Page, name: &str) {
    let Some(axe) = axe() else { return };
    page.client().execute(axe, vec![]).await.unwrap();
    for (features, width) in LOOKS {
        looks(page, features, width, HEIGHT).await;
        passes(page, &format!("{name}, {features:?}, {width} pixels wide")).await;
    }
    look(page, "light", WIDE).await;
}

const LIGHT: Feature = ("prefers-color-scheme", "light");
const DARK: Feature = ("prefers-color-scheme", "dark");
const CONTRAST: Feature = ("prefers-contrast", "more");
const FORCED: Feature = ("forced-colors", "active");

/// What people have chosen, and the width of their window. At 320 pixels a page may be as large as one
/// that is magnified fourfold (WCAG 1.4.10).
const LOOKS: [(&[Feature], u32); 8] = [
    (&[LIGHT], WIDE),
    (&[DARK], WIDE),
    (&[LIGHT], NARROW),
    (&[DARK], NARROW),
    (&[LIGHT, CONTRAST], WIDE),
    (&[DARK, CONTRAST], NARROW),
    (&[DARK, FORCED], WIDE),
    (&[LIGHT], 320),
];

async fn passes(page: &Page, name: &str) {
    let found = page.client().execute_async(RUN, vec![]).await.unwrap();
    let Some(violations) = found["violations"].as_array() else {
        panic!("{name}: axe-core fails: {found}");
    };
    let mut text = String::new();
    for Violation { id, help, nodes } in violations.iter().map(Violation::of) {
        let _ = write!(text, "\n{id}: {help}\n{nodes}");
    }
    assert!(text.is_empty(), "{name}: axe-core finds:{text}");
    // A page that must be scrolled in two directions cannot be read on a narrow screen.
    let beyond = "return document.documentElement.scrollWidth - window.innerWidth";
    let beyond = page.client().execute(beyond, vec![]).await.unwrap();
    assert!(beyond.as_i64().unwrap() <= 0, "{name}: wider than the window by {beyond} pixels");
}

struct Violation<'a> {
    id: &'a str,
    help: &'a str,
    nodes: String,
}

impl<'a> Violation<'a> {
    fn of(found: &'a Value) -> Self {
        let nodes = found["nodes"].as_array().unwrap();
        let lines = nodes.iter().map(|node| format!("    {}\n", node.as_str().unwrap()));
        Self {
            id: found["id"].as_str().unwrap(),
            help: found["help"].as_str().unwrap(),
            nodes: lines.collect(),
        }
    }
}

/// A feature of media as CSS names it, and its value.
type Feature = (&'static str, &'static str);

pub(crate) const WIDE: u32 = 1280;
pub(crate) const NARROW: u32 = 390;
const HEIGHT: u32 = 900;

/// Shows the page as it is for those who like it so.
pub(crate) async fn look(page: &Page, scheme: &'static str, width: u32) {
    looks(page, &[("prefers-color-scheme", scheme)], width, HEIGHT).await;
}

/// The same, so high that all of it can be seen.
pub(crate) async fn look_at_all(page: &Page, scheme: &'static str, width: u32) {
    look(page, scheme, width).await;
    let height = "return document.documentElement.scrollHeight";
    let height = page.client().execute(height, vec![]).await.unwrap().as_u64().unwrap();
    let height = u32::try_from(height).unwrap();
    looks(page, &[("prefers-color-scheme", scheme)], width, height).await;
}

async fn looks(page: &Page, features: &[Feature], width: u32, height: u32) {
    let features = features.iter().map(|(name, value)| json!({ "name": name, "value": value }));
    let features = json!({ "features": features.collect::<Vec<_>>() });
    page.devtools("Emulation.setEmulatedMedia", features).await;
    let screen =
        json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    page.devtools("Emulation.setDeviceMetricsOverride", screen).await;
}

/// Leaves a picture in `target/screenshots`.
pub(crate) async fn picture(page: &Page, name: &str) {
    let folder = target().join("screenshots");
    fs::create_dir_all(&folder).unwrap();
    let picture = page.client().screenshot().await.unwrap();
    fs::write(folder.join(format!("{name}.png")), picture).unwrap();
}
