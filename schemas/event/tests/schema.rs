//! The JSON Schemas of every event, in `schemas/json/`: for those who read the story on Kafka.
//!
//! They are made from the protobuf messages. `UPDATE=1` writes what is new; what is there may only grow, so that who
//! reads with an old schema reads new events, and the other way about.

#![expect(
    clippy::unwrap_used,
    reason = "clippy sees only `#[test]` functions as tests, not what they call"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use fluvial_event::{Event, decode};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use serde_json::{Map, Value, json};

const PACKAGE: &str = ".fluvial.event.v1.";

/// The fields of enums that are written with their names; others are numbers.
const NAMED: [&str; 3] = [
    // sorted
    "AppliedObject.action",
    "AppliedObject.health",
    "ObjectObserved.health",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn schemas() -> PathBuf {
    root().join("../json")
}

/// What the `.proto` files say: messages and enums by name, and the comment on each.
struct Proto {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
    comments: BTreeMap<String, String>,
}

impl Proto {
    fn read() -> Self {
        let proto = root().join("proto");
        let files = fs::read_dir(&proto).unwrap().map(|it| it.unwrap().path());
        let set = protox::compile(files, [proto]).unwrap();
        Self::of(set)
    }

    fn of(set: FileDescriptorSet) -> Self {
        let mut read = Self {
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
            comments: BTreeMap::new(),
        };
        for file in set.file {
            let places = file.source_code_info.unwrap_or_default().location;
            for place in places {
                let comment = place.leading_comments().trim().replace("\n ", " ");
                // 4 is a message of the file, 2 a field of that.
                let at = |index: i32| usize::try_from(index).unwrap();
                let name = match place.path.as_slice() {
                    [4, message] => file.message_type[at(*message)].name().to_owned(),
                    [4, message, 2, field] => {
                        let message = &file.message_type[at(*message)];
                        format!("{}.{}", message.name(), message.field[at(*field)].name())
                    }
                    _ => continue,
                };
                if !comment.is_empty() {
                    read.comments.insert(name, comment);
                }
            }
            for message in file.message_type {
                read.messages.insert(message.name().to_owned(), message);
            }
            for it in file.enum_type {
                read.enums.insert(it.name().to_owned(), it);
            }
        }
        read
    }

    /// The schema of an event, with that of everything in it.
    fn schema(&self, name: &str, version: u16) -> Value {
        let mut wanted = BTreeSet::new();
        let mut schema = self.message(name, &mut wanted);
        let mut definitions = Map::new();
        while let Some(next) = wanted.iter().find(|it| !definitions.contains_key(*it)) {
            let next = next.clone();
            definitions.insert(next.clone(), self.message(&next, &mut wanted));
        }
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["title"] = json!(format!("dev.fluvial.{name}.v{version}"));
        if !definitions.is_empty() {
            schema["$defs"] = Value::Object(definitions);
        }
        schema
    }

    fn message(&self, name: &str, wanted: &mut BTreeSet<String>) -> Value {
        let message = &self.messages[name];
        let mut properties = Map::new();
        let mut choices: BTreeMap<i32, Vec<Value>> = BTreeMap::new();
        for field in &message.field {
            if let (Some(choice), false) = (field.oneof_index, field.proto3_optional()) {
                let one = self.field(name, field, wanted);
                let variant = pascal(field.name());
                let one = json!({"type": "object", "properties": {&variant: one}, "required": [&variant]});
                choices.entry(choice).or_default().push(one);
                continue;
            }
            let mut schema = self.field(name, field, wanted);
            let is_absent = is_message(field) && !is_repeated(field) || field.proto3_optional();
            if is_absent {
                schema = json!({"oneOf": [{"type": "null"}, schema]});
            }
            if let Some(comment) = self.comments.get(&format!("{name}.{}", field.name())) {
                schema["description"] = json!(comment);
            }
            properties.insert(field.name().to_owned(), schema);
        }
        for (choice, mut variants) in choices {
            let name = message.oneof_decl[usize::try_from(choice).unwrap()].name();
            variants.insert(0, json!({"type": "null"}));
            properties.insert(name.to_owned(), json!({"oneOf": variants}));
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if let Some(comment) = self.comments.get(name) {
            schema["description"] = json!(comment);
        }
        schema
    }

    fn field(
        &self,
        message: &str,
        field: &FieldDescriptorProto,
        wanted: &mut BTreeSet<String>,
    ) -> Value {
        let name = field.type_name().trim_start_matches(PACKAGE);
        if let Some(value) = self.map_value(message, name, wanted) {
            return json!({"type": "object", "additionalProperties": value});
        }
        let one = match field.r#type() {
            Type::Message => {
                wanted.insert(name.to_owned());
                json!({"$ref": format!("#/$defs/{name}")})
            }
            Type::Enum if NAMED.contains(&&*format!("{message}.{}", field.name())) => {
                let names = self.enums[name].value.iter().map(|it| it.name().to_owned());
                json!({"type": "string", "enum": names.collect::<Vec<_>>()})
            }
            Type::String => json!({"type": "string"}),
            Type::Bool => json!({"type": "boolean"}),
            // JSON, as it was declared.
            Type::Bytes => json!({}),
            Type::Double | Type::Float => json!({"type": "number"}),
            _ => json!({"type": "integer"}),
        };
        if is_repeated(field) {
            return json!({"type": "array", "items": one});
        }
        one
    }

    /// What a map holds; none where it is none.
    fn map_value(&self, message: &str, name: &str, wanted: &mut BTreeSet<String>) -> Option<Value> {
        let entry = name.strip_prefix(&format!("{message}."))?;
        let mut nested = self.messages[message].nested_type.iter();
        let entry = nested.find(|it| it.name() == entry)?;
        let value = entry.field.iter().find(|it| it.name() == "value")?;
        Some(self.field(entry.name(), value, wanted))
    }
}

fn is_message(field: &FieldDescriptorProto) -> bool {
    field.r#type() == Type::Message
}

fn is_repeated(field: &FieldDescriptorProto) -> bool {
    field.label() == Label::Repeated
}

/// As prost names the variant of a choice.
fn pascal(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|it| it.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(capital).collect()
}

/// What of `old` is not in `new` as it was. What people read in it may change.
fn broken(place: &str, old: &Value, new: &Value) -> Vec<String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut all = Vec::new();
            for (key, value) in old.iter().filter(|it| it.0 != "description") {
                let place = format!("{place}/{key}");
                match new.get(key) {
                    Some(new) => all.extend(broken(&place, value, new)),
                    None => all.push(place),
                }
            }
            all
        }
        // Another variant of a choice, another word of an enum.
        (Value::Array(old), Value::Array(new)) if new.len() >= old.len() => {
            let pairs = old.iter().zip(new).enumerate();
            let pairs =
                pairs.flat_map(|(at, (old, new))| broken(&format!("{place}/{at}"), old, new));
            pairs.collect()
        }
        _ if old == new => Vec::new(),
        _ => vec![place.to_owned()],
    }
}

