//! What is made of operators and calls.

use syn::{BinOp, Expr};

/// The operators that a mutant has in the place of this one.
pub(crate) fn operators(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["*", "%"],
        BinOp::Rem(_) => &["/", "*"],
        BinOp::BitAnd(_) => &["|", "^"],
        BinOp::BitOr(_) => &["&", "^"],
        BinOp::BitXor(_) => &["&", "|"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::Lt(_) => &["<=", ">"],
        BinOp::Le(_) => &["<", ">"],
        BinOp::Gt(_) => &[">=", "<"],
        BinOp::Ge(_) => &[">", "<"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["*=", "%="],
        BinOp::RemAssign(_) => &["/=", "*="],
        BinOp::BitAndAssign(_) => &["|=", "="],
        BinOp::BitOrAssign(_) => &["&=", "="],
        BinOp::BitXorAssign(_) => &["&=", "|="],
        BinOp::ShlAssign(_) => &[">>="],
        BinOp::ShrAssign(_) => &["<<="],
        // Both sides of these are mutated, see `Finder::operand`.
        _ => &[],
    }
}

pub(crate) fn is_comparison(operator: &BinOp) -> bool {
    let (eq, ne) = (matches!(operator, BinOp::Eq(_)), matches!(operator, BinOp::Ne(_)));
    eq || ne || matches!(operator, BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_))
}

/// The method that a mutant calls in the place of this one.
pub(crate) fn method(name: &str) -> Option<&'static str> {
    const PAIRS: [(&str, &str); 13] = [
        ("min", "max"),
        ("any", "all"),
        ("is_some", "is_none"),
        ("is_ok", "is_err"),
        ("is_some_and", "is_none_or"),
        ("first", "last"),
        ("position", "rposition"),
        ("starts_with", "ends_with"),
        ("strip_prefix", "strip_suffix"),
        ("skip", "take"),
        ("take_while", "skip_while"),
        ("or", "and"),
        ("saturating_add", "saturating_sub"),
    ];
    PAIRS.iter().find_map(|&(one, other)| match name {
        _ if name == one => Some(other),
        _ if name == other => Some(one),
        _ => None,
    })
}

/// Whether the closure that this method gets answers yes or no.
pub(crate) fn asks(method: &str) -> bool {
    matches!(
        method,
        "all"
            | "any"
            | "filter"
            | "find"
            | "is_none_or"
            | "is_some_and"
            | "position"
            | "retain"
            | "rposition"
            | "skip_while"
            | "split"
            | "take_if"
            | "take_while"
    )
}

/// Whether a condition of this form has mutants of its own, which make it true and false.
pub(crate) fn has_its_own(condition: &Expr) -> bool {
    match condition {
        Expr::Binary(binary) => {
            is_comparison(&binary.op) || matches!(binary.op, BinOp::And(_) | BinOp::Or(_))
        }
        Expr::MethodCall(call) => {
            matches!(&*call.method.to_string(), "is_some" | "is_none" | "is_ok" | "is_err")
        }
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Not(_)),
        Expr::Lit(_) => true,
        _ => false,
    }
}
