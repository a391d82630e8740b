//! The Flux API as data: every kind, every field, every version ever published, in one model.
//!
//! Entry points: [`Object::read`], as in `Kustomization::read(..)`, turns an object of any version
//! into the model; [`crd::all`] gives the definitions that a cluster must hold.
//!
//! What callers may rely on:
//! - one schema per kind (`schema.rs`) makes the CRD, the defaults and the errors, so what the API
//!   server accepts and what `read` accepts cannot drift apart;
//! - `read` is total and pure: unknown fields and nulls are dropped, defaults filled in, and the first
//!   invalid field is an [`Error`] that names its path and what is allowed there;
//! - no error repeats a value that could be a secret (a URL, a patch, a variable).
//!
//! It leaves reconciling to `engine/`, and talking to a cluster to `engine/cluster`.
//!
//! Start reading at [`kustomization`], then `schema.rs`.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod alert;
pub mod condition;
pub mod crd;
pub mod duration;
pub mod error;
pub mod git_repository;
pub mod helm_chart;
pub mod helm_release;
pub mod helm_repository;
pub mod kinds;
pub mod kustomization;
pub mod metadata;
pub mod object;
pub mod oci_repository;
mod omit;
pub mod provider;
pub mod reason;
pub mod reference;
pub mod rollback;
mod schema;
pub mod status;

pub use alert::{Alert, AlertSpec, EventSeverity, EventSource};
pub use condition::Condition;
pub use duration::Duration;
pub use error::Error;
pub use git_repository::{GitRepository, GitRepositorySpec, GitRepositoryStatus};
pub use helm_chart::{HelmChart, HelmChartSpec, HelmChartStatus};
pub use helm_release::{HelmRelease, HelmReleaseSpec, HelmReleaseStatus};
pub use helm_repository::{HelmRepository, HelmRepositorySpec, HelmRepositoryStatus};
pub use kustomization::{Kustomization, KustomizationSpec, KustomizationStatus};
pub use metadata::Metadata;
pub use object::{Object, Spec};
pub use oci_repository::{OciRepository, OciRepositorySpec, OciRepositoryStatus};
pub use provider::{Provider, ProviderSpec};
pub use reason::Reason;
pub use rollback::Rollback;
