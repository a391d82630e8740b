//! What holds where a spec says nothing: Flux's defaults, and the names that follow from a spec.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    ActionStrategy, CrdsPolicy, DriftDetection, DriftMode, HelmReleaseSpec, Install, PostRenderer,
    RELEASE_NAME_CHARACTERS_MAX, Remediation, RemediationStrategy, StrategyName, TestFilter,
    Upgrade,
};
use crate::reference::{Image, Patch};
use crate::{Duration, Metadata};

/// How long an action may take.
const TIMEOUT: Duration = Duration::from_seconds(300);
/// The pause before a failed release is upgraded again, with `RetryOnFailure`.
const RETRY_INTERVAL: Duration = Duration::from_seconds(300);
/// How many of Helm's records are kept.
const HISTORY_MAX: i64 = 5;

impl HelmReleaseSpec {
    /// The name of the release: `releaseName`, or `[<targetNamespace>-]<name>`; what is too long for Helm is
    /// cut, and told apart by a hash. helm-controller: `internal/release/name.go`.
    pub fn release_name(&self, name: &str) -> String {
        let whole = match (&self.release_name, &self.target_namespace) {
            (Some(given), _) => given.clone(),
            (None, Some(namespace)) => format!("{namespace}-{name}"),
            (None, None) => name.to_owned(),
        };
        shortened(&whole)
    }

    /// The namespace of the release.
    pub fn release_namespace<'a>(&'a self, metadata_namespace: &'a str) -> &'a str {
        self.target_namespace
            .as_deref()
            .unwrap_or(metadata_namespace)
    }

    /// The namespace of Helm's records.
    pub fn storage_namespace<'a>(&'a self, metadata_namespace: &'a str) -> &'a str {
        self.storage_namespace
            .as_deref()
            .unwrap_or(metadata_namespace)
    }

    /// Namespace and name of the HelmChart that is made from `chart`.
    pub fn helm_chart(&self, metadata: &Metadata) -> Option<(String, String)> {
        let template = self.chart.as_ref()?;
        let namespace = &template.spec.source_ref.namespace;
        let namespace = namespace.as_ref().unwrap_or(&metadata.namespace);
        let name = format!("{}-{}", metadata.namespace, metadata.name);
        Some((namespace.clone(), name))
    }

    /// How long an action may take.
    pub fn timeout_or_default(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// How many of Helm's records are kept; 0 for all.
    pub fn max_history_or_default(&self) -> i64 {
        self.max_history.unwrap_or(HISTORY_MAX)
    }

    /// The digest of the post-renderers as Flux takes it: of Go's JSON; empty where there are none.
    pub fn post_renderers_digest(&self) -> String {
        self.post_renderers
            .as_ref()
            .map(|renderers| digest(&renderers.iter().map(post_renderer).collect::<Vec<_>>()))
            .unwrap_or_default()
    }

    /// The digest of the common metadata as Flux takes it; empty where there is none.
    pub fn common_metadata_digest(&self) -> String {
        self.common_metadata
            .as_ref()
            .map(digest)
            .unwrap_or_default()
    }

    /// What to do about drift.
    pub fn drift_mode(&self) -> DriftMode {
        let detection = self.drift_detection.as_ref();
        detection.map_or_else(DriftMode::default, |detection: &DriftDetection| {
            detection.mode
        })
    }
}

impl Install {
    /// What happens to CRDs.
    pub fn crds_or_default(&self) -> CrdsPolicy {
        match self.crds {
            None if self.skip_crds => CrdsPolicy::Skip,
            None => CrdsPolicy::Create,
            Some(policy) => policy,
        }
    }

    /// The pause before another try, where failures are retried and not remediated.
    pub fn retry_interval(&self) -> Option<Duration> {
        retry_interval(self.strategy.as_ref())
    }
}

impl Upgrade {
    /// What happens to CRDs.
    pub fn crds_or_default(&self) -> CrdsPolicy {
        self.crds.unwrap_or(CrdsPolicy::Skip)
    }

