//! The kinds of Flux: their groups, versions, names, and who is known to write them.
//!
//! Which of them this version of Fluvial reconciles is [`Kind::is_reconciled`].

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::metadata::FINALIZER;
use crate::schema::{Problem, Schema, shared};
use crate::{Error, Metadata};

/// A kind of Flux object.
#[derive(Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "kind is what Kubernetes calls the field"
)]
pub struct Kind {
    /// Its API group.
    pub group: &'static str,
    /// Every version ever published, the one to store first.
    pub versions: &'static [&'static str],
    /// Its name.
    pub kind: &'static str,
    /// Its name in URLs.
    pub plural: &'static str,
    /// What kubectl also calls it.
    pub short_names: &'static [&'static str],
    /// What the command line calls it, as the flux program does: `source git`, `ks`.
    pub aliases: &'static [&'static str],
    /// The controller of Flux that reconciles it, whose name is the field manager.
    pub controller: &'static str,
    /// The category it has besides `all` and `fluxcd`.
    pub category: &'static str,
    /// The finalizer its controller sets.
    pub finalizer: Option<&'static str>,
    /// Whether this version of Fluvial reconciles it.
    pub is_reconciled: bool,
}

const SOURCE: &str = "source.toolkit.fluxcd.io";
const SOURCE_VERSIONS: &[&str] = &["v1", "v1beta2", "v1beta1"];
const NOTIFICATION: &str = "notification.toolkit.fluxcd.io";
const IMAGE: &str = "image.toolkit.fluxcd.io";

/// A kind of source that is not reconciled yet; the others are written from it.
const SOURCE_KIND: Kind = Kind {
    group: SOURCE,
    versions: SOURCE_VERSIONS,
    kind: "",
    plural: "",
    short_names: &[],
    aliases: &[],
    controller: "source-controller",
    category: "fluxcd-sources",
    finalizer: Some(FINALIZER),
    is_reconciled: false,
};

const NOTIFICATION_KIND: Kind = Kind {
    group: NOTIFICATION,
    versions: &["v1beta3", "v1beta2", "v1beta1"],
    controller: "notification-controller",
    category: "fluxcd-notifications",
    ..SOURCE_KIND
};

const IMAGE_KIND: Kind = Kind {
    group: IMAGE,
    controller: "image-reflector-controller",
    category: "fluxcd-images",
    ..SOURCE_KIND
};

/// A place in git.
pub static GIT_REPOSITORY: Kind = Kind {
    kind: "GitRepository",
    plural: "gitrepositories",
    short_names: &["gitrepo"],
    aliases: &["source git"],
    is_reconciled: true,
    ..SOURCE_KIND
};

/// An artifact in an OCI registry.
pub static OCI_REPOSITORY: Kind = Kind {
    kind: "OCIRepository",
    // OCIRepository was first published in v1beta2.
    versions: &["v1", "v1beta2"],
    plural: "ocirepositories",
    short_names: &["ocirepo"],
    aliases: &["source oci"],
    is_reconciled: true,
    ..SOURCE_KIND
};

/// A bucket of an object store.
pub static BUCKET: Kind = Kind {
    kind: "Bucket",
    plural: "buckets",
    aliases: &["source bucket"],
    ..SOURCE_KIND
};

/// A repository of Helm charts.
pub static HELM_REPOSITORY: Kind = Kind {
    kind: "HelmRepository",
    plural: "helmrepositories",
    short_names: &["helmrepo"],
    aliases: &["source helm"],
    is_reconciled: true,
    ..SOURCE_KIND
};

/// A Helm chart.
pub static HELM_CHART: Kind = Kind {
    kind: "HelmChart",
    plural: "helmcharts",
    short_names: &["hc"],
    aliases: &["source chart"],
    is_reconciled: true,
    ..SOURCE_KIND
};

/// An artifact that somebody else makes.
pub static EXTERNAL_ARTIFACT: Kind = Kind {
    kind: "ExternalArtifact",
    versions: &["v1"],
    plural: "externalartifacts",
    short_names: &["ea"],
    aliases: &["source external", "source external-artifact"],
    finalizer: None,
    ..SOURCE_KIND
};

