//! How each of Helm's actions is done, and what follows when one fails.

use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::kustomization::IgnoreRule;
use crate::omit::is_false;

/// What happens to the definitions in a chart's `crds/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrdsPolicy {
    /// Nothing.
    Skip,
    /// Those that are not there are made.
    Create,
    /// All are made so; none is deleted.
    CreateReplace,
}

/// How to install.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "these are Flux's fields")]
pub struct Install {
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What follows a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<ActionStrategy>,
    /// How a failure is remediated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// Take over objects of others only with an error.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_take_ownership: bool,
    /// Do not wait for health.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_wait: bool,
    /// Do not wait for Jobs.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_wait_for_jobs: bool,
    /// Run no hooks.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_hooks: bool,
    /// Do not check objects against the server's schema.
    #[serde(rename = "disableOpenAPIValidation", skip_serializing_if = "is_false")]
    pub disable_open_api_validation: bool,
    /// Do not check values against the chart's schema.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_schema_validation: bool,
    /// Use the name of a deleted release again.
    #[serde(skip_serializing_if = "is_false")]
    pub replace: bool,
    /// As `crds: Skip`, in older versions.
    #[serde(rename = "skipCRDs", skip_serializing_if = "is_false")]
    pub skip_crds: bool,
    /// What happens to CRDs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crds: Option<CrdsPolicy>,
    /// Make the release's namespace.
    #[serde(skip_serializing_if = "is_false")]
    pub create_namespace: bool,
    /// Whether objects are applied server-side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<bool>,
}

/// How to upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "these are Flux's fields")]
pub struct Upgrade {
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What follows a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<ActionStrategy>,
    /// How a failure is remediated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// Take over objects of others only with an error.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_take_ownership: bool,
    /// Do not wait for health.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_wait: bool,
    /// Do not wait for Jobs.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_wait_for_jobs: bool,
    /// Run no hooks.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_hooks: bool,
    /// Do not check objects against the server's schema.
    #[serde(rename = "disableOpenAPIValidation", skip_serializing_if = "is_false")]
    pub disable_open_api_validation: bool,
    /// Do not check values against the chart's schema.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_schema_validation: bool,
    /// Delete and create again what cannot be changed.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
    /// Start from the values of the last release.
    #[serde(skip_serializing_if = "is_false")]
    pub preserve_values: bool,
    /// Delete what a failed upgrade created.
    #[serde(skip_serializing_if = "is_false")]
    pub cleanup_on_fail: bool,
    /// What happens to CRDs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crds: Option<CrdsPolicy>,
    /// Whether objects are applied server-side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<ServerSideApply>,
    /// What another chart name means: Reinstall, or InPlaceUpdate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart_name_change_strategy: Option<String>,
}

/// Whether objects are applied server-side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerSideApply {
    /// They are.
    Enabled,
    /// They are patched by the client.
    Disabled,
    /// As the release before.
    Auto,
}

/// What follows a failed action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionStrategy {
    /// Which.
    pub name: StrategyName,
    /// For RetryOnFailure: the pause; 5m when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<Duration>,
}

/// What follows a failed action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrategyName {
    /// Remediation, as `remediation` says.
    RemediateOnFailure,
    /// The failed release stays, and is upgraded again after a pause.
    RetryOnFailure,
}

/// How a failed install or upgrade is remediated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Remediation {
    /// How often it is tried again; negative for ever.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub retries: i64,
    /// Whether failed tests are no failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Whether the last failure is remediated too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
    /// Of an upgrade: how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<RemediationStrategy>,
}

/// How a failed upgrade is remediated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemediationStrategy {
    /// By the release before.
    #[default]
    Rollback,
    /// By nothing.
    Uninstall,
}

/// How to test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Test {
    /// Whether to.
    #[serde(skip_serializing_if = "is_false")]
    pub enable: bool,
    /// How long a test may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether a failure is none.
    #[serde(skip_serializing_if = "is_false")]
    pub ignore_failures: bool,
    /// Which tests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<TestFilter>,
}

/// A test to run, or not to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestFilter {
    /// Its name.
    pub name: String,
    /// Whether it is left out.
    #[serde(skip_serializing_if = "is_false")]
    pub exclude: bool,
}

/// How to roll back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "these are Flux's fields")]
pub struct Rollback {
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Do not wait for health.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_wait: bool,
    /// Do not wait for Jobs.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_wait_for_jobs: bool,
    /// Run no hooks.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_hooks: bool,
    /// Restart Pods, in older versions; without effect.
    #[serde(skip_serializing_if = "is_false")]
    pub recreate: bool,
    /// Delete and create again what cannot be changed.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
    /// Delete what a failed rollback created.
    #[serde(skip_serializing_if = "is_false")]
    pub cleanup_on_fail: bool,
    /// Whether objects are applied server-side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<ServerSideApply>,
}

/// How to uninstall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Uninstall {
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Run no hooks.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_hooks: bool,
    /// Keep Helm's records.
    #[serde(skip_serializing_if = "is_false")]
    pub keep_history: bool,
    /// Do not wait until everything is gone.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_wait: bool,
    /// What becomes of what the objects own: background, foreground or orphan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_propagation: Option<String>,
}

/// What to do about drift.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DriftDetection {
    /// Whether to correct, to say or to ignore it.
    pub mode: DriftMode,
    /// What is no drift.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreRule>,
}

/// Whether drift is corrected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftMode {
    /// It is.
    Enabled,
    /// It is said.
    Warn,
    /// It is ignored.
    #[default]
    Disabled,
}
