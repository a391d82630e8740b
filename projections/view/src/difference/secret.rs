//! What of a manifest must not be shown: the values of Secrets, wherever they stand.

use std::collections::BTreeSet;

use fluvial_manifest::Value;

/// What stands in the place of a value that is withheld.
pub const HIDDEN: &str = "***";

/// The same in base64.
const HIDDEN_BASE64: &str = "Kioq";

/// The fields of a Secret that hold values.
const VALUES: [&str; 2] = ["data", "stringData"];
/// kubectl's copy of the whole object, which may be a Secret.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// A shorter value is too common for every text that is the same to be withheld.
const VALUE_BYTES_MIN: usize = 4;
/// A shorter value is too common for every text that contains it to be withheld.
const PART_BYTES_MIN: usize = 6;

/// The values of the Secrets in some manifests, so that they are recognised where they were copied to:
/// into an environment variable, an argument, a ConfigMap.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeSet<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

impl Secrets {
    /// The values of all Secrets among `manifests`, and inside of them.
    pub fn of<'a>(manifests: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut secrets = Self::default();
        for manifest in manifests {
            secrets.collect(manifest);
        }
        secrets
    }

    /// Also those of another manifest.
    pub fn learn(&mut self, manifest: &Value) {
        self.collect(manifest);
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                for (key, member) in map {
                    match member.as_object() {
                        Some(values) if hides(value, key) => {
                            for text in values.values().filter_map(Value::as_str) {
                                self.remember(text);
                                self.values
                                    .extend(decoded(text).filter(|it| it.len() >= VALUE_BYTES_MIN));
                            }
                        }
                        _ => self.collect(member),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn remember(&mut self, text: &str) {
        if text.trim().len() >= VALUE_BYTES_MIN {
            self.values.insert(text.trim().to_owned());
        }
    }

    /// Two values as they may be shown, and whether anything was withheld.
    pub(super) fn mask(
        &self,
        old: Option<&Value>,
        new: Option<&Value>,
    ) -> (Option<Value>, Option<Value>, bool) {
        if [old, new].into_iter().flatten().any(|it| self.is_in(it)) {
            let hide = |it: Option<&Value>| it.map(|_| Value::from(HIDDEN));
            return (hide(old), hide(new), true);
        }
        let show = |it: Option<&Value>| it.map(without_credentials);
        let (before, after) = (show(old), show(new));
        let masked = before.as_ref() != old || after.as_ref() != new;
        (before, after, masked)
    }

    /// Replaces in two states of an object what must not be shown, so that it is still seen where they
    /// differ.
    pub fn withhold(&self, old: &mut Value, new: &mut Value) {
        self.withhold_in(old, new, false);
    }

    fn withhold_in(&self, old: &mut Value, new: &mut Value, is_secret: bool) {
        if old.is_string()
            && new.is_string()
            && old != new
            && (is_secret || self.is_in(old) || self.is_in(new))
        {
            *old = Value::from(format!("{HIDDEN} (before)"));
            *new = Value::from(format!("{HIDDEN} (after)"));
            return;
        }
        match (&mut *old, &mut *new) {
            (Value::Object(_), Value::Object(_)) => {
                let keys: Vec<String> = [&*old, &*new]
                    .into_iter()
                    .filter_map(Value::as_object)
                    .flat_map(|it| it.keys().cloned())
                    .collect();
                for key in keys {
                    let is_secret = is_secret || hides(old, &key) || hides(new, &key);
                    match (old.get_mut(&key), new.get_mut(&key)) {
                        (Some(old), Some(new)) => self.withhold_in(old, new, is_secret),
                        (Some(it), None) | (None, Some(it)) => self.cover(it, is_secret),
                        (None, None) => {}
                    }
                }
            }
            (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
                for (old, new) in before.iter_mut().zip(after) {
                    self.withhold_in(old, new, is_secret);
                }
            }
            (_, _) => {
                self.cover(old, is_secret);
                self.cover(new, is_secret);
            }
        }
    }

    /// Replaces in one object what must not be shown. The data of a Secret stays base64, which is what
    /// clients expect there.
    pub fn redact(&self, object: &mut Value) {
        if let Some(map) = object.as_object() {
            let keys: Vec<_> = map.keys().cloned().collect();
            for key in keys {
                let is_secret = hides(object, &key);
                let Some(member) = object.get_mut(&key) else {
                    continue;
                };
                match member.as_object_mut() {
                    Some(values) if is_secret && key == VALUES[0] => {
                        values
                            .values_mut()
                            .for_each(|it| *it = HIDDEN_BASE64.into());
                    }
                    _ if is_secret => self.cover(member, true),
                    _ => self.redact(member),
                }
            }
        } else if let Some(items) = object.as_array_mut() {
            for item in items {
                self.redact(item);
            }
        } else {
            self.cover(object, false);
        }
    }

    fn cover(&self, value: &mut Value, is_secret: bool) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|it| self.cover(it, is_secret)),
            Value::Object(map) => map.values_mut().for_each(|it| self.cover(it, is_secret)),
            Value::Null => {}
            Value::String(_) | Value::Bool(_) | Value::Number(_) => {
                if is_secret || self.is_in(value) {
                    *value = Value::from(HIDDEN);
                } else {
                    *value = without_credentials(value);
                }
            }
        }
    }

    fn is_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => {
                let text = text.trim();
                self.values.contains(text)
                    || embeds_secret(text)
                    || self
                        .values
                        .iter()
                        .any(|it| it.len() >= PART_BYTES_MIN && text.contains(it.as_str()))
            }
            Value::Array(items) => items.iter().any(|item| self.is_in(item)),
            Value::Object(map) => map.values().any(|member| self.is_in(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

/// Whether the member `key` of `map` holds values that must not be shown.
pub(super) fn hides(map: &Value, key: &str) -> bool {
    let is_secret = map.get("kind").and_then(Value::as_str) == Some("Secret");
    is_secret && VALUES.contains(&key) || key == LAST_APPLIED
}

/// Whether a text, such as a file in a ConfigMap, holds the manifest of a Secret.
fn embeds_secret(text: &str) -> bool {
    let squeezed: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !"\"'".contains(*c))
        .collect();
    squeezed.contains("kind:Secret")
        && VALUES
            .iter()
            .any(|field| squeezed.contains(&format!("{field}:")))
}

/// `https://***@host` for `https://user:password@host`.
fn without_credentials(value: &Value) -> Value {
    const SCHEME_END: &str = "://";
    let Some(text) = value.as_str().filter(|text| text.contains(SCHEME_END)) else {
        return value.clone();
    };
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME_END) {
        let (before, after) = rest.split_at(at + SCHEME_END.len());
        shown.push_str(before);
        let end = after
            .find(|c: char| "/?#".contains(c) || c.is_whitespace())
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                shown.push_str(HIDDEN);
                &after[at..]
            }
            None => after,
        };
    }
    shown.push_str(rest);
    Value::from(shown)
}

/// What base64 stands for, where it is that and the result is text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for digit in text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
    {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .map(|text| text.trim().to_owned())
}
