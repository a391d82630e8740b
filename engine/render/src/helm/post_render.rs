//! What is done to what a chart renders to: patches and images, common metadata, the labels of its origin.
//!
//! As in helm v4.3 (`annotateAndMerge` in `pkg/action`), a document carries the name of its file through the
//! renderers in an annotation; what they print is the manifest. helm-controller: `internal/postrender`.

use std::collections::BTreeMap;

use fluvial_api::helm_release::PostRenderStrategy;
use fluvial_helm::Files;
use fluvial_helm::manifests::split;
use fluvial_kustomize::flux;
use fluvial_manifest::{Entry, Tree, Value, object, yaml};

use super::PostRendering;
use crate::overlay;

/// helm's annotation for the file of a document.
const FILE: &str = "postrenderer.helm.sh/postrender-filename";
/// What makes a document a hook.
const HOOK: &str = "helm.sh/hook";

/// Post-renders the files of a chart.
pub(super) struct PostRenderer<'p>(&'p PostRendering);

impl<'p> PostRenderer<'p> {
    pub(super) fn new(post: &'p PostRendering) -> Self {
        Self(post)
    }

    /// The files as they are to be released.
    pub(super) fn run(&self, files: &Files) -> Result<Files, String> {
        let mut manifests = Vec::new();
        let mut hooks = Vec::new();
        for (name, content) in files {
            let last = name.rsplit('/').next().unwrap_or(name);
            if last.starts_with('_') {
                continue;
            }
            for document in split(content) {
                let read = yaml::first_as_json(document);
                let mut value = read.map_err(|error| format!("parsing {name}: {error}"))?;
                if value.is_null() {
                    continue;
                }
                if !value.is_object() {
                    return Err(format!("parsing {name}: it is no map"));
                }
                object::set_annotation(&mut value, FILE, name);
                let is_hook = object::annotation(&value, HOOK).is_some();
                if is_hook && self.0.strategy != PostRenderStrategy::Combined {
                    hooks.push(value);
                } else {
                    manifests.push(value);
                }
            }
        }
        let mut done = self.objects(manifests)?;
        done.extend(match self.0.strategy {
            PostRenderStrategy::Separate => self.objects(hooks)?,
            PostRenderStrategy::Combined | PostRenderStrategy::NoHooks => hooks,
        });
        Ok(files_of(done))
    }

    fn objects(&self, mut objects: Vec<Value>) -> Result<Vec<Value>, String> {
        for renderer in &self.0.renderers {
            if let Some(kustomize) = &renderer.kustomize
                && !objects.is_empty()
            {
                let mut tree = Tree::new();
                let text = yaml::to_multi(&objects);
                let entry = Entry::file(text.into_bytes());
                tree.insert("manifests.yaml", entry)
                    .map_err(|error| error.to_string())?;
                let overlay = overlay::of_post_renderer(kustomize);
                objects = flux::build_flux(&tree, ".", &overlay).map_err(|error| {
                    format!("error while running post render on files: {error}")
                })?;
            }
        }
        for object in &mut objects {
            let metadata = &self.0.metadata;
            for (key, value) in metadata.labels.iter().chain(&self.0.origin) {
                object::set_label(object, key, value);
            }
            for (key, value) in &metadata.annotations {
                object::set_annotation(object, key, value);
            }
        }
        Ok(objects)
    }
}

/// The documents in the files that they came from.
fn files_of(objects: Vec<Value>) -> Files {
    let mut files: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (number, mut value) in objects.into_iter().enumerate() {
        let name = object::annotation(&value, FILE).map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("generated-by-postrender-{number}.yaml"));
        if let Some(Value::Object(metadata)) = value.get_mut("metadata")
            && let Some(Value::Object(annotations)) = metadata.get_mut("annotations")
        {
            annotations.remove(FILE);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
        files.entry(name).or_default().push(value);
    }
    let text = |(name, documents): (String, Vec<Value>)| (name, yaml::to_multi(&documents));
    files.into_iter().map(text).collect()
}
