//! Field managers whose fields become ours when we apply over them.
//!
//! What somebody set with `kubectl apply` before the object was under GitOps would stay for ever after
//! it left git, since another manager owns it. So these managers' fields are counted as ours, and the
//! next apply removes what git does not have. The rules are Flux's (`kustomize-controller`,
//! `ApplyCleanupOptions`; `fluxcd/pkg/ssa/patch.go`). Sending the patch is `apply`'s work.

use serde_json::{Value, json};

/// Whose fields to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// Nobody's.
    Nobody,
    /// `kubectl`'s, `before-first-apply`'s, our own from before server-side apply, and those of managers
    /// whose names begin with one of `also` (`--override-manager`). Objects marked `ssa: Merge` are left.
    Legacy {
        /// Prefixes of more managers' names.
        also: Vec<String>,
    },
}

/// The managed fields that `object` should have for `manager` to own what the legacy managers own, or
/// `None` where there is nothing to take over.
pub(crate) fn adopted(object: &Value, manager: &str, takeover: &Takeover) -> Option<Value> {
    let Takeover::Legacy { also } = takeover else {
        return None;
    };
    if is_marked_merge(object) {
        return None;
    }
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let (legacy, mut kept): (Vec<&Value>, Vec<&Value>) = entries
        .iter()
        .partition(|entry| is_legacy(entry, manager, also));
    let first = *legacy.first()?;
    let ours = kept
        .iter()
        .position(|entry| is_ours(entry, manager))
        .map(|index| kept.remove(index));
    let mut entry = ours.unwrap_or(first).clone();
    entry["manager"] = manager.into();
    entry["operation"] = "Apply".into();
    for other in &legacy {
        unite(&mut entry["fieldsV1"], &other["fieldsV1"]);
    }
    let entries = kept.into_iter().cloned().chain([entry]);
    Some(Value::Array(entries.collect()))
}

/// One JSON patch that takes effect only on the version of `object` that was looked at.
pub(crate) fn patch(resource_version: &str, managed_fields: &Value) -> Value {
    json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": managed_fields},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
    ])
}

fn is_ours(entry: &Value, manager: &str) -> bool {
    entry["manager"] == manager && entry["operation"] == "Apply" && is_main(entry)
}

fn is_legacy(entry: &Value, manager: &str, also: &[String]) -> bool {
    let (Some(name), Some(operation)) = (entry["manager"].as_str(), entry["operation"].as_str())
    else {
        return false;
    };
    let named = |prefix: &str| name.starts_with(prefix);
    let either = named("kubectl") || also.iter().any(|prefix| named(prefix));
    let update = named("before-first-apply") || named(manager);
    is_main(entry) && !is_ours(entry, manager) && (either || (operation == "Update" && update))
}

/// A subresource, such as status, is never taken over.
fn is_main(entry: &Value) -> bool {
    entry["subresource"].as_str().unwrap_or("").is_empty()
}

fn is_marked_merge(object: &Value) -> bool {
    const MARKER: &str = "kustomize.toolkit.fluxcd.io/ssa";
    ["labels", "annotations"].iter().any(|part| {
        let marker = object["metadata"][part][MARKER].as_str();
        marker.is_some_and(|value| value.eq_ignore_ascii_case("merge"))
    })
}

/// The union of two field sets: in `FieldsV1` a set is a tree of maps.
fn unite(into: &mut Value, from: &Value) {
    let Some(from) = from.as_object() else { return };
    if !into.is_object() {
        *into = json!({});
    }
    for (path, fields) in from {
        match into.get_mut(path) {
            Some(known) => unite(known, fields),
            None => into[path] = fields.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "kustomize-controller";

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": fields})
    }

    fn object(entries: &[Value]) -> Value {
        json!({"metadata": {"managedFields": entries}})
    }

    fn legacy() -> Takeover {
        Takeover::Legacy {
            also: vec!["helm".into()],
        }
    }

    #[test]
    fn takes_over_these_managers_and_no_others() {
        let mut status = entry("kubectl", "Update", &json!({}));
        status["subresource"] = "status".into();
        for (entry, expected) in [
            (entry("kubectl", "Apply", &json!({})), true),
            (
                entry("kubectl-client-side-apply", "Update", &json!({})),
                true,
            ),
            (entry("kubectl-edit", "Update", &json!({})), true),
            (entry("before-first-apply", "Update", &json!({})), true),
            (entry("before-first-apply", "Apply", &json!({})), false),
            (entry(US, "Update", &json!({})), true),
            (entry(US, "Apply", &json!({})), false),
            (entry("helm", "Update", &json!({})), true),
            (entry("helm-controller", "Apply", &json!({})), true),
            (
                entry("kube-controller-manager", "Update", &json!({})),
                false,
            ),
            (status, false),
        ] {
            let found = adopted(&object(std::slice::from_ref(&entry)), US, &legacy()).is_some();
            assert_eq!(found, expected, "{entry}");
            assert_eq!(adopted(&object(&[entry]), US, &Takeover::Nobody), None);
        }
    }

    #[test]
    fn what_they_owned_becomes_ours_and_the_rest_stays() {
        let ours = entry(US, "Apply", &json!({"f:data": {"f:a": {}}}));
        let kubectl = entry(
            "kubectl-client-side-apply",
            "Update",
            &json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}),
        );
        let other = entry("hpa", "Update", &json!({"f:spec": {"f:replicas": {}}}));
        let merged = entry(
            US,
            "Apply",
            &json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}),
        );
        let entries = adopted(
            &object(&[kubectl.clone(), other.clone(), ours]),
            US,
            &legacy(),
        );
        assert_eq!(entries, Some(json!([other, merged])));
        let renamed = adopted(&object(&[kubectl, other.clone()]), US, &legacy());
        assert_eq!(renamed, Some(json!([other, merged])));
    }

    #[test]
    fn an_object_marked_merge_is_shared() {
        for part in ["labels", "annotations"] {
            let mut object = object(&[entry("kubectl", "Apply", &json!({}))]);
            object["metadata"][part] = json!({"kustomize.toolkit.fluxcd.io/ssa": "Merge"});
            assert_eq!(adopted(&object, US, &legacy()), None);
        }
    }
}
