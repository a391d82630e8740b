//! Following a kind: list, then watch from there, for as long as somebody listens.
//!
//! Our own loop on plain requests, because the log needs to know what a convenience hides: when a
//! listing began and ended, when something may have been missed, and what the final state of a deleted
//! object was. It leaves to `ingest` what the news mean and which of them are worth a record.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures::{AsyncBufReadExt, Stream};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    cluster::{Cluster, Outgoing},
    discovery::Resource,
    error::{Cause, Error},
    object::resource_version,
    path,
    read::{Selector, listing},
    requests::Verb,
    words::words,
};

/// News about the objects of a kind.
#[derive(Clone, Debug)]
pub enum Watched {
    /// A listing begins. It voids what an unfinished one said.
    ListStarted,
    /// An object of the listing.
    Listed(Value),
    /// The listing is complete: what was known and has not been listed since `ListStarted` is gone.
    /// Only this says so; a listing that fails never ends.
    ListEnded {
        /// The state of the cluster that it shows.
        resource_version: String,
    },
    /// The object was created or changed, and is now so.
    Applied(Value),
    /// The object was deleted, or no longer fits the selector; this was its final state.
    Deleted(Value),
    /// Nothing is missing up to here.
    Bookmark {
        /// The state of the cluster.
        resource_version: String,
    },
    /// From here on news are late, and may be missing: see the reason.
    Gap {
        /// Why.
        reason: Gap,
    },
    /// A request failed and will be sent again. Nothing is known to have changed.
    Failed(Error),
}

/// Why news are late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The connection is lost. The watch resumes where it stopped, and nothing will be missing.
    Disconnected {
        /// What happened to it.
        message: String,
    },
    /// The server cannot continue from where we were. A listing follows: what happened in between is
    /// not known, only what came of it.
    Expired {
        /// The server's words.
        message: String,
    },
}

/// A stream of [`Watched`] that never ends. Dropping it closes the connection.
#[derive(Debug)]
pub struct Watch {
    news: mpsc::Receiver<Watched>,
    task: JoinHandle<()>,
}

impl Cluster {
    /// Follows the objects of `resource` that `selector` picks: a listing first, then every change, in
    /// the server's order. Who does not read holds the server back, and in the end expires.
    pub fn watch(&self, resource: &Resource, selector: &Selector) -> Watch {
        let (sender, news) = mpsc::channel(NEWS_WAITING_MAX);
        let follower = Follower {
            cluster: self.clone(),
            resource: resource.clone(),
            selector: selector.clone(),
            listener: sender,
            failures: 0,
            connected: false,
        };
        Watch {
            news,
            task: tokio::spawn(follower.follow()),
        }
    }
}

