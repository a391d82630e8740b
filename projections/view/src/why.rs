//! `why`: what an object is as, who said so, and what stands in the way of anything newer.
//!
//! An answer is found by walking from the object back through records, as few as it takes. Who reads
//! them, and how an answer is printed, is for others.

pub mod bisect;
pub mod blame;
mod chain;
mod managed;
pub mod name;
mod obstacles;
mod reconciled;

use std::collections::BTreeSet;

use fluvial_api::kinds;
use fluvial_event::{
    Artifact, Event, Id, Mention, ObjectRef, Offset, Record, Role, RollbackRequest, Timestamp,
    command,
};
use serde::Serialize;

use chain::Chain;
pub use chain::Step;
use obstacles::source_of;

/// A history that can be asked. All of it is given as the records say it, newest first.
pub trait Past {
    /// Why it cannot be read.
    type Error;

    /// Every record up to `until` that names `object`, newest first.
    fn mentions<'a>(
        &'a self,
        object: &ObjectRef,
        until: Offset,
    ) -> Box<dyn Iterator<Item = Result<Mention, Self::Error>> + 'a>;

    /// The record at `offset`.
    fn record(&self, offset: Offset) -> Result<Record, Self::Error>;

    /// The record of this id.
    fn by_id(&self, id: Id) -> Result<Option<Record>, Self::Error>;
}

/// Why an object is as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The object, as `Deployment/apps/web`.
    pub object: String,
    /// The last record that was looked at.
    pub as_of: Offset,
    /// The answer in one word.
    pub standing: Standing,
    /// The answer in one sentence.
    pub sentence: String,
    /// Whose inventory it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it is as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// What keeps it from being otherwise; each because of the next.
    pub reasons: Vec<Reason>,
    /// How it last was changed by somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// The records that say so, newest first; how one reads on a screen is the caller's business.
    #[serde(skip)]
    pub chain: Vec<Step>,
}

/// An answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It is as the newest manifest says.
    Applied,
    /// It is not as the newest manifest says.
    NotApplied,
    /// Somebody else changed it, and that was not repaired.
    Drifted,
    /// It was deleted.
    Deleted,
    /// It is in no source any more, and was kept.
    Kept,
    /// Nobody manages it.
    Unmanaged,
    /// It does what it is for.
    Ready,
    /// It does not.
    NotReady,
}

/// A commit, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// In Flux's form: `main@sha1:…`.
    pub revision: String,
    /// Who wrote it.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authored: Option<Timestamp>,
    /// The commit that an artifact of a registry was made of, where its maker says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Who put it back by a rollback, if somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<String>,
}

/// One thing that stands in the way.
#[expect(
    clippy::struct_field_names,
    reason = "reason is what Kubernetes calls the one word"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// In one word, such as `Suspended`.
    pub reason: String,
    /// In a sentence.
    pub sentence: String,
    /// The object that it is about.
    pub object: String,
    /// The record that says so; 0 where there is none.
    pub offset: Offset,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// A change by somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The field manager that made it; empty where nobody knows.
    pub manager: String,
    /// The fields; none where the object was deleted.
    pub fields: Vec<String>,
    /// The record that says so.
    pub offset: Offset,
    /// When it was seen.
    pub time: Timestamp,
    /// The record of its repair, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired_at: Option<Offset>,
    /// In a sentence.
    pub sentence: String,
}

/// Why `object` is as it was at `until`. `None` where no record names it.
pub fn answer<P: Past>(
    past: &P,
    object: &ObjectRef,
    until: Offset,
) -> Result<Option<Answer>, P::Error> {
    let mut asking = Asking {
        past,
        until,
        chain: Chain::default(),
        visited: BTreeSet::new(),
    };
    let is_declared = kinds::ALL
        .iter()
        .any(|kind| kind.kind == object.kind && kind.group == object.group);
    if is_declared && asking.declared(object)?.is_some() {
        return asking.reconciled(object).map(Some);
    }
    asking.managed(object)
}

/// One walk through a history.
struct Asking<'a, P> {
    past: &'a P,
    until: Offset,
    chain: Chain,
    /// The objects whose obstacles were looked for.
    visited: BTreeSet<ObjectRef>,
}

impl<P: Past> Asking<'_, P> {
    /// The newest record about `object` before `before` that fits.
    fn newest(
        &self,
        object: &ObjectRef,
        before: Offset,
        fits: impl Fn(&Mention) -> bool,
    ) -> Result<Option<Record>, P::Error> {
        let until = self.until.min(Offset(before.0.saturating_sub(1)));
        for mention in self.past.mentions(object, until) {
            let mention = mention?;
            if fits(&mention) {
                return self.past.record(mention.offset).map(Some);
            }
        }
        Ok(None)
    }

    /// The newest of the object's own records of these types.
    fn own(
        &self,
        object: &ObjectRef,
        before: Offset,
        names: &[&str],
    ) -> Result<Option<Record>, P::Error> {
        self.newest(object, before, |it| is_own(it, names))
    }

    /// Its newest declaration, or that it was deleted.
    fn declared(&self, object: &ObjectRef) -> Result<Option<Record>, P::Error> {
        self.own(object, END, DECLARED)
    }

    /// The newest record before `before` that begins an attempt.
    fn begun_before(
        &self,
        object: &ObjectRef,
        before: Offset,
    ) -> Result<Option<(Record, Begun)>, P::Error> {
        let until = self.until.min(Offset(before.0.saturating_sub(1)));
        for mention in self.past.mentions(object, until) {
            let mention = mention?;
            if !is_own(&mention, &["CommandIssued"]) {
                continue;
            }
            let record = self.past.record(mention.offset)?;
            if let Some(begun) = begun(&record) {
                return Ok(Some((record, begun)));
            }
        }
        Ok(None)
    }
}

