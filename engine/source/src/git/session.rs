//! One conversation with a remote: which commit a reference is, and the objects of that commit.

use std::sync::Arc;

use gix::ObjectId;
use gix::progress::Discard;
use gix::remote::fetch::{Prepare, Shallow, Tags};
use gix::remote::{Direction, ref_map};
use gix_transport::client::blocking_io::Transport;

use super::context::Context;
use super::target::{self, Named, Target};
use super::{explain, http, ssh};
use crate::address::{self, Address, Scheme};
use crate::{Credentials, Error, GitRequest, Secret};

/// Where the fetched tip is kept, so that the next fetch need only bring what changed.
const TIP: &str = "refs/fluvial/tip";
/// Where whole branches are kept, for servers that do not hand out single commits.
const HEADS: &str = "refs/fluvial/heads";
/// How many names a message lists.
const NAMES_SHOWN: usize = 5;

type Wire = Box<dyn Transport + Send>;

/// One conversation.
pub(super) struct Session<'a> {
    request: &'a GitRequest,
    address: Address,
    credentials: Credentials,
    target: Target,
    context: Arc<Context>,
}

/// A commit that the remote has, and the connection that can bring it.
pub(super) struct Found<'repo> {
    pub(super) commit: ObjectId,
    shown: Option<String>,
    what: String,
    prepare: Prepare<'static, 'repo, Wire>,
}

impl Found<'_> {
    /// In Flux's form.
    pub(super) fn revision(&self) -> String {
        target::revision(self.shown.as_deref(), &self.commit.to_string())
    }
}

impl<'a> Session<'a> {
    /// Checks everything that can be checked without a connection.
    pub(super) fn new(request: &'a GitRequest) -> Result<Self, Error> {
        let address = address::parse(&request.url)?;
        let target = Target::of(&request.reference)?;
        let credentials = credentials(request, &address)?;
        let context = Context::new(
            address.url.to_string(),
            request.timeout,
            request.limits.received_bytes_max,
        );
        Ok(Self {
            request,
            address,
            credentials,
            target,
            context,
        })
    }

    /// The URL without user name and password.
    pub(super) fn url(&self) -> &str {
        &self.context.url
    }

    /// From now on `spec.timeout` counts.
    pub(super) fn start_clock(&self) {
        self.context.start_clock();
    }