#[test]
fn every_event_has_its_schema_which_only_grows() {
    let proto = Proto::read();
    let mut files = BTreeSet::new();
    for (_, version, name) in Event::TYPES {
        let file = format!("{name}.v{version}.json");
        let path = schemas().join(&file);
        let schema = proto.schema(name, *version);
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let found = fs::read_to_string(&path).unwrap_or_default();
        if let Ok(old) = serde_json::from_str::<Value>(&found) {
            let broken = broken("", &old, &schema);
            assert_eq!(
                broken, [""; 0],
                "{file}: who reads with it would read it no more"
            );
        }
        if found != text && std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(schemas()).unwrap();
            fs::write(&path, &text).unwrap();
        } else {
            assert!(
                found == text,
                "{file} is not as the messages are; UPDATE=1 writes it"
            );
        }
        files.insert(file);
    }
    // An old version is read for ever, too.
    let kept = fs::read_dir(schemas()).unwrap();
    let kept: BTreeSet<_> = kept
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(files.is_subset(&kept));
}

#[test]
fn every_event_on_record_is_as_its_schema_says() {
    let mut seen = BTreeSet::new();
    for file in fs::read_dir(root().join("../golden")).unwrap() {
        let path = file.unwrap().path();
        let record = decode(&fs::read(&path).unwrap()).unwrap();
        let (_, version) = record.event.schema();
        let name = record.event.name();
        let text = fs::read_to_string(schemas().join(format!("{name}.v{version}.json")));
        let mut schema: Value = serde_json::from_str(&text.unwrap()).unwrap();
        // What it does not name is an error here: nothing is left out of a schema.
        close(&mut schema);
        let data = serde_json::to_value(&record.event).unwrap()["data"].take();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&data)
            .map(|it| format!("{} at {}", it, it.instance_path()))
            .collect();
        assert_eq!(errors, [""; 0], "{}", path.display());
        seen.insert(name);
    }
    let all: BTreeSet<_> = Event::TYPES.iter().map(|it| it.2).collect();
    assert_eq!(seen, all);
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && map.get("type") == Some(&json!("object")) {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn what_others_rely_on_is_not_taken_away() {
    let old =
        json!({"properties": {"a": {"type": "string", "description": "x"}, "b": {"oneOf": [1]}}});
    for (new, places) in [
        (old.clone(), vec![]),
        (
            json!({"properties": {"a": {"type": "string"}, "b": {"oneOf": [1, 2]}, "c": {}}}),
            vec![],
        ),
        (
            json!({"properties": {"a": {"type": "integer"}, "b": {"oneOf": []}}}),
            vec!["/properties/a/type", "/properties/b/oneOf"],
        ),
        (
            json!({"properties": {"b": {"oneOf": [1]}}}),
            vec!["/properties/a"],
        ),
    ] {
        assert_eq!(broken("", &old, &new), places, "{new}");
    }
}
