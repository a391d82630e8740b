//! The name of a service account, checked so that it can stand in a header.
//!
//! What an account may do is the API server's business.

use http::{HeaderValue, Method};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Outgoing};
use crate::error::{Cause, Error};
use crate::requests::Verb;

/// A service account to act as: `system:serviceaccount:<namespace>:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceAccount {
    namespace: String,
    name: String,
    user: HeaderValue,
}

impl ServiceAccount {
    /// The account `name` of `namespace`. Fails for names that Kubernetes would not accept: they are
    /// written by tenants, and a colon in one could name an account of another namespace.
    pub fn new(namespace: &str, name: &str) -> Result<Self, Error> {
        let refuse = || {
            let message = "a service account's namespace and name consist of a-z, 0-9, '-' and '.'";
            let action = format!("impersonate service account {namespace:?}/{name:?}");
            Error::new(
                action,
                Cause::Address {
                    message: message.to_owned(),
                },
            )
        };
        if !is_subdomain(namespace) || !is_subdomain(name) {
            return Err(refuse());
        }
        let user = HeaderValue::try_from(format!("system:serviceaccount:{namespace}:{name}"))
            .map_err(|_not_ascii| refuse())?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            user,
        })
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn user(&self) -> &HeaderValue {
        &self.user
    }
}

impl Cluster {
    /// The user that the API server takes us for.
    pub async fn whoami(&self) -> Result<String, Error> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "SelfSubjectReview",
        });
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews".to_owned();
        let request = Outgoing::with_body(Method::POST, path, "application/json", &review);
        let fail = |cause| Error::new("ask who we are".to_owned(), cause);
        let answer = self.call(Verb::Create, request).await.map_err(fail)?;
        let user = answer.object.pointer("/status/userInfo/username");
        Ok(user.and_then(Value::as_str).unwrap_or_default().to_owned())
    }
}

/// RFC 1123, as `IsDNS1123Subdomain` of `apimachinery/pkg/util/validation` reads it.
fn is_subdomain(text: &str) -> bool {
    const BYTES_MAX: usize = 253;
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|&byte| edge(byte))
            && bytes.last().is_some_and(|&byte| edge(byte))
            && bytes.iter().all(|&byte| edge(byte) || byte == b'-')
    };
    text.len() <= BYTES_MAX && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_kubernetes_accepts_can_be_impersonated() {
        let long = "a".repeat(253);
        for (namespace, name, accepted) in [
            ("apps", "flux", true),
            ("apps", "flux.v2-x", true),
            ("apps", long.as_str(), true),
            ("apps", &format!("{long}a"), false),
            ("apps", "", false),
            ("", "flux", false),
            ("apps", "x:kube-system:admin", false),
            ("apps:x", "flux", false),
            ("apps", "flux\r\nImpersonate-Group: system:masters", false),
            ("apps", "Flux", false),
            ("apps", "-flux", false),
            ("apps", "flux..x", false),
            ("apps", "flüx", false),
        ] {
            assert_eq!(
                ServiceAccount::new(namespace, name).is_ok(),
                accepted,
                "{namespace}/{name}"
            );
        }
        let account = ServiceAccount::new("apps", "flux").unwrap();
        assert_eq!(account.user(), "system:serviceaccount:apps:flux");
    }
}
