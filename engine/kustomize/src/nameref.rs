//! Names that are mentioned elsewhere follow the objects that were renamed.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_manifest::{Map, Value, object, yaml};

use crate::config::{Config, NameReference};
use crate::error::{Error, Result};
use crate::fieldspec::{Create, FieldSpec};
use crate::resource::{Gvk, Id, Previous, Resource, is_quoted, scalar_text};
use crate::resources::Resources;

/// Rewrites every name reference that the configuration knows.
pub(crate) fn fix(resources: &mut Resources, config: &Config) -> Result<()> {
    resources.list().iter().try_for_each(check_commas)?;
    let candidates: Vec<Candidate> = resources.list().iter().map(Candidate::new).collect();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, candidate) in candidates.iter().enumerate() {
        let names: BTreeSet<&str> = candidate
            .previous
            .iter()
            .map(|id| id.name.as_str())
            .collect();
        for name in names {
            by_name.entry(name).or_default().push(position);
        }
    }
    let mut by_kind: BTreeMap<String, Vec<(&NameReference, &FieldSpec)>> = BTreeMap::new();
    for (position, resource) in resources.list_mut().iter_mut().enumerate() {
        let referrer = Referrer {
            me: &candidates[position],
            candidates: &candidates,
            by_name: &by_name,
            binding_namespaces: binding_namespaces(&resource.value)?,
            role: role_of(&resource.value),
            plain_subjects: resource.plain_subjects,
        };
        let original = &referrer.me.original().gvk;
        let of_kind = by_kind
            .entry(original.kind.clone())
            .or_insert_with(|| specs_of(config, &original.kind));
        for (reference, spec) in of_kind {
            if original.is_selected(&spec.gvk) {
                referrer.fix(&mut resource.value, reference, spec)?;
            }
        }
    }
    Ok(())
}

/// kustomize notes earlier kinds, names and namespaces between commas, and stops at one that has a
/// comma of its own (such as a kind that SOPS encrypted).
fn check_commas(resource: &Resource) -> Result<()> {
    let commas = |text: fn(&Previous) -> &str| -> usize {
        let previous = resource.previous.iter();
        previous.map(|own| text(own).matches(',').count()).sum()
    };
    let names = commas(|own| &own.name);
    if names == commas(|own| &own.kind) && names == commas(|own| &own.namespace) {
        return Ok(());
    }
    Err(Error::new(format!(
        "the kind, the name or the namespace of {} has a comma; is the file encrypted as a whole? encrypt only its `data` and `stringData`",
        resource.id()
    )))
}

/// The fields of a kind that hold names, in the order of the configuration.
fn specs_of<'a>(config: &'a Config, kind: &str) -> Vec<(&'a NameReference, &'a FieldSpec)> {
    let of_all = config.name_reference.iter().flat_map(|reference| {
        reference
            .referrers
            .iter()
            .map(move |spec| (reference, spec))
    });
    of_all
        .filter(|(_, spec)| spec.gvk.kind.is_empty() || spec.gvk.kind == kind)
        .collect()
}

