//! The schema of a HelmRelease.

use std::sync::LazyLock;

use crate::schema::{
    Form, Rule, Schema, anything, boolean, formed, integer, list, map, object,
    shared::{self, duration, local_reference, suspend},
    text, time, word,
};

pub(super) static SPEC: LazyLock<Schema> = LazyLock::new(spec);
pub(super) static STATUS: LazyLock<Schema> = LazyLock::new(status);

static VALUES_KEY: Form = Form {
    pattern: r"^[\-._a-zA-Z0-9]+$",
    says: "letters, digits, '-', '_' and '.'",
    accepts: |text| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        !text.is_empty() && text.chars().all(is_allowed)
    },
    may_be_shown: true,
};

static TARGET_PATH: Form = Form {
    pattern: r"^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$",
    says: "a path as for helm --set, such as a.b[0].c",
    accepts: is_target_path,
    may_be_shown: true,
};

fn is_target_path(text: &str) -> bool {
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(index) = rest.strip_prefix('[') {
            let Some((digits, after)) = index.split_once(']') else {
                return false;
            };
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number || digits.is_empty() || digits.len() > 5 {
                return false;
            }
            rest = after;
        } else if next.is_ascii_alphanumeric() || "_-.\\/".contains(next) {
            rest = &rest[1..];
        } else {
            return false;
        }
    }
    !text.is_empty()
}

/// `spec`, with the fields of every version.
pub(crate) fn spec() -> Schema {
    let what = what(object("What to release, with which values, and how."));
    how(actions(what)).rule(Rule {
        cel: "(has(self.chart) && !has(self.chartRef)) || (!has(self.chart) && has(self.chartRef))",
        message: "either chart or chartRef must be set",
        holds: |spec| spec.get("chart").is_some() != spec.get("chartRef").is_some(),
    })
}

/// The chart and its values.
fn what(spec: Schema) -> Schema {
    spec.optional("chart", chart())
        .optional("chartRef", chart_ref())
        .required(
            "interval",
            duration("How often to make sure that everything is as it should be."),
        )
        .optional("suspend", suspend())
        .optional("valuesFrom", values_from())
        .optional(
            "values",
            anything("Values; they win over those of valuesFrom."),
        )
        .optional(
            "releaseName",
            text("Name of the release; '[<targetNamespace>-]<name>' when unset.").characters(1, 53),
        )
        .optional(
            "targetNamespace",
            text("Namespace of the release; the same when unset.").characters(1, 63),
        )
        .optional(
            "storageNamespace",
            text("Namespace of Helm's records; the same when unset.").characters(1, 63),
        )
        .optional("dependsOn", depends_on())
        .optional(
            "timeout",
            duration("How long each action may take; 5m when unset."),
        )
        .optional(
            "maxHistory",
            integer("How many of Helm's records are kept; 5 when unset, 0 for all."),
        )
        .optional(
            "serviceAccountName",
            text("ServiceAccount to act as, in the same namespace.").characters(1, 253),
        )
        .optional("kubeConfig", shared::kube_config())
        .optional(
            "persistentClient",
            boolean("Whether one client serves a whole action, in Flux; it has no effect."),
        )
}

fn actions(spec: Schema) -> Schema {
    spec.optional("install", install())
        .optional("upgrade", upgrade())
        .optional("test", test())
        .optional("rollback", rollback())
        .optional("uninstall", uninstall())
}

fn how(spec: Schema) -> Schema {
    spec.optional("driftDetection", drift_detection())
        .optional("commonMetadata", shared::common_metadata())
        .optional("postRenderers", post_renderers())
        .optional(
            "postRenderStrategy",
            word(
                &["nohooks", "combined", "separate"],
                "Whether hooks are post-rendered: together with the manifests, which is combined and holds when unset, apart, or not.",
            ),
        )
        .optional("healthCheckExprs", shared::health_check_exprs())
        .optional(
            "waitStrategy",
            object("How health is judged.").required(
                "name",
                word(&["poller", "legacy"], "poller, by kstatus, which holds when unset; or legacy, as Helm 3."),
            ),
        )
}

