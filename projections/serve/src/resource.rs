//! The kinds that are served: their names in URLs, and what a table shows of them.
//!
//! Kubernetes' own are a list; those of Flux and of custom resources are read from their definitions.

use fluvial_event::ObjectRef;
use serde_json::Value;

/// A kind that is served.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) group: String,
    /// The preferred one first.
    pub(crate) versions: Vec<String>,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) is_namespaced: bool,
    /// What a table shows, by the definition of the kind; none of Kubernetes' own.
    pub(crate) columns: Vec<Column>,
}

/// A column of a custom resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) format: String,
    pub(crate) path: String,
    pub(crate) priority: i64,
}

/// Group, versions, kind, plural, short names, whether it has a namespace, whether it is of `all`.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    bool,
    bool,
);

/// Kubernetes' own kinds, as 1.37 has them.
#[rustfmt::skip]
const KUBERNETES: &[Row] = &[
    ("", "v1", "ConfigMap", "configmaps", "cm", true, false),
    ("", "v1", "Endpoints", "endpoints", "ep", true, false),
    ("", "v1", "Event", "events", "ev", true, false),
    ("", "v1", "LimitRange", "limitranges", "limits", true, false),
    ("", "v1", "Namespace", "namespaces", "ns", false, false),
    ("", "v1", "Node", "nodes", "no", false, false),
    ("", "v1", "PersistentVolume", "persistentvolumes", "pv", false, false),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", true, false),
    ("", "v1", "Pod", "pods", "po", true, true),
    ("", "v1", "ReplicationController", "replicationcontrollers", "rc", true, true),
    ("", "v1", "ResourceQuota", "resourcequotas", "quota", true, false),
    ("", "v1", "Secret", "secrets", "", true, false),
    ("", "v1", "Service", "services", "svc", true, true),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa", true, false),
    ("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "", false, false),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", "", false, false),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", "", false, false),
    ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "", false, false),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "crd crds", false, false),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", "", false, false),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", "", true, false),
    ("apps", "v1", "DaemonSet", "daemonsets", "ds", true, true),
    ("apps", "v1", "Deployment", "deployments", "deploy", true, true),
    ("apps", "v1", "ReplicaSet", "replicasets", "rs", true, true),
    ("apps", "v1", "StatefulSet", "statefulsets", "sts", true, true),
    ("autoscaling", "v2 v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", true, true),
    ("batch", "v1", "CronJob", "cronjobs", "cj", true, true),
    ("batch", "v1", "Job", "jobs", "", true, true),
    ("coordination.k8s.io", "v1", "Lease", "leases", "", true, false),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "", true, false),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", "ing", true, false),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", "", false, false),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol", true, false),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", true, false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", false, false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", false, false),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", "", true, false),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", true, false),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", false, false),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", false, false),
];

/// Kinds that Kubernetes makes of others: what the log has of them is who was healthy, not they.
const MADE: &[(&str, &str)] = &[
    ("", "Endpoints"),
    ("", "Event"),
    ("", "Node"),
    ("", "Pod"),
    ("apps", "ControllerRevision"),
    ("apps", "ReplicaSet"),
    ("coordination.k8s.io", "Lease"),
    ("discovery.k8s.io", "EndpointSlice"),
];

impl Resource {
    /// Whether the log has of this kind only what somebody declared, and not what Kubernetes made.
    pub(crate) fn is_made_by_kubernetes(&self) -> bool {
        MADE.contains(&(self.group.as_str(), self.kind.as_str()))
    }

    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self, version: &str) -> String {
        api_version(&self.group, version)
    }

    /// `deployments.apps`, as messages name it.
    pub(crate) fn full_name(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    fn of_row(&(group, versions, kind, plural, short, is_namespaced, is_of_all): &Row) -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Self {
            group: group.to_owned(),
            versions: words(versions),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: words(short),
            categories: words(if is_of_all { "all" } else { "" }),
            is_namespaced,
            columns: Vec::new(),
        }
    }

    /// What a CustomResourceDefinition defines.
    fn of_definition(definition: &Value) -> Option<Self> {
        let spec = &definition["spec"];
        let names = &spec["names"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = |value: &Value| {
            value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(text)
                .collect()
        };
        let served = spec["versions"].as_array().into_iter().flatten();
        let mut served: Vec<_> = served.filter(|it| it["served"] != false).collect();
        served.sort_by_key(|it| it["storage"] != true);
        let columns = served
            .first()
            .and_then(|it| it["additionalPrinterColumns"].as_array());
        let kind = text(&names["kind"])?;
        Some(Self {
            group: text(&spec["group"])?,
            versions: served.iter().filter_map(|it| text(&it["name"])).collect(),
            plural: text(&names["plural"])?,
            singular: text(&names["singular"]).unwrap_or_else(|| kind.to_lowercase()),
            kind,
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            is_namespaced: spec["scope"] != "Cluster",
            columns: columns.into_iter().flatten().map(Column::of).collect(),
        })
    }

    /// The best guess, where a custom resource is on record and its definition is not.
    fn guess(object: &ObjectRef) -> Self {
        let singular = object.kind.to_lowercase();
        let plural = match singular.as_bytes() {
            [.., b's' | b'x' | b'z'] | [.., b'c' | b's', b'h'] => format!("{singular}es"),
            [.., before, b'y'] if !b"aeiou".contains(before) => {
                format!("{}ies", &singular[..singular.len() - 1])
            }
            _ => format!("{singular}s"),
        };
        Self {
            group: object.group.clone(),
            versions: Vec::new(),
            kind: object.kind.clone(),
            plural,
            singular,
            short_names: Vec::new(),
            categories: Vec::new(),
            is_namespaced: !object.namespace.is_empty(),
            columns: Vec::new(),
        }
    }
}