/// What is known of an object that may be referred to.
struct Candidate {
    current: Id,
    /// Oldest first.
    previous: Vec<Id>,
    is_cluster_scoped: bool,
    was_cluster_scoped: bool,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Candidate {
    fn new(resource: &Resource) -> Self {
        let current = resource.id();
        let previous: Vec<Id> = resource.previous_ids().collect();
        let is_cluster_scoped = current.is_cluster_scoped();
        Self {
            is_cluster_scoped,
            was_cluster_scoped: previous
                .first()
                .map_or(is_cluster_scoped, Id::is_cluster_scoped),
            previous,
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
            current,
        }
    }

    fn original(&self) -> &Id {
        self.previous.first().unwrap_or(&self.current)
    }

    /// As [`Id::effective_namespace`], for an object that is not of the cluster.
    fn namespace(&self) -> &str {
        or_default(&self.current.namespace)
    }

    fn was_in(&self, namespace: &str) -> bool {
        !self.was_cluster_scoped && or_default(&self.original().namespace) == namespace
    }

    /// Whether both are of one namespace, or both of the cluster.
    fn shares_namespace(&self, other: &Self) -> bool {
        self.is_cluster_scoped == other.is_cluster_scoped
            && (self.is_cluster_scoped || self.namespace() == other.namespace())
    }

    fn was(&self, gvk: &Gvk) -> bool {
        self.previous.iter().any(|id| id.gvk.is_selected(gvk))
    }

    /// Whether both were renamed by the same kustomizations.
    fn same_affixes(&self, other: &Self, allow_empty: bool) -> bool {
        let same = |mine: &[String], theirs: &[String]| {
            (allow_empty && (mine.is_empty() || theirs.is_empty())) || same_ending(mine, theirs)
        };
        same(&self.prefixes, &other.prefixes) && same(&self.suffixes, &other.suffixes)
    }
}

/// An unset namespace is `default`.
fn or_default(namespace: &str) -> &str {
    if namespace.is_empty() {
        "default"
    } else {
        namespace
    }
}

/// Whether the shorter list is how the longer one ends; an empty one only equals an empty one.
fn same_ending(left: &[String], right: &[String]) -> bool {
    let (short, long) = if left.len() <= right.len() {
        (left, right)
    } else {
        (right, left)
    };
    if short.is_empty() {
        long.is_empty()
    } else {
        long.ends_with(short)
    }
}

/// An object whose references are looked at.
struct Referrer<'a> {
    me: &'a Candidate,
    candidates: &'a [Candidate],
    by_name: &'a BTreeMap<&'a str, Vec<usize>>,
    /// Other namespaces whose service accounts a role binding names.
    binding_namespaces: BTreeSet<String>,
    role: Option<Gvk>,
    /// As of the object.
    plain_subjects: bool,
}

