//! The CustomResourceDefinitions of every kind, made from the same schemas that objects are read by.
//!
//! Every version holds the fields of all versions: the API server prunes by the stored version's
//! schema, so a field that only an older version had must be known to the newest too, or it is lost.

mod yaml;

use serde_json::{Map, Value, json};

use crate::kinds::{self, Kind};
use crate::metadata::marker;
use crate::schema::{Schema, open_object};
use crate::{
    alert, git_repository, helm_chart, helm_release, helm_repository, kustomization,
    oci_repository, provider,
};

pub use yaml::to_yaml;

/// The definitions of every kind, sorted by group and kind.
///
/// The same for ever until a schema changes: no time, no order but that of the source.
pub fn all() -> Vec<Value> {
    kinds::ALL.into_iter().map(definition).collect()
}

/// The definition of one kind.
pub fn definition(kind: &Kind) -> Value {
    let versions: Vec<_> = kind
        .versions
        .iter()
        .map(|version| self::version(kind, version))
        .collect();
    let mut names = json!({
        "kind": kind.kind,
        "listKind": format!("{}List", kind.kind),
        "plural": kind.plural,
        "singular": kind.kind.to_ascii_lowercase(),
        "categories": ["all", "fluxcd", kind.category],
    });
    if !kind.short_names.is_empty() {
        names["shortNames"] = json!(kind.short_names);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": kind.definition(),
            "annotations": { marker::SUBSTITUTE: marker::DISABLED },
            "labels": { "app.kubernetes.io/part-of": "flux" },
        },
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced",
            "conversion": { "strategy": "None" },
            "versions": versions,
        },
    })
}

fn version(kind: &Kind, name: &str) -> Value {
    let is_stored = name == kind.version();
    let mut version = json!({
        "name": name,
        "served": true,
        "storage": is_stored,
        "additionalPrinterColumns": columns(kind),
        "schema": { "openAPIV3Schema": root(kind) },
    });
    if has_status(kind) {
        version["subresources"] = json!({ "status": {} });
    }
    if !is_stored {
        let warning = format!("{} {name} is deprecated, use {}", kind.kind, kind.version());
        version["deprecated"] = json!(true);
        version["deprecationWarning"] = json!(warning);
    }
    version
}

/// The schema of a whole object.
fn root(kind: &Kind) -> Value {
    let (spec, status) = parts(kind);
    let mut properties = Map::new();
    properties.insert("apiVersion".to_owned(), json!({ "type": "string" }));
    properties.insert("kind".to_owned(), json!({ "type": "string" }));
    properties.insert("metadata".to_owned(), json!({ "type": "object" }));
    properties.insert("spec".to_owned(), spec.openapi());
    if has_status(kind) {
        properties.insert("status".to_owned(), status.openapi());
    }
    let description = if kind.is_reconciled {
        format!("{}, reconciled by Fluvial.", kind.kind)
    } else {
        format!(
            "{}: stored, but not reconciled by this version of Fluvial yet.",
            kind.kind
        )
    };
    json!({ "description": description, "type": "object", "properties": properties })
}

/// The schemas of spec and status.
fn parts(kind: &Kind) -> (Schema, Schema) {
    // No controller has acted on a new object: kstatus must not take it for ready.
    let unobserved = json!({ "observedGeneration": -1 });
    if *kind == kinds::GIT_REPOSITORY {
        return (
            git_repository::spec_schema(),
            git_repository::status_schema().default(unobserved),
        );
    }
    if *kind == kinds::HELM_CHART {
        return (
            helm_chart::spec_schema(),
            helm_chart::status_schema().default(unobserved),
        );
    }
    if *kind == kinds::HELM_REPOSITORY {
        return (
            helm_repository::spec_schema(),
            helm_repository::status_schema().default(unobserved),
        );
    }
    if *kind == kinds::OCI_REPOSITORY {
        return (
            oci_repository::spec_schema(),
            oci_repository::status_schema().default(unobserved),
        );
    }
    if *kind == kinds::KUSTOMIZATION {
        return (
            kustomization::spec_schema(),
            kustomization::status_schema().default(unobserved),
        );
    }
    if *kind == kinds::HELM_RELEASE {
        return (
            helm_release::spec_schema(),
            helm_release::status_schema().default(unobserved),
        );
    }
    if *kind == kinds::ALERT {
        return (alert::spec_schema(), open_object(""));
    }
    if *kind == kinds::PROVIDER {
        return (provider::spec_schema(), open_object(""));
    }
    let status = open_object("Not written by this version of Fluvial.");
    let is_observed = ![&kinds::EXTERNAL_ARTIFACT, &kinds::ARTIFACT_GENERATOR].contains(&kind);
    let status = if is_observed {
        status.default(unobserved)
    } else {
        status
    };
    (open_object("As in Flux; any field is kept."), status)
}

/// Alert and Provider say nothing: readers take them for ready.
fn has_status(kind: &Kind) -> bool {
    *kind != kinds::ALERT && *kind != kinds::PROVIDER
}

type Column = (&'static str, &'static str, &'static str);

const AGE: Column = ("Age", "date", ".metadata.creationTimestamp");
const READY: Column = (
    "Ready",
    "string",
    r#".status.conditions[?(@.type=="Ready")].status"#,
);
const STATUS: Column = (
    "Status",
    "string",
    r#".status.conditions[?(@.type=="Ready")].message"#,
);
const URL: Column = ("URL", "string", ".spec.url");

/// What `kubectl get` prints, in Flux's order.
fn columns(kind: &Kind) -> Value {
    let columns: &[Column] = match kind.kind {
        "GitRepository" | "HelmRepository" => &[URL, AGE, READY, STATUS],
        "OCIRepository" => &[URL, READY, STATUS, AGE],
        "Bucket" => &[("Endpoint", "string", ".spec.endpoint"), AGE, READY, STATUS],
        "HelmChart" => &[
            ("Chart", "string", ".spec.chart"),
            ("Version", "string", ".spec.version"),
            ("Source Kind", "string", ".spec.sourceRef.kind"),
            ("Source Name", "string", ".spec.sourceRef.name"),
            AGE,
            READY,
            STATUS,
        ],
        "ExternalArtifact" => &[
            AGE,
            READY,
            STATUS,
            ("Source", "string", ".spec.sourceRef.name"),
        ],
        "Alert" | "Provider" => &[AGE],
        "ImageRepository" => &[
            ("Image", "string", ".spec.image"),
            ("Tags", "string", ".status.lastScanResult.tagCount"),
            READY,
            STATUS,
            ("Last scan", "string", ".status.lastScanResult.scanTime"),
            AGE,
        ],
        "ImagePolicy" => &[
            ("Image", "string", ".status.latestRef.name"),
            ("Tag", "string", ".status.latestRef.tag"),
            READY,
            STATUS,
            AGE,
        ],
        "ImageUpdateAutomation" => &[
            READY,
            STATUS,
            ("Last run", "string", ".status.lastAutomationRunTime"),
            AGE,
        ],
        _ => &[AGE, READY, STATUS],
    };
    let column =
        |(name, r#type, path): &Column| json!({ "name": name, "type": r#type, "jsonPath": path });
    columns.iter().map(column).collect()
}
