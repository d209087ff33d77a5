//! Walks through the code of a file that is compiled, without its tests.

use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, ExprIf, ExprMatch, ExprWhile, ImplItemConst, ImplItemFn, ItemConst, ItemEnum,
    ItemFn, ItemImpl, ItemMod, ItemStatic, ItemStruct, ItemTrait, ItemUse, Macro, Pat, Stmt, Token,
    Type,
};

use crate::cfg::is_compiled;
use crate::constants::{self, Constants};
use crate::mutations::{EITHER, FALSE};
use crate::shapes::{attributes, takes_all};
use crate::sheet::Sheet;

pub(crate) struct Finder<'a> {
    pub(crate) sheet: Sheet<'a>,
    pub(crate) constants: &'a Constants,
    /// Names that the file imports, each with the last module before it.
    pub(crate) imported: Vec<String>,
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_compiled(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        constants::names(&item.tree, "", &mut self.imported);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if is_compiled(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if !is_compiled(&item.attrs) {
            return;
        }
        let of = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let of = of.unwrap_or_default();
        let path = match item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last()) {
            Some(implemented) => format!("<{of} as {}>", implemented.ident),
            None => of,
        };
        self.sheet.path.push(path);
        item.items.iter().for_each(|item| self.visit_impl_item(item));
        self.sheet.path.pop();
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if is_compiled(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        if is_compiled(&item.attrs) && !self.constants.switch(&mut self.sheet, item) {
            self.constant(&item.ident.to_string(), &item.expr);
        }
    }

    fn visit_impl_item_const(&mut self, item: &'ast ImplItemConst) {
        if is_compiled(&item.attrs) {
            self.constant(&item.ident.to_string(), &item.expr);
        }
    }

    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'ast ItemEnum) {}
    fn visit_item_struct(&mut self, _: &'ast ItemStruct) {}
    fn visit_item_trait(&mut self, _: &'ast ItemTrait) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    /// The length is a constant.
    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs,
            Stmt::Expr(expression, _) => attributes(expression),
            Stmt::Item(_) | Stmt::Macro(_) => &[],
        };
        if !is_compiled(attributes) {
            return;
        }
        if let Stmt::Expr(expression, Some(_)) = statement {
            self.statement(statement, expression);
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if attributes(expression).is_empty() {
            match expression {
                Expr::Binary(binary) => self.binary(binary),
                Expr::Unary(unary) => self.unary(unary),
                Expr::Lit(literal) => self.literal(literal),
                Expr::MethodCall(call) => self.call(call),
                Expr::Struct(made) => self.fields(made),
                Expr::Path(path) => self.constants.used(&mut self.sheet, path, &self.imported),
                _ => {}
            }
        }
        visit::visit_expr(self, expression);
    }

    fn visit_expr_if(&mut self, expression: &'ast ExprIf) {
        self.condition(&expression.cond, EITHER, false);
        visit::visit_expr_if(self, expression);
    }

    /// If it is always true, nobody learns more than that the test hangs.
    fn visit_expr_while(&mut self, expression: &'ast ExprWhile) {
        self.condition(&expression.cond, FALSE, false);
        visit::visit_expr_while(self, expression);
    }

    fn visit_expr_match(&mut self, expression: &'ast ExprMatch) {
        self.visit_expr(&expression.expr);
        let arms = expression.arms.iter().filter(|arm| is_compiled(&arm.attrs));
        let arms = arms.collect::<Vec<_>>();
        let rest = arms.iter().position(|arm| arm.guard.is_none() && takes_all(&arm.pat));
        for (at, arm) in arms.into_iter().enumerate() {
            match &arm.guard {
                Some((_, guard)) => {
                    self.condition(guard, EITHER, true);
                    self.visit_expr(guard);
                }
                None if rest.is_some_and(|rest| at < rest) => self.without_arm(arm),
                None => {}
            }
            self.visit_expr(&arm.body);
        }
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        let name = called.path.segments.last().map(|last| last.ident.to_string());
        match &*name.unwrap_or_default() {
            "format" | "write" | "writeln" | "vec" | "assert" => {
                let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
                for argument in called.parse_body_with(parse).into_iter().flatten() {
                    self.visit_expr(&argument);
                }
            }
            "matches" => {
                let parse = |input: ParseStream<'_>| {
                    let value = input.parse::<Expr>()?;
                    input.parse::<proc_macro2::TokenStream>()?;
                    Ok(value)
                };
                if let Ok(value) = called.parse_body_with(parse) {
                    self.visit_expr(&value);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::applied;
    use crate::sheet::{Builds, Mutant, State};

    const SAMPLE: &str = r#"
use std::fmt;
const MOST: usize = 9;
struct Queue { first: u8, len: usize }
impl Queue {
    fn push(&mut self, extra: usize) -> bool {
        if self.len + extra <= MOST && !self.is_closed() {
            self.wake();
            return true;
        }
        match extra {
            0 => false,
            _ if self.len > 0 => true,
            _ => false,
        }
    }
    fn with_first(self, first: u8) -> Self {
        Self { first, ..self }
    }
}
#[cfg(feature = "redis")]
fn elsewhere() -> bool { true }
#[cfg(test)]
mod tests { fn tested() -> bool { true } }
"#;

    fn found(builds: &Builds) -> (Vec<Mutant>, String) {
        let file = syn::parse_file(SAMPLE).expect("Rust");
        let name = "src/queue.rs".to_owned();
        let constants = Constants::of([(&name, &file)].into_iter());
        let sheet = Sheet::new(Some("queue"), &name, SAMPLE, builds, 0);
        let mut finder = Finder { sheet, constants: &constants, imported: Vec::new() };
        finder.visit_file(&file);
        let mutated = applied(SAMPLE, &finder.sheet.edits);
        (finder.sheet.mutants, mutated)
    }

    #[test]
    fn each_kind_of_mistake_is_made_and_only_where_code_is_compiled() {
        let (mutants, mutated) = found(&Builds::default());
        let named = |Mutant { key, .. }: &Mutant| {
            format!("{}: {} => {}", key.function, key.original, key.mutated)
        };
        let found = mutants.iter().map(named).collect::<Vec<_>>();
        for expected in [
            "MOST: 9 => 10",
            "Queue::push: the whole body => return true",
            "Queue::push: self.len + extra => self.len - extra",
            "Queue::push: self.len + extra <= MOST => self.len + extra < MOST",
            "Queue::push: self.len + extra <= MOST => true",
            "Queue::push: !self.is_closed() => self.is_closed()",
            "Queue::push: !self.is_closed() => true",
            "Queue::push: self.len + extra <= MOST && !self.is_closed() => \
             self.len + extra <= MOST || !self.is_closed()",
            "Queue::push: self.wake(); => nothing",
            "Queue::push: true => false",
            "Queue::push: 0 => … => no such arm",
            "Queue::push: self.len > 0 => false",
            "Queue::with_first: the whole body => return self",
            "Queue::with_first: Self { first, ..self } => without `first`",
        ] {
            assert!(found.iter().any(|name| name == expected), "{expected}: {found:#?}");
        }
        assert!(!found.iter().any(|name| name.contains("elsewhere") || name.contains("tested")));
        assert!(syn::parse_file(&mutated).is_ok(), "{mutated}");
        assert!(mutated.contains("mutant_MOST()"), "{mutated}");
    }

    #[test]
    fn what_the_compiler_refuses_is_left_as_it_is() {
        let (mutants, _) = found(&Builds::default());
        let refused = mutants.into_iter().map(|mutant| mutant.key).collect();
        let (mutants, mutated) = found(&Builds { refused, ..Builds::default() });
        assert!(mutants.iter().all(|mutant| mutant.state == State::Uncompilable));
        assert!(!mutated.contains("mutant::is"), "{mutated}");
    }
}
