//! Writes a schema as the structural OpenAPI v3 schema of a CRD.

use serde_json::{Map, Value, json};

use super::{Field, Rule, Schema, Shape, Text};

impl Schema {
    /// The schema as `openAPIV3Schema` holds it.
    pub(crate) fn openapi(&self) -> Value {
        let mut schema = Map::new();
        if !self.description.is_empty() {
            schema.insert("description".to_owned(), Value::from(self.description));
        }
        if let Some(default) = &self.default {
            schema.insert("default".to_owned(), default.clone());
        }
        self.shape.write(&mut schema);
        if !self.rules.is_empty() {
            let rules = self.rules.iter().map(Rule::openapi).collect();
            schema.insert("x-kubernetes-validations".to_owned(), rules);
        }
        Value::Object(schema)
    }
}

impl Rule {
    fn openapi(&self) -> Value {
        json!({"rule": self.cel, "message": self.message})
    }
}

impl Shape {
    fn write(&self, schema: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| schema.insert(key.to_owned(), value);
        match self {
            Self::Boolean => {
                set("type", json!("boolean"));
            }
            Self::Integer { minimum } => {
                set("type", json!("integer"));
                set("format", json!("int64"));
                if let Some(minimum) = minimum {
                    set("minimum", json!(minimum));
                }
            }
            Self::Text(text) => {
                set("type", json!("string"));
                text.write(schema);
            }
            Self::Map => {
                set("type", json!("object"));
                set("additionalProperties", json!({"type": "string"}));
            }
            Self::List { item, items_min } => {
                set("type", json!("array"));
                set("items", item.openapi());
                if *items_min > 0 {
                    set("minItems", json!(items_min));
                }
            }
            Self::Object(fields) => {
                set("type", json!("object"));
                set("properties", properties(fields));
                let required: Vec<_> = fields
                    .iter()
                    .filter(|field| field.required)
                    .map(|field| field.name)
                    .collect();
                if !required.is_empty() {
                    set("required", json!(required));
                }
            }
            Self::OpenObject => {
                set("type", json!("object"));
                set("x-kubernetes-preserve-unknown-fields", json!(true));
            }
            Self::Anything => {
                set("x-kubernetes-preserve-unknown-fields", json!(true));
            }
        }
    }
}

fn properties(fields: &[Field]) -> Value {
    fields
        .iter()
        .map(|field| (field.name.to_owned(), field.schema.openapi()))
        .collect()
}

impl Text {
    fn write(&self, schema: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| schema.insert(key.to_owned(), value);
        if self.date_time {
            set("format", json!("date-time"));
        }
        if !self.words.is_empty() {
            set("enum", json!(self.words));
        }
        if let Some(form) = self.form.filter(|form| !form.pattern.is_empty()) {
            set("pattern", json!(form.pattern));
        }
        if self.characters_min > 0 {
            set("minLength", json!(self.characters_min));
        }
        if let Some(max) = self.characters_max {
            set("maxLength", json!(max));
        }
    }
}
