//! Constants with a number in them. A constant cannot depend on a switch, so a function beside it
//! returns its value or a mutant of it, and where code names the constant, it calls the function.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Expr, ExprLit, ExprPath, ItemConst, ItemMod, Lit, LitInt, Type, UseTree};

use crate::cfg::is_compiled;
use crate::edit::{Edit, Part};
use crate::shapes::{neighbors, range};
use crate::sheet::{CLOSING, Key, Sheet, is, opening, short};

/// The files that define constants of a name.
#[derive(Default)]
pub(crate) struct Constants(HashMap<String, Vec<String>>);

impl Constants {
    /// Those of the rooms.
    pub(crate) fn of<'a>(files: impl Iterator<Item = (&'a String, &'a syn::File)>) -> Self {
        let mut all = Self::default();
        for (file, parsed) in files {
            let mut names = Names(Vec::new());
            names.visit_file(parsed);
            for name in names.0 {
                all.0.entry(name).or_default().push(file.clone());
            }
        }
        all
    }

    /// Writes the function beside the constant; `false` if it has no number.
    pub(crate) fn switch(&self, sheet: &mut Sheet<'_>, item: &ItemConst) -> bool {
        if sheet.room.is_none() || !has_switch(item) {
            return false;
        }
        let (name, value) = (item.ident.to_string(), range(&item.expr));
        let mut body = String::new();
        sheet.path.push(name.clone());
        for literal in literals(&item.expr) {
            let place = range(&literal);
            for neighbor in neighbors(&literal) {
                let (before, after) = (value.start..place.start, place.end..value.end);
                let mutated = format!("{}{neighbor}{}", &sheet.text[before], &sheet.text[after]);
                let original = short(&sheet.text[value.clone()]);
                let alone = Edit { range: place.clone(), parts: vec![Part::New(neighbor)] };
                let number = sheet.mutant(place.start, &original, &short(&mutated), alone);
                if let Some(number) = number {
                    let (is, opening) = (is(number), opening(&[number]));
                    body += &format!("if {is} {{ {opening}{mutated}{CLOSING} }} else ");
                }
            }
        }
        sheet.path.pop();
        let of = &sheet.text[range(&item.ty)];
        let function = format!("pub(crate) fn mutant_{name}() -> {of} {{ {body}{{ {name} }} }}");
        let end = range(item).end;
        sheet.edits.push(Edit { range: end..end, parts: vec![Part::New(format!(" {function}"))] });
        true
    }

    /// Calls the function where a constant is named.
    pub(crate) fn used(&self, sheet: &mut Sheet<'_>, path: &ExprPath, imported: &[String]) {
        let Some(name) = path.path.get_ident().map(ToString::to_string) else {
            return;
        };
        if sheet.is_constant {
            return;
        }
        for file in self.0.get(&name).into_iter().flatten() {
            let module = match file == sheet.file {
                true => Some(String::new()),
                false => module(file, sheet.file, &name, imported),
            };
            if let Some(module) = module {
                let parts = vec![Part::New(format!("{module}mutant_{name}()"))];
                sheet.edits.push(Edit { range: range(path), parts });
                sheet.used.insert((file.clone(), name));
                return;
            }
        }
    }

    /// Whether a mutant is of a constant that only the compiler reads.
    pub(crate) fn is_unused(&self, key: &Key, used: &HashSet<(String, String)>) -> bool {
        let name = key.function.rsplit("::").next().unwrap_or_default();
        let is_one = self.0.get(name).is_some_and(|files| files.contains(&key.file));
        is_one && !used.contains(&(key.file.clone(), name.to_owned()))
    }
}

/// How code in another file names the module of a file that it imports a name from: if it is at the top,
/// or beside.
fn module(file: &str, from: &str, name: &str, imported: &[String]) -> Option<String> {
    let stem = Path::new(file).file_stem()?.to_str()?;
    if !imported.contains(&format!("{stem}::{name}")) {
        return None;
    }
    let (folder, other) = (Path::new(file).parent()?, Path::new(from).parent()?);
    if folder == Path::new("src") {
        Some(format!("crate::{stem}::"))
    } else if folder == other && !from.ends_with("/mod.rs") {
        Some(format!("super::{stem}::"))
    } else {
        None
    }
}

fn has_switch(item: &ItemConst) -> bool {
    let is_held = matches!(&*item.ty, Type::Reference(_) | Type::Array(_));
    is_compiled(&item.attrs) && !is_held && !literals(&item.expr).is_empty()
}

struct Names(Vec<String>);

impl Visit<'_> for Names {
    fn visit_item_mod(&mut self, item: &ItemMod) {
        if is_compiled(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_const(&mut self, item: &ItemConst) {
        if has_switch(item) {
            self.0.push(item.ident.to_string());
        }
    }
}

fn literals(value: &Expr) -> Vec<LitInt> {
    struct Literals(Vec<LitInt>);

    impl Visit<'_> for Literals {
        fn visit_expr_lit(&mut self, literal: &ExprLit) {
            if let Lit::Int(number) = &literal.lit {
                self.0.push(number.clone());
            }
        }
    }

    let mut found = Literals(Vec::new());
    found.visit_expr(value);
    found.0
}

/// All names that a `use` brings, each with the last module before it.
pub(crate) fn names(tree: &UseTree, module: &str, into: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => names(&path.tree, &path.ident.to_string(), into),
        UseTree::Name(name) => into.push(format!("{module}::{}", name.ident)),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, module, into)),
        UseTree::Rename(_) | UseTree::Glob(_) => {}
    }
}
