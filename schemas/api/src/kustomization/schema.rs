//! The schema of a Kustomization.

use std::sync::LazyLock;

use crate::schema::{
    Schema, boolean, integer, list, map, object,
    shared::{self, duration, local_reference, selector, suspend},
    text, time, word,
};

pub(super) static SPEC: LazyLock<Schema> = LazyLock::new(spec);
pub(super) static STATUS: LazyLock<Schema> = LazyLock::new(status);

/// `spec`, with the fields of every version.
pub(crate) fn spec() -> Schema {
    let when = when(object("What to apply, from where, and how."));
    let what = what(when);
    how(what)
}

/// The source, and when to act.
fn when(spec: Schema) -> Schema {
    spec.required("sourceRef", source_reference())
        .optional("path", text("Directory in the source; its root when unset."))
        .required("prune", boolean("Delete what left the source."))
        .required("interval", duration("How often to make sure that everything is as it should be."))
        .optional("retryInterval", duration("How soon to try again after a failure; interval when unset."))
        .optional(
            "timeout",
            duration("How long applying and becoming healthy may take; interval less 30s when unset, 30s at least."),
        )
        .optional("suspend", suspend())
        .optional("dependsOn", depends_on())
        .optional("wait", boolean("Wait for the health of everything applied; healthChecks is then ignored."))
        .optional("healthChecks", health_checks())
        .optional("healthCheckExprs", shared::health_check_exprs())
}

/// How manifests are built.
fn what(spec: Schema) -> Schema {
    spec.optional(
        "targetNamespace",
        text("Namespace for every namespaced object.").characters(1, 63),
    )
    .optional(
        "namePrefix",
        text("Goes before every name.").characters(1, 200),
    )
    .optional(
        "nameSuffix",
        text("Goes after every name.").characters(1, 200),
    )
    .optional("commonMetadata", shared::common_metadata())
    .optional("patches", shared::patches())
    .optional("patchesStrategicMerge", shared::patches_strategic_merge())
    .optional("patchesJson6902", shared::patches_json6902())
    .optional("images", shared::images())
    .optional(
        "components",
        list(
            text("A path, relative to spec.path."),
            "Kustomize components to add.",
        ),
    )
    .optional(
        "ignoreMissingComponents",
        boolean("Leave out components that do not exist."),
    )
    .optional(
        "buildMetadata",
        list(
            word(
                &["originAnnotations", "transformerAnnotations"],
                "What to annotate.",
            ),
            "Annotations that say where objects come from.",
        ),
    )
    .optional("postBuild", post_build())
    .optional("decryption", decryption())
}

/// How objects are applied and deleted.
fn how(spec: Schema) -> Schema {
    spec.optional(
        "force",
        boolean("Delete and create again what cannot be changed.").default(false),
    )
    .optional(
        "deletionPolicy",
        word(
            &["MirrorPrune", "Delete", "WaitForTermination", "Orphan"],
            "What happens to the objects when the Kustomization is deleted; MirrorPrune, which \
                 does what prune says, when unset.",
        ),
    )
    .optional(
        "serviceAccountName",
        text("ServiceAccount to act as, in the same namespace."),
    )
    .optional("kubeConfig", shared::kube_config())
    .optional("ignore", ignore())
    .optional(
        "validation",
        word(
            &["none", "client", "server"],
            "Validation by kubectl, in older versions; it has no effect.",
        ),
    )
}

fn source_reference() -> Schema {
    object("Where the manifests come from.")
        .optional("apiVersion", text("API version; not needed."))
        .required(
            "kind",
            word(
                &[
                    "OCIRepository",
                    "GitRepository",
                    "Bucket",
                    "ExternalArtifact",
                ],
                "Kind of the source.",
            ),
        )
        .required("name", text("Name of the source."))
        .optional(
            "namespace",
            text("Namespace of the source; the same when unset."),
        )
}

fn depends_on() -> Schema {
    let dependency = object("A Kustomization.")
        .required("name", text("Its name."))
        .optional("namespace", text("Its namespace; the same when unset."))
        .optional(
            "readyExpr",
            text("CEL expression over self and dep that says when it is ready."),
        );
    list(dependency, "Kustomizations that must be ready first.")
}

fn health_checks() -> Schema {
    let check = object("An object.")
        .optional(
            "apiVersion",
            text("Its API version; the preferred one when unset."),
        )
        .required("kind", text("Its kind."))
        .required("name", text("Its name."))
        .optional("namespace", text("Its namespace; the same when unset."));
    list(check, "Objects to wait for.")
}

fn post_build() -> Schema {
    let reference = object("A ConfigMap or Secret with variables.")
        .required("kind", word(&["Secret", "ConfigMap"], "Its kind."))
        .required(
            "name",
            text("Its name, in the same namespace.").characters(1, 253),
        )
        .optional(
            "optional",
            boolean("Go on without it when it does not exist.").default(false),
        );
    object("Substitution of variables such as ${name} and ${name:=default} in what is built.")
        .optional("substitute", map("Variables; they win over those of substituteFrom."))
        .optional("substituteFrom", list(reference, "Where more variables are; a later one wins."))
        .optional(
            "substituteStrategy",
            word(
                &["WithVariables", "Always"],
                "Whether to substitute when there is no variable; WithVariables, which does not, when unset.",
            ),
        )
}

fn decryption() -> Schema {
    object("Decryption of secrets.")
        .required("provider", word(&["sops"], "Engine."))
        .optional("secretRef", local_reference("Secret with keys."))
        .optional(
            "serviceAccountName",
            text("ServiceAccount that may use the key service of a cloud."),
        )
}

fn ignore() -> Schema {
    let rule = object("Fields of some objects.")
        .required(
            "paths",
            list(text("A JSON pointer (RFC 6901)."), "The fields."),
        )
        .optional("target", selector("The objects; all when unset."));
    list(
        rule,
        "Fields that are left to others: neither applied nor seen as drift.",
    )
}

/// `status`.
pub(crate) fn status() -> Schema {
    let revision =
        "org.opencontainers.image.revision of the artifact that was last applied with success.";
    shared::status("What was last said about the Kustomization.")
        .optional(
            "lastAppliedRevision",
            text("Revision that was last applied with success."),
        )
        .optional("lastAppliedOriginRevision", text(revision))
        .optional(
            "lastAttemptedRevision",
            text("Revision that was last tried."),
        )
        .optional("inventory", inventory())
        .optional("history", history())
}

fn inventory() -> Schema {
    let entry = object("An object.")
        .required("id", text("<namespace>_<name>_<group>_<kind>"))
        .required("v", text("Version of the group."));
    object("Objects that were applied.").required("entries", list(entry, "One for each object."))
}

fn history() -> Schema {
    let snapshot = object("The attempts to bring one set of objects to one end.")
        .required("digest", text("Digest of the objects."))
        .required("firstReconciled", time("When they were first tried."))
        .required("lastReconciled", time("When they were last tried."))
        .required(
            "lastReconciledDuration",
            text("How long the last attempt took."),
        )
        .required("lastReconciledStatus", text("How it ended."))
        .required(
            "totalReconciliations",
            integer("How many attempts ended so."),
        )
        .optional("metadata", map("The revision, and more."));
    list(snapshot, "Newest attempts, newest first.")
}
