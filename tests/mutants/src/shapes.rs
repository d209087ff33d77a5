//! What the code looks like that is to be mutated.

use std::ops::Range;

use syn::spanned::Spanned;
use syn::{Attribute, BinOp, Expr, LitInt, Pat};

/// The place in the file, in bytes.
pub(crate) fn range(of: &impl Spanned) -> Range<usize> {
    of.span().byte_range()
}

/// Of those expressions that the crate gives attributes to.
pub(crate) fn attributes(expression: &Expr) -> &[Attribute] {
    match expression {
        Expr::Assign(it) => &it.attrs,
        Expr::Binary(it) => &it.attrs,
        Expr::Block(it) => &it.attrs,
        Expr::Call(it) => &it.attrs,
        Expr::If(it) => &it.attrs,
        Expr::Lit(it) => &it.attrs,
        Expr::Macro(it) => &it.attrs,
        Expr::Match(it) => &it.attrs,
        Expr::MethodCall(it) => &it.attrs,
        Expr::Struct(it) => &it.attrs,
        Expr::Try(it) => &it.attrs,
        Expr::Unary(it) => &it.attrs,
        _ => &[],
    }
}

/// Whether both are `&&`, or both `||`.
pub(crate) fn is_same(one: &BinOp, other: &BinOp) -> bool {
    matches!((one, other), (BinOp::And(_), BinOp::And(_)) | (BinOp::Or(_), BinOp::Or(_)))
}

/// Whether a condition binds names with `let`.
pub(crate) fn has_let(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// The numbers below and above, as they are written.
pub(crate) fn neighbors(number: &LitInt) -> Vec<String> {
    let Ok(value) = number.base10_parse::<u128>() else {
        return Vec::new();
    };
    let around = [value.checked_sub(1), value.checked_add(1)].into_iter().flatten();
    around.map(|value| format!("{value}{}", number.suffix())).collect()
}

/// Whether a pattern matches everything.
pub(crate) fn takes_all(pattern: &Pat) -> bool {
    match pattern {
        Pat::Wild(_) => true,
        // What begins with a capital may be a constant.
        Pat::Ident(name) => {
            name.subpat.is_none() && name.ident.to_string().starts_with(char::is_lowercase)
        }
        Pat::Tuple(tuple) => tuple.elems.iter().all(takes_all),
        _ => false,
    }
}
