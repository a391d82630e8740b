//! The schema of a HelmChart.

use std::sync::LazyLock;

use serde_json::Value;

use crate::schema::{
    Rule, Schema, boolean, list, object,
    shared::{self, duration, local_reference, suspend},
    text, word,
};

pub(super) static SPEC: LazyLock<Schema> = LazyLock::new(spec);
pub(super) static STATUS: LazyLock<Schema> = LazyLock::new(status);

/// `spec`, with the fields of every version.
pub(crate) fn spec() -> Schema {
    object("Which chart, from where, and how often to look.")
        .required(
            "chart",
            text("Name of the chart in a HelmRepository; its path in another source."),
        )
        .optional(
            "version",
            text("Range of versions, such as 6.x or >=1.2 <2; for a HelmRepository.").default("*"),
        )
        .required(
            "sourceRef",
            object("Source of the chart, in the same namespace.")
                .optional("apiVersion", text("API version of the source."))
                .required(
                    "kind",
                    word(
                        &["HelmRepository", "GitRepository", "Bucket"],
                        "Kind of the source.",
                    ),
                )
                .required("name", text("Name of the source.")),
        )
        .required("interval", duration("How often to look for a new version."))
        .optional(
            "reconcileStrategy",
            word(
                &["ChartVersion", "Revision"],
                "What makes another artifact: another version of the chart, or any revision of its source.",
            )
            .default("ChartVersion"),
        )
        .optional(
            "valuesFiles",
            list(
                text("Path of a file: in the chart, or for other sources than a HelmRepository, in the source."),
                "Files that are merged in this order; they replace the chart's values.yaml.",
            ),
        )
        .optional(
            "valuesFile",
            text("File that is merged before valuesFiles, in older versions; use valuesFiles."),
        )
        .optional(
            "ignoreMissingValuesFiles",
            boolean("Leave out values files that are not there."),
        )
        .optional("suspend", suspend())
        .optional("verify", verify("Signature to verify; for registries."))
        .optional("accessFrom", shared::access_from())
        .rule(Rule {
            cel: "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
            message: "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
            holds: |spec| {
                let kind = spec.pointer("/sourceRef/kind").and_then(Value::as_str);
                spec.get("verify").is_none() || kind == Some("HelmRepository")
            },
        })
}

/// Which signature of an artifact in a registry to verify, and by whom.
pub(crate) fn verify(description: &'static str) -> Schema {
    let identity = object("Who may have signed; both must match.")
        .required("issuer", text("Regular expression for the issuer."))
        .required("subject", text("Regular expression for the subject."));
    object(description)
        .optional(
            "provider",
            word(&["cosign", "notation"], "What made the signature.").default("cosign"),
        )
        .optional(
            "secretRef",
            local_reference(
                "Secret with public keys (*.pub) for cosign; trustpolicy.json and certificates for notation.",
            ),
        )
        .optional(
            "matchOIDCIdentity",
            list(
                identity,
                "Who may have signed without a key; one of them has to match.",
            ),
        )
}

/// `status`.
pub(crate) fn status() -> Schema {
    shared::status("What was last said about the HelmChart.")
        .optional(
            "observedSourceArtifactRevision",
            text("Revision of the source that was last looked at."),
        )
        .optional("observedChartName", text("Name of the chart."))
        .optional(
            "observedValuesFiles",
            list(
                text("A path."),
                "Values files that were there; set with ignoreMissingValuesFiles.",
            ),
        )
        .optional("artifact", shared::artifact("Newest chart."))
        .optional("url", text("Where the newest chart is served."))
}
