//! `kustomize build`, natively and as a pure function of a tree.
//!
//! The one entry point is [`build`], or [`build_with`] for kustomizations with remote bases; [`flux`] is the same with what a Flux Kustomization adds, and
//! [`substitute`] is what Flux does to the result. Start reading at `target.rs`.
//!
//! ```
//! use fluvial_kustomize::{Options, build};
//! use fluvial_manifest::{Entry, Tree, yaml};
//!
//! let mut tree = Tree::new();
//! tree.insert("app/kustomization.yaml", Entry::file(*b"namePrefix: my-\nresources: [cm.yaml]\n"))?;
//! tree.insert("app/cm.yaml", Entry::file(*b"{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}}\n"))?;
//! let objects = build(&tree, "app", &Options::default())?;
//! assert_eq!(yaml::to_multi(&objects), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: my-cm\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is elsewhere is asked for, and whoever calls brings it:
//!
//! ```
//! use fluvial_kustomize::{Brought, Built, Means, Options, Remotes, build_with};
//! use fluvial_manifest::{Entry, Tree};
//!
//! let mut tree = Tree::new();
//! tree.insert("kustomization.yaml", Entry::file(*b"resources: ['https://example.com/cm.yaml']\n"))?;
//! let mut remotes = Remotes::new();
//! let objects = loop {
//!     let means = Means { remotes: Some(&remotes), ..Means::default() };
//!     match build_with(&tree, "", &Options::default(), means)? {
//!         Built::Objects(objects) => break objects,
//!         Built::Needs(needs) => for needed in needs {
//!             // Here it would be fetched.
//!             let file = b"{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}}".to_vec();
//!             remotes.insert(needed.url, Brought::File(file));
//!         },
//!     }
//! };
//! assert_eq!(objects.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants: the same tree, path and options give the same objects in the same order; nothing is
//! read but the tree; nothing is fetched or executed; no input makes it panic.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod chart;
mod config;
mod crds;
mod decode;
mod error;
mod fieldpath;
mod fieldspec;
mod files;
pub mod flux;
mod generate;
mod json6902;
mod kustomization;
mod loader;
mod nameref;
mod origin;
mod parse;
mod plugin;
pub mod remote;
mod replacement;
mod resource;
mod resources;
mod schema;
mod selector;
mod sort;
mod strategic;
pub mod substitute;
mod target;
mod transform;
mod vars;

use std::cell::RefCell;

use fluvial_manifest::{Tree, Value, object, yaml};

use chart::Charts;
pub use error::Error;
pub use files::file_names;
pub use flux::build_flux;
use loader::Loader;
use remote::Asked;
pub use remote::{Brought, Remote, Remotes, Repository};
use resource::{Resource, check_annotation_key};
pub use schema::has_no_namespace;
use sort::SortOptions;
pub use substitute::substitute;
use target::Target;

/// Which files a kustomization may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restriction {
    /// Those in or below its own directory: kustomize's default.
    #[default]
    RootOnly,
    /// All of the tree, as Flux allows.
    None,
}

/// The order of the result, unless the kustomization has `sortOptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reorder {
    /// Namespaces first, webhooks last: kustomize's default.
    #[default]
    Legacy,
    /// As the kustomization lists them.
    None,
}

/// What `kustomize build` takes as flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--load-restrictor`
    pub restriction: Restriction,
    /// `--reorder`
    pub reorder: Reorder,
    /// `--enable-managedby-label`
    pub managed_by_label: bool,
}

/// The objects that `kustomize build` v5.8.2 prints for the directory `path` of `tree`, in its order.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "options grow, and callers keep theirs"
)]
pub fn build(tree: &Tree, path: &str, options: &Options) -> Result<Vec<Value>, Error> {
    let loader = Loader::new(tree, path, options.restriction, None)?;
    finish(Target::load(loader)?, *options)
}

/// What a build may use besides its tree.
#[derive(Clone, Copy, Default)]
pub struct Means<'a> {
    /// What was brought of what is remote; nothing where that is refused.
    pub remotes: Option<&'a Remotes>,
    /// Whether only charts may be remote: bases and files that are, are refused.
    pub only_charts: bool,
    /// How charts are rendered; nothing where they are refused.
    pub charts: Option<Charts<'a>>,
}

