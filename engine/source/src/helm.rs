//! Charts: the index of a repository, one chart of a repository or registry, and a chart packed from files.
//!
//! Start at [`fetch_index`] and [`build`]. As elsewhere in this crate everything is synchronous, so call it
//! from `spawn_blocking`. What a chart is, `fluvial-helm` knows; when to fetch one, and where artifacts
//! are kept, is the callers' business.

mod chart;
mod dependency;
mod index;
mod login;
mod registry;
mod resolve;

use std::time::Duration;

use crate::request::{Credentials, Tls};

pub use crate::refused::Error;

pub use chart::{Built, ChartRequest, From, Known, build};
pub use dependency::{Repositories, is_same_address};
pub use index::{FetchedIndex, IndexRequest, Validators, fetch_index};
pub use login::{login_from_secret_data, registry_login_from_secret_data};

/// What is taken in of charts. flux: `--helm-chart-max-size`; the index may be four times Flux's 50 MiB,
/// because it is read as it arrives and what is kept of it is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "every limit says that it is one")]
pub struct Limits {
    /// Bytes of one index, as received.
    pub index_bytes_max: u64,
    /// Bytes that are kept of one index.
    pub index_kept_bytes_max: usize,
    /// Bytes of one packed chart.
    pub chart_bytes_max: u64,
    /// Answers to one question for tags.
    pub tag_pages_max: usize,
    /// Dependencies of one chart.
    pub dependencies_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            index_bytes_max: 200 << 20,
            index_kept_bytes_max: fluvial_helm::repository::KEPT_BYTES_MAX,
            chart_bytes_max: 10 << 20,
            tag_pages_max: 100,
            dependencies_max: 200,
        }
    }
}

/// A place that has charts, and with what right it is asked.
#[derive(Clone, Debug)]
pub struct Repository {
    /// `http://`, `https://` or `oci://`.
    pub url: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Whom to trust, and the certificate to show.
    pub tls: Tls,
    /// Whether credentials go to other hosts that the index names, too.
    pub pass_credentials: bool,
    /// Whether the registry speaks plain HTTP.
    pub insecure: bool,
    /// For one operation, from the first byte to the last.
    pub timeout: Duration,
}

impl Repository {
    /// A repository that anyone may ask, with Flux's timeout.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: Credentials::Anonymous,
            tls: Tls::default(),
            pass_credentials: false,
            insecure: false,
            timeout: Duration::from_mins(1),
        }
    }

    /// Whether it is a registry.
    pub fn is_registry(&self) -> bool {
        self.url.starts_with("oci://")
    }
}
