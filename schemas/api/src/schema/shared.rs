//! Schemas that several kinds share: durations, references, selectors, conditions, artifacts.

use super::{
    Form, Rule, Schema, anything, boolean, formed, integer, list, map, object, text, time, word,
};
use crate::Duration;

const DURATION_SAYS: &str =
    "a duration such as 1h30m, 5m or 10s, longer than zero and at most 2562047h";

/// A duration as Flux's CRDs allow it.
pub(crate) static DURATION: Form = Form {
    pattern: r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$",
    says: DURATION_SAYS,
    accepts: is_duration,
    may_be_shown: true,
};

/// A duration for one operation: `v1` of the sources allows no hours, `v1beta1` did.
pub(crate) static TIMEOUT: Form = Form {
    pattern: r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$",
    says: DURATION_SAYS,
    accepts: is_duration,
    may_be_shown: true,
};

static CONDITION_TYPE: Form = Form {
    pattern: r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
    says: "a condition type such as Ready",
    accepts: |text| !text.is_empty(),
    may_be_shown: true,
};

static REASON: Form = Form {
    pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    says: "a word such as Succeeded",
    accepts: |text| !text.is_empty(),
    may_be_shown: true,
};

static DIGEST: Form = Form {
    pattern: "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$",
    says: "a digest such as sha256:…",
    accepts: |text| text.is_empty() || text.contains(':'),
    may_be_shown: true,
};

/// Whether a text is of Flux's form, more than no time, and not more than Go can hold.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while let Some(after) = skip_term(rest) {
        rest = after;
    }
    rest.is_empty()
        && text
            .parse()
            .is_ok_and(|duration: Duration| !duration.is_zero())
}

/// What follows a number and its unit.
fn skip_term(text: &str) -> Option<&str> {
    let rest = skip_digits(text)?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => skip_digits(fraction)?,
        None => rest,
    };
    ["ms", "s", "m", "h"]
        .iter()
        .find_map(|unit| rest.strip_prefix(unit))
}

/// What follows one digit or more.
fn skip_digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < text.len()).then_some(rest)
}

/// What Fluvial reads of `metadata`.
pub(crate) fn metadata() -> Schema {
    object("")
        .required("name", text("").characters(1, 253))
        .required("namespace", text("").characters(1, 253))
        .optional("uid", text(""))
        .optional("resourceVersion", text(""))
        .optional("generation", integer(""))
        .optional("creationTimestamp", time(""))
        .optional("deletionTimestamp", time(""))
        .optional("labels", map(""))
        .optional("annotations", map(""))
        .optional("finalizers", list(text(""), ""))
}

pub(crate) fn local_reference(description: &'static str) -> Schema {
    object(description).required("name", text("Name of the object."))
}

pub(crate) fn kube_config() -> Schema {
    const ONE: &str = "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified";
    object("How to reach the cluster to apply to, when it is not this one.")
        .optional(
            "configMapRef",
            local_reference(
                "ConfigMap with `provider` (aws, azure, gcp or generic) and, as the provider needs them, \
                 `cluster`, `address`, `ca.crt`, `audiences` and `serviceAccountName`.",
            ),
        )
        .optional(
            "secretRef",
            object("Secret that holds a self-contained kubeconfig.")
                .required("name", text("Name of the Secret."))
                .optional("key", text("Key in the Secret; `value`, then `value.yaml` when unset.")),
        )
        .rule(Rule {
            cel: "has(self.configMapRef) || has(self.secretRef)",
            message: ONE,
            holds: |value| value.get("configMapRef").is_some() || value.get("secretRef").is_some(),
        })
        .rule(Rule {
            cel: "!has(self.configMapRef) || !has(self.secretRef)",
            message: ONE,
            holds: |value| value.get("configMapRef").is_none() || value.get("secretRef").is_none(),
        })
}

pub(crate) fn selector(description: &'static str) -> Schema {
    object(description)
        .optional("group", text("API group; an anchored regular expression."))
        .optional(
            "version",
            text("API version; an anchored regular expression."),
        )
        .optional("kind", text("Kind; an anchored regular expression."))
        .optional("name", text("Name; an anchored regular expression."))
        .optional(
            "namespace",
            text("Namespace; an anchored regular expression."),
        )
        .optional(
            "labelSelector",
            text("Selector over labels, such as `app=web,tier!=db`."),
        )
        .optional(
            "annotationSelector",
            text("Selector over annotations, written as one over labels."),
        )
}

pub(crate) fn patches() -> Schema {
    let patch = object("A patch and what it is for.")
        .required(
            "patch",
            text("Strategic merge patch, or list of JSON patch operations, as YAML."),
        )
        .optional(
            "target",
            selector("Objects to patch; unset means the one the patch names itself."),
        );
    list(
        patch,
        "Patches to what is built; strategic merge or JSON (RFC 6902).",
    )
}

