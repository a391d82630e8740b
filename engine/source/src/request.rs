//! What to fetch, and with what right: the values of a GitRepository that fetching needs.

use std::time::Duration;

use crate::{Limits, Secret};

/// One fetch, complete: nothing else decides what it brings.
#[derive(Clone, Debug)]
pub struct GitRequest {
    /// `http://`, `https://` or `ssh://`.
    pub url: String,
    /// Which commit.
    pub reference: Reference,
    /// Who asks.
    pub credentials: Credentials,
    /// Whom to trust, and the certificate to show.
    pub tls: Tls,
    /// The HTTP proxy to go through.
    pub proxy: Option<Proxy>,
    /// For the whole operation, from the first byte to the last.
    pub timeout: Duration,
    /// The revision that is already at hand; the same revision is not fetched again.
    /// Leave it out when `ignore`, `sparse_checkout` or the like changed.
    pub observed: Option<String>,
    /// `spec.ignore`.
    pub ignore: Option<String>,
    /// `spec.recurseSubmodules`; refused when set.
    pub recurse_submodules: bool,
    /// `spec.sparseCheckout`: only these directories.
    pub sparse_checkout: Vec<String>,
    /// Whose objects these are, such as the namespace. What was fetched for one tenant never serves
    /// another, even from the same URL.
    pub tenant: String,
    /// What may be taken in.
    pub limits: Limits,
}

impl GitRequest {
    /// An anonymous request for the default branch, with Flux's timeout.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            reference: Reference::default(),
            credentials: Credentials::Anonymous,
            tls: Tls::default(),
            proxy: None,
            timeout: Duration::from_mins(1),
            observed: None,
            ignore: None,
            recurse_submodules: false,
            sparse_checkout: Vec::new(),
            tenant: String::new(),
            limits: Limits::default(),
        }
    }
}

/// `spec.ref`: the first that is set of commit, name, semver, tag, branch; else branch `master`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// A branch.
    pub branch: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// A range of versions; the highest tag in it.
    pub semver: Option<String>,
    /// All 40 digits of a commit.
    pub commit: Option<String>,
    /// A whole reference: `refs/pull/420/head`.
    pub name: Option<String>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// HTTP basic authentication.
    Basic {
        /// The user name.
        username: String,
        /// The password or access token.
        password: Secret,
    },
    /// HTTP bearer authentication.
    Bearer {
        /// The token.
        token: Secret,
    },
    /// An SSH key.
    Ssh {
        /// The private key, as `ssh-keygen` writes it.
        identity: Secret,
        /// The host keys to accept.
        known_hosts: String,
        /// The passphrase of the key.
        password: Option<Secret>,
    },
}

/// Whom to trust besides the system's authorities, and the certificate to show.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates of further authorities, PEM.
    pub ca: Option<String>,
    /// For servers that ask the client for a certificate.
    pub client: Option<ClientIdentity>,
}

/// A client certificate and its key.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// PEM, the leaf first.
    pub certificate: String,
    /// PEM.
    pub key: Secret,
}

/// The HTTP proxy to go through.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// `http://host:port`.
    pub address: String,
    /// The user name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}
