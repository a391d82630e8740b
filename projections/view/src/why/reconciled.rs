//! Why an object of a Flux kind is as it is.

use fluvial_api::kinds;
use fluvial_event::{Event, Mention, ObjectRef, Offset, Record};

use super::{Answer, Asking, Begun, Commit, END, Past, Reason, Standing, at, by, is_own};

/// How a build, or what stands for it, can end.
const BUILT: &[&str] = &[
    "BuildFailed",
    "ManifestsBuilt",
    "ManifestsRecalled",
    "RecallFailed",
    "ReleaseFailed",
    "ReleaseRendered",
];

impl<P: Past> Asking<'_, P> {
    /// Why a declared object is as it is.
    pub(super) fn reconciled(&mut self, object: &ObjectRef) -> Result<Answer, P::Error> {
        let declared = self.declared(object)?;
        let is_applied = [kinds::KUSTOMIZATION.kind, kinds::HELM_RELEASE.kind];
        let commit = if is_applied.contains(&object.kind.as_str()) {
            self.deployed(object)?
        } else {
            self.fetched(object, END)?.map(|(commit, record)| {
                self.chain.add(&record);
                (commit, record, "fetched")
            })
        };
        let reasons = self.obstacles(object)?;
        let mut sentence = match &commit {
            Some((commit, record, done)) => {
                format!(
                    "{object} is at {}, {done} at {}",
                    commit.phrase(),
                    at(record)
                )
            }
            None => format!("{object} was never ready"),
        };
        let own = reasons.iter().find(|it| it.object == object.to_string());
        let standing = match own.map(|it| it.reason.as_str()) {
            None => Standing::Ready,
            Some("Deleted") => Standing::Deleted,
            Some(_) => Standing::NotReady,
        };
        if let Some(root) = reasons.last() {
            sentence = if standing == Standing::Deleted {
                root.sentence.clone()
            } else if standing == Standing::Ready {
                format!("{sentence}; nothing newer comes: {}", root.sentence)
            } else {
                format!("{sentence}; {}", root.sentence)
            };
        }
        if let Some(declared) = &declared {
            self.chain.add(declared);
            if standing == Standing::Ready && commit.is_none() {
                sentence = format!(
                    "{object} was declared at {}{}, and nothing came of it yet",
                    at(declared),
                    by(&declared.actor)
                );
            }
        }
        Ok(Answer {
            object: object.to_string(),
            as_of: self.until,
            standing,
            sentence,
            owner: None,
            commit: commit.map(|it| it.0),
            reasons,
            drift: None,
            chain: self.chain.steps(),
        })
    }

    /// What a Kustomization or HelmRelease last deployed with success, and the record that says so.
    fn deployed(
        &mut self,
        object: &ObjectRef,
    ) -> Result<Option<(Commit, Record, &'static str)>, P::Error> {
        let Some(record) = self.concluded_ready(object, END)? else {
            return Ok(None);
        };
        self.chain.add(&record);
        let mut commit = self.story(object, record.offset)?;
        // What was taken over as it was found was never rendered.
        if let (true, Event::Concluded(it)) = (commit.revision.is_empty(), &record.event) {
            commit.revision.clone_from(&it.revision);
        }
        Ok(Some((commit, record, "applied")))
    }

    /// The newest attempt before `before` that ended well.
    pub(super) fn concluded_ready(
        &self,
        object: &ObjectRef,
        before: Offset,
    ) -> Result<Option<Record>, P::Error> {
        let until = self.until.min(Offset(before.0.saturating_sub(1)));
        for mention in self.past.mentions(object, until) {
            let mention = mention?;
            if !is_own(&mention, &["Concluded"]) {
                continue;
            }
            let record = self.past.record(mention.offset)?;
            if matches!(&record.event, Event::Concluded(it) if it.ready && !it.repair) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// From what stands at `before` back to the commit: the build, what ordered it, the fetch, and what
    /// began it all. All of it is added to the chain.
    pub(super) fn story(&mut self, owner: &ObjectRef, before: Offset) -> Result<Commit, P::Error> {
        let Some((ordered, begun)) = self.begun_before(owner, before)? else {
            return Ok(Commit::default());
        };
        self.chain.add(&ordered);
        let outcome = |it: &Mention| is_own(it, BUILT) && it.offset > ordered.offset;
        if let Some(built) = self.newest(owner, before, outcome)? {
            self.chain.add(&built);
        }
        if let Some(cause) = self.past.by_id(ordered.cause)? {
            self.chain.add(&cause);
        }
        match begun {
            Begun::Build(source, artifact) => {
                let commit = Commit::of(artifact.as_ref().as_ref());
                if let Some(source) = source {
                    self.fetch_of(&source, &commit, ordered.offset)?;
                }
                Ok(commit)
            }
            // Manifests are put back from an earlier set, which was built, never recalled.
            Begun::Recall(asked) if Offset(asked.offset) < ordered.offset => {
                let commit = self.story(owner, Offset(asked.offset))?;
                let rolled_back_by = Some(asked.by);
                Ok(Commit {
                    rolled_back_by,
                    ..commit
                })
            }
            Begun::Recall(_) => Ok(Commit::default()),
        }
    }

    /// The fetch that brought `commit`, what ordered it and what began that.
    fn fetch_of(
        &mut self,
        source: &ObjectRef,
        commit: &Commit,
        before: Offset,
    ) -> Result<(), P::Error> {
        let Some((fetched, record)) = self.fetched(source, before)? else {
            return Ok(());
        };
        if fetched.revision != commit.revision {
            return Ok(());
        }
        let mut next = Some(record);
        while let Some(record) = next {
            self.chain.add(&record);
            next = self.past.by_id(record.cause)?;
        }
        Ok(())
    }

    /// The newest artifact of a source, and the record that says so.
    fn fetched(
        &self,
        source: &ObjectRef,
        before: Offset,
    ) -> Result<Option<(Commit, Record)>, P::Error> {
        let Some(record) = self.own(source, before, &["ArtifactFetched"])? else {
            return Ok(None);
        };
        let Event::ArtifactFetched(fetched) = &record.event else {
            return Ok(None);
        };
        let commit = Commit::of(fetched.artifact.as_ref());
        Ok(Some((commit, record)))
    }

    /// That a newer commit changed nothing, where one was applied since.
    pub(super) fn unchanged_since(
        &mut self,
        object: &ObjectRef,
        owner: &ObjectRef,
        commit: &Commit,
    ) -> Result<Option<Reason>, P::Error> {
        let Some(record) = self.concluded_ready(owner, END)? else {
            return Ok(None);
        };
        let Some((_, Begun::Build(_, artifact))) = self.begun_before(owner, record.offset)? else {
            return Ok(None);
        };
        let newest = Commit::of(artifact.as_ref().as_ref());
        if newest.revision == commit.revision {
            return Ok(None);
        }
        self.chain.add(&record);
        let sentence = format!(
            "{} changes nothing in it, applied at {}",
            newest.phrase(),
            at(&record)
        );
        Ok(Some(Reason::of(&record, object, "Unchanged", sentence)))
    }
}
