//! `.Files`: what templates read of their own chart.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_gotemplate::{Map, Object, Signature, Text, Type, Value, to_yaml};

use crate::File;
use crate::glob::Glob;

/// Some files of a chart.
pub(crate) struct Files {
    contents: BTreeMap<String, Arc<[u8]>>,
    /// The same as a map of bytes, which `range` and `index` want.
    map: OnceCell<Map>,
}

impl Files {
    pub(crate) fn of(files: &[File]) -> Value {
        let named = |file: &File| (file.name.clone(), Arc::clone(&file.data));
        Self::value(files.iter().map(named).collect())
    }

    fn value(contents: BTreeMap<String, Arc<[u8]>>) -> Value {
        let map = OnceCell::new();
        Value::Object(Rc::new(Self { contents, map }))
    }

    fn get(&self, name: &str) -> &[u8] {
        self.contents.get(name).map_or(&[], |data| data)
    }

    /// By the last parts of their names; of equal ones the last is kept.
    fn by_last_part(&self, value: impl Fn(&[u8]) -> Value) -> Value {
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let entries = self.contents.iter();
        let map: Map = entries
            .map(|(name, data)| (last(name), value(data)))
            .collect();
        to_yaml(&map.into()).into()
    }

    fn lines(&self, name: &str) -> Value {
        let data = self.get(name);
        let data = data.strip_suffix(b"\n").unwrap_or(data);
        if self.get(name).is_empty() {
            return Value::strings(Vec::<Text>::new());
        }
        Value::strings(data.split(|byte| *byte == b'\n').map(Text::from))
    }
}

impl Object for Files {
    fn type_name(&self) -> String {
        "engine.files".to_owned()
    }

    fn underlying(&self) -> Option<Value> {
        let map = self.map.get_or_init(|| {
            let entries = self.contents.iter();
            entries
                .map(|(name, data)| (name.as_str(), Value::bytes(data)))
                .collect()
        });
        Some(map.clone().into())
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        const NOTHING: Signature = Signature {
            params: &[],
            variadic: false,
        };
        const NAME: Signature = Signature {
            params: &[Type::Text],
            variadic: false,
        };
        match name {
            "Get" | "GetBytes" | "Glob" | "Lines" => Some(&NAME),
            "AsConfig" | "AsSecrets" => Some(&NOTHING),
            _ => None,
        }
    }

    fn call(&self, method: &str, args: &[Value]) -> Result<Value, String> {
        let name = match args.first() {
            Some(Value::Text(text)) => text.to_str().into_owned(),
            _ => String::new(),
        };
        Ok(match method {
            "Get" => Text::from(self.get(&name)).into(),
            "GetBytes" => Value::bytes(self.get(&name)),
            "Lines" => self.lines(&name),
            "Glob" => {
                let glob = Glob::new(&name);
                let matching = self.contents.iter().filter(|(own, _)| glob.matches(own));
                Self::value(
                    matching
                        .map(|(own, data)| (own.clone(), Arc::clone(data)))
                        .collect(),
                )
            }
            "AsSecrets" => self.by_last_part(|data| STANDARD.encode(data).into()),
            "AsConfig" => self.by_last_part(|data| Text::from(data).into()),
            other => return Err(format!("cannot call {other}: .Files has no such method")),
        })
    }
}
