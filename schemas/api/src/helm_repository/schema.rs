//! The schema of a HelmRepository.

use std::sync::LazyLock;

use crate::schema::{
    Form, Schema, boolean, formed, object,
    shared::{self, TIMEOUT, duration, local_reference, suspend},
    text, word,
};

pub(super) static SPEC: LazyLock<Schema> = LazyLock::new(spec);
pub(super) static STATUS: LazyLock<Schema> = LazyLock::new(status);

/// A URL may hold a password, so no error repeats it.
static URL: Form = Form {
    pattern: "^(http|https|oci)://.*$",
    says: "a URL that starts with http://, https:// or oci:// and has no spaces or control characters",
    accepts: |url| {
        ["http://", "https://", "oci://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
            && !url.contains(|c: char| c.is_control() || c.is_whitespace())
    },
    may_be_shown: false,
};

/// `spec`, with the fields of every version.
pub(crate) fn spec() -> Schema {
    object("Where charts are, and how often to look.")
        .required("url", formed(&URL, "Repository: http or https; oci for a registry."))
        .optional(
            "type",
            word(
                &["default", "oci"],
                "What the URL is: a web server with an index.yaml, or a registry; default when unset.",
            ),
        )
        .optional(
            "interval",
            duration("How often to ask for the index; 1m when unset. Registries are asked by HelmCharts."),
        )
        .optional(
            "timeout",
            formed(&TIMEOUT, "How long one operation may take; 60s when unset."),
        )
        .optional("suspend", suspend())
        .optional(
            "secretRef",
            local_reference(
                "Secret with username and password, or, for a registry, of type \
                 kubernetes.io/dockerconfigjson.",
            ),
        )
        .optional(
            "certSecretRef",
            local_reference("Secret with ca.crt, or tls.crt and tls.key, or all three."),
        )
        .optional(
            "passCredentials",
            boolean("Send the credentials to other hosts too, where the index says that charts are there."),
        )
        .optional("insecure", boolean("Registry speaks plain HTTP; for the type oci."))
        .optional(
            "provider",
            word(
                &["generic", "aws", "azure", "gcp"],
                "How to log in to a registry; generic when unset.",
            ),
        )
        .optional("accessFrom", shared::access_from())
}

/// `status`.
pub(crate) fn status() -> Schema {
    shared::status("What was last said about the HelmRepository.")
        .optional("artifact", shared::artifact("Newest index."))
        .optional("url", text("Where the newest index is served."))
}
