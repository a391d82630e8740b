//! vars: `$(NAME)` in known places becomes the value of a field of some object.

use std::collections::BTreeMap;

use fluvial_manifest::Value;

use crate::error::{Error, Result};
use crate::fieldpath;
use crate::fieldspec::{self, Create, FieldSpec};
use crate::kustomization::Var;
use crate::resource::{Id, scalar_text};
use crate::resources::Resources;

/// Vars by name, as they are gathered from bases and overlays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vars(BTreeMap<String, Var>);

impl Vars {
    /// Adds the vars of one kustomization and notes on the objects which of them they feed.
    pub(crate) fn declare(&mut self, vars: &[Var], resources: &mut Resources) -> Result<()> {
        for var in vars {
            let id = Id {
                gvk: var.gvk.clone(),
                name: var.object.clone(),
                namespace: var.namespace.clone(),
            };
            // Without a namespace, the object may be in any.
            let exact = !id.namespace.is_empty() || id.is_cluster_scoped();
            let found = resources.by_any_id(|other| {
                if exact {
                    other.same(&id)
                } else {
                    other.name == id.name && other.gvk == id.gvk
                }
            });
            match found.as_slice() {
                [] => {}
                [position] => resources.list_mut()[*position].vars.push(var.name.clone()),
                several => {
                    return Err(Error::new(format!(
                        "the var {:?} could read from {} objects; give its objref a namespace",
                        var.name,
                        several.len()
                    )));
                }
            }
            self.insert(var)?;
        }
        Ok(())
    }

    /// Adds the vars of a base.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        other.0.values().try_for_each(|var| self.insert(var))
    }

    fn insert(&mut self, var: &Var) -> Result<()> {
        if self.0.insert(var.name.clone(), var.clone()).is_some() {
            return Err(
                Error::new(format!("the var {:?} is declared twice", var.name)).in_field("vars"),
            );
        }
        Ok(())
    }

    /// Writes the values in.
    pub(crate) fn resolve(&self, resources: &mut Resources, specs: &[FieldSpec]) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut values = BTreeMap::new();
        for var in self.0.values() {
            values.insert(var.name.as_str(), value_of(var, resources)?);
        }
        for resource in resources.list_mut() {
            fieldspec::apply_all(specs, &mut resource.value, Create::Nothing, &mut |field| {
                expand_field(field, &values)
            })?;
        }
        Ok(())
    }
}

/// What a var stands for, read from the object that it was declared to read from.
fn value_of(var: &Var, resources: &Resources) -> Result<Value> {
    let wrong = |what: &str| {
        Error::new(format!(
            "the var {:?} {what}; correct its objref or fieldref",
            var.name
        ))
        .in_field("vars")
    };
    let resource = resources
        .list()
        .iter()
        .find(|resource| resource.vars.contains(&var.name))
        .ok_or_else(|| wrong("reads from an object that is not there"))?;
    let path = index_parts(&var.field_path);
    fieldpath::lookup(&resource.value, &path)
        .cloned()
        .ok_or_else(|| wrong("reads from a field that is not there"))
}

/// A path in which `a[0]` is written for `a.0`.
fn index_parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in fieldpath::split(path) {
        match part.split_once('[') {
            Some((name, index))
                if !name.is_empty() && index.ends_with(']') && !index.contains('=') =>
            {
                parts.push(name.to_owned());
                parts.push(index.trim_end_matches(']').to_owned());
            }
            Some(_) | None => parts.push(part),
        }
    }
    parts
}

fn expand_field(field: &mut Value, values: &BTreeMap<&str, Value>) -> Result<()> {
    match field {
        Value::String(text) => {
            if let Some(expanded) = expand(text, values) {
                *field = expanded;
            }
        }
        Value::Object(map) => {
            for value in map.values_mut() {
                if let Value::String(text) = value
                    && let Some(expanded) = expand(text, values)
                {
                    *value = expanded;
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let Value::String(text) = item else {
                    return Err(Error::new(format!(
                        "{item} is in a list where vars are replaced, and is not text"
                    )));
                };
                if let Some(expanded) = expand(text, values) {
                    *item = expanded;
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// A text with its vars replaced; `None` when there is nothing to do. A text that is one var and
/// nothing else becomes a value of the var's type. `$$` is a dollar sign.
fn expand(text: &str, values: &BTreeMap<&str, Value>) -> Option<Value> {
    if !text.contains('$') {
        return None;
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            expanded.push('$');
            rest = escaped;
            continue;
        }
        let name = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'));
        let Some((name, following)) = name else {
            expanded.push('$');
            rest = after;
            continue;
        };
        match values.get(name) {
            Some(value) if !value.is_array() && !value.is_object() && !value.is_null() => {
                if at == 0
                    && expanded.is_empty()
                    && following.is_empty()
                    && rest.len() == text.len()
                {
                    return Some(value.clone());
                }
                expanded.push_str(&scalar_text(value).unwrap_or_default());
            }
            Some(_) | None => {
                expanded.push_str("$(");
                expanded.push_str(name);
                expanded.push(')');
            }
        }
        rest = following;
    }
    expanded.push_str(rest);
    Some(Value::String(expanded))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn vars_are_expanded_in_text() {
        let values = BTreeMap::from([("A", json!("x")), ("N", json!(5)), ("M", json!({}))]);
        let cases = [
            ("$(A)", json!("x")),
            ("$(N)", json!(5)),
            ("p$(N)", json!("p5")),
            ("$(A)-$(A)", json!("x-x")),
            ("$(B)", json!("$(B)")),
            ("$$(A)", json!("$(A)")),
            ("$(M)", json!("$(M)")),
            ("$A $(", json!("$A $(")),
            ("a$", json!("a$")),
        ];
        for (text, want) in cases {
            assert_eq!(expand(text, &values), Some(want), "{text}");
        }
        assert_eq!(expand("plain", &values), None);
    }

    #[test]
    fn indices_may_stand_in_brackets() {
        assert_eq!(
            index_parts("spec.ports[0].port"),
            ["spec", "ports", "0", "port"]
        );
        assert_eq!(index_parts("a.[name=b].c"), ["a", "[name=b]", "c"]);
    }
}