pub(crate) fn patches_strategic_merge() -> Schema {
    list(
        anything("A partial object that names its target by apiVersion, kind and metadata.name."),
        "Strategic merge patches in the form of older versions; use `patches`.",
    )
}

pub(crate) fn patches_json6902() -> Schema {
    let operation = object("One operation of RFC 6902.")
        .required(
            "op",
            word(
                &["test", "remove", "add", "replace", "move", "copy"],
                "What to do.",
            ),
        )
        .required("path", text("Where, as a JSON pointer."))
        .optional("from", text("From where, for move and copy."))
        .optional("value", anything("The value, for add, replace and test."));
    let patch = object("A JSON patch and what it is for.")
        .required("patch", list(operation, "Operations, in order."))
        .required("target", selector("Objects to patch."));
    list(
        patch,
        "JSON patches in the form of older versions; use `patches`.",
    )
}

pub(crate) fn images() -> Schema {
    let image = object("A replacement for one image.")
        .required("name", text("Name of the image, without tag."))
        .optional("newName", text("Name to use instead."))
        .optional("newTag", text("Tag to use instead."))
        .optional(
            "digest",
            text("Digest to use instead; newTag is then ignored."),
        );
    list(image, "Replacements of image names, tags and digests.")
}

pub(crate) fn common_metadata() -> Schema {
    object("Labels and annotations for every object; they win over those of the manifests.")
        .optional("annotations", map("Annotations to set."))
        .optional("labels", map("Labels to set."))
}

pub(crate) fn health_check_exprs() -> Schema {
    let check = object("How to read the health of one kind.")
        .required("apiVersion", text("API version of the kind."))
        .optional("kind", text("Kind; unset means every kind of the group."))
        .required(
            "current",
            text("CEL expression that is true when the object is healthy."),
        )
        .optional(
            "inProgress",
            text("CEL expression that is true while the object is not there yet."),
        )
        .optional(
            "failed",
            text("CEL expression that is true when the object has failed."),
        );
    list(
        check,
        "CEL expressions for the health of custom resources; need wait or healthChecks.",
    )
}

pub(crate) fn access_from() -> Schema {
    let selector = object("A selector over namespaces.")
        .optional("matchLabels", map("Labels the namespace must have."));
    object("Access from other namespaces in the form of older versions; it has no effect.")
        .required(
            "namespaceSelectors",
            list(selector, "A namespace that matches any of these."),
        )
}

pub(crate) fn conditions() -> Schema {
    let condition = object("One aspect of the state of the object.")
        .required(
            "type",
            formed(&CONDITION_TYPE, "Aspect, such as Ready.").characters(0, 316),
        )
        .required(
            "status",
            word(&["True", "False", "Unknown"], "Whether it holds."),
        )
        .required(
            "reason",
            formed(&REASON, "One word saying why.").characters(1, 1024),
        )
        .required(
            "message",
            text("A sentence for people.").characters(0, 32_768),
        )
        .required("lastTransitionTime", time("When status last changed."))
        .optional(
            "observedGeneration",
            integer("Generation this was said about.").minimum(0),
        );
    list(condition, "Aspects of the state of the object.")
}

pub(crate) fn artifact(description: &'static str) -> Schema {
    object(description)
        .required("revision", text("Revision in the words of the source."))
        .optional("digest", formed(&DIGEST, "Digest of the file."))
        .required("path", text("Path in the artifact storage."))
        .required("url", text("Where the file is served."))
        .required("lastUpdateTime", time("When the artifact was made."))
        .optional("size", integer("Size of the file in bytes."))
        .optional("metadata", map("What upstream says about it."))
}

/// The fields that every reconciled kind has in its status.
pub(crate) fn status(description: &'static str) -> Schema {
    object(description)
        .optional(
            "observedGeneration",
            integer("Generation that was last acted on."),
        )
        .optional("conditions", conditions())
        .optional(
            "lastHandledReconcileAt",
            text("Value of the annotation reconcile.fluxcd.io/requestedAt that was last acted on."),
        )
}

pub(crate) fn duration(description: &'static str) -> Schema {
    formed(&DURATION, description)
}

pub(crate) fn suspend() -> Schema {
    boolean("Pause; work that has begun is finished.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_bounded_and_longer_than_zero() {
        for (text, is_valid) in [
            ("1ms", true),
            ("10s", true),
            ("1h30m", true),
            ("1.5h", true),
            ("0.5s", true),
            ("1h0m0s", true),
            ("2562047h", true),
            ("", false),
            ("0s", false),
            ("0h0m", false),
            ("0", false),
            ("-1s", false),
            ("1e400s", false),
            ("99999999h", false),
            ("10", false),
            ("1d", false),
            ("1us", false),
            ("1µs", false),
            ("1ns", false),
            (".5s", false),
            ("1.s", false),
            ("1s.5m", false),
            (" 1s", false),
            ("1s\n", false),
        ] {
            assert_eq!(is_duration(text), is_valid, "{text:?}");
        }
    }
}
