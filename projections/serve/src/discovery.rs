//! What there is to be asked for: groups, versions, resources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::resource::{Resource, api_version};

/// All that can be done with what is past.
pub(crate) const VERBS: [&str; 3] = ["get", "list", "watch"];

/// `/api`
pub(crate) fn core() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`
pub(crate) fn groups(resources: &[Resource]) -> Value {
    let groups = by_group(resources);
    let groups = groups.iter().filter(|(group, _)| !group.is_empty());
    let groups: Vec<_> = groups
        .map(|(group, versions)| of_group(group, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/apps`
pub(crate) fn group(resources: &[Resource], name: &str) -> Option<Value> {
    let groups = by_group(resources);
    let mut group = of_group(name, groups.get(name)?);
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    Some(group)
}

/// `/apis/apps/v1`
pub(crate) fn resources(resources: &[Resource], group: &str, version: &str) -> Option<Value> {
    let served = resources.iter().filter(|it| it.group == group);
    let served = served.filter(|it| it.versions.iter().any(|it| it == version));
    let listed: Vec<_> = served
        .map(|it| {
            json!({
                "name": it.plural,
                "singularName": it.singular,
                "namespaced": it.is_namespaced,
                "kind": it.kind,
                "verbs": VERBS,
                "shortNames": it.short_names,
                "categories": it.categories,
            })
        })
        .collect();
    (!listed.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": api_version(group, version),
            "resources": listed,
        })
    })
}

/// Everything at once, for clients that can read it: of the core group, or of the others.
pub(crate) fn aggregated(resources: &[Resource], is_core: bool) -> Value {
    let groups = by_group(resources);
    let groups = groups
        .iter()
        .filter(|(group, _)| group.is_empty() == is_core);
    let items: Vec<_> = groups
        .map(|(group, versions)| {
            let versions: Vec<_> = versions
                .iter()
                .map(|version| {
                    let served = resources.iter().filter(|it| it.group == *group);
                    let served = served.filter(|it| it.versions.contains(version));
                    let served: Vec<_> = served.map(|it| in_aggregate(it, version)).collect();
                    json!({"version": version, "resources": served, "freshness": "Current"})
                })
                .collect();
            let metadata = if group.is_empty() {
                json!({})
            } else {
                json!({"name": group})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn in_aggregate(resource: &Resource, version: &str) -> Value {
    json!({
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": version, "kind": resource.kind},
        "scope": if resource.is_namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": VERBS,
        "shortNames": resource.short_names,
        "categories": resource.categories,
    })
}

/// The versions of each group, the preferred one first.
fn by_group(resources: &[Resource]) -> BTreeMap<&str, Vec<String>> {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for resource in resources {
        let versions = groups.entry(&resource.group).or_default();
        for version in &resource.versions {
            if !versions.contains(version) {
                versions.push(version.clone());
            }
        }
    }
    groups
}

fn of_group(group: &str, versions: &[String]) -> Value {
    let version =
        |version: &String| json!({"groupVersion": api_version(group, version), "version": version});
    let versions: Vec<_> = versions.iter().map(version).collect();
    json!({"name": group, "preferredVersion": versions[0], "versions": versions})
}
