//! Inside a worker: what is asked, and the artifacts that are kept between questions.
//!
//! How a Kustomization is built is `kustomize`'s business, what a chart comes to `helm`'s.

use std::collections::VecDeque;
use std::io::{self, Write};

use fluvial_helm::Chart;
use fluvial_manifest::{Entry, Tree};
use fluvial_source::{Limits, archive};
use serde::Serialize;

use crate::helm;
use crate::job::{Answer, Job, Question, Refusal};
use crate::kustomize::render;
use crate::worker::{Handler, Reply};

/// Artifacts besides the current one that are kept, in bytes.
const KEPT_BYTES_MAX: usize = 32 << 20;
/// Artifacts that are kept.
const KEPT_MAX: usize = 4;

/// Answers questions, and keeps the artifacts that it saw last: many share one.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    digest: String,
    content: Content,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Content {
    Tree(Tree),
    Chart(Box<Chart>),
}

impl Handler for Builder {
    fn answer(&mut self, request: &[u8], attachment: Option<&[u8]>) -> Reply {
        match serde_json::from_slice(request) {
            Ok(Question::Kustomization(job)) => self.build(&job, attachment),
            Ok(Question::Helm(question, bytes_max)) => {
                self.answer_of_helm(&question, bytes_max, attachment)
            }
            Err(error) => refused(&Refusal::build(format!("cannot read the job: {error}"))),
        }
    }
}

impl Builder {
    fn build(&mut self, job: &Job, attachment: Option<&[u8]>) -> Reply {
        if let Some(attachment) = attachment {
            match archive::unpack(attachment, &Limits::default()) {
                Ok(tree) => {
                    let bytes = tree.iter().map(|(path, entry)| path.len() + size(entry));
                    let bytes = bytes.sum();
                    self.keep(&job.artifact, Content::Tree(tree), bytes);
                }
                Err(error) => {
                    return refused(&Refusal {
                        reason: "ArtifactFailed".into(),
                        message: error.to_string(),
                    });
                }
            }
        }
        let Some(Content::Tree(tree)) = self.content(&job.artifact) else {
            return Reply::Wanting;
        };
        match render(&tree, &job.spec, job.variables.as_ref()) {
            Ok(objects) => bounded(&Answer::Built(objects), job.output_bytes_max),
            Err(refusal) => refused(&refusal),
        }
    }

    fn answer_of_helm(
        &mut self,
        question: &helm::Question,
        bytes_max: u64,
        attachment: Option<&[u8]>,
    ) -> Reply {
        let Some(artifact) = question.artifact() else {
            return bounded(&short(helm::answer(question, None)), bytes_max);
        };
        if let Some(attachment) = attachment {
            match helm::load(attachment) {
                Ok(chart) => {
                    let bytes = chart.size();
                    self.keep(artifact, Content::Chart(Box::new(chart)), bytes);
                }
                Err(refusal) => return refused(&refusal),
            }
        }
        let Some(Content::Chart(chart)) = self.content(artifact) else {
            return Reply::Wanting;
        };
        bounded(&short(helm::answer(question, Some(&chart))), bytes_max)
    }

    fn content(&mut self, digest: &str) -> Option<Content> {
        let at = self.kept.iter().position(|kept| kept.digest == digest)?;
        let found = self.kept.remove(at)?;
        let content = found.content.clone();
        self.kept.push_front(found);
        Some(content)
    }

    fn keep(&mut self, digest: &str, content: Content, bytes: usize) {
        let digest = digest.to_owned();
        self.kept.push_front(Kept {
            digest,
            content,
            bytes,
        });
        self.kept.truncate(KEPT_MAX);
        let others =
            |kept: &VecDeque<Kept>| kept.iter().skip(1).map(|kept| kept.bytes).sum::<usize>();
        while others(&self.kept) > KEPT_BYTES_MAX {
            self.kept.pop_back();
        }
    }
}

fn size(entry: &Entry) -> usize {
    match entry {
        Entry::File { bytes, .. } => bytes.len(),
        Entry::Link { target } => target.len(),
    }
}

/// A message is for people: it ends where nobody reads on.
fn shortened(refusal: &Refusal) -> Refusal {
    const CHARACTERS_MAX: usize = 4 << 10;
    let mut refusal = refusal.clone();
    if let Some((end, _)) = refusal.message.char_indices().nth(CHARACTERS_MAX) {
        refusal.message.truncate(end);
        refusal.message.push('…');
    }
    refusal
}

fn short(answer: helm::Answer) -> helm::Answer {
    match answer {
        helm::Answer::Refused(refusal) => helm::Answer::Refused(shortened(&refusal)),
        answer @ (helm::Answer::Values(_) | helm::Answer::Release(_) | helm::Answer::Record(_)) => {
            answer
        }
    }
}

fn refused(refusal: &Refusal) -> Reply {
    let answer = serde_json::to_vec(&Answer::Refused(shortened(refusal)));
    Reply::Answer(answer.unwrap_or_default())
}

/// The answer, or that it is too large. Both kinds of answers say `Refused` alike.
fn bounded(answer: &impl Serialize, bytes_max: u64) -> Reply {
    let mut written = Bounded {
        bytes: Vec::new(),
        bytes_max,
    };
    match serde_json::to_writer(&mut written, answer) {
        Ok(()) => Reply::Answer(written.bytes),
        Err(_full) => refused(&Refusal::build(crate::Breach::Output(bytes_max))),
    }
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: u64,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + more.len()) as u64 > self.bytes_max {
            return Err(io::Error::other("full"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