fn chart() -> Schema {
    let source = object("Where the chart is.")
        .optional("apiVersion", text("API version; not needed."))
        .required(
            "kind",
            word(
                &["HelmRepository", "GitRepository", "Bucket"],
                "Kind of the source.",
            ),
        )
        .required("name", text("Name of the source.").characters(1, 253))
        .optional(
            "namespace",
            text("Namespace of the source, and of the HelmChart; the same when unset.")
                .characters(1, 63),
        );
    let verify = object("How the chart's signature is verified.")
        .required(
            "provider",
            word(&["cosign", "notation"], "What signed it.").default("cosign"),
        )
        .optional("secretRef", local_reference("Secret with public keys."));
    let spec = object("Spec of the HelmChart.")
        .required(
            "chart",
            text("Name of the chart, or its path in the source.").characters(1, 2048),
        )
        .optional("version", text("Range of versions.").default("*"))
        .required("sourceRef", source)
        .optional("interval", duration("How often to look for another version; spec.interval when unset."))
        .optional(
            "reconcileStrategy",
            word(
                &["ChartVersion", "Revision"],
                "What makes a new artifact: another version of the chart, or any revision of the source.",
            )
            .default("ChartVersion"),
        )
        .optional("valuesFiles", list(text("A path in the chart."), "Values files in place of the chart's own, in order."))
        .optional("valuesFile", text("One values file, in the form of older versions; use valuesFiles."))
        .optional("ignoreMissingValuesFiles", boolean("Go on without values files that do not exist."))
        .optional("verify", verify);
    let metadata = object("Labels and annotations of the HelmChart.")
        .optional("annotations", map("Annotations."))
        .optional("labels", map("Labels."));
    object("Template of a HelmChart that is made for this.")
        .optional("metadata", metadata)
        .required("spec", spec)
}

fn chart_ref() -> Schema {
    object("A source that holds the chart.")
        .optional("apiVersion", text("API version; not needed."))
        .required(
            "kind",
            word(
                &["OCIRepository", "HelmChart", "ExternalArtifact"],
                "Kind of the source.",
            ),
        )
        .required("name", text("Name of the source.").characters(1, 253))
        .optional(
            "namespace",
            text("Namespace of the source; the same when unset.").characters(1, 63),
        )
}

fn values_from() -> Schema {
    let from = object("A ConfigMap or Secret with values.")
        .required("kind", word(&["Secret", "ConfigMap"], "Its kind."))
        .required(
            "name",
            text("Its name, in the same namespace.").characters(1, 253),
        )
        .optional(
            "valuesKey",
            formed(&VALUES_KEY, "The key; values.yaml when unset.").characters(0, 253),
        )
        .optional(
            "targetPath",
            formed(
                &TARGET_PATH,
                "Where one value goes, as helm --set writes it.",
            )
            .characters(0, 250),
        )
        .optional(
            "optional",
            boolean("Go on without it when it does not exist."),
        )
        .optional(
            "literal",
            boolean("The value at targetPath is text, whatever it looks like."),
        );
    list(from, "Where more values are; a later one wins.")
}

fn depends_on() -> Schema {
    let dependency = object("A HelmRelease.")
        .required("name", text("Its name."))
        .optional("namespace", text("Its namespace; the same when unset."))
        .optional(
            "readyExpr",
            text("CEL expression over self and dep that says when it is ready."),
        );
    list(dependency, "HelmReleases that must be ready first.")
}

/// What install, upgrade and more have in common.
fn action(description: &'static str) -> Schema {
    object(description)
        .optional(
            "timeout",
            duration("How long it may take; spec.timeout when unset."),
        )
        .optional("disableHooks", boolean("Run no hooks."))
        .optional("disableWait", boolean("Do not wait for health."))
}

/// What install and upgrade have in common.
fn release(description: &'static str, remediation: Schema) -> Schema {
    let strategy = object("What follows a failure.")
        .required(
            "name",
            word(
                &["RemediateOnFailure", "RetryOnFailure"],
                "Remediation, or another try after a pause.",
            ),
        )
        .optional(
            "retryInterval",
            duration("The pause before another try; 5m when unset."),
        );
    action(description)
        .optional("strategy", strategy)
        .optional("remediation", remediation)
        .optional("disableTakeOwnership", boolean("Fail where an object is another release's."))
        .optional("disableWaitForJobs", boolean("Do not wait for Jobs."))
        .optional(
            "disableOpenAPIValidation",
            boolean("Do not check objects against the server's schema."),
        )
        .optional(
            "disableSchemaValidation",
            boolean("Do not check values against the chart's schema."),
        )
        .optional(
            "crds",
            word(
                &["Skip", "Create", "CreateReplace"],
                "What happens to the definitions in crds/; Create on install and Skip on upgrade when unset.",
            ),
        )
}

