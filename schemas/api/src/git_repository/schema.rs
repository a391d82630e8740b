//! The schema of a GitRepository.

use std::sync::LazyLock;

use serde_json::Value;

use crate::schema::{
    Form, Rule, Schema, boolean, formed, list, object,
    shared::{self, TIMEOUT, duration, local_reference, suspend},
    text, word,
};

pub(super) static SPEC: LazyLock<Schema> = LazyLock::new(spec);
pub(super) static STATUS: LazyLock<Schema> = LazyLock::new(status);

/// A URL may hold a password, so no error repeats it.
static URL: Form = Form {
    pattern: "^(http|https|ssh)://.*$",
    says: "a URL that starts with http://, https:// or ssh:// and has no spaces or control characters",
    accepts: |url| {
        ["http://", "https://", "ssh://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
            && !url.contains(|c: char| c.is_control() || c.is_whitespace())
    },
    may_be_shown: false,
};

/// `spec`, with the fields of every version.
pub(crate) fn spec() -> Schema {
    object("What to fetch, from where, and how often.")
        .required("url", formed(&URL, "Repository: http, https or ssh."))
        .required("interval", duration("How often to look for a new revision."))
        .optional(
            "timeout",
            formed(&TIMEOUT, "How long one git operation may take.").default("60s"),
        )
        .optional("ref", reference())
        .optional("suspend", suspend())
        .optional(
            "secretRef",
            local_reference(
                "Secret with credentials: username and password, or bearerToken, or identity and \
                 known_hosts; ca.crt, tls.crt and tls.key for TLS; githubApp… for a GitHub App.",
            ),
        )
        .optional(
            "proxySecretRef",
            local_reference("Secret with address, username and password of a proxy."),
        )
        .optional(
            "provider",
            word(&["generic", "aws", "azure", "github"], "How to authenticate; generic when unset."),
        )
        .optional(
            "serviceAccountName",
            text("ServiceAccount to authenticate as; for the providers aws and azure."),
        )
        .optional(
            "ignore",
            text("Files to leave out, in the syntax of .gitignore; replaces the default exclusions."),
        )
        .optional("include", include("Other GitRepositories to copy into the artifact."))
        .optional("recurseSubmodules", boolean("Check out submodules too."))
        .optional("sparseCheckout", list(text("A directory."), "Directories to keep; all when unset."))
        .optional("verify", verify())
        .optional(
            "gitImplementation",
            word(&["go-git", "libgit2"], "Git library, in older versions; it has no effect."),
        )
        .optional("accessFrom", shared::access_from())
        .rule(Rule {
            cel: "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
            message: "serviceAccountName can only be set when provider is 'azure' or 'aws'",
            holds: |spec| {
                let provider = spec.get("provider").and_then(Value::as_str);
                spec.get("serviceAccountName").is_none() || matches!(provider, Some("azure" | "aws"))
            },
        })
}

fn reference() -> Schema {
    object("What to check out; the branch master when unset.")
        .optional("branch", text("Branch."))
        .optional("tag", text("Tag; wins over branch."))
        .optional(
            "semver",
            text("Range of versions whose highest tag is taken; wins over tag."),
        )
        .optional(
            "name",
            text("Full name, such as refs/pull/420/head; wins over semver."),
        )
        .optional(
            "commit",
            text("Commit; wins over all. With branch, it is looked for on that branch."),
        )
}

fn include(description: &'static str) -> Schema {
    let item = object("A GitRepository to copy in.")
        .required(
            "repository",
            local_reference("GitRepository in the same namespace."),
        )
        .optional("fromPath", text("Path to copy; all when unset."))
        .optional(
            "toPath",
            text("Where to; a directory of the GitRepository's name when unset."),
        );
    list(item, description)
}

fn verify() -> Schema {
    object("Which signatures to verify.")
        .optional("mode", verification_mode().default("HEAD"))
        .required(
            "secretRef",
            local_reference("Secret with public keys: *.asc for PGP, *.sshpub for SSH."),
        )
}

fn verification_mode() -> Schema {
    word(
        &["head", "HEAD", "Tag", "TagAndHEAD"],
        "What must be signed; head means HEAD.",
    )
}

/// `status`.
pub(crate) fn status() -> Schema {
    shared::status("What was last said about the GitRepository.")
        .optional("artifact", shared::artifact("Newest artifact."))
        .optional(
            "includedArtifacts",
            list(
                shared::artifact("An artifact that was copied in."),
                "Artifacts that were copied in.",
            ),
        )
        .optional(
            "observedIgnore",
            text("spec.ignore when the artifact was made."),
        )
        .optional(
            "observedInclude",
            include("spec.include when the artifact was made."),
        )
        .optional(
            "observedRecurseSubmodules",
            boolean("spec.recurseSubmodules when the artifact was made."),
        )
        .optional(
            "observedSparseCheckout",
            list(
                text("A directory."),
                "spec.sparseCheckout when the artifact was made.",
            ),
        )
        .optional("sourceVerificationMode", verification_mode())
}