/// Behind every record.
const END: Offset = Offset(u64::MAX);
const DECLARED: &[&str] = &["ResourceDeleted", "ResourceObserved"];

fn is_own(mention: &Mention, names: &[&str]) -> bool {
    mention.role == Role::Subject && names.contains(&mention.name())
}

/// How an attempt begins.
enum Begun {
    /// From an artifact of this source.
    Build(Option<ObjectRef>, Box<Option<Artifact>>),
    /// From what was recorded before.
    Recall(RollbackRequest),
}

fn begun(record: &Record) -> Option<Begun> {
    use command::Kind;
    let Event::CommandIssued(issued) = &record.event else {
        return None;
    };
    let build = |object: &Option<ObjectRef>, spec: &[u8], artifact: &Option<Artifact>| {
        let source = object.as_ref().and_then(|it| source_of(it, spec));
        Begun::Build(source, Box::new(artifact.clone()))
    };
    match issued.command.as_ref()?.kind.as_ref()? {
        Kind::BuildKustomization(it) => Some(build(&it.object, &it.spec, &it.artifact)),
        Kind::RenderRelease(it) => Some(build(&it.object, &it.spec, &it.artifact)),
        Kind::RecallManifests(recall) => {
            Some(Begun::Recall(recall.rollback.clone().unwrap_or_default()))
        }
        Kind::FetchGit(_)
        | Kind::FetchOci(_)
        | Kind::FetchHelmRepository(_)
        | Kind::FetchHelmChart(_)
        | Kind::ApplyObjects(_)
        | Kind::PruneObjects(_)
        | Kind::DeclareChart(_)
        | Kind::InspectRelease(_)
        | Kind::RecallRelease(_)
        | Kind::StoreRelease(_)
        | Kind::RunHook(_)
        | Kind::SetFinalizer(_) => None,
    }
}

/// By what artifacts of registries are named; commits are named by SHA-1.
const DIGEST_OF_ARTIFACTS: &str = "sha256";

impl Commit {
    fn of(artifact: Option<&Artifact>) -> Self {
        let artifact = artifact.cloned().unwrap_or_default();
        let commit = artifact.commit.unwrap_or_default();
        let author = match (commit.author_name.as_str(), commit.author_email.as_str()) {
            (name, "") => name.to_owned(),
            ("", email) => email.to_owned(),
            (name, email) => format!("{name} <{email}>"),
        };
        let authored = (commit.authored_at != 0)
            .then(|| Timestamp(commit.authored_at.saturating_mul(1_000_000_000)));
        Self {
            origin: Some(commit.sha).filter(|sha| {
                let is_said = !sha.is_empty();
                is_said && !artifact.revision.ends_with(sha)
            }),
            revision: artifact.revision,
            author,
            subject: commit.subject,
            authored,
            rolled_back_by: None,
        }
    }

    /// `commit 6f1c0a2b by Jane <jane@example.org> 'Scale up'`, `artifact 6.7.1@sha256:93e1d4f2 of commit
    /// 6f1c0a2b`, or `chart version 6.7.1`.
    fn phrase(&self) -> String {
        const SHORT: usize = 8;
        // The revision of anything but a chart ends with a digest.
        if !self.revision.is_empty() && !self.revision.contains(':') {
            return format!("chart version {}", self.revision);
        }
        let short = |digits: &str| digits.get(..SHORT).unwrap_or(digits).to_owned();
        let (kind, digits) = self.revision.rsplit_once(':').unwrap_or_default();
        let mut phrase = if kind.ends_with(DIGEST_OF_ARTIFACTS) {
            let origin = self.origin.as_deref().map(short);
            let origin = origin.map_or_else(String::new, |it| format!(" of commit {it}"));
            format!("artifact {kind}:{}{origin}", short(digits))
        } else {
            format!("commit {}", short(digits))
        };
        if !self.author.is_empty() {
            phrase = format!("{phrase} by {}", self.author);
        }
        if !self.subject.is_empty() {
            phrase = format!("{phrase} '{}'", self.subject);
        }
        if let Some(by) = &self.rolled_back_by {
            phrase = format!("{phrase}, put back by {by},");
        }
        phrase
    }
}

/// ` by kubectl-edit`, or nothing.
fn by(actor: &str) -> String {
    let actor = actor.strip_prefix("manager:").unwrap_or(actor);
    if actor.is_empty() || actor == "controller:fluvial" {
        String::new()
    } else {
        format!(" by {actor}")
    }
}

/// `2026-11-23T10:16:08.000Z (offset 8)`.
fn at(record: &Record) -> String {
    format!("{} (offset {})", record.time, record.offset)
}
