//! The description, as a client reads it.

use std::collections::BTreeSet;

use jsonschema::Draft;
use serde_json::Value;

use crate::described;

pub(super) struct Document(Value);

impl Document {
    pub(super) fn ours() -> Self {
        Self(serde_json::to_value(described().1).unwrap())
    }

    /// The path and the method of each operation.
    pub(super) fn operations(&self) -> BTreeSet<(String, String)> {
        let of = |(path, methods): (&String, &Value)| {
            let methods = methods.as_object().unwrap().keys();
            Vec::from_iter(methods.map(|method| (path.clone(), method.clone())))
        };
        self.0["paths"].as_object().unwrap().iter().flat_map(of).collect()
    }

    /// Each answer of each operation.
    pub(super) fn answers(&self) -> BTreeSet<(String, String, u16)> {
        let of = |(path, method): (String, String)| {
            let responses = self.0["paths"][&path][&method]["responses"].as_object().unwrap();
            let statuses = responses.keys().map(|status| status.parse().unwrap());
            Vec::from_iter(statuses.map(move |status| (path.clone(), method.clone(), status)))
        };
        self.operations().into_iter().flat_map(of).collect()
    }

    /// What is referred to, and what stands there.
    pub(super) fn references(&self) -> Vec<(&str, Option<&Value>)> {
        let mut found = Vec::new();
        let mut rest = vec![&self.0];
        while let Some(value) = rest.pop() {
            match value {
                Value::Object(members) => rest.extend(members.values()),
                Value::Array(values) => rest.extend(values),
                _ => {}
            }
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                found.push((reference, self.0.pointer(reference.trim_start_matches('#'))));
            }
        }
        found
    }

    /// The path as it is described that a request is for.
    pub(super) fn path_of(&self, uri: &str) -> String {
        let path = uri.split('?').next().unwrap();
        let paths = self.0["paths"].as_object().unwrap();
        let found = paths.keys().find(|described| {
            let (ours, theirs) = (path.split('/'), described.split('/'));
            ours.clone().count() == theirs.clone().count()
                && ours.zip(theirs).all(|(our, their)| our == their || their.starts_with('{'))
        });
        found.unwrap_or_else(|| panic!("{path} is not described")).clone()
    }

    /// Compares an answer with its description.
    #[track_caller]
    pub(super) fn check(
        &self,
        (path, method, status): (&str, &str, u16),
        content_type: Option<&str>,
        body: &str,
    ) {
        let what = format!("{method} {path}, {status}: {body}");
        let response = &self.0["paths"][path][method]["responses"][status.to_string()];
        assert!(response.is_object(), "this answer is not described: {what}");
        let Some(content) = response.get("content") else {
            assert!(content_type.is_none() && body.is_empty(), "a body is not described: {what}");
            return;
        };
        let schema = &content[content_type.unwrap_or_default()]["schema"];
        assert!(schema.is_object(), "{content_type:?} is not described: {what}");
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        close(&mut schema);
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        let validator = options.should_validate_formats(true).build(&schema).unwrap();
        let body = serde_json::from_str(body).unwrap();
        let wrong = validator.iter_errors(&body).map(|error| {
            let at = error.instance_path().to_string();
            format!("{at}: {error}")
        });
        let wrong = wrong.collect::<Vec<_>>();
        assert!(wrong.is_empty(), "{wrong:#?} in {what}");
    }
}

/// Members that are not described are mistakes here, though clients should pass over them.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}
