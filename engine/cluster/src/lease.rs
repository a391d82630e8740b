//! Leadership: at most one holder of a Lease acts at a time.
//!
//! As client-go's leader election: nobody's clock but one's own is believed, and a holder stops believing
//! in itself before anybody else may take over. The annotations of the Lease carry what the next
//! leader must know, such as the head of the log. What leading means is the caller's business.
//!
//! A holder that is alone writes nothing: it only looks. Who wants to take over says so in the annotation
//! [`ASKED`] first; while that stands, the holder renews each time it looks, and is silent when it does
//! not. So a look that finds the Lease ours and nobody asking is worth as much as a renewal: whoever asks
//! later has to wait, too. For those who do not know how to ask the Lease promises an hour, and is renewed
//! every twenty minutes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    cluster::Cluster,
    error::{Cause, Error, Retry},
    object::Reference,
};

/// What to hold, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are: a different word for every process ever started, since a Lease in our own name is taken
    /// without waiting.
    pub identity: String,
    /// How long the others wait for a silent holder; whole seconds, at least one.
    pub duration: Duration,
}

/// Why leadership ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It could not be renewed in time.
    #[error("the lease could not be renewed in time: {message}")]
    Expired {
        /// What the last attempt failed with.
        message: String,
    },
    /// Somebody else holds it.
    #[error("the lease is held by {by}")]
    Taken {
        /// Who.
        by: String,
    },
    /// Somebody deleted it.
    #[error("the lease was deleted")]
    Deleted,
}

/// A Lease that is held, and renewed in the background. Dropping it stops renewing: the others wait for
/// it to expire. [`Leadership::release`] saves them the wait.
#[derive(Debug)]
pub struct Leadership {
    found: BTreeMap<String, String>,
    transitions: u64,
    pins: Pins,
    state: watch::Receiver<State>,
    release: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Error>>,
}

type Pins = Arc<Mutex<BTreeMap<String, String>>>;

#[derive(Clone, Debug)]
enum State {
    Held { until: Instant },
    Lost(Lost),
}

/// Whether a Lease is still held. A process that was stopped for a while finds out here first.
#[derive(Clone, Debug)]
pub struct Standing(watch::Receiver<State>);

impl Standing {
    /// Whether nobody else can have taken over yet.
    pub fn is_held(&self) -> bool {
        !self.remaining().is_zero()
    }

    fn remaining(&self) -> Duration {
        match &*self.0.borrow() {
            State::Held { until } => until.saturating_duration_since(Instant::now()),
            State::Lost(_) => Duration::ZERO,
        }
    }
}

impl Cluster {
    /// Waits until the Lease is ours: free, released, or silent for the time its holder promised. Fails
    /// only where waiting does not help, as when the Lease may not be written.
    pub async fn lead(&self, lease: &Lease) -> Result<Leadership, Error> {
        let holder = Holder::new(self.clone(), lease.clone());
        let mut seen: Option<(Value, Instant)> = None;
        loop {
            let began = Instant::now();
            match holder.try_acquire(&mut seen).await {
                Ok(Some(acquired)) => return Ok(Leadership::begin(holder, acquired, began)),
                Ok(None) => {}
                Err(cause) if cause.retry() == Retry::Soon => {
                    let lease = holder.reference.to_string();
                    tracing::warn!(lease, error = %cause, "Cannot reach the lease yet.");
                }
                Err(cause) => return Err(cause.during("acquire", &holder.reference, None)),
            }
            sleep(holder.interval()).await;
        }
    }
}

impl Leadership {
    /// The annotations that the Lease had when it became ours: the last words of the leader before us.
    pub fn found(&self) -> &BTreeMap<String, String> {
        &self.found
    }

    /// How often the Lease has changed hands. Grows with every new holder, unless the Lease is deleted.
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// Writes an annotation with the next renewal, and at release.
    pub fn pin(&self, key: &str, value: &str) {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.insert(key.to_owned(), value.to_owned());
    }

    /// For how long nobody else can have taken over; zero when it is lost.
    pub fn remaining(&self) -> Duration {
        self.standing().remaining()
    }

