//! The connection to one cluster, and the one function that sends a request and reads its answer.
//!
//! What the requests are is in the files named after them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::AsyncBufRead;
use http::{HeaderMap, Method, Request, StatusCode, header, response::Parts};
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    account::ServiceAccount,
    discovery::{Discovery, Resource},
    error::{Cause, Error},
    lease::Standing,
    object::Reference,
    requests::{Counters, Counts, Verb},
    words::words,
};

/// Where the cluster is, and as whom to speak to it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kubeconfig; without one `$KUBECONFIG`, `~/.kube/config` or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; without one its current context.
    pub context: Option<String>,
    /// How long a request may take, from sending to the last byte of the answer.
    pub request_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// A connection to one cluster in one name. A clone shares connections, discovery and counters.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
    account: Option<ServiceAccount>,
    /// Without it nothing is sent, where there is one.
    standing: Option<Standing>,
}

struct Shared {
    /// Speaks as the kubeconfig says, its own `as:` included.
    own: Client,
    /// Speaks with the same credentials and no `as:`, so that it cannot contradict an account's.
    bare: Client,
    address: String,
    request_timeout: Duration,
    discovery: Discovery,
    counters: Counters,
}

impl Cluster {
    /// Reads the configuration. No request is sent: an unreachable server shows at the first one.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        let refuse = |message: String| {
            let cause = Cause::Configuration { message };
            Error::new("connect to the cluster", cause)
        };
        let mut config = config(options).await.map_err(refuse)?;
        // A retry is the caller's decision, so that it can be recorded and limited.
        config.default_retry = false;
        let mut bare = config.clone();
        bare.auth_info.impersonate = None;
        bare.auth_info.impersonate_uid = None;
        bare.auth_info.impersonate_groups = None;
        bare.auth_info.impersonate_user_extra = None;
        let address = config.cluster_url.to_string();
        let client = |config| Client::try_from(config).map_err(|error| refuse(words(&error)));
        let shared = Shared {
            own: client(config)?,
            bare: client(bare)?,
            address,
            request_timeout: options.request_timeout,
            discovery: Discovery::default(),
            counters: Counters::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            account: None,
            standing: None,
        })
    }

    /// The same cluster, every request in the name of `account`. The server adds the account's groups
    /// (`system:serviceaccounts`, `system:serviceaccounts:<namespace>`), as it does for Flux.
    ///
    /// It costs no connection and no request. Discovery is still read in the connection's own name.
    #[must_use]
    pub fn impersonate(&self, account: ServiceAccount) -> Self {
        Self {
            account: Some(account),
            ..self.clone()
        }
    }

    /// The same cluster, but nothing is sent any more once the lead is lost: every request then fails
    /// with [`Cause::Deposed`]. A process that was stopped for a while learns so before it acts.
    #[must_use]
    pub fn while_leading(&self, standing: Standing) -> Self {
        Self {
            standing: Some(standing),
            ..self.clone()
        }
    }

    /// The account in whose name requests are sent, if it is not the connection's own.
    pub fn account(&self) -> Option<&ServiceAccount> {
        self.account.as_ref()
    }

    /// The server's address, for people.
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// The namespace of the kubeconfig's context, or of the pod.
    pub fn default_namespace(&self) -> &str {
        self.shared.own.default_namespace()
    }

    /// Requests sent over this connection so far, in every name.
    pub fn requests(&self) -> Counts {
        self.shared.counters.read()
    }

    /// The server's version, as "v1.37.2".
    pub async fn version(&self) -> Result<String, Error> {
        let answer = self
            .call(Verb::Discover, Outgoing::get("/version".to_owned()))
            .await;
        let answer = answer.map_err(|cause| Error::new("read the server's version", cause))?;
        Ok(answer.object["gitVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// What the server calls this kind. Asks again where the kind is unknown, at most once a second
    /// whoever asks; a kind removed meanwhile is found out by the request that uses it.
    pub async fn resource(
        &self,
        group: &str,
        version: &str,
        kind: &str,
    ) -> Result<Arc<Resource>, Error> {
        let found = self.shared.discovery.find(self, group, version, kind).await;
        found.map_err(|cause| Error::new(format!("find the kind {kind}"), cause))
    }

    /// The same for the version of `group` that the server prefers and that has `kind`.
    pub async fn preferred(&self, group: &str, kind: &str) -> Result<Arc<Resource>, Error> {
        self.resource(group, "", kind).await
    }

    /// The same by any name that kubectl takes: `deploy`, `Deployment`, `deployments.apps`.
    pub async fn called(&self, name: &str) -> Result<Arc<Resource>, Error> {
        let found = self.shared.discovery.called(self, name).await;
        found.map_err(|cause| Error::new(format!("find the kind {name}"), cause))
    }

    /// Every version of every group and every kind in it: `apps/v1` and `apps/v1/Deployment`.
    pub async fn api_versions(&self) -> Result<Vec<String>, Error> {
        let names = self.shared.discovery.names(self).await;
        names.map_err(|cause| Error::new("list the kinds of the server", cause))
    }

    /// Kinds may have changed: ask the server before one is next used, at most once a second. Call it
    /// when the watch shows a changed CRD; applying or deleting one through this crate does.
    pub fn doubt_kinds(&self) {
        self.shared.discovery.doubt();
    }

    pub(crate) async fn resource_of(&self, reference: &Reference) -> Result<Arc<Resource>, Cause> {
        self.shared
            .discovery
            .find(self, &reference.group, &reference.version, &reference.kind)
            .await
    }

    /// The same, from a server that was asked after this call began.
    pub(crate) async fn resource_anew(
        &self,
        reference: &Reference,
    ) -> Result<Arc<Resource>, Cause> {
        let (discovery, now) = (&self.shared.discovery, Instant::now());
        discovery
            .find_anew(
                self,
                now,
                &reference.group,
                &reference.version,
                &reference.kind,
            )
            .await
    }

    /// The same connection in its own name: what discovery speaks through.
    pub(crate) fn own(&self) -> Self {
        Self {
            account: None,
            ..self.clone()
        }
    }

    /// Sends one request and reads the whole answer. Any status that is no success is a `Cause`.
    pub(crate) async fn call(&self, verb: Verb, outgoing: Outgoing) -> Result<Answer, Cause> {
        let (parts, body) = self.exchange(verb, outgoing).await?;
        if !parts.status.is_success() {
            return Err(Cause::refused(
                parts.status.as_u16(),
                retry_after(&parts.headers),
                body.as_ref(),
            ));
        }
        let object = serde_json::from_slice(body.as_ref()).map_err(|error| Cause::Other {
            code: parts.status.as_u16(),
            message: format!(
                "not JSON at line {} column {}",
                error.line(),
                error.column()
            ),
        })?;
        Ok(Answer {
            status: parts.status,
            object,
        })
    }

    /// Whether the server has read all there is about kinds, by its own word: `/readyz`. Soon after it began
    /// it serves objects and does not know its CRDs yet. A server that does not say counts as ready.
    pub(crate) async fn is_ready(&self) -> Result<bool, Cause> {
        let question = Outgoing::get("/readyz".to_owned());
        let (parts, _) = self.exchange(Verb::Discover, question).await?;
        Ok(!parts.status.is_server_error())
    }

    async fn exchange(
        &self,
        verb: Verb,
        outgoing: Outgoing,
    ) -> Result<(Parts, impl AsRef<[u8]> + use<>), Cause> {
        let request = self.prepare(verb, outgoing)?;
        let exchange = async {
            // Not `Client::request`: that one logs bodies it cannot read, and a body may be a Secret.
            let response = self
                .client()
                .send(request.map(Body::from))
                .await
                .map_err(Cause::transport)?;
            let (parts, body) = response.into_parts();
            let body = body.collect_bytes().await.map_err(Cause::transport)?;
            Ok((parts, body))
        };
        self.in_time(exchange).await
    }

    /// Sends one request and hands over the answer as it arrives.
    pub(crate) async fn stream(
        &self,
        verb: Verb,
        outgoing: Outgoing,
    ) -> Result<impl AsyncBufRead + Send + use<>, Cause> {
        let request = self.prepare(verb, outgoing)?;
        let begun = async {
            self.client()
                .request_stream(request)
                .await
                .map_err(Cause::transport)
        };
        self.in_time(begun).await
    }

    fn prepare(&self, verb: Verb, outgoing: Outgoing) -> Result<Request<Vec<u8>>, Cause> {
        if self.standing.as_ref().is_some_and(|it| !it.is_held()) {
            return Err(Cause::Deposed);
        }
        self.shared.counters.count(verb);
        let mut request = Request::builder()
            .method(outgoing.method)
            .uri(outgoing.path);
        if let Some(accept) = outgoing.accept {
            request = request.header(header::ACCEPT, accept);
        }
        if let Some(content_type) = outgoing.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(account) = &self.account {
            request = request.header("impersonate-user", account.user());
        }
        request.body(outgoing.body).map_err(|error| Cause::Address {
            message: error.to_string(),
        })
    }

    fn client(&self) -> &Client {
        if self.account.is_some() {
            &self.shared.bare
        } else {
            &self.shared.own
        }
    }

    async fn in_time<T>(
        &self,
        exchange: impl Future<Output = Result<T, Cause>>,
    ) -> Result<T, Cause> {
        let limit = self.shared.request_timeout;
        tokio::time::timeout(limit, exchange)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(Cause::Timeout {
                    message: format!("no answer within {} s", limit.as_secs()),
                })
            })
    }
}