impl Column {
    fn of(column: &Value) -> Self {
        let text = |name: &str| column[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            format: text("type"),
            path: text("jsonPath"),
            priority: column["priority"].as_i64().unwrap_or_default(),
        }
    }
}

pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// Every kind that is served, sorted by group and plural: Kubernetes' own, Flux's, those that `definitions`
/// define, and whatever else there are `objects` of, with their versions.
pub(crate) fn all<'a>(
    definitions: impl Iterator<Item = &'a Value>,
    objects: impl Iterator<Item = (&'a ObjectRef, &'a str)>,
) -> Vec<Resource> {
    let mut all: Vec<_> = KUBERNETES.iter().map(Resource::of_row).collect();
    let flux = fluvial_api::crd::all();
    let defined = definitions.filter_map(Resource::of_definition);
    for defined in defined.chain(flux.iter().filter_map(Resource::of_definition)) {
        let is_same = |it: &Resource| it.group == defined.group && it.kind == defined.kind;
        if !all.iter().any(is_same) {
            all.push(defined);
        }
    }
    for (object, version) in objects {
        let is_its = |it: &Resource| it.group == object.group && it.kind == object.kind;
        let at = all.iter().position(is_its).unwrap_or_else(|| {
            all.push(Resource::guess(object));
            all.len() - 1
        });
        let versions = &mut all[at].versions;
        if !version.is_empty() && !versions.iter().any(|it| it == version) {
            versions.push(version.to_owned());
        }
    }
    for resource in &mut all {
        if resource.versions.is_empty() {
            resource.versions.push("v1".to_owned());
        }
    }
    all.sort_by(|a, b| (&a.group, &a.plural).cmp(&(&b.group, &b.plural)));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, namespace: &str) -> ObjectRef {
        ObjectRef {
            group: "example.org".to_owned(),
            version: String::new(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: "a".to_owned(),
        }
    }

    #[test]
    fn flux_is_called_by_its_short_names() {
        let all = all([].into_iter(), [].into_iter());
        let called = |name: &str| {
            let mut found = all
                .iter()
                .filter(|it| it.short_names.iter().any(|it| it == name));
            found
                .next()
                .map(|it| (it.kind.as_str(), it.versions[0].as_str()))
        };
        assert_eq!(called("ks"), Some(("Kustomization", "v1")));
        assert_eq!(called("hr"), Some(("HelmRelease", "v2")));
        assert_eq!(called("deploy"), Some(("Deployment", "v1")));
    }

    #[test]
    fn a_kind_is_what_its_definition_says_or_the_best_guess() {
        let definition = json!({"spec": {
            "group": "example.org", "scope": "Cluster",
            "names": {"kind": "Sheep", "plural": "sheep", "shortNames": ["shp"]},
            "versions": [
                {"name": "v1alpha1", "served": false},
                {"name": "v1beta1", "served": true},
                {"name": "v1", "served": true, "storage": true, "additionalPrinterColumns": [
                    {"name": "Wool", "type": "string", "jsonPath": ".spec.wool"}
                ]},
            ],
        }});
        let objects = [
            object("Sheep", ""),
            object("Policy", "ns"),
            object("Box", ""),
            object("Key", ""),
        ];
        let objects = objects.iter().map(|it| (it, "v1beta1"));
        let all = all([&definition].into_iter(), objects);
        let find = |kind: &str| all.iter().find(|it| it.kind == kind).unwrap();
        let sheep = find("Sheep");
        assert_eq!(
            (
                sheep.plural.as_str(),
                sheep.versions.as_slice(),
                sheep.is_namespaced
            ),
            (
                "sheep",
                ["v1".to_owned(), "v1beta1".to_owned()].as_slice(),
                false
            )
        );
        assert_eq!(sheep.columns[0].path, ".spec.wool");
        for (kind, plural, is_namespaced) in [
            ("Policy", "policies", true),
            ("Box", "boxes", false),
            ("Key", "keys", false),
        ] {
            let found = find(kind);
            assert_eq!(
                (found.plural.as_str(), found.is_namespaced),
                (plural, is_namespaced)
            );
            assert_eq!(found.versions, ["v1beta1"]);
        }
    }
}