fn remediation() -> Schema {
    object("How a failure is remediated.")
        .optional(
            "retries",
            integer("How often it is tried again; none when unset, for ever if negative."),
        )
        .optional("ignoreTestFailures", boolean("A failed test is no failure."))
        .optional(
            "remediateLastFailure",
            boolean("The last failure is remediated too; on upgrade that holds when there are retries and it is unset."),
        )
}

fn install() -> Schema {
    release("How to install.", remediation())
        .optional(
            "replace",
            boolean("Use the name of a deleted release again."),
        )
        .optional("skipCRDs", boolean("As crds: Skip, in older versions."))
        .optional("createNamespace", boolean("Make the release's namespace."))
        .optional(
            "serverSideApply",
            boolean("Whether objects are applied server-side; they are when unset."),
        )
}

fn server_side_apply() -> Schema {
    word(
        &["enabled", "disabled", "auto"],
        "Whether objects are applied server-side; auto, as the release before, when unset.",
    )
}

fn upgrade() -> Schema {
    let remediation = remediation().optional(
        "strategy",
        word(
            &["rollback", "uninstall"],
            "By the release before, which holds when unset, or by nothing.",
        ),
    );
    release("How to upgrade.", remediation)
        .optional("force", boolean("Delete and create again what cannot be changed."))
        .optional("preserveValues", boolean("Start from the values of the last release."))
        .optional("cleanupOnFail", boolean("Delete what a failed upgrade created."))
        .optional("serverSideApply", server_side_apply())
        .optional(
            "chartNameChangeStrategy",
            word(
                &["InPlaceUpdate", "Reinstall"],
                "What another chart's name means: an upgrade, or a new release, which holds when unset.",
            ),
        )
}

fn test() -> Schema {
    let filter = object("A test.")
        .required("name", text("Its name.").characters(1, 253))
        .optional("exclude", boolean("It is not run."));
    object("How to test.")
        .optional(
            "enable",
            boolean("Run the chart's tests after install and upgrade."),
        )
        .optional(
            "timeout",
            duration("How long a test may take; spec.timeout when unset."),
        )
        .optional("ignoreFailures", boolean("A failed test is no failure."))
        .optional("filters", list(filter, "Which tests; all when unset."))
}

fn rollback() -> Schema {
    action("How to roll back.")
        .optional("disableWaitForJobs", boolean("Do not wait for Jobs."))
        .optional(
            "recreate",
            boolean("Restart Pods, in older versions; it has no effect."),
        )
        .optional(
            "force",
            boolean("Delete and create again what cannot be changed."),
        )
        .optional(
            "cleanupOnFail",
            boolean("Delete what a failed rollback created."),
        )
        .optional("serverSideApply", server_side_apply())
}

fn uninstall() -> Schema {
    action("How to uninstall.")
        .optional("keepHistory", boolean("Keep Helm's records."))
        .optional(
            "deletionPropagation",
            word(
                &["background", "foreground", "orphan"],
                "What becomes of what the objects own.",
            )
            .default("background"),
        )
}

fn drift_detection() -> Schema {
    let rule = object("Fields of some objects.")
        .required(
            "paths",
            list(
                text("A JSON pointer (RFC 6901); an empty one is the whole object."),
                "The fields.",
            ),
        )
        .optional("target", shared::selector("The objects; all when unset."));
    object("What to do about drift.")
        .optional(
            "mode",
            word(
                &["enabled", "warn", "disabled"],
                "Correct it, say it, or ignore it, which holds when unset.",
            ),
        )
        .optional("ignore", list(rule, "Fields that are no drift."))
}

fn post_renderers() -> Schema {
    let kustomize = object("What kustomize does.")
        .optional("patches", shared::patches())
        .optional("patchesStrategicMerge", shared::patches_strategic_merge())
        .optional("patchesJson6902", shared::patches_json6902())
        .optional("images", shared::images());
    let renderer = object("One step.").optional("kustomize", kustomize);
    list(renderer, "What is done to what was rendered, in order.")
}