impl Stream for Watch {
    type Item = Watched;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Watched>> {
        self.news.poll_recv(context)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const NEWS_WAITING_MAX: usize = 256;
/// The server sends a bookmark a minute: silence for this long means that the connection is dead.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// A watch that ends sooner than this did not end because its time was over.
const WATCH_TIME_MIN: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

struct Follower {
    cluster: Cluster,
    resource: Resource,
    selector: Selector,
    listener: mpsc::Sender<Watched>,
    /// In a row, since a watch last brought anything.
    failures: u32,
    /// Since the last listing or news, and until an interruption has been told of.
    connected: bool,
}

/// Nobody listens any more.
struct Stopped;

/// How one watch request ended.
enum End {
    /// The server closed it in good order.
    Closed,
    /// The connection broke.
    Broken(String),
    /// The server answered with an error.
    Refused(Cause),
}

impl Follower {
    async fn follow(mut self) {
        while let Ok(position) = self.list().await {
            let Ok(()) = self.watch(position).await else {
                break;
            };
        }
    }

    /// Lists until a listing is complete, and says what position it shows.
    async fn list(&mut self) -> Result<String, Stopped> {
        loop {
            match self.list_once().await? {
                Ok(position) => {
                    self.connected = true;
                    return Ok(position);
                }
                Err(cause) => {
                    self.fail(listing(&self.resource, &self.selector), cause)
                        .await?;
                }
            }
        }
    }

    async fn list_once(&mut self) -> Result<Result<String, Cause>, Stopped> {
        let (mut token, mut started) = (String::new(), false);
        loop {
            let page = match self
                .cluster
                .page(&self.resource, &self.selector, &token)
                .await
            {
                Ok(page) => page,
                Err(cause) => return Ok(Err(cause)),
            };
            if !started {
                self.say(Watched::ListStarted).await?;
                started = true;
            }
            for object in page.objects {
                self.say(Watched::Listed(object)).await?;
            }
            let Some(next) = page.next else {
                let resource_version = page.resource_version;
                self.say(Watched::ListEnded {
                    resource_version: resource_version.clone(),
                })
                .await?;
                return Ok(Ok(resource_version));
            };
            token = next;
        }
    }

    /// Watches from `position` until the server cannot continue from where we are.
    async fn watch(&mut self, mut position: String) -> Result<(), Stopped> {
        loop {
            let began = Instant::now();
            let end = self.watch_once(&mut position).await?;
            let trouble = match end {
                End::Closed if began.elapsed() >= WATCH_TIME_MIN => continue,
                End::Closed => "the server closed the watch at once".to_owned(),
                End::Broken(message) => message,
                End::Refused(cause) if loses_place(&cause) => {
                    self.say(Watched::Gap {
                        reason: Gap::Expired {
                            message: cause.to_string(),
                        },
                    })
                    .await?;
                    // The first time there is no reason to wait, the second time it may not help at once.
                    if self.failures > 0 {
                        self.pause(None).await;
                    }
                    self.failures = self.failures.max(1);
                    return Ok(());
                }
                End::Refused(cause) => {
                    self.disconnected(cause.to_string()).await?;
                    let action = format!("watch {}", self.resource.plural);
                    self.fail(action, cause).await?;
                    continue;
                }
            };
            self.disconnected(trouble).await?;
            self.pause(None).await;
        }
    }

    /// Says so once per interruption.
    async fn disconnected(&mut self, message: String) -> Result<(), Stopped> {
        if std::mem::take(&mut self.connected) {
            self.say(Watched::Gap {
                reason: Gap::Disconnected { message },
            })
            .await?;
        }
        Ok(())
    }

    async fn watch_once(&mut self, position: &mut String) -> Result<End, Stopped> {
        let request = match self.request(position) {
            Ok(request) => request,
            Err(cause) => return Ok(End::Refused(cause)),
        };
        let mut body = match self.cluster.stream(Verb::Watch, request).await {
            Ok(body) => pin!(body),
            Err(cause) => return Ok(End::Refused(cause)),
        };
        let mut line = Vec::new();
        loop {
            line.clear();
            match timeout(SILENCE_MAX, body.read_until(b'\n', &mut line)).await {
                Ok(Ok(0)) => return Ok(End::Closed),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Ok(End::Broken(words(&error))),
                Err(_elapsed) => {
                    let message = format!("nothing heard for {} s", SILENCE_MAX.as_secs());
                    return Ok(End::Broken(message));
                }
            }
            if let Some(end) = self.hear(&line, position).await? {
                return Ok(end);
            }
        }
    }

    fn request(&self, position: &str) -> Result<Outgoing, Cause> {
        // Different kinds end their watches at different times, so that they do not all come back at once.
        let seconds = (240 + hash(&self.resource.plural) % 60).to_string();
        let path = path::query(
            path::collection(&self.resource, &self.selector.namespace)?,
            &[
                ("watch", "true"),
                ("allowWatchBookmarks", "true"),
                ("timeoutSeconds", &seconds),
                ("resourceVersion", position),
                ("labelSelector", &self.selector.labels),
                ("fieldSelector", &self.selector.fields),
            ],
        );
        Ok(Outgoing::get(path))
    }

    /// Passes on one line of a watch.
    async fn hear(&mut self, line: &[u8], position: &mut String) -> Result<Option<End>, Stopped> {
        let Ok(mut event) = serde_json::from_slice::<Value>(line) else {
            // Cut off in the middle: its beginning comes again when the watch resumes.
            return Ok(Some(End::Broken(
                "the connection ended inside an event".to_owned(),
            )));
        };
        let object = event["object"].take();
        let version = resource_version(&object).to_owned();
        let news = match event["type"].as_str().unwrap_or_default() {
            "ADDED" | "MODIFIED" => Watched::Applied(object),
            "DELETED" => Watched::Deleted(object),
            "BOOKMARK" => Watched::Bookmark {
                resource_version: version.clone(),
            },
            "ERROR" => {
                let code = object["code"]
                    .as_u64()
                    .and_then(|code| u16::try_from(code).ok());
                return Ok(Some(End::Refused(Cause::of_status(
                    code.unwrap_or(500),
                    None,
                    &object,
                ))));
            }
            other => return Ok(Some(End::Broken(format!("unknown event type {other:?}")))),
        };
        self.failures = 0;
        self.connected = true;
        *position = version;
        self.say(news).await?;
        Ok(None)
    }

    async fn say(&self, news: Watched) -> Result<(), Stopped> {
        self.listener
            .send(news)
            .await
            .map_err(|_nobody_listens| Stopped)
    }

    async fn fail(&mut self, action: String, cause: Cause) -> Result<(), Stopped> {
        let asked = match cause {
            Cause::Throttled { retry_after } => Some(retry_after),
            _ => None,
        };
        self.say(Watched::Failed(Error::new(action, cause))).await?;
        self.pause(asked).await;
        Ok(())
    }

    /// Doubles from failure to failure, up to a limit, less up to a quarter so that many do not step in time.
    async fn pause(&mut self, asked: Option<Duration>) {
        let pause = PAUSE_MIN
            .saturating_mul(1 << self.failures.min(16))
            .min(PAUSE_MAX);
        let seed = (
            &self.resource.plural,
            &self.selector.namespace,
            self.failures,
        );
        let quarters = u32::try_from(hash(seed) % 256).unwrap_or_default();
        let pause = pause.saturating_sub(pause / 4 * quarters / 256);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause.max(asked.unwrap_or_default())).await;
    }
}

/// Whether only a new listing helps. Otherwise the same position may still be good.
fn loses_place(cause: &Cause) -> bool {
    match cause {
        Cause::Gone { .. }
        | Cause::Invalid { .. }
        | Cause::Address { .. }
        | Cause::NotFound { .. }
        | Cause::NotServed { .. }
        | Cause::AlreadyExists { .. }
        | Cause::Conflict { .. }
        | Cause::UnknownKind { .. }
        | Cause::Configuration { .. } => true,
        // A server that is starting or stopping has forgotten nothing.
        Cause::Other { code, .. } => *code < 500,
        // The server is behind us, as after the restore of a backup: it may never get here.
        Cause::Timeout { message } => message.contains("Too large resource version"),
        Cause::Unauthorized { .. }
        | Cause::Forbidden { .. }
        | Cause::Throttled { .. }
        | Cause::Unreachable { .. }
        | Cause::Deposed => false,
    }
}

fn hash(seed: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    hasher.finish()
}