    /// Which commit the reference is on the remote now.
    pub(super) fn find<'repo>(
        &self,
        repository: &'repo gix::Repository,
    ) -> Result<Found<'repo>, Error> {
        match &self.target {
            Target::Named(named) => self.find_named(repository, named),
            Target::Tags { text, range } => {
                let listing = self.connect(repository, &[all("refs/tags/")])?;
                let tags = names(&listing, "refs/tags/");
                let Some(tag) = range.highest(tags.iter().map(String::as_str)) else {
                    drop(listing);
                    let what = format!("a tag in the range '{text}'");
                    return Err(self.absent(repository, what, "refs/tags/"));
                };
                let named = Named::tag(tag);
                drop(listing);
                self.find_named(repository, &named)
            }
            Target::Commit { sha, branch } => {
                // The revision names the branch, so there must be one.
                if let Some(branch) = branch {
                    drop(self.find_named(repository, &Named::branch(branch))?);
                }
                let commit = ObjectId::from_hex(sha.as_bytes()).map_err(|error| Error::Field {
                    field: "spec.ref.commit",
                    value: sha.clone(),
                    why: error.to_string(),
                })?;
                Ok(Found {
                    commit,
                    shown: branch.clone(),
                    what: format!("commit {sha}"),
                    prepare: self.connect(repository, &[format!("{sha}:{TIP}")])?,
                })
            }
        }
    }

    fn find_named<'repo>(
        &self,
        repository: &'repo gix::Repository,
        named: &Named,
    ) -> Result<Found<'repo>, Error> {
        let prepare = self.connect(repository, &[format!("+{}:{TIP}", named.full)])?;
        let commit = prepare
            .ref_map()
            .mappings
            .iter()
            .find(|mapping| {
                mapping
                    .remote
                    .as_name()
                    .is_some_and(|name| name == named.full.as_str())
            })
            .and_then(|mapping| mapping.remote.peeled_id())
            .map(ToOwned::to_owned);
        let Some(commit) = commit else {
            drop(prepare);
            let kind = if named.full.starts_with("refs/tags/") {
                "refs/tags/"
            } else {
                "refs/heads/"
            };
            return Err(self.absent(repository, named.what.clone(), kind));
        };
        Ok(Found {
            commit,
            shown: Some(named.shown.clone()),
            what: named.what.clone(),
            prepare,
        })
    }

    /// Brings the commit and its tree, unless they are at hand.
    pub(super) fn receive(
        &self,
        repository: &gix::Repository,
        found: Found<'_>,
    ) -> Result<(ObjectId, String), Error> {
        let revision = found.revision();
        let Found {
            commit,
            what,
            prepare,
            ..
        } = found;
        if !repository.has_object(commit) {
            let received = prepare
                .with_shallow(Shallow::DepthAtRemote(std::num::NonZeroU32::MIN))
                .receive(Discard, &self.context.interrupt);
            match (received, &self.target) {
                (Ok(_), _) => {}
                (Err(error), Target::Commit { branch, .. }) => {
                    self.receive_history(repository, branch.as_deref(), &what, &error)?;
                }
                (Err(error), Target::Named(_) | Target::Tags { .. }) => {
                    return Err(self.explain(&error));
                }
            }
        }
        let absent = |why: String| Error::ReferenceNotFound {
            url: self.url().to_owned(),
            what,
            why,
        };
        if !repository.has_object(commit) {
            let why = "the server did not send it; check that it is still on a branch";
            return Err(absent(why.to_owned()));
        }
        let header = repository
            .find_header(commit)
            .map_err(|error| Error::Cache {
                path: repository.path().display().to_string(),
                why: format!("commit {commit} cannot be read: {error}"),
            })?;
        if header.kind() != gix::object::Kind::Commit {
            return Err(absent(format!("it is a {}, not a commit", header.kind())));
        }
        Ok((commit, revision))
    }

    /// For servers that refuse to hand out a commit by its digits: the whole branch, or all of them.
    fn receive_history(
        &self,
        repository: &gix::Repository,
        branch: Option<&str>,
        what: &str,
        refusal: &gix::Error,
    ) -> Result<(), Error> {
        let explained = self.explain(refusal);
        if !matches!(explained, Error::Remote { .. }) {
            return Err(explained);
        }
        let spec = match branch {
            Some(branch) => format!("+refs/heads/{branch}:{HEADS}/{branch}"),
            None => format!("+refs/heads/*:{HEADS}/*"),
        };
        let prepare = self.connect(repository, &[spec])?;
        if prepare.ref_map().mappings.is_empty() {
            drop(prepare);
            return Err(self.absent(repository, what.to_owned(), "refs/heads/"));
        }
        prepare
            .with_shallow(Shallow::undo())
            .receive(Discard, &self.context.interrupt)
            .map_err(|error| self.explain(&error))?;
        Ok(())
    }

    /// Says what there is instead of what was asked for.
    fn absent(&self, repository: &gix::Repository, what: String, kind: &str) -> Error {
        let specs = [all("refs/heads/"), all("refs/tags/")];
        let listing = match self.connect(repository, &specs) {
            Ok(listing) => listing,
            Err(error) => return error,
        };
        let url = self.url().to_owned();
        let heads = names(&listing, "refs/heads/");
        let tags = names(&listing, "refs/tags/");
        if heads.is_empty() && tags.is_empty() {
            return Error::Empty { url };
        }
        let (noun, names) = if kind == "refs/tags/" {
            ("tags", tags)
        } else {
            ("branches", heads)
        };
        let shown: Vec<&str> = names
            .iter()
            .rev()
            .take(NAMES_SHOWN)
            .map(String::as_str)
            .collect();
        let why = if names.is_empty() {
            format!("the repository has no {noun}; set spec.ref to what it has")
        } else {
            let more = if names.len() > shown.len() {
                ", …"
            } else {
                ""
            };
            format!(
                "the repository has the {noun} {}{more}; correct spec.ref",
                shown.join(", ")
            )
        };
        Error::ReferenceNotFound { url, what, why }
    }

    fn connect<'repo>(
        &self,
        repository: &'repo gix::Repository,
        specs: &[String],
    ) -> Result<Prepare<'static, 'repo, Wire>, Error> {
        let prepared = repository
            .remote_at_without_url_rewrite(self.url())
            .and_then(|remote| {
                remote.with_refspecs(specs.iter().map(String::as_str), Direction::Fetch)
            })
            .map_err(|error| explain::unknown(self.url(), &error, &self.secrets()))?
            .with_fetch_tags(Tags::None);
        let wire = self.open_wire()?;
        prepared
            .to_connection_with_transport(wire)
            .with_credentials(|_| Ok(None))
            .with_transport_options(Box::new(()))
            .prepare_fetch(Discard, ref_map::Options::default())
            .map_err(|error| self.explain(&error))
    }

    fn open_wire(&self) -> Result<Wire, Error> {
        match self.address.scheme {
            Scheme::Http | Scheme::Https => http::open(
                &self.address,
                &self.credentials,
                &self.request.tls,
                self.request.proxy.as_ref(),
                &self.context,
            ),
            Scheme::Ssh => ssh::open(&self.address, &self.credentials, &self.context),
        }
    }

    fn explain(&self, error: &gix::Error) -> Error {
        explain::explain(&self.context, &self.address, error, &self.secrets())
    }

    /// What no message may repeat, whoever sends it back to us.
    fn secrets(&self) -> Vec<&str> {
        let address = &self.address;
        let password = address.password.as_ref().map(Secret::expose);
        // Alone in an http URL, a user name is a token.
        let is_token = password.is_none() && address.scheme != Scheme::Ssh;
        let token = address.username.as_deref().filter(|_| is_token);
        let given = match &self.credentials {
            Credentials::Anonymous => None,
            Credentials::Basic { password, .. } => Some(password.expose()),
            Credentials::Bearer { token } => Some(token.expose()),
            Credentials::Ssh { password, .. } => password.as_ref().map(Secret::expose),
        };
        password
            .into_iter()
            .chain(token)
            .chain(given)
            .filter(|secret| !secret.is_empty())
            .collect()
    }
}