/// A recipe for artifacts made of artifacts.
pub static ARTIFACT_GENERATOR: Kind = Kind {
    group: "source.extensions.fluxcd.io",
    versions: &["v1beta1"],
    kind: "ArtifactGenerator",
    plural: "artifactgenerators",
    short_names: &["ag"],
    aliases: &["artifact generator", "artifacts generators"],
    controller: "source-watcher",
    finalizer: Some("source.extensions.fluxcd.io/finalizer"),
    ..SOURCE_KIND
};

/// A path in a source, applied and kept applied.
pub static KUSTOMIZATION: Kind = Kind {
    group: "kustomize.toolkit.fluxcd.io",
    kind: "Kustomization",
    plural: "kustomizations",
    short_names: &["ks"],
    aliases: &["kustomization"],
    controller: "kustomize-controller",
    category: "fluxcd-appliers",
    is_reconciled: true,
    ..SOURCE_KIND
};

/// A release of a Helm chart.
pub static HELM_RELEASE: Kind = Kind {
    group: "helm.toolkit.fluxcd.io",
    versions: &["v2", "v2beta2", "v2beta1"],
    kind: "HelmRelease",
    plural: "helmreleases",
    short_names: &["hr"],
    aliases: &["helmrelease"],
    controller: "helm-controller",
    category: "fluxcd-appliers",
    is_reconciled: true,
    ..SOURCE_KIND
};

/// A place to send notifications to.
pub static PROVIDER: Kind = Kind {
    kind: "Provider",
    plural: "providers",
    aliases: &["alert-provider", "alert-providers"],
    is_reconciled: true,
    ..NOTIFICATION_KIND
};

/// A rule about which events to send.
pub static ALERT: Kind = Kind {
    kind: "Alert",
    plural: "alerts",
    finalizer: None,
    is_reconciled: true,
    ..NOTIFICATION_KIND
};

/// A webhook that asks for reconciliations.
pub static RECEIVER: Kind = Kind {
    kind: "Receiver",
    versions: &["v1", "v1beta2", "v1beta1"],
    plural: "receivers",
    ..NOTIFICATION_KIND
};

/// A repository of container images.
pub static IMAGE_REPOSITORY: Kind = Kind {
    kind: "ImageRepository",
    plural: "imagerepositories",
    short_names: &["imgrepo", "imagerepo"],
    aliases: &["image repository"],
    ..IMAGE_KIND
};

/// A rule about which image is the newest.
pub static IMAGE_POLICY: Kind = Kind {
    kind: "ImagePolicy",
    plural: "imagepolicies",
    short_names: &["imgpol", "imagepol"],
    aliases: &["image policy"],
    ..IMAGE_KIND
};

/// A rule about how new images get into git.
pub static IMAGE_UPDATE_AUTOMATION: Kind = Kind {
    kind: "ImageUpdateAutomation",
    plural: "imageupdateautomations",
    short_names: &["iua", "imgupd", "imgauto"],
    aliases: &["image update"],
    controller: "image-automation-controller",
    ..IMAGE_KIND
};

/// Every kind, sorted by group and kind.
pub static ALL: [&Kind; 15] = [
    &HELM_RELEASE,
    &IMAGE_POLICY,
    &IMAGE_REPOSITORY,
    &IMAGE_UPDATE_AUTOMATION,
    &KUSTOMIZATION,
    &ALERT,
    &PROVIDER,
    &RECEIVER,
    &ARTIFACT_GENERATOR,
    &BUCKET,
    &EXTERNAL_ARTIFACT,
    &GIT_REPOSITORY,
    &HELM_CHART,
    &HELM_REPOSITORY,
    &OCI_REPOSITORY,
];

/// The kind of a group and name.
pub fn find(group: &str, kind: &str) -> Option<&'static Kind> {
    ALL.into_iter()
        .find(|known| known.group == group && known.kind == kind)
}

/// The kind that a word on the command line means: kind, plural, short name or alias, in any case.
pub fn named(word: &str) -> Option<&'static Kind> {
    ALL.into_iter().find(|known| {
        [known.kind, known.plural]
            .iter()
            .chain(known.short_names)
            .chain(known.aliases)
            .any(|name| name.eq_ignore_ascii_case(word))
    })
}