/// What a build comes to that may use what is remote.
#[derive(Clone, Debug, PartialEq)]
pub enum Built {
    /// The objects, as [`build`] gives them.
    Objects(Vec<Value>),
    /// What has to be brought first: fetch it and build again, with it and all that was brought before.
    Needs(Vec<Remote>),
}

/// As [`build`], but what is remote is not refused: it is used when it is among `remotes`, else it is needed.
/// Nor are charts, where `means` renders them.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "options grow, and callers keep theirs"
)]
pub fn build_with(
    tree: &Tree,
    path: &str,
    options: &Options,
    means: Means<'_>,
) -> Result<Built, Error> {
    let asked = means.remotes.map(|brought| Asked {
        brought,
        only_charts: means.only_charts,
        missing: RefCell::default(),
    });
    let objects = Loader::new(tree, path, options.restriction, asked.as_ref())
        .map(|loader| loader.with_charts(means.charts))
        .and_then(Target::load)
        .and_then(|target| finish(target, *options));
    let missing = asked.map(|asked| asked.missing.take()).unwrap_or_default();
    if missing.is_empty() {
        objects.map(Built::Objects)
    } else {
        Ok(Built::Needs(missing))
    }
}

/// Builds a target, sorts the objects and takes off what only the build needed.
fn finish(target: Target<'_>, options: Options) -> Result<Vec<Value>, Error> {
    let kustomization = target.kustomization();
    let asked = |option: &str| kustomization.build_metadata.iter().any(|own| own == option);
    let origins = asked("originAnnotations");
    let transformations = asked("transformerAnnotations");
    let managed_by = options.managed_by_label || asked("managedByLabel");
    let sort = match (&kustomization.sort_options, options.reorder) {
        (Some(own), _) => own.clone(),
        (None, Reorder::Legacy) => SortOptions::legacy(),
        (None, Reorder::None) => SortOptions::Fifo,
    };
    let file = target.file().to_owned();
    let mut list = target.build()?.into_list();
    sort.sort(&mut list);
    for resource in &mut list {
        if managed_by {
            object::set_label(
                &mut resource.value,
                "app.kubernetes.io/managed-by",
                "kustomize-v5.8.2",
            );
        }
        fill_absent(resource);
        strip(resource, origins, transformations).map_err(|error| {
            let id = resource.id();
            Error::new(format!("cannot write {id}: {}", error.reason)).in_file(&file)
        })?;
        origin::annotate(resource, origins, transformations);
        yaml::canonical(&mut resource.value);
    }
    Ok(list.into_iter().map(|resource| resource.value).collect())
}

/// Makes texts of the values that are missing between brackets, in an object that no patch has done so to.
fn fill_absent(resource: &mut Resource) {
    let Some(written) = resource.written.take_if(|written| written.has_gaps()) else {
        return;
    };
    if let Some(document) = written.marked() {
        strategic::fill_absent(&mut resource.value, &document);
    }
}

/// Annotations that belong to kustomize's own pipelines and never reach a cluster.
const INTERNAL_ANNOTATIONS: [&str; 19] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "internal.config.kubernetes.io/helm-generated",
];

/// Removes internal annotations, makes all others text, and removes an empty map of them.
fn strip(resource: &mut Resource, origins: bool, transformations: bool) -> Result<(), Error> {
    resource.pair_annotations()?;
    let Some(Value::Object(metadata)) = resource.value.get_mut("metadata") else {
        return Ok(());
    };
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else {
        metadata.remove("annotations");
        return Ok(());
    };
    for key in INTERNAL_ANNOTATIONS
        .into_iter()
        .chain(origin::stale(origins, transformations))
    {
        annotations.remove(key);
    }
    for (key, value) in annotations.iter_mut() {
        check_annotation_key(key)?;
        if value.is_null() {
            let written = resource.null_annotations.get(key);
            *value = Value::String(written.map_or("null", String::as_str).to_owned());
        } else if !value.is_string() {
            *value = Value::String(resource::scalar_text(value).unwrap_or_default());
        }
    }
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    Ok(())
}
