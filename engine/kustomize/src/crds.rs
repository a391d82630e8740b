//! crds: OpenAPI definitions of custom kinds, read for the fields that transformers must know.

use fluvial_manifest::{Value, yaml};

use crate::config::{Config, NameReference};
use crate::error::{Error, Result};
use crate::fieldspec::{FieldSpec, merge_all};
use crate::resource::Gvk;

/// References inside references that are followed.
const DEPTH_MAX: usize = 32;

/// The field specs that a file of definitions asks for.
pub(crate) fn read(file: &str, text: &str) -> Result<Config> {
    let documents = yaml::documents(text).map_err(|error| Error::yaml(file, error))?;
    let mut config = Config::default();
    let Some(Value::Object(definitions)) = documents.first() else {
        return Err(Error::new("a map of OpenAPI definitions is needed").in_file(file));
    };
    for (name, definition) in definitions {
        if !definition.is_object() && !definition.is_null() {
            let reason = format!(
                "{name} is no OpenAPI definition; list a CustomResourceDefinition under `resources`"
            );
            return Err(Error::new(reason).in_file(file));
        }
        let properties = definition
            .pointer("/Schema/properties")
            .or_else(|| definition.pointer("/schema/properties"));
        let is_kind = properties.is_some_and(|properties| {
            ["kind", "apiVersion", "metadata"]
                .iter()
                .all(|field| properties.get(field).is_some())
        });
        if is_kind {
            let kind = name
                .rsplit_once('.')
                .map_or(name.as_str(), |(_, kind)| kind);
            let mut walk = Walk {
                definitions: &documents[0],
                kind,
                config: &mut config,
            };
            walk.definition(name, &[], 0)?;
        }
    }
    Ok(config)
}

struct Walk<'a> {
    definitions: &'a Value,
    kind: &'a str,
    config: &'a mut Config,
}

impl Walk<'_> {
    fn definition(&mut self, name: &str, path: &[&str], depth: usize) -> Result<()> {
        let definitions = self.definitions;
        let properties = definitions
            .get(name)
            .and_then(|definition| {
                definition
                    .pointer("/Schema/properties")
                    .or_else(|| definition.pointer("/schema/properties"))
            })
            .and_then(Value::as_object);
        if depth > DEPTH_MAX {
            return Err(
                Error::new(format!("the definition {name:?} refers to itself")).in_field("crds"),
            );
        }
        for (field, property) in properties.into_iter().flatten() {
            let mut inner = path.to_vec();
            inner.push(field);
            self.property(property, &inner)?;
            if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
                self.definition(reference, &inner, depth + 1)?;
            }
        }
        Ok(())
    }

    fn property(&mut self, property: &Value, path: &[&str]) -> Result<()> {
        let spec = |path: &[&str]| {
            let gvk = Gvk {
                kind: self.kind.to_owned(),
                ..Gvk::default()
            };
            FieldSpec::new(gvk, &path.join("/"), false)
        };
        let text = |key: &str| property.get(key).and_then(Value::as_str);
        if text("x-kubernetes-annotation").is_some() {
            merge_all(&mut self.config.common_annotations, &[spec(path)])?;
        }
        if text("x-kubernetes-label-selector").is_some() {
            merge_all(&mut self.config.common_labels, &[spec(path)])?;
        }
        if text("x-kubernetes-identity").is_some() {
            merge_all(&mut self.config.name_prefix, &[spec(path)])?;
        }
        let version = text("x-kubernetes-object-ref-api-version");
        let kind = text("x-kubernetes-object-ref-kind");
        if let (Some(version), Some(kind)) = (version, kind) {
            let mut named = path.to_vec();
            named.push(text("x-kubernetes-object-ref-name-key").unwrap_or("name"));
            let reference = NameReference {
                target: Gvk {
                    group: String::new(),
                    version: version.to_owned(),
                    kind: kind.to_owned(),
                },
                referrers: vec![spec(&named)],
            };
            self.config.add_reference(&reference)?;
        }
        Ok(())
    }
}
