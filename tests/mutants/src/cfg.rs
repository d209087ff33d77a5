//! Which code is compiled, by its attributes.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, MetaList, MetaNameValue, Token};

use crate::rooms::FEATURES;

/// Whether all `cfg` attributes hold without tests.
pub(crate) fn is_compiled(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .all(|attribute| attribute.parse_args::<Meta>().is_ok_and(|condition| holds(&condition)))
}

fn holds(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("unix"),
        Meta::NameValue(MetaNameValue { value, .. }) => match value {
            Expr::Lit(ExprLit { lit: Lit::Str(feature), .. }) => {
                FEATURES.contains(&feature.value().as_str())
            }
            _ => false,
        },
        Meta::List(list) => {
            let conditions = conditions(list);
            let mut held = conditions.iter().map(holds);
            if list.path.is_ident("not") {
                !held.all(|holds| holds)
            } else if list.path.is_ident("any") {
                held.any(|holds| holds)
            } else {
                held.all(|holds| holds)
            }
        }
    }
}

fn conditions(list: &MetaList) -> Vec<Meta> {
    let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
    list.parse_args_with(parse)
        .map(|conditions| conditions.into_iter().collect())
        .unwrap_or_default()
}
