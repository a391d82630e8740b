//! `.Capabilities`: what the cluster can do, or what helm assumes where there is none.

use std::rc::Rc;

use fluvial_gotemplate::{Object, Signature, Type, Value};

use crate::Error;

/// What the cluster can do. The default is what helm v4.3.1 assumes without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The version of Kubernetes.
    pub kube_version: KubeVersion,
    /// `v1`, `apps/v1`, …, and kinds as `apps/v1/Deployment` if a cluster was asked.
    pub api_versions: Vec<String>,
}

/// A version of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeVersion {
    /// In full, such as `v1.33.4-gke.1245000`.
    pub version: String,
    /// Without what follows the numbers: what ranges are compared with.
    pub normalized: String,
    /// The first number.
    pub major: String,
    /// The second number.
    pub minor: String,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            kube_version: KubeVersion {
                version: "v1.37.0".to_owned(),
                normalized: "v1.37.0".to_owned(),
                major: "1".to_owned(),
                minor: "37".to_owned(),
            },
            api_versions: API_VERSIONS.map(str::to_owned).to_vec(),
        }
    }
}

impl KubeVersion {
    /// Reads a version as `--kube-version` has it: at least two numbers.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = || {
            Err(Error::Values(format!(
                "invalid kube version '{text}': could not parse it as version, such as v1.33.0"
            )))
        };
        let trimmed = text.trim_start();
        let digits = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let end = digits
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(digits.len());
        let numbers: Vec<&str> = digits[..end].trim_end_matches('.').split('.').collect();
        let is_number = |part: &&str| {
            !part.is_empty() && (part.len() == 1 || !part.starts_with('0')) && part.len() < 10
        };
        let [major, minor, ..] = numbers.as_slice() else {
            return refuse();
        };
        if !numbers.iter().all(is_number) {
            return refuse();
        }
        let prefix = if text.starts_with('v') { "" } else { "v" };
        Ok(Self {
            version: format!("{prefix}{text}"),
            normalized: format!("v{}", numbers.join(".")),
            major: (*major).to_owned(),
            minor: (*minor).to_owned(),
        })
    }
}

impl Object for KubeVersion {
    fn type_name(&self) -> String {
        "common.KubeVersion".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", self.version.as_str().into()),
            ("Major", self.major.as_str().into()),
            ("Minor", self.minor.as_str().into()),
        ]
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        matches!(name, "String" | "GitVersion").then_some(&NO_PARAMETERS)
    }

    fn call(&self, name: &str, _args: &[Value]) -> Result<Value, String> {
        match name {
            "String" => Ok(self.normalized.as_str().into()),
            _ => Ok(self.version.as_str().into()),
        }
    }

    fn text(&self) -> Option<String> {
        Some(self.normalized.clone())
    }
}

const NO_PARAMETERS: Signature = Signature {
    params: &[],
    variadic: false,
};

impl Capabilities {
    /// What templates see, made once for all of them.
    pub(crate) fn value(&self) -> Value {
        let versions = VersionSet(self.api_versions.clone());
        Value::Object(Rc::new(Shown([
            (
                "KubeVersion",
                Value::Object(Rc::new(self.kube_version.clone())),
            ),
            ("APIVersions", Value::Object(Rc::new(versions))),
            ("HelmVersion", Value::Object(Rc::new(BuildInfo))),
        ])))
    }
}

/// `.Capabilities`, as templates see it.
struct Shown([(&'static str, Value); 3]);

impl Object for Shown {
    fn type_name(&self) -> String {
        "*common.Capabilities".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.to_vec()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let own = self.0.iter().find(|(own, _)| *own == name);
        own.map(|(_, value)| value.clone())
    }
}

/// `.Capabilities.APIVersions`
struct VersionSet(Vec<String>);

impl Object for VersionSet {
    fn type_name(&self) -> String {
        "common.VersionSet".to_owned()
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::strings(self.0.iter().map(String::as_str)))
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        (name == "Has").then_some(&Signature {
            params: &[Type::Text],
            variadic: false,
        })
    }

    fn call(&self, _name: &str, args: &[Value]) -> Result<Value, String> {
        let Some(Value::Text(wanted)) = args.first() else {
            return Err("cannot call Has: it takes an API version".to_owned());
        };
        let has = self.0.iter().any(|own| own.as_bytes() == wanted.as_bytes());
        Ok(Value::Bool(has))
    }
}

/// `.Capabilities.HelmVersion`: what the released program says of itself.
struct BuildInfo;

impl Object for BuildInfo {
    fn type_name(&self) -> String {
        "version.BuildInfo".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", "v4.3".into()),
            ("GitCommit", "".into()),
            ("GitTreeState", "".into()),
            ("GoVersion", "go1.26.8".into()),
            ("KubeClientVersion", "v1.37".into()),
        ]
    }
}

/// helm v4.3.1: `common.DefaultVersionSet`, which is what client-go v0.37 knows.
const API_VERSIONS: [&str; 57] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_helm_reads_them() {
        for (text, version, normalized) in [
            ("1.20", "v1.20", "v1.20"),
            ("v1.33.4-gke.1245000", "v1.33.4-gke.1245000", "v1.33.4"),
            ("1.31.1+k3s1", "v1.31.1+k3s1", "v1.31.1"),
        ] {
            let read = KubeVersion::parse(text).unwrap();
            assert_eq!(
                (read.version.as_str(), read.normalized.as_str()),
                (version, normalized)
            );
            assert_eq!(read.major, "1");
        }
        for text in ["", "1", "one", "v1.", "1.02", "1..2"] {
            assert!(KubeVersion::parse(text).is_err(), "{text:?}");
        }
    }
}
