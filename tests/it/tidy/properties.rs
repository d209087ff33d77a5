//! The page of properties against the tests and the planted faults that it names.

use std::collections::{BTreeSet, HashSet};

use super::source::Source;

/// What the page calls a store, and what a patch calls it.
const STORES: [(&str, &str); 5] = [
    ("memory", "memory"),
    ("SQLite", "sqlite"),
    ("PostgreSQL", "postgres"),
    ("Redis", "redis"),
    ("Redis Cluster", "redis-cluster"),
];

/// What the page says instead of all of them.
const EVERY_STORE: &str = "every store";

type Stores = BTreeSet<&'static str>;

/// A part of the page, `## P1: …`.
struct Property<'a> {
    name: &'a str,
    at: usize,
    /// Names of tests, and the stores that they run over.
    tests: Vec<(&'a str, Stores)>,
    faults: Vec<Fault<'a>>,
}

struct Fault<'a> {
    patch: &'a str,
    found_by: &'a str,
    stores: Stores,
}

/// Where the page, the patches and the functions of the sources do not fit together.
pub(super) fn unproven(
    page: &Source,
    patches: &[&Source],
    functions: &HashSet<&str>,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut claimed = HashSet::new();
    let properties = properties(&page.text);
    if properties.is_empty() {
        found.push(page.finding(0, "it has no property"));
    }
    for Property { name, at, tests, faults } in &properties {
        let mut tell = |what: String| found.push(page.finding(*at, &format!("{name}: {what}")));
        for (test, stores) in tests {
            if !functions.contains(test) {
                tell(format!("there is no test `{test}`"));
            }
            if stores.is_empty() {
                tell(format!("`{test}` runs over no store"));
            }
        }
        if faults.is_empty() {
            tell("no fault is planted".to_owned());
        }
        for Fault { patch, found_by, stores } in faults {
            if !claimed.insert(*patch) {
                tell(format!("`{patch}` belongs to another property, too"));
            }
            let Some(source) = patches.iter().find(|source| file_name(source) == *patch) else {
                tell(format!("there is no patch `{patch}`"));
                continue;
            };
            if field(source, "Found by").rsplit("::").next() != Some(*found_by) {
                tell(format!("`{patch}` is found by another test"));
            }
            let named = field(source, "Stores").split(", ").collect::<BTreeSet<_>>();
            if named != *stores {
                tell(format!("`{patch}` names other stores"));
            }
            let shows = tests.iter().find(|(test, _)| test == found_by);
            if !shows.is_some_and(|(_, over)| stores.is_subset(over)) {
                tell(format!("`{found_by}` is not listed over each store of `{patch}`"));
            }
        }
    }
    for patch in patches {
        if !claimed.contains(file_name(patch)) {
            found.push(patch.finding(0, "it belongs to no property"));
        }
    }
    found
}

fn file_name(source: &Source) -> &str {
    source.path.rsplit('/').next().unwrap_or_default()
}

/// What the head of a patch says.
fn field<'a>(patch: &'a Source, name: &str) -> &'a str {
    let mut lines = patch.text.lines().take_while(|line| !line.starts_with("--- "));
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

fn properties(page: &str) -> Vec<Property<'_>> {
    let mut found = Vec::<Property<'_>>::new();
    let mut is_within = false;
    let mut at = 0;
    for line in page.split_inclusive('\n') {
        if line.starts_with('#') {
            let name = line.strip_prefix("## P").and_then(|rest| rest.split_once(": "));
            is_within = name.is_some();
            if let Some((number, _)) = name {
                let name = &line["## ".len()..][..1 + number.len()];
                found.push(Property { name, at, tests: Vec::new(), faults: Vec::new() });
            }
        }
        if let Some(property) = found.last_mut().filter(|_| is_within) {
            property.read(line);
        }
        at += line.len();
    }
    found
}

impl<'a> Property<'a> {
    /// Takes up a row of one of its tables.
    fn read(&mut self, line: &'a str) {
        let cells = line.trim().trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
        match cells[..] {
            [test, stores] if is_name(test) => {
                self.tests.push((unquoted(test), over(stores)));
            }
            [patch, _, found_by, stores] if is_name(patch) => {
                let (patch, found_by) = (unquoted(patch), unquoted(found_by));
                self.faults.push(Fault { patch, found_by, stores: over(stores) });
            }
            _ => {}
        }
    }
}

fn is_name(cell: &str) -> bool {
    cell.len() > 2 && cell.starts_with('`') && cell.ends_with('`')
}

fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// As patches call them; none if one of them is unknown.
fn over(cell: &str) -> Stores {
    if cell == EVERY_STORE {
        return STORES.iter().map(|(_, store)| *store).collect();
    }
    let named = |name| STORES.iter().find(|(page, _)| *page == name).map(|(_, store)| *store);
    cell.split(", ").map(named).collect::<Option<_>>().unwrap_or_default()
}