    /// The pause before another try, where failures are retried and not remediated.
    pub fn retry_interval(&self) -> Option<Duration> {
        retry_interval(self.strategy.as_ref())
    }

    /// Whether another chart name is an upgrade like any other.
    pub fn keeps_release_of_other_chart(&self) -> bool {
        self.chart_name_change_strategy.as_deref() == Some("InPlaceUpdate")
    }

    /// How a failed upgrade is remediated.
    pub fn remediation_strategy(&self) -> RemediationStrategy {
        let remediation = self.remediation.as_ref();
        remediation.and_then(|it| it.strategy).unwrap_or_default()
    }

    /// Whether the last failure is remediated too: where any is, unless it is said.
    pub fn remediates_last_failure(&self) -> bool {
        let remediation = self.remediation.clone().unwrap_or_default();
        remediation
            .remediate_last_failure
            .unwrap_or(remediation.retries > 0)
    }
}

impl Remediation {
    /// Whether `failures` are as many as may be.
    pub fn is_exhausted(&self, failures: i64) -> bool {
        self.retries >= 0 && failures > self.retries
    }
}

/// A post-renderer in the order of helm-controller's fields.
#[derive(Serialize)]
struct PostRendererOfGo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kustomize: Option<KustomizeOfGo<'a>>,
}

#[derive(Serialize)]
struct KustomizeOfGo<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patches: Vec<PatchOfGo<'a>>,
    #[serde(skip_serializing_if = "<[Image]>::is_empty")]
    images: &'a [Image],
}

#[derive(Serialize)]
struct PatchOfGo<'a> {
    patch: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<SelectorOfGo<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SelectorOfGo<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    annotation_selector: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    label_selector: &'a str,
}

fn post_renderer(renderer: &PostRenderer) -> PostRendererOfGo<'_> {
    PostRendererOfGo {
        kustomize: renderer.kustomize.as_ref().map(|kustomize| KustomizeOfGo {
            patches: kustomize.patches.iter().map(patch_of_go).collect(),
            images: &kustomize.images,
        }),
    }
}

fn patch_of_go(patch: &Patch) -> PatchOfGo<'_> {
    PatchOfGo {
        patch: &patch.patch,
        target: patch.target.as_ref().map(|target| SelectorOfGo {
            group: &target.group,
            version: &target.version,
            kind: &target.kind,
            namespace: &target.namespace,
            name: &target.name,
            annotation_selector: &target.annotation_selector,
            label_selector: &target.label_selector,
        }),
    }
}

/// SHA-256 of what Go's JSON encoder writes: with `<`, `>` and `&` escaped, and a line end.
fn digest(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut json = json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    json.push('\n');
    format!("sha256:{}", hex(&Sha256::digest(json.as_bytes())))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn retry_interval(strategy: Option<&ActionStrategy>) -> Option<Duration> {
    let strategy = strategy.filter(|it| it.name == StrategyName::RetryOnFailure)?;
    Some(strategy.retry_interval.unwrap_or(RETRY_INTERVAL))
}

/// Whether the test `name` is to be run. Without a filter that includes, all are but those that are excluded.
pub fn is_selected(filters: &[TestFilter], name: &str) -> bool {
    let named = |exclude: bool| {
        let mut filters = filters.iter().filter(move |it| it.exclude == exclude);
        filters.any(|it| it.name == name)
    };
    let includes = filters.iter().any(|it| !it.exclude);
    !named(true) && (!includes || named(false))
}

fn shortened(name: &str) -> String {
    const HASH_BYTES: usize = 6;
    if name.len() <= RELEASE_NAME_CHARACTERS_MAX {
        return name.to_owned();
    }
    let hash = Sha256::digest(name.as_bytes());
    let hash = hash
        .iter()
        .take(HASH_BYTES)
        .fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
    let kept = name.floor_char_boundary(RELEASE_NAME_CHARACTERS_MAX - 2 * HASH_BYTES - 1);
    format!("{}-{hash}", &name[..kept])
}
