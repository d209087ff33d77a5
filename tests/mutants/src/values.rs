//! What a function returns at once in a mutant, by its type.

use syn::{
    Expr, ExprLit, FnArg, GenericArgument, Lit, PathArguments, ReturnType, Signature, Type,
    TypePath,
};

/// The values, as expressions; the empty one returns nothing.
pub(crate) fn returned(signature: &Signature) -> Vec<String> {
    let takes_itself = matches!(
        signature.inputs.first(),
        Some(FnArg::Receiver(receiver)) if receiver.reference.is_none()
    );
    match &signature.output {
        ReturnType::Default => vec![String::new()],
        ReturnType::Type(_, of) if is_named(of, "Self") && takes_itself => vec!["self".to_owned()],
        ReturnType::Type(_, of) => values(of),
    }
}

fn is_named(of: &Type, name: &str) -> bool {
    matches!(of, Type::Path(TypePath { path, .. }) if path.is_ident(name))
}

fn values(of: &Type) -> Vec<String> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    match of {
        Type::Path(path) => of_path(path),
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            elem if is_named(elem, "str") => texts(&["\"\"", "\"xyzzy\""]),
            Type::Slice(_) => texts(&["&[]"]),
            elem => {
                let leak = |value: String| format!("Box::leak(Box::new({value}))");
                values(elem).into_iter().map(leak).collect()
            }
        },
        Type::Tuple(tuple) if tuple.elems.is_empty() => texts(&["()"]),
        Type::Array(array) => match &array.len {
            Expr::Lit(ExprLit { lit: Lit::Int(len), .. }) => {
                ["0", "1"].map(|value| format!("[{value}; {}]", len.base10_digits())).to_vec()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn of_path(TypePath { path, .. }: &TypePath) -> Vec<String> {
    let Some(last) = path.segments.last() else {
        return Vec::new();
    };
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.first().cloned(),
        _ => None,
    };
    let within = |around: &str| -> Vec<String> {
        let Some(GenericArgument::Type(inner)) = &inner else {
            return vec![format!("{around}(())")]; // such as `fmt::Result`
        };
        values(inner).into_iter().map(|value| format!("{around}({value})")).collect()
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    match &*last.ident.to_string() {
        "bool" => texts(&["true", "false"]),
        "u8" | "u16" | "u32" | "u64" | "usize" => texts(&["0", "1"]),
        "i8" | "i16" | "i32" | "i64" | "isize" => texts(&["0", "1", "-1"]),
        "String" => texts(&["String::new()", "\"xyzzy\".to_owned()"]),
        "Timestamp" => {
            let times = ["from_unix_millis(0)", "NEVER"];
            times.map(|time| format!("crate::clock::Timestamp::{time}")).to_vec()
        }
        "Option" => [vec!["None".to_owned()], within("Some")].concat(),
        "Result" => within("Ok"),
        "Vec" => texts(&["Vec::new()"]),
        _ => texts(&["Default::default()"]),
    }
}
