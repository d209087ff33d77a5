//! What is made of each kind of code.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprLit, ExprMethodCall, ExprStruct, ExprUnary, Lit,
    Signature, Stmt, UnOp,
};

use crate::edit::{Edit, Part};
use crate::finder::Finder;
use crate::shapes::{attributes, has_let, is_same, neighbors, range};
use crate::sheet::{Alternative, CLOSING, is, opening, short};
use crate::tables::{asks, has_its_own, method, operators};
use crate::values::returned;

/// What of them the mutants of a condition are.
pub(crate) const EITHER: &[&str] = &["true", "false"];
pub(crate) const FALSE: &[&str] = &["false"];

fn new(text: impl Into<String>) -> Part {
    Part::New(text.into())
}

impl Finder<'_> {
    fn text(&self, of: &impl Spanned) -> String {
        short(&self.sheet.text[range(of)])
    }

    pub(crate) fn function(&mut self, signature: &Signature, block: &Block) {
        self.sheet.path.push(signature.ident.to_string());
        let was_constant = self.sheet.is_constant;
        if let Some(word) = &signature.constness {
            if self.sheet.stays_constant() {
                // A constant is named by its own name there.
                self.sheet.is_constant = true;
            } else {
                self.sheet.edits.push(Edit { range: range(word), parts: Vec::new() });
            }
        }
        self.body(signature, block);
        visit::visit_block(self, block);
        self.sheet.is_constant = was_constant;
        self.sheet.path.pop();
    }

    /// The function returns at once.
    fn body(&mut self, signature: &Signature, block: &Block) {
        let braces = block.brace_token.span;
        let (start, end) = (range(&braces.open()).end, range(&braces.close()).start);
        for value in returned(signature) {
            let mutated = format!("return {value}");
            let alone = Edit { range: start..end, parts: vec![new(value)] };
            let number = self.sheet.mutant(start, "the whole body", mutated.trim_end(), alone);
            if let Some(number) = number {
                let (opening, is) = (opening(&[number]), is(number));
                let parts = vec![new(format!(" {opening}if {is} {{ {mutated}; }}{CLOSING}"))];
                self.sheet.edits.push(Edit { range: start..start, parts });
            }
        }
    }

    pub(crate) fn constant(&mut self, name: &str, value: &Expr) {
        self.sheet.path.push(name.to_owned());
        let was_constant = std::mem::replace(&mut self.sheet.is_constant, true);
        self.visit_expr(value);
        self.sheet.is_constant = was_constant;
        self.sheet.path.pop();
    }

    /// Mutants of what is true or false: it is always this or that.
    pub(crate) fn condition(&mut self, condition: &Expr, which: &[&str], in_any_case: bool) {
        match condition {
            Expr::Paren(paren) => self.condition(&paren.expr, which, in_any_case),
            Expr::Let(_) => {
                let (range, text) = (range(condition), self.text(condition));
                let old = Part::Old(range.clone());
                self.sheet.edit(range, &text, "false", vec![new("false")], |is| {
                    vec![old, new(format!(" && !{is}"))]
                });
            }
            _ if has_its_own(condition) && !in_any_case => {}
            _ if attributes(condition).is_empty() => {
                let all = which.iter().map(|value| Alternative::text(value)).collect();
                self.sheet.switch(range(condition), all);
            }
            _ => {}
        }
    }

    /// One side of `&&` or `||`, which a mutant leaves out.
    fn operand(&mut self, operand: &Expr, operator: &BinOp) {
        let neutral = if matches!(operator, BinOp::And(_)) { "true" } else { "false" };
        match operand {
            Expr::Binary(inner) if is_same(&inner.op, operator) => {}
            Expr::Let(_) => self.condition(operand, FALSE, true),
            _ => self.sheet.switch(range(operand), vec![Alternative::text(neutral)]),
        }
    }

    fn lazy(&mut self, binary: &ExprBinary) {
        let (left, right) = (range(&binary.left), range(&binary.right));
        if !has_let(&binary.left) && !has_let(&binary.right) {
            let is_and = matches!(binary.op, BinOp::And(_));
            let (text, other) = (self.text(binary), if is_and { " || " } else { " && " });
            let (one, two) = (self.text(&*binary.left), self.text(&*binary.right));
            let mutated = short(&format!("{one}{other}{two}"));
            let parts = [Part::Old(left.clone()), new(other), Part::Old(right.clone())];
            // Written so that each side stands there once, and not again for each switch around.
            self.sheet.edit(range(binary), &text, &mutated, parts.to_vec(), |is| {
                let equals = if is_and { "==" } else { "!=" };
                vec![
                    new("(match ("),
                    Part::Old(left),
                    new(format!(") {{ one => if one {equals} {is} {{ one }} else {{ ")),
                    Part::Old(right),
                    new(" } })"),
                ]
            });
        }
        self.operand(&binary.left, &binary.op);
        self.operand(&binary.right, &binary.op);
    }

    pub(crate) fn binary(&mut self, binary: &ExprBinary) {
        if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) {
            return self.lazy(binary);
        }
        let (one, two) = (self.text(&*binary.left), self.text(&*binary.right));
        let (left, right) = (range(&binary.left), range(&binary.right));
        let alternative = |operator: &&str| Alternative {
            mutated: short(&format!("{one} {operator} {two}")),
            parts: vec![
                Part::Old(left.clone()),
                new(format!(" {operator} ")),
                Part::Old(right.clone()),
            ],
        };
        let alternatives = operators(&binary.op).iter().map(alternative).collect();
        self.sheet.switch(range(binary), alternatives);
    }

    pub(crate) fn unary(&mut self, unary: &ExprUnary) {
        if matches!(unary.op, UnOp::Not(_) | UnOp::Neg(_)) {
            let mutated = self.text(&*unary.expr);
            let parts = vec![Part::Old(range(&unary.expr))];
            self.sheet.switch(range(unary), vec![Alternative { mutated, parts }]);
        }
    }

    pub(crate) fn literal(&mut self, literal: &ExprLit) {
        let alternatives = match &literal.lit {
            Lit::Bool(value) => vec![Alternative::text(&(!value.value).to_string())],
            Lit::Int(number) => {
                neighbors(number).iter().map(|text| Alternative::text(text)).collect()
            }
            _ => Vec::new(),
        };
        self.sheet.switch(range(literal), alternatives);
    }

    pub(crate) fn call(&mut self, call: &ExprMethodCall) {
        let name = call.method.to_string();
        if let Some(other) = method(&name) {
            let (all, word) = (range(call), range(&call.method));
            let parts =
                vec![Part::Old(all.start..word.start), new(other), Part::Old(word.end..all.end)];
            let text = &self.sheet.text;
            let mutated =
                format!("{}{other}{}", &text[all.start..word.start], &text[word.end..all.end]);
            self.sheet.switch(all, vec![Alternative { mutated: short(&mutated), parts }]);
        }
        if asks(&name) {
            for argument in &call.args {
                if let Expr::Closure(closure) = argument {
                    self.condition(&closure.body, EITHER, false);
                }
            }
        }
        if matches!(&*name, "then" | "then_some") {
            self.condition(&call.receiver, EITHER, false);
        }
    }

    /// A field that is taken from the rest instead.
    pub(crate) fn fields(&mut self, made: &ExprStruct) {
        if made.rest.is_none() {
            return;
        }
        let all = range(made);
        for pair in made.fields.pairs() {
            let field = range(pair.value());
            let end = pair.punct().map_or(field.end, |comma| range(*comma).end);
            let parts = vec![Part::Old(all.start..field.start), Part::Old(end..all.end)];
            let mutated = format!("without `{}`", self.text(*pair.value()));
            self.sheet.switch(all.clone(), vec![Alternative { mutated, parts }]);
        }
    }

    pub(crate) fn statement(&mut self, statement: &Stmt, expression: &Expr) {
        let has_effect = match expression {
            Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_) => true,
            Expr::Binary(binary) => !operators(&binary.op).is_empty(),
            Expr::Try(tried) => matches!(&*tried.expr, Expr::Call(_) | Expr::MethodCall(_)),
            _ => false,
        };
        if !has_effect || !attributes(expression).is_empty() {
            return;
        }
        let (range, text) = (range(statement), self.text(statement));
        let old = Part::Old(range.clone());
        self.sheet.edit(range, &text, "nothing", Vec::new(), |is| {
            vec![new(format!("if !{is} {{ ")), old, new(" }")]
        });
    }

    /// The arm is left to the one that takes all.
    pub(crate) fn without_arm(&mut self, arm: &Arm) {
        if self.sheet.is_constant {
            return;
        }
        let original = format!("{} => …", self.text(&arm.pat));
        let old = Part::Old(range(&arm.pat));
        self.sheet.edit(range(&arm.pat), &original, "no such arm", Vec::new(), |is| {
            vec![old, new(format!(" if !{is}"))]
        });
    }
}
