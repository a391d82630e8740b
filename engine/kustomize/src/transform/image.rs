//! images: new names, tags and digests for the images of containers.

use fluvial_manifest::{Value, object};
use regex::Regex;

use crate::error::{Error, Result};
use crate::fieldspec::{self, Create, FieldSpec};
use crate::kustomization::Image;
use crate::resources::Resources;
use crate::selector::regex;

/// Changes the image of this name in all containers, and where field specs lead.
pub(crate) fn apply(resources: &mut Resources, image: &Image, specs: &[FieldSpec]) -> Result<()> {
    // A name that is no expression matches nothing, as in kustomize.
    let Ok(name) = Name::new(&image.name) else {
        return Ok(());
    };
    for resource in resources.list_mut() {
        if object::kind(&resource.value) == "CustomResourceDefinition" {
            continue;
        }
        in_containers(&mut resource.value, image, &name)
            .and_then(|()| {
                fieldspec::apply_all(specs, &mut resource.value, Create::Nothing, &mut |value| {
                    update(value, image, &name)
                })
            })
            .map_err(|error| error.of(&resource.id()))?;
    }
    Ok(())
}

/// Any list named `containers` or `initContainers`, wherever it is.
fn in_containers(value: &mut Value, image: &Image, name: &Name) -> Result<()> {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| in_containers(item, image, name)),
        Value::Object(map) => {
            for (key, child) in map {
                in_containers(child, image, name)?;
                if !matches!(key.as_str(), "containers" | "initContainers") {
                    continue;
                }
                for container in child.as_array_mut().into_iter().flatten() {
                    match container {
                        Value::Object(container) => {
                            if let Some(field) = container.get_mut("image") {
                                update(field, image, name)?;
                            }
                        }
                        Value::Null => {}
                        _ => return Err(Error::new(format!("an item of {key} must be a map"))),
                    }
                }
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn update(value: &mut Value, image: &Image, name: &Name) -> Result<()> {
    let current = match value {
        Value::String(current) => current,
        Value::Array(_) | Value::Object(_) => {
            return Err(Error::new("an image must be text, not a map or a list"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => return Ok(()),
    };
    if !name.matches(current) {
        return Ok(());
    }
    let (old_name, mut tag, mut digest) = split(current);
    let mut changed = if image.new_name.is_empty() {
        old_name
    } else {
        &image.new_name
    }
    .to_owned();
    let suffixed;
    match (!image.new_tag.is_empty(), !image.digest.is_empty()) {
        (true, true) => (tag, digest) = (&image.new_tag, &image.digest),
        (true, false) => (tag, digest) = (&image.new_tag, ""),
        (false, true) => (tag, digest) = ("", &image.digest),
        (false, false) if !image.tag_suffix.is_empty() => {
            suffixed = format!("{tag}{}", image.tag_suffix);
            (tag, digest) = (&suffixed, "");
        }
        (false, false) => {}
    }
    if !tag.is_empty() {
        changed.push(':');
        changed.push_str(tag);
    }
    if !digest.is_empty() {
        changed.push('@');
        changed.push_str(digest);
    }
    *current = changed;
    Ok(())
}

/// Name, tag and digest; a colon before the first slash belongs to a port.
fn split(image: &str) -> (&str, &str, &str) {
    let start = image.find('/').unwrap_or(0);
    let (name, digest) = match image[start..].find('@') {
        Some(at) => (&image[..start + at], &image[start + at + 1..]),
        None => (image, ""),
    };
    match name[start..].find(':') {
        Some(at) => (&name[..start + at], &name[start + at + 1..], digest),
        None => (name, "", digest),
    }
}

/// An image name as kustomize matches it: a regular expression, with any tag and digest after it.
enum Name {
    /// No character but `.` means anything special.
    Plain(String),
    Regex(Regex),
}

impl Name {
    fn new(name: &str) -> Result<Self> {
        let plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b':' | b'.' | b'@')
        };
        if name.bytes().all(plain) {
            return Ok(Self::Plain(name.to_owned()));
        }
        let tail = "(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?";
        regex(&format!("^{name}{tail}$")).map(Self::Regex)
    }

    fn matches(&self, image: &str) -> bool {
        match self {
            Self::Regex(regex) => regex.is_match(image),
            Self::Plain(name) => {
                let Some((start, rest)) = image.split_at_checked(name.len()) else {
                    return false;
                };
                let same = start
                    .bytes()
                    .zip(name.bytes())
                    .all(|(found, wanted)| found == wanted || wanted == b'.');
                same && is_tag_and_digest(rest)
            }
        }
    }
}

fn is_tag_and_digest(text: &str) -> bool {
    let legal = |text: &str| {
        text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'{' | b'}' | b'-')
        })
    };
    let (tag, digest) = match text.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest)),
        None => (text, None),
    };
    let tag_fits = tag.is_empty() || tag.strip_prefix(':').is_some_and(legal);
    let digest_fits = digest.is_none_or(|digest| {
        digest.split_once(':').is_some_and(|(algorithm, hash)| {
            let parts = algorithm.split(['.', '+', '_', '-']);
            legal(hash)
                && parts.into_iter().all(|part| {
                    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
                })
        })
    });
    tag_fits && digest_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_changed_part_by_part() {
        let image =
            |name: &str, new_name: &str, new_tag: &str, digest: &str, tag_suffix: &str| Image {
                name: name.into(),
                new_name: new_name.into(),
                new_tag: new_tag.into(),
                digest: digest.into(),
                tag_suffix: tag_suffix.into(),
            };
        let cases = [
            ("nginx:1.7.9", image("nginx", "", "v2", "", ""), "nginx:v2"),
            ("nginx", image("nginx", "apache", "", "", ""), "apache"),
            (
                "nginx:1@sha256:ab",
                image("nginx", "", "v2", "", ""),
                "nginx:v2",
            ),
            (
                "nginx:1",
                image("nginx", "", "", "sha256:cd", ""),
                "nginx@sha256:cd",
            ),
            (
                "nginx:1",
                image("nginx", "", "v2", "sha256:cd", ""),
                "nginx:v2@sha256:cd",
            ),
            ("nginx:1", image("nginx", "", "", "", "-x"), "nginx:1-x"),
            (
                "nginx-extra:1",
                image("nginx", "", "v2", "", ""),
                "nginx-extra:1",
            ),
            (
                "h:5000/a/nginx:1",
                image("h:5000/a/nginx", "b", "", "", ""),
                "b:1",
            ),
            (
                "h:5000/a/nginx",
                image("h:5000/a/nginx", "", "2", "", ""),
                "h:5000/a/nginx:2",
            ),
            ("{x}:1", image("[", "y", "", "", ""), "{x}:1"),
            (
                "foo/web:1",
                image("foo/(web|api)", "bar", "", "", ""),
                "bar:1",
            ),
        ];
        for (before, image, after) in cases {
            let mut value = Value::String(before.to_owned());
            if let Ok(name) = Name::new(&image.name) {
                update(&mut value, &image, &name).expect("it is text");
            }
            assert_eq!(
                value,
                Value::String(after.to_owned()),
                "{before} with {image:?}"
            );
        }
    }
}