    /// The same question, for those who act while it is held: see [`Cluster::while_leading`].
    pub fn standing(&self) -> Standing {
        Standing(self.state.clone())
    }

    /// Waits until it is lost, and says why. Can be called again and in `select!`.
    pub async fn lost(&mut self) -> Lost {
        loop {
            if let State::Lost(lost) = &*self.state.borrow_and_update() {
                return lost.clone();
            }
            if self.state.changed().await.is_err() {
                return Lost::Expired {
                    message: "nobody renews it any more".to_owned(),
                };
            }
        }
    }

    /// Gives the Lease up, with the last pins, so that the next leader need not wait.
    pub async fn release(mut self) -> Result<(), Error> {
        if let Some(release) = self.release.take() {
            // The renewal has ended by itself: there is nothing left to release.
            if release.send(()).is_err() {
                return Ok(());
            }
        }
        (&mut self.task).await.unwrap_or_else(|error| {
            let message = format!("its renewal ended: {error}");
            Err(Error::new(
                "release the lease",
                Cause::Configuration { message },
            ))
        })
    }

    fn begin(holder: Holder, acquired: Acquired, began: Instant) -> Self {
        let pins = Pins::default();
        let until = began + holder.term();
        let (announce, state) = watch::channel(State::Held { until });
        let (release, released) = oneshot::channel();
        let transitions = acquired
            .object
            .pointer("/spec/leaseTransitions")
            .and_then(Value::as_u64);
        let renewal = Renewal {
            holder,
            object: acquired.object,
            pins: Arc::clone(&pins),
            until,
            written: began,
            asked: None,
            announce,
        };
        Self {
            found: acquired.found,
            transitions: transitions.unwrap_or_default(),
            pins,
            state,
            release: Some(release),
            task: tokio::spawn(renewal.run(released)),
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The Lease changes hands; the manager of its fields does not.
const FIELD_MANAGER: &str = "fluvial";
/// Somebody wants to know whether the holder is there.
const ASKED: &str = "fluvial.dev/asked-by";
/// Within how many seconds a holder answers who asks; none where it renews without being asked.
const ANSWERS: &str = "fluvial.dev/answers-within";
/// What the Lease promises to those who do not ask, in seconds.
const PROMISE_SECONDS: u64 = 3600;
/// How often it is renewed for them.
const RENEWED: Duration = Duration::from_secs(PROMISE_SECONDS / 3);
/// A question is taken away after this time; who still wants to know asks again.
const ASKED_MAX: Duration = Duration::from_mins(10);

struct Holder {
    cluster: Cluster,
    lease: Lease,
    reference: Reference,
    seconds: u64,
}

struct Acquired {
    object: Value,
    found: BTreeMap<String, String>,
}

impl Holder {
    fn new(cluster: Cluster, lease: Lease) -> Self {
        let reference = Reference::new(
            "coordination.k8s.io/v1",
            "Lease",
            &lease.namespace,
            &lease.name,
        );
        let seconds = lease.duration.as_secs().max(1);
        Self {
            cluster,
            lease,
            reference,
            seconds,
        }
    }

    /// How often to look, and to renew: client-go's 2 s of 15 s, somewhat rarer.
    fn interval(&self) -> Duration {
        Duration::from_secs(self.seconds) / 6
    }

    /// For how long we believe in ourselves: client-go's 10 s of 15 s. The rest of the time is for the
    /// requests that are under way when we stop.
    fn term(&self) -> Duration {
        Duration::from_secs(self.seconds) * 2 / 3
    }

    /// Takes the Lease if it is free; asks its holder where that is to be done first. `seen` is whose word
    /// was last heard, and since when.
    async fn try_acquire(
        &self,
        seen: &mut Option<(Value, Instant)>,
    ) -> Result<Option<Acquired>, Cause> {
        let mut object = match self.cluster.read(&self.reference).await {
            Ok(object) => object,
            Err(Cause::NotFound { .. }) => return self.create().await,
            Err(cause) => return Err(cause),
        };
        if !self.is_free(&object, seen) {
            if annotation(&object, ANSWERS).is_some() && annotation(&object, ASKED).is_none() {
                object["metadata"]["annotations"][ASKED] = self.lease.identity.as_str().into();
                self.replace_unless_late(&object).await?;
            }
            return Ok(None);
        }
        let mut found = annotations(&object);
        found.retain(|key, _| key != ASKED && key != ANSWERS);
        let changes_hands = holder_of(&object) != self.lease.identity;
        let transitions = object
            .pointer("/spec/leaseTransitions")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let now = now();
        object["spec"] = json!({
            "holderIdentity": self.lease.identity,
            "leaseDurationSeconds": PROMISE_SECONDS.max(self.seconds),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions + u64::from(changes_hands),
        });
        object["metadata"]["annotations"][ANSWERS] = self.seconds.to_string().into();
        unask(&mut object);
        let replaced = self.replace_unless_late(&object).await?;
        Ok(replaced.map(|object| Acquired { object, found }))
    }

    /// `None` where somebody was faster.
    async fn replace_unless_late(&self, object: &Value) -> Result<Option<Value>, Cause> {
        match self.cluster.replace(object, FIELD_MANAGER).await {
            Ok(object) => Ok(Some(object)),
            Err(Cause::Conflict { .. } | Cause::NotFound { .. }) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    async fn create(&self) -> Result<Option<Acquired>, Cause> {
        let now = now();
        let object = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "namespace": self.lease.namespace,
                "name": self.lease.name,
                "annotations": {ANSWERS: self.seconds.to_string()},
            },
            "spec": {
                "holderIdentity": self.lease.identity,
                "leaseDurationSeconds": PROMISE_SECONDS.max(self.seconds),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            },
        });
        match self
            .cluster
            .create_at(&self.reference, &object, FIELD_MANAGER)
            .await
        {
            Ok(object) => Ok(Some(Acquired {
                object,
                found: BTreeMap::new(),
            })),
            Err(Cause::AlreadyExists { .. } | Cause::Conflict { .. }) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    fn is_free(&self, object: &Value, seen: &mut Option<(Value, Instant)>) -> bool {
        let holder = holder_of(object);
        if holder.is_empty() || holder == self.lease.identity {
            return true;
        }
        // A holder that answers is silent only while it is asked.
        let answers = annotation(object, ANSWERS).and_then(|seconds| seconds.parse().ok());
        let is_asked = annotation(object, ASKED).is_some();
        if answers.is_some() && !is_asked {
            *seen = None;
            return false;
        }
        let word = json!([holder, object["spec"]["renewTime"], is_asked]);
        let promised = object["spec"]["leaseDurationSeconds"].as_u64();
        let promised = answers.or(promised).unwrap_or(self.seconds);
        match seen {
            Some((known, since)) if *known == word => {
                since.elapsed() > Duration::from_secs(promised)
            }
            _ => {
                *seen = Some((word, Instant::now()));
                false
            }
        }
    }
}

struct Renewal {
    holder: Holder,
    object: Value,
    pins: Pins,
    until: Instant,
    /// When the Lease was last written.
    written: Instant,
    /// Since when the question stands that the Lease has.
    asked: Option<Instant>,
    announce: watch::Sender<State>,
}

/// Why a renewal did not succeed.
enum Trouble {
    /// It may the next time.
    Passing(Cause),
    Final(Lost),
}

impl Renewal {
    async fn run(mut self, mut released: oneshot::Receiver<()>) -> Result<(), Error> {
        loop {
            tokio::select! {
                () = sleep(self.holder.interval()) => {}
                asked = &mut released => {
                    // The other end is dropped only with the task itself.
                    return if asked.is_ok() { self.release().await } else { Ok(()) };
                }
            }
            if let Err(lost) = self.renew_in_time().await {
                self.announce.send_replace(State::Lost(lost));
                return Ok(());
            }
        }
    }

    async fn renew_in_time(&mut self) -> Result<(), Lost> {
        let began = Instant::now();
        let until = self.until;
        let message = match timeout_at(until, self.renew()).await {
            Ok(Ok(())) => {
                // From before the request: the server may have counted from then on.
                self.until = began + self.holder.term();
                self.announce
                    .send_replace(State::Held { until: self.until });
                return Ok(());
            }
            Ok(Err(Trouble::Final(lost))) => return Err(lost),
            Ok(Err(Trouble::Passing(cause))) => cause.to_string(),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        let lease = self.holder.reference.to_string();
        tracing::warn!(lease, error = message, "Cannot renew the lease.");
        if Instant::now() >= until {
            Err(Lost::Expired { message })
        } else {
            Ok(())
        }
    }

    /// Looks, and writes only where there is a reason to.
    async fn renew(&mut self) -> Result<(), Trouble> {
        let mut object = self.object.clone();
        if !self.has_news() {
            object = self.read_if_ours().await?;
            if annotation(&object, ASKED).is_none() {
                self.object = object;
                self.asked = None;
                return Ok(());
            }
        }
        let began = Instant::now();
        loop {
            self.write_pins(&mut object);
            self.answer(&mut object, began);
            object["spec"]["renewTime"] = now().into();
            match self.holder.cluster.replace(&object, FIELD_MANAGER).await {
                Ok(renewed) => {
                    self.object = renewed;
                    self.written = began;
                    return Ok(());
                }
                // Either somebody annotated the Lease, or an earlier renewal of ours was carried out
                // after all, or it is not ours any more.
                Err(Cause::Conflict { .. }) => object = self.read_if_ours().await?,
                Err(Cause::NotFound { .. }) => return Err(Trouble::Final(Lost::Deleted)),
                Err(cause) => return Err(Trouble::Passing(cause)),
            }
        }
    }

    /// Whether something is to be written that nobody asked for.
    fn has_news(&self) -> bool {
        let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pins = pins.iter();
        let stands =
            |(key, value): (&String, &String)| annotation(&self.object, key) == Some(value);
        let since = self.written.elapsed();
        since >= RENEWED || (since >= self.holder.lease.duration && !pins.all(stands))
    }

    /// The renewal is the answer. The question goes when it is old.
    fn answer(&mut self, object: &mut Value, now: Instant) {
        if annotation(object, ASKED).is_none() {
            self.asked = None;
            return;
        }
        let since = *self.asked.get_or_insert(now);
        if now - since > ASKED_MAX {
            unask(object);
            self.asked = None;
        }
    }

    async fn read_if_ours(&self) -> Result<Value, Trouble> {
        let object = match self.holder.cluster.read(&self.holder.reference).await {
            Ok(object) => object,
            Err(Cause::NotFound { .. }) => return Err(Trouble::Final(Lost::Deleted)),
            Err(cause) => return Err(Trouble::Passing(cause)),
        };
        let by = holder_of(&object);
        if by == self.holder.lease.identity {
            return Ok(object);
        }
        Err(Trouble::Final(Lost::Taken { by: by.to_owned() }))
    }

    async fn release(mut self) -> Result<(), Error> {
        let mut object = self.object.clone();
        loop {
            self.write_pins(&mut object);
            object["spec"]["holderIdentity"] = "".into();
            // client-go's way, for holders that look at the duration first.
            object["spec"]["leaseDurationSeconds"] = 1.into();
            object["spec"]["renewTime"] = now().into();
            let cause = match self.holder.cluster.replace(&object, FIELD_MANAGER).await {
                Ok(_) | Err(Cause::NotFound { .. }) => return Ok(()),
                Err(Cause::Conflict { .. }) => match self.read_if_ours().await {
                    Ok(read) => {
                        self.object = read;
                        object = self.object.clone();
                        continue;
                    }
                    Err(Trouble::Final(_)) => return Ok(()),
                    Err(Trouble::Passing(cause)) => cause,
                },
                Err(cause) => cause,
            };
            return Err(cause.during("release", &self.holder.reference, None));
        }
    }

    fn write_pins(&self, object: &mut Value) {
        let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in &*pins {
            object["metadata"]["annotations"][key] = value.as_str().into();
        }
    }
}

fn holder_of(object: &Value) -> &str {
    object
        .pointer("/spec/holderIdentity")
        .and_then(Value::as_str)
        .unwrap_or("")
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(key)?
        .as_str()
}

fn unask(object: &mut Value) {
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.remove(ASKED);
    }
}

fn annotations(object: &Value) -> BTreeMap<String, String> {
    let map = object
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A `MicroTime`.
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}
