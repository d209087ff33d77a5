//! The copy of the repository in which the mutants are.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use anyhow::Context as _;
use syn::visit::Visit as _;

use crate::constants::Constants;
use crate::edit::applied;
use crate::finder::Finder;
use crate::rooms::room;
use crate::sheet::{Builds, Mutant, Sheet, State};

/// The module that the switches ask.
const SWITCH: &str = include_str!("../switch.rs");

/// The files of a folder by their paths in it, with `/`.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// All files of the repository, without what is built.
pub(crate) fn files(root: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    collect(root, "", &mut files).with_context(|| format!("{} cannot be read", root.display()))?;
    Ok(files)
}

fn collect(folder: &Path, name: &str, files: &mut Files) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let own = entry.file_name().to_string_lossy().into_owned();
        if matches!(&*own, "target" | ".git" | "node_modules") {
            continue;
        }
        let path = if name.is_empty() { own } else { format!("{name}/{own}") };
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else {
            files.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// What outcomes depend on: the sources and their tests.
pub(crate) fn fingerprint(files: &Files) -> u64 {
    let mut hasher = DefaultHasher::new();
    let tests = |path: &str| path.starts_with("src/") || path.starts_with("tests/it/");
    for (path, text) in files.iter().filter(|(path, _)| tests(path) && path.ends_with(".rs")) {
        (path, text).hash(&mut hasher);
    }
    hasher.finish()
}

/// Puts the mutants into the sources, all at once; of those that have no switch only `constant`.
pub(crate) fn mutate(
    files: &mut Files,
    builds: &Builds,
    constant: Option<u32>,
) -> anyhow::Result<Vec<Mutant>> {
    let is_source = |path: &&String| path.starts_with("src/") && path.ends_with(".rs");
    let mut parsed = BTreeMap::new();
    for path in files.keys().filter(is_source) {
        let text = str::from_utf8(&files[path]).context("a source is not UTF-8")?;
        let file = syn::parse_file(text).with_context(|| format!("{path} is not Rust"))?;
        parsed.insert(path.clone(), file);
    }
    let constants = Constants::of(parsed.iter().filter(|(path, _)| room(path).is_some()));
    let (mut mutants, mut used) = (Vec::new(), HashSet::new());
    for (path, file) in &parsed {
        let text = String::from_utf8_lossy(&files[path]).into_owned();
        let sheet = Sheet::new(room(path), path, &text, builds, mutants.len() as u32);
        let mut finder = Finder { sheet, constants: &constants, imported: Vec::new() };
        finder.visit_file(file);
        let Sheet { mut edits, mutants: found, used: named, .. } = finder.sheet;
        // Around all others, or it would be within one that is off.
        let alone = found.iter().find(|mutant| constant == Some(mutant.number));
        edits.splice(0..0, alone.map(|mutant| mutant.alone.clone()));
        let mutated = applied(&text, &edits);
        mutants.extend(found);
        used.extend(named);
        files.insert(path.clone(), mutated.into_bytes());
    }
    for mutant in &mut mutants {
        if mutant.state == State::Switched && constants.is_unused(&mutant.key, &used) {
            mutant.state = State::Constant;
        }
    }
    if let Some(root) = files.get_mut("src/lib.rs") {
        root.extend_from_slice(b"\nmod mutant;\n");
    }
    files.insert("src/mutant.rs".to_owned(), SWITCH.into());
    Ok(mutants)
}

/// Makes a folder hold these files and no others. What has not changed is not written, so that it is
/// not built again.
pub(crate) fn write(folder: &Path, files: &Files) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let before = self::files(folder)?;
    let names = files.keys().collect::<BTreeSet<_>>();
    for gone in before.keys().filter(|path| !names.contains(path)) {
        fs::remove_file(folder.join(gone))?;
    }
    for (path, text) in files.iter().filter(|(path, text)| before.get(*path) != Some(text)) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