/// `status`.
pub(crate) fn status() -> Schema {
    attempts(
        shared::status("What was last said about the HelmRelease.")
            .optional(
                "observedPostRenderersDigest",
                text("Digest of the post-renderers that were last used."),
            )
            .optional(
                "observedCommonMetadataDigest",
                text("Digest of the common metadata that was last used."),
            )
            .optional(
                "lastAttemptedGeneration",
                integer("Generation that was last tried."),
            )
            .optional(
                "helmChart",
                text("Namespace and name of the HelmChart that was made."),
            )
            .optional(
                "storageNamespace",
                text("Where Helm's records of the release are."),
            )
            .optional("history", history())
            .optional("inventory", inventory()),
    )
}

/// What was last tried, and what of that failed.
fn attempts(status: Schema) -> Schema {
    status
        .optional(
            "lastAttemptedReleaseAction",
            word(&["install", "upgrade"], "Action that was last tried."),
        )
        .optional(
            "lastAttemptedReleaseActionDuration",
            text("How long that took."),
        )
        .optional("failures", integer("Failures since something changed."))
        .optional(
            "installFailures",
            integer("Failed installs since something changed."),
        )
        .optional(
            "upgradeFailures",
            integer("Failed upgrades since something changed."),
        )
        .optional(
            "lastAppliedRevision",
            text("Chart version, in older versions; not written."),
        )
        .optional(
            "lastAttemptedRevision",
            text("Chart version that was last tried."),
        )
        .optional(
            "lastAttemptedRevisionDigest",
            text("Digest of the OCI artifact that was last tried."),
        )
        .optional(
            "lastAttemptedConfigDigest",
            text("Digest of the values that were last tried."),
        )
        .optional(
            "lastAttemptedValuesChecksum",
            text("Checksum of the values, in older versions; not written."),
        )
        .optional(
            "lastReleaseRevision",
            integer("Revision of the release, in older versions; not written."),
        )
        .optional(
            "lastHandledForceAt",
            text("Value of the annotation reconcile.fluxcd.io/forceAt that was last acted on."),
        )
        .optional(
            "lastHandledResetAt",
            text("Value of the annotation reconcile.fluxcd.io/resetAt that was last acted on."),
        )
}

fn inventory() -> Schema {
    let entry = object("An object.")
        .required("id", text("<namespace>_<name>_<group>_<kind>"))
        .required("v", text("Version of the group."));
    object("Objects of the release.").required("entries", list(entry, "One for each object."))
}

fn history() -> Schema {
    let snapshot = object("A release as it was observed in Helm's storage.")
        .optional("apiVersion", text("Version of how the digest is made."))
        .required("digest", text("Digest of the stored release."))
        .required("name", text("Name of the release."))
        .required("namespace", text("Namespace of the release."))
        .required("version", integer("Revision of the release."))
        .required("status", text("Helm's word for its state."))
        .optional("action", text("Action that made it."))
        .required("chartName", text("Name of the chart."))
        .required("chartVersion", text("Version of the chart."))
        .optional("appVersion", text("Version of what the chart holds."))
        .required("configDigest", text("Digest of the values."))
        .required("firstDeployed", time("When the release was first made."))
        .required("lastDeployed", time("When this revision was made."))
        .optional("deleted", time("When it was uninstalled."))
        .optional("testHooks", anything("How each test went, by its name."))
        .optional(
            "ociDigest",
            text("Digest of the OCI artifact of the chart."),
        );
    list(
        snapshot,
        "Releases up to the last successful one, newest first.",
    )
}

#[cfg(test)]
mod tests {
    use super::is_target_path;

    #[test]
    fn a_target_path_is_one_of_helm_set() {
        for (text, is_path) in [
            ("a.b[0].c", true),
            (r"a\.b", true),
            ("a/b_c-d", true),
            ("[12345]", true),
            ("", false),
            ("[123456]", false),
            ("a[b]", false),
            ("a[", false),
            ("a=b", false),
            ("a,b", false),
        ] {
            assert_eq!(is_target_path(text), is_path, "{text}");
        }
    }
}
