//! An object as CEL sees it.

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString,
};
use cel::common::value::Val;
use fluvial_manifest::Value;

/// What the interpreter keeps a map in. Nothing reads its order: loops go over sorted keys (`cost.rs`).
#[expect(clippy::disallowed_types, reason = "the library's own choice")]
type Entries<'a> = std::collections::HashMap<CelMapKey<'a>, Box<dyn Val + 'a>>;

/// A value, with strings that are not copied. A number is an int where it fits, as in an unstructured
/// object of `k8s.io/apimachinery`.
pub(super) fn of(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(it) => Box::new(CelBool::from(*it)),
        Value::Number(it) => match it.as_i64() {
            Some(it) => Box::new(CelInt::from(it)),
            None => Box::new(CelDouble::from(it.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(it) => Box::new(CelString::from(it.as_str())),
        Value::Array(all) => Box::new(CelList::from(all.iter().map(of).collect::<Vec<_>>())),
        Value::Object(all) => {
            let entry = |(key, value)| {
                let key: &String = key;
                (CelMapKey::String(CelString::from(key.as_str())), of(value))
            };
            Box::new(CelMap::from(all.iter().map(entry).collect::<Entries>()))
        }
    }
}