/// The credentials of the request; else those in the URL.
fn credentials(request: &GitRequest, address: &Address) -> Result<Credentials, Error> {
    let refuse = |why: &str| {
        Err(Error::Credentials {
            why: why.to_owned(),
        })
    };
    match (&request.credentials, address.scheme) {
        (Credentials::Ssh { .. }, Scheme::Http | Scheme::Https) => {
            refuse("an SSH key does not serve for an http(s):// URL; give username and password")
        }
        (Credentials::Ssh { .. }, Scheme::Ssh) => Ok(request.credentials.clone()),
        (_, Scheme::Ssh) => refuse(
            "an ssh:// URL needs 'identity' and 'known_hosts' in the Secret that spec.secretRef names",
        ),
        (Credentials::Anonymous, Scheme::Http | Scheme::Https) => Ok(match &address.username {
            Some(username) => Credentials::Basic {
                username: username.clone(),
                password: address.password.clone().unwrap_or_else(|| Secret::new("")),
            },
            None => Credentials::Anonymous,
        }),
        (Credentials::Basic { .. } | Credentials::Bearer { .. }, Scheme::Http | Scheme::Https) => {
            Ok(request.credentials.clone())
        }
    }
}

/// Asks for everything under `prefix`. The far side of the specification is never written to, but it
/// must be there.
fn all(prefix: &str) -> String {
    format!("+{prefix}*:refs/fluvial/listed/{prefix}*")
}

/// The remote's references under `prefix`, without it, in order.
fn names(listing: &Prepare<'static, '_, Wire>, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = listing
        .ref_map()
        .mappings
        .iter()
        .filter_map(|mapping| mapping.remote.as_name())
        .filter_map(|name| Some(name.to_string().strip_prefix(prefix)?.to_owned()))
        .collect();
    names.sort();
    names
}
