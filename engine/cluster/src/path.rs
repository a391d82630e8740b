//! URLs of the Kubernetes API, built so that no name can leave its segment.
//!
//! Names come from manifests that anybody may have written: `../../secrets/x` must stay a name.

use std::fmt::Write as _;

use crate::{discovery::Resource, error::Cause};

/// The collection of `resource`: of one namespace, or of all where `namespace` is empty.
pub(crate) fn collection(resource: &Resource, namespace: &str) -> Result<String, Cause> {
    let mut path = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    if resource.namespaced && !namespace.is_empty() {
        push(&mut path, "namespaces")?;
        push(&mut path, namespace)?;
    }
    push(&mut path, &resource.plural)?;
    Ok(path)
}

/// One object of `resource`.
pub(crate) fn object(resource: &Resource, namespace: &str, name: &str) -> Result<String, Cause> {
    if resource.namespaced && namespace.is_empty() {
        let message =
            "namespace not specified; set metadata.namespace or spec.targetNamespace".to_owned();
        return Err(Cause::Address { message });
    }
    let mut path = collection(resource, namespace)?;
    push(&mut path, name)?;
    Ok(path)
}

/// `path?key=value&…`, leaving out what is empty.
pub(crate) fn query(mut path: String, pairs: &[(&str, &str)]) -> String {
    let mut separator = '?';
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        path.push(separator);
        path.push_str(key);
        path.push('=');
        escape(&mut path, value);
        separator = '&';
    }
    path
}

/// Adds one segment. The rules are `IsValidPathSegmentName` of `apimachinery/pkg/api/validation/path`.
fn push(path: &mut String, segment: &str) -> Result<(), Cause> {
    if matches!(segment, "" | "." | "..") || segment.contains(['/', '%']) {
        let message = format!(
            "{segment:?} cannot be a name: names are not empty, '.' or '..' and have no '/' or '%'"
        );
        return Err(Cause::Address { message });
    }
    path.push('/');
    escape(path, segment);
    Ok(())
}

fn escape(path: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            write!(path, "%{byte:02X}").expect("writing to a String never fails");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, plural: &str, namespaced: bool) -> Resource {
        Resource {
            group: group.into(),
            version: "v1".into(),
            kind: String::new(),
            plural: plural.into(),
            aliases: Vec::new(),
            namespaced,
            status: false,
            verbs: Vec::new(),
        }
    }

    #[test]
    fn every_name_stays_in_its_segment() {
        let pods = resource("", "pods", true);
        let roles = resource("rbac.authorization.k8s.io", "clusterroles", false);
        let check = |resource: &Resource, namespace: &str, name: &str, expected: Option<&str>| {
            assert_eq!(
                object(resource, namespace, name).ok().as_deref(),
                expected,
                "{namespace} {name}"
            );
        };
        check(&pods, "a", "b", Some("/api/v1/namespaces/a/pods/b"));
        check(
            &roles,
            "",
            "system:node?x=1 #y",
            Some("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode%3Fx%3D1%20%23y"),
        );
        check(
            &roles,
            "ignored",
            "a",
            Some("/apis/rbac.authorization.k8s.io/v1/clusterroles/a"),
        );
        for name in ["", ".", "..", "../secrets/x", "a/b", "a%2Fb"] {
            check(&pods, "a", name, None);
            check(&pods, name, "b", None);
        }
        assert_eq!(collection(&pods, "").unwrap(), "/api/v1/pods");
    }

    #[test]
    fn a_query_escapes_and_leaves_out_what_is_empty() {
        let pairs = [
            ("labelSelector", "a in (b,c)"),
            ("continue", ""),
            ("limit", "500"),
        ];
        assert_eq!(
            query("/p".into(), &pairs),
            "/p?labelSelector=a%20in%20%28b%2Cc%29&limit=500"
        );
        assert_eq!(query("/p".into(), &[]), "/p");
    }
}
