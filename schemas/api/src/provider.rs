//! Provider (`notification.toolkit.fluxcd.io`): a place to tell events, and how to get there.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::omit::is_false;
use crate::reference::LocalReference;
use crate::schema::{
    Form, Rule, Schema, formed, object,
    shared::{TIMEOUT, duration, local_reference, suspend},
    text, word,
};
use crate::{Duration, Error, Metadata, Object, Spec, kinds};

/// A Provider of any version. It has no status: readers take it for ready.
pub type Provider = Object<ProviderSpec>;

impl Spec for ProviderSpec {
    type Status = ();

    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error> {
        let (metadata, spec) = kinds::PROVIDER.read_static(object, &SPEC)?;
        Ok((metadata, spec, ()))
    }
}

/// What is asked of a Provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderSpec {
    /// Which service; one of Flux's words, or `email` or `smtp`, which Flux has not.
    pub r#type: String,
    /// Where; the key `address` of the Secret wins. May hold a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Channel, room, recipients or routing key, as the service calls it. May be a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The name to send under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// How long one delivery may take; [`TIMEOUT_DEFAULT`] when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// A Secret with credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A Secret with certificates: `ca.crt`, `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// A Secret that names a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,
    /// The proxy itself, in older versions. May hold a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The ServiceAccount to authenticate as, for clouds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// A CEL expression that names a commit status, for git services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_status_expr: Option<String>,
    /// How often to look at the Provider, in older versions; without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Pause: what happens meanwhile is not told later.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

/// How long one delivery may take where nothing is said.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_seconds(15);

/// The types that this version can deliver to.
// sorted
pub const TYPES_BUILT: &[&str] = &["email", "generic", "generic-hmac", "slack", "smtp"];

impl ProviderSpec {
    /// What may be recorded: an address can hold a password or a token in its path, so only its scheme
    /// and host stay, and a channel can be a key, so it stays where it is a name.
    #[must_use]
    pub fn recorded(&self) -> Self {
        let is_named = matches!(self.r#type.as_str(), "slack" | "email" | "smtp");
        Self {
            address: self.address.as_deref().map(origin),
            proxy: self.proxy.as_deref().map(origin),
            channel: self.channel.clone().filter(|_| is_named),
            ..self.clone()
        }
    }

    /// Why nothing is delivered to this type, if so.
    pub fn unsupported(&self) -> Option<String> {
        (!TYPES_BUILT.contains(&self.r#type.as_str())).then(|| {
            format!(
                "this version of Fluvial does not deliver to Providers of type {} yet; those it delivers \
                 to are {}",
                self.r#type,
                TYPES_BUILT.join(", ")
            )
        })
    }
}

/// Scheme and host of an address, the rest replaced.
fn origin(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return "…".to_owned();
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    // A password may itself hold any of these: what cannot be told apart is all left out.
    if rest.contains('@') {
        return format!("{scheme}://…");
    }
    if authority == rest {
        address.to_owned()
    } else {
        format!("{scheme}://{authority}/…")
    }
}

static SPEC: LazyLock<Schema> = LazyLock::new(spec_schema);

static PROXY: Form = Form {
    pattern: "^(http|https)://.*$",
    says: "a URL that starts with http:// or https://",
    accepts: |url| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
    },
    may_be_shown: false,
};

/// flux: 34 types (`api/v1beta3/provider_types.go`); and two of our own.
const TYPES: &[&str] = &[
    "slack",
    "discord",
    "msteams",
    "rocket",
    "generic",
    "generic-hmac",
    "github",
    "gitlab",
    "gitea",
    "giteapullrequestcomment",
    "bitbucketserver",
    "bitbucket",
    "azuredevops",
    "googlechat",
    "googlepubsub",
    "webex",
    "sentry",
    "azureeventhub",
    "telegram",
    "lark",
    "matrix",
    "opsgenie",
    "alertmanager",
    "grafana",
    "githubdispatch",
    "githubpullrequestcomment",
    "gitlabmergerequestcomment",
    "pagerduty",
    "datadog",
    "nats",
    "zulip",
    "otel",
    "zoom",
    "incident.io",
    "email",
    "smtp",
];