impl Referrer<'_> {
    fn fix(&self, value: &mut Value, reference: &NameReference, spec: &FieldSpec) -> Result<()> {
        // The spec was chosen by the original kind; the present one may be another.
        spec.apply_to_any(value, Create::Nothing, &mut |field| match field {
            Value::Null => Ok(()),
            Value::Array(items) => items
                .iter_mut()
                .try_for_each(|item| self.fix_field(item, reference, spec)),
            Value::Object(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.fix_field(field, reference, spec)
            }
        })
        .map_err(|error| {
            Error::new(format!(
                "cannot follow the references of {} in {}: {}",
                self.me.current, spec.path, error.reason
            ))
        })
    }

    fn fix_field(
        &self,
        field: &mut Value,
        reference: &NameReference,
        spec: &FieldSpec,
    ) -> Result<()> {
        match field {
            Value::Null => Ok(()),
            Value::Object(map) => {
                let name = map
                    .get("name")
                    .and_then(scalar_text)
                    .ok_or_else(|| Error::new("a reference has no `name`"))?;
                let namespace = map
                    .get("namespace")
                    .map(|value| scalar_text(value).unwrap_or_default());
                let Some(found) =
                    self.select(&name, namespace.as_deref(), true, reference, spec)?
                else {
                    return Ok(());
                };
                let target = &found.current;
                put(map, "name", &target.name, false);
                if !target.namespace.is_empty() {
                    put(map, "namespace", &target.namespace, self.plain_subjects);
                }
                Ok(())
            }
            Value::Array(_) => Err(Error::new("a reference is text or a map with a `name`")),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let name = scalar_text(field).unwrap_or_default();
                if let Some(found) = self.select(&name, None, false, reference, spec)?
                    && found.current.name != name
                {
                    *field = Value::String(found.current.name.clone());
                }
                Ok(())
            }
        }
    }

    /// The one object that a name means, if it is one of this build.
    fn select(
        &self,
        name: &str,
        namespace: Option<&str>,
        namespace_counts: bool,
        reference: &NameReference,
        spec: &FieldSpec,
    ) -> Result<Option<&Candidate>> {
        let Some(positions) = self.by_name.get(name) else {
            return Ok(None);
        };
        let by_role = spec.path.ends_with("roleRef/name");
        let mut found: Vec<&Candidate> = positions
            .iter()
            .map(|position| &self.candidates[*position])
            .filter(|candidate| self.may_refer_to(candidate))
            .filter(|candidate| candidate.was(&reference.target))
            .filter(|candidate| {
                !by_role || self.role.as_ref().is_none_or(|role| candidate.was(role))
            })
            .filter(|candidate| self.shares_namespace(candidate))
            .collect();
        if let Some(namespace) = namespace {
            found = self.in_namespace(found, namespace);
        }
        if found.len() > 1 {
            found.retain(|candidate| candidate.same_affixes(self.me, true));
        }
        if found.len() > 1 {
            found.retain(|candidate| candidate.same_affixes(self.me, false));
        }
        let Some(first) = found.first() else {
            return Ok(None);
        };
        let same = found.iter().all(|other| {
            other.current.name == first.current.name
                && (!namespace_counts || other.current.namespace == first.current.namespace)
        });
        if !same {
            let all: Vec<String> = found
                .iter()
                .map(|candidate| candidate.current.to_string())
                .collect();
            return Err(Error::new(format!(
                "{name:?} could mean {}; give them different names",
                all.join(" or ")
            )));
        }
        Ok(Some(first))
    }

    /// Candidates that were, or else that are now, in a namespace that the reference names.
    fn in_namespace<'a>(&self, found: Vec<&'a Candidate>, namespace: &str) -> Vec<&'a Candidate> {
        let originally = |candidate: &&Candidate| candidate.was_in(namespace);
        // The original namespace decides as soon as any object at all was in it.
        let any_originally = self
            .candidates
            .iter()
            .any(|candidate| self.may_refer_to(candidate) && originally(&candidate));
        found
            .into_iter()
            .filter(|candidate| {
                if any_originally {
                    originally(candidate)
                } else {
                    !candidate.is_cluster_scoped && candidate.namespace() == namespace
                }
            })
            .collect()
    }

    fn may_refer_to(&self, candidate: &Candidate) -> bool {
        self.me.is_cluster_scoped
            || candidate.is_cluster_scoped
            || candidate.shares_namespace(self.me)
            || self
                .binding_namespaces
                .contains(&candidate.current.namespace)
    }

    fn shares_namespace(&self, candidate: &Candidate) -> bool {
        self.me.is_cluster_scoped
            || candidate.is_cluster_scoped
            || candidate.current.gvk.kind == "ServiceAccount"
            || candidate.shares_namespace(self.me)
    }
}

/// Writes a text as kustomize does (kyaml's `FieldSetter`): over one that stands without quotes it has none
/// either, and is what YAML then reads. `plain` says that none there has quotes, whatever it looks like.
fn put(map: &mut Map<String, Value>, field: &str, text: &str, plain: bool) {
    let value = match map.get(field) {
        Some(old) if plain || !is_quoted(old) => yaml::scalar(text),
        Some(_) | None => Value::String(text.to_owned()),
    };
    map.insert(field.to_owned(), value);
}

/// Namespaces of the service accounts that a RoleBinding names.
fn binding_namespaces(value: &Value) -> Result<BTreeSet<String>> {
    let mut namespaces = BTreeSet::new();
    if object::kind(value) != "RoleBinding" {
        return Ok(namespaces);
    }
    let subjects = value.get("subjects").and_then(Value::as_array);
    for subject in subjects.into_iter().flatten() {
        if subject.get("kind").and_then(Value::as_str) != Some("ServiceAccount") {
            continue;
        }
        match subject.get("namespace") {
            None => {}
            Some(Value::String(namespace)) => {
                namespaces.insert(namespace.clone());
            }
            Some(_) => {
                return Err(Error::new(format!(
                    "the namespace of a subject of {} is blank; write it, or remove the field",
                    Id::of(value)
                )));
            }
        }
    }
    Ok(namespaces)
}

/// The kind of role that a binding names.
fn role_of(value: &Value) -> Option<Gvk> {
    let role = value.get("roleRef")?;
    let text = |field: &str| role.get(field)?.as_str().map(str::to_owned);
    Some(Gvk {
        group: text("apiGroup")?,
        version: String::new(),
        kind: text("kind")?,
    })
}