/// One request, before it has a name to go in.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) accept: Option<&'static str>,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Vec<u8>,
}

impl Outgoing {
    pub(crate) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            accept: None,
            content_type: None,
            body: Vec::new(),
        }
    }

    /// A request whose body is `object`, sent as `content_type`.
    pub(crate) fn with_body(
        method: Method,
        path: String,
        content_type: &'static str,
        object: &Value,
    ) -> Self {
        let body = serde_json::to_vec(object).expect("a Value has only string keys");
        Self {
            method,
            path,
            accept: None,
            content_type: Some(content_type),
            body,
        }
    }
}

/// A successful answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) object: Value,
}

async fn config(options: &Options) -> Result<Config, String> {
    let choice = KubeConfigOptions {
        context: options.context.clone(),
        cluster: None,
        user: None,
    };
    if let Some(path) = &options.kubeconfig {
        let kubeconfig = Kubeconfig::read_from(path).map_err(|error| words(&error))?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &choice).await;
        return config.map_err(|error| words(&error));
    }
    match Config::from_kubeconfig(&choice).await {
        Ok(config) => Ok(config),
        Err(error) if options.context.is_some() => Err(words(&error)),
        Err(error) => Config::incluster().map_err(|in_cluster| {
            format!(
                "no kubeconfig ({}) and not in a pod ({}); set KUBECONFIG",
                words(&error),
                words(&in_cluster)
            )
        }),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