/// `spec`, with the fields of every version.
pub(crate) fn spec_schema() -> Schema {
    object("Where to tell events, and how to get there.")
        .required("type", word(TYPES, "Service; email and smtp are Fluvial's own."))
        .optional(
            "address",
            text("Endpoint; the key address of the Secret wins.").characters(0, 2048),
        )
        .optional(
            "channel",
            text("Channel, room, recipients or routing key, as the service calls it.").characters(0, 2048),
        )
        .optional("username", text("Name to send under.").characters(0, 2048))
        .optional("timeout", formed(&TIMEOUT, "How long one delivery may take; 15s when unset."))
        .optional(
            "secretRef",
            local_reference("Secret with credentials: address, token, username, password, headers, as the type needs them."),
        )
        .optional(
            "certSecretRef",
            local_reference("Secret with ca.crt, and with tls.crt and tls.key for mutual TLS."),
        )
        .optional(
            "proxySecretRef",
            local_reference("Secret with address, username and password of a proxy."),
        )
        .optional(
            "proxy",
            formed(&PROXY, "Proxy, in older versions; use proxySecretRef.").characters(0, 2048),
        )
        .optional(
            "serviceAccountName",
            text("ServiceAccount to authenticate as, for azureeventhub, googlepubsub and azuredevops."),
        )
        .optional(
            "commitStatusExpr",
            text("CEL expression that names the commit status, for git services."),
        )
        .optional("interval", duration("Without effect, in older versions."))
        .optional("suspend", suspend())
        .rule(Rule {
            cel: "self.type == 'github' || self.type == 'gitlab' || self.type == 'gitea' || self.type == 'bitbucketserver' || self.type == 'bitbucket' || self.type == 'azuredevops' || !has(self.commitStatusExpr)",
            message: "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea', 'bitbucketserver', 'bitbucket', 'azuredevops' provider types",
            holds: |spec| {
                let r#type = spec.get("type").and_then(Value::as_str);
                spec.get("commitStatusExpr").is_none()
                    || matches!(
                        r#type,
                        Some("github" | "gitlab" | "gitea" | "bitbucketserver" | "bitbucket" | "azuredevops")
                    )
            },
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn provider(version: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": format!("notification.toolkit.fluxcd.io/{version}"),
            "kind": "Provider",
            "metadata": {"name": "chat", "namespace": "team"},
            "spec": spec,
        })
    }

    #[test]
    fn every_type_of_every_version_is_read_and_what_is_not_built_is_named() {
        for version in kinds::PROVIDER.versions {
            for r#type in TYPES {
                let read = Provider::read(&provider(version, &json!({"type": r#type}))).unwrap();
                match read.spec.unsupported() {
                    None => assert!(TYPES_BUILT.contains(r#type)),
                    Some(why) => assert!(
                        why.contains(&["of type ", r#type, " yet"].concat()),
                        "{why}"
                    ),
                }
            }
        }
        let error = Provider::read(&provider("v1beta3", &json!({"type": "pigeon"})));
        assert!(error.unwrap_err().to_string().contains("spec.type"));
    }

    #[test]
    fn what_is_recorded_holds_no_credential() {
        for (address, recorded) in [
            (
                "https://hooks.slack.com/services/T0/B0/s3cr3t",
                "https://hooks.slack.com/…",
            ),
            ("https://me:s3cr3t@host/path", "https://…"),
            ("https://me:s3/cr3t@host", "https://…"),
            ("https://host?token=s3cr3t", "https://host/…"),
            ("https://host#s3cr3t", "https://host/…"),
            (r"https://host\s3cr3t", "https://host/…"),
            ("s3cr3t", "…"),
            (
                "smtps://mail.example.org:465",
                "smtps://mail.example.org:465",
            ),
        ] {
            let spec = json!({"type": "pagerduty", "address": address, "proxy": "http://u:s3cr3t@p", "channel": "s3cr3t"});
            let read = Provider::read(&provider("v1beta2", &spec)).unwrap();
            let kept = serde_json::to_string(&read.spec.recorded()).unwrap();
            assert!(!kept.contains("cr3t"), "{kept}");
            assert_eq!(read.spec.recorded().address.as_deref(), Some(recorded));
        }
    }
}