impl Kind {
    /// The version to store and to write.
    pub const fn version(&self) -> &'static str {
        self.versions[0]
    }

    /// The API version to store and to write, such as `source.toolkit.fluxcd.io/v1`.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version())
    }

    /// The name of its CRD.
    pub fn definition(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// Reads metadata, spec and status of an object of this kind, in any version.
    pub(crate) fn read<Spec: DeserializeOwned, Status: DeserializeOwned>(
        &self,
        object: &Value,
        spec: &Schema,
        status: &Schema,
    ) -> Result<(Metadata, Spec, Status), Error> {
        self.check_type(object)?;
        Ok((
            self.part(object, "metadata", &shared::metadata())?,
            self.part(object, "spec", spec)?,
            self.part(object, "status", status)?,
        ))
    }

    /// Reads metadata and spec of an object of this kind, in any version; it has no status that counts.
    pub(crate) fn read_static<Spec: DeserializeOwned>(
        &self,
        object: &Value,
        spec: &Schema,
    ) -> Result<(Metadata, Spec), Error> {
        self.check_type(object)?;
        Ok((
            self.part(object, "metadata", &shared::metadata())?,
            self.part(object, "spec", spec)?,
        ))
    }

    fn check_type(&self, object: &Value) -> Result<(), Error> {
        let field = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        if field("kind") != self.kind {
            return Err(self.error("kind", format!("must be {}", self.kind)));
        }
        let is_known = field("apiVersion")
            .split_once('/')
            .is_some_and(|(group, version)| {
                group == self.group && self.versions.contains(&version)
            });
        if is_known {
            return Ok(());
        }
        let versions = match self.versions {
            [earlier @ .., last] if !earlier.is_empty() => {
                format!("{} or {last}", earlier.join(", "))
            }
            versions => versions.concat(),
        };
        Err(self.error(
            "apiVersion",
            format!("must be {}/ followed by {versions}", self.group),
        ))
    }

    fn part<T: DeserializeOwned>(
        &self,
        object: &Value,
        name: &str,
        schema: &Schema,
    ) -> Result<T, Error> {
        let empty = json!({});
        let found = object
            .get(name)
            .filter(|part| !part.is_null())
            .unwrap_or(&empty);
        let read = schema
            .read(found, name)
            .map_err(|Problem { path, problem }| self.error(&path, problem))?;
        // A text that serde refuses after the schema has accepted it could hold anything: not repeated.
        serde_json::from_value(read).map_err(|_refused| {
            self.error(
                name,
                "does not fit the model; report it as a bug".to_owned(),
            )
        })
    }

    fn error(&self, path: &str, problem: String) -> Error {
        Error {
            kind: self.kind,
            path: path.to_owned(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_whole() {
        let keys: Vec<_> = ALL.iter().map(|kind| (kind.group, kind.kind)).collect();
        assert!(keys.is_sorted());
        for kind in ALL {
            assert_eq!(find(kind.group, kind.kind), Some(kind));
            assert!(!kind.versions.is_empty());
        }
    }

    #[test]
    fn every_word_means_one_kind() {
        let mut words: Vec<_> = ALL
            .iter()
            .flat_map(|kind| {
                [kind.kind, kind.plural]
                    .into_iter()
                    .chain(kind.short_names.iter().copied())
            })
            .chain(ALL.iter().flat_map(|kind| kind.aliases.iter().copied()))
            .map(str::to_ascii_lowercase)
            .collect();
        words.retain(|word| word != "kustomization" && word != "helmrelease");
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn words_of_the_command_line_are_known() {
        for (word, kind) in [
            ("ks", "Kustomization"),
            ("kustomizations", "Kustomization"),
            ("KUSTOMIZATION", "Kustomization"),
            ("hr", "HelmRelease"),
            ("gitrepo", "GitRepository"),
            ("source git", "GitRepository"),
            ("image update", "ImageUpdateAutomation"),
            ("alert-provider", "Provider"),
        ] {
            assert_eq!(named(word).map(|kind| kind.kind), Some(kind));
        }
        assert_eq!(named("pods"), None);
    }
}
