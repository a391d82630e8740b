//! The schema of an OCIRepository.

use std::sync::LazyLock;

use crate::helm_chart::verify_schema;
use crate::schema::{
    Form, Schema, boolean, formed, object,
    shared::{self, TIMEOUT, duration, local_reference, suspend},
    text, word,
};

pub(super) static SPEC: LazyLock<Schema> = LazyLock::new(spec);
pub(super) static STATUS: LazyLock<Schema> = LazyLock::new(status);

/// A URL may hold a password, so no error repeats it.
static URL: Form = Form {
    pattern: "^oci://.*$",
    says: "a URL that starts with oci:// and has no spaces, control characters, query or fragment",
    accepts: |url| {
        url.starts_with("oci://")
            && !url.contains(|c: char| c.is_control() || c.is_whitespace() || "?#".contains(c))
    },
    may_be_shown: false,
};

/// `spec`, with the fields of every version.
pub(crate) fn spec() -> Schema {
    object("Which artifact to pull, from where, and how often.")
        .required(
            "url",
            formed(
                &URL,
                "Repository in its registry, such as oci://ghcr.io/org/app; without a tag.",
            ),
        )
        .required(
            "interval",
            duration("How often to look for a new revision."),
        )
        .optional(
            "timeout",
            formed(&TIMEOUT, "How long one operation may take.").default("60s"),
        )
        .optional("ref", reference())
        .optional(
            "layerSelector",
            layer_selector("Which layer of the artifact, and what becomes of it."),
        )
        .optional("suspend", suspend())
        .optional(
            "provider",
            word(
                &["generic", "aws", "azure", "gcp"],
                "How to log in to the registry.",
            )
            .default("generic"),
        )
        .optional(
            "secretRef",
            local_reference("Secret of type kubernetes.io/dockerconfigjson."),
        )
        .optional(
            "serviceAccountName",
            text("ServiceAccount whose imagePullSecrets are used, too."),
        )
        .optional(
            "certSecretRef",
            local_reference("Secret with ca.crt, or tls.crt and tls.key, or all three."),
        )
        .optional(
            "proxySecretRef",
            local_reference("Secret with address, username and password of a proxy."),
        )
        .optional("insecure", boolean("Registry speaks plain HTTP."))
        .optional(
            "ignore",
            text(
                "Files to leave out, in the syntax of .gitignore; replaces the default exclusions.",
            ),
        )
        .optional("verify", verify_schema("Signature to verify."))
}

fn reference() -> Schema {
    object("Which artifact; the tag latest when unset.")
        .optional(
            "digest",
            text("Digest of a manifest, such as sha256:…; wins over all."),
        )
        .optional(
            "semver",
            text("Range of versions whose highest tag is taken; wins over tag."),
        )
        .optional(
            "semverFilter",
            text("Regular expression for the tags that semver may choose from."),
        )
        .optional("tag", text("Tag."))
}

fn layer_selector(description: &'static str) -> Schema {
    object(description)
        .optional(
            "mediaType",
            text("Type of the layer; the first layer of all when unset."),
        )
        .optional(
            "operation",
            word(
                &["extract", "copy"],
                "extract unpacks the layer, copy keeps it byte for byte; extract when unset.",
            ),
        )
}

/// `status`.
pub(crate) fn status() -> Schema {
    shared::status("What was last said about the OCIRepository.")
        .optional("artifact", shared::artifact("Newest artifact."))
        .optional("url", text("Where the newest artifact is served."))
        .optional(
            "observedIgnore",
            text("spec.ignore when the artifact was made."),
        )
        .optional(
            "observedLayerSelector",
            layer_selector("spec.layerSelector when the artifact was made."),
        )
}
