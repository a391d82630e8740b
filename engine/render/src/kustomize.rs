//! Inside a worker: a job and an artifact become manifests. Nothing here is trusted by the parent.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use fluvial_api::KustomizationSpec;
use fluvial_kustomize::{flux, substitute};
use fluvial_manifest::{Entry, Tree, Value};
use fluvial_source::{Limits, archive};

use crate::job::{Answer, Job, Refusal};
use crate::overlay;
use crate::worker::{Handler, Reply};

/// Objects that are nested more deeply are refused: readers of JSON, ours and others', stop at 128.
const DEPTH_MAX: usize = 100;
/// Files of artifacts besides the current one that are kept, in bytes.
const KEPT_BYTES_MAX: usize = 32 << 20;
/// Artifacts that are kept.
const KEPT_MAX: usize = 4;

/// Builds kustomizations, and keeps the artifacts that it saw last: many share one.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    digest: String,
    tree: Tree,
    bytes: usize,
}

impl Handler for Builder {
    fn answer(&mut self, request: &[u8], attachment: Option<&[u8]>) -> Reply {
        let job: Job = match serde_json::from_slice(request) {
            Ok(job) => job,
            Err(error) => return refused(&Refusal::build(format!("cannot read the job: {error}"))),
        };
        if let Some(attachment) = attachment {
            match archive::unpack(attachment, &Limits::default()) {
                Ok(tree) => self.keep(&job.artifact, tree),
                Err(error) => {
                    return refused(&Refusal {
                        reason: "ArtifactFailed".into(),
                        message: error.to_string(),
                    });
                }
            }
        }
        let Some(tree) = self.tree(&job.artifact) else {
            return Reply::Wanting;
        };
        match render(&tree, &job.spec, job.variables.as_ref()) {
            Ok(objects) => built(objects, job.output_bytes_max),
            Err(refusal) => refused(&refusal),
        }
    }
}

impl Builder {
    fn tree(&mut self, digest: &str) -> Option<Tree> {
        let at = self.kept.iter().position(|kept| kept.digest == digest)?;
        let found = self.kept.remove(at)?;
        let tree = found.tree.clone();
        self.kept.push_front(found);
        Some(tree)
    }

    fn keep(&mut self, digest: &str, tree: Tree) {
        let bytes = tree
            .iter()
            .map(|(path, entry)| path.len() + size(entry))
            .sum();
        let digest = digest.to_owned();
        self.kept.push_front(Kept {
            digest,
            tree,
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

/// The manifests that `spec` makes of `tree`, substitution included.
pub(crate) fn render(
    tree: &Tree,
    spec: &KustomizationSpec,
    variables: Option<&BTreeMap<String, String>>,
) -> Result<Vec<Value>, Refusal> {
    /// flux: the gate StrictPostBuildSubstitutions is on.
    const STRICT: bool = true;
    let path = spec.path.as_deref().unwrap_or("");
    let path = path.trim_start_matches("./").trim_matches('/');
    let path = if path.is_empty() { "." } else { path };
    if !tree.is_dir(path) {
        return Err(Refusal {
            reason: "ArtifactFailed".into(),
            message: format!(
                "kustomization path not found: {path} is no directory of the source; correct spec.path"
            ),
        });
    }
    here(tree, path, spec, variables, STRICT)
}

/// The manifests that `spec` makes of the directory `path` of `tree`, whatever path it names itself, built
/// in this very process: for the files of whoever runs it, never for a stranger's. Where `strict`, a
/// variable that has neither value nor default is an error.
pub fn here(
    tree: &Tree,
    path: &str,
    spec: &KustomizationSpec,
    variables: Option<&BTreeMap<String, String>>,
    strict: bool,
) -> Result<Vec<Value>, Refusal> {
    let objects = flux::build_flux(tree, path, &overlay::of(spec)).map_err(Refusal::build)?;
    let objects = match variables {
        Some(variables) => substitute(objects, variables, strict).map_err(Refusal::build)?,
        None => objects,
    };
    match objects.iter().find(|object| is_deeper(object, DEPTH_MAX)) {
        Some(deep) => Err(Refusal::build(format!(
            "cannot build {}/{}: it is nested more than {DEPTH_MAX} deep; nest it less",
            fluvial_manifest::object::kind(deep),
            fluvial_manifest::object::name(deep),
        ))),
        None => Ok(objects),
    }
}

fn is_deeper(value: &Value, than: usize) -> bool {
    match value {
        Value::Array(items) => than == 0 || items.iter().any(|item| is_deeper(item, than - 1)),
        Value::Object(fields) => {
            than == 0 || fields.values().any(|field| is_deeper(field, than - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn refused(refusal: &Refusal) -> Reply {
    /// A message is for people.
    const CHARACTERS_MAX: usize = 4 << 10;
    let mut refusal = refusal.clone();
    if let Some((end, _)) = refusal.message.char_indices().nth(CHARACTERS_MAX) {
        refusal.message.truncate(end);
        refusal.message.push('…');
    }
    let answer = serde_json::to_vec(&Answer::Refused(refusal));
    Reply::Answer(answer.unwrap_or_default())
}

fn built(objects: Vec<Value>, bytes_max: u64) -> Reply {
    let mut answer = Bounded {
        bytes: Vec::new(),
        bytes_max,
    };
    match serde_json::to_writer(&mut answer, &Answer::Built(objects)) {
        Ok(()) => Reply::Answer(answer.bytes),
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
