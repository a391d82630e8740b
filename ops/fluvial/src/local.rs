//! A Kustomization built from a directory on this machine, as the engine would build it from its source.
//!
//! What becomes of the manifests is the commands' business.

pub(crate) mod mask;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use fluvial_api::{Kustomization, kinds};
use fluvial_apply::Owner;
use fluvial_cluster::Cluster;
use fluvial_execute::variables;
use fluvial_manifest::{Value, object, yaml};

use crate::disk;
use crate::objects::reference;

/// What to build; the flags of flux.
#[derive(Args, Clone, Debug)]
pub(crate) struct LocalArgs {
    /// The name of the Kustomization
    pub(crate) name: String,
    /// The directory here that the Kustomization's spec.path means
    #[arg(long, value_name = "DIR")]
    pub(crate) path: PathBuf,
    /// The Kustomization as this file declares it, not as the cluster has it
    #[arg(long, value_name = "FILE")]
    pub(crate) kustomization_file: Option<PathBuf>,
    /// Leave these files out of a directory without kustomization.yaml, in the syntax of .gitignore
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    ignore_paths: Vec<String>,
    /// Fail where a variable has neither a value nor a default
    #[arg(long)]
    strict_substitute: bool,
    /// Go on with the Kustomizations among what is built
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Where the sources of those are: Kind/namespace/name=DIR
    #[arg(long, value_name = "SOURCE=DIR", value_delimiter = ',')]
    local_sources: Vec<String>,
    /// Of no effect: a build never writes to the directory
    #[arg(long)]
    in_memory_build: bool,
}

/// Where a Kustomization was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// In the cluster, or there too.
    Live,
    /// In a file only.
    Local,
}

/// Builds from directories. Without a cluster, variables of ConfigMaps and Secrets are left out.
pub(crate) struct Local<'a> {
    pub(crate) args: &'a LocalArgs,
    pub(crate) cluster: Option<Cluster>,
}

impl Local<'_> {
    /// The Kustomization that is meant. One from a file has the status of the live one, if there is one.
    pub(crate) async fn declared(&self, namespace: &str) -> Result<(Kustomization, Found)> {
        let place = reference(&kinds::KUSTOMIZATION, namespace, &self.args.name);
        let live = match &self.cluster {
            Some(cluster) => cluster.get(&place).await?,
            None => None,
        };
        let live = live.map(|it| Kustomization::read(&it)).transpose()?;
        match (&self.args.kustomization_file, live) {
            (None, None) => bail!(
                "cannot find {place} in the cluster: see `fluvial get kustomizations -A`, or give --kustomization-file"
            ),
            (None, Some(live)) => Ok((live, Found::Live)),
            (Some(file), None) => Ok((self.in_file(file, namespace)?, Found::Local)),
            (Some(file), Some(live)) => {
                let declared = self.in_file(file, namespace)?;
                let status = live.status;
                Ok((Kustomization { status, ..declared }, Found::Live))
            }
        }
    }

    fn in_file(&self, file: &Path, namespace: &str) -> Result<Kustomization> {
        let name = &self.args.name;
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
        let documents = yaml::documents(&text).with_context(|| format!("cannot read {shown}"))?;
        let is_meant = |it: &&Value| {
            is_kustomization(it)
                && object::name(it) == name
                && ["", namespace].contains(&object::namespace(it))
        };
        let Some(found) = documents.iter().find(is_meant) else {
            bail!(
                "cannot find Kustomization/{namespace}/{name} in {shown}: name one that it declares"
            );
        };
        of(found, namespace).with_context(|| format!("cannot read {shown}"))
    }

    /// The manifests of `owner`, built of `directory`: labelled as its own, in kustomize's order, with no
    /// value of an encrypted Secret.
    pub(crate) async fn build(
        &self,
        owner: &Kustomization,
        directory: &Path,
    ) -> Result<Vec<Value>> {
        let shown = directory.display();
        ensure!(
            directory.is_dir(),
            "cannot build {shown}: it is no directory; --path is what spec.path means here"
        );
        let namespace = &owner.metadata.namespace;
        let variables = match &owner.spec.post_build {
            Some(it) => variables::of(self.cluster.as_ref(), namespace, it)
                .await?
                .map_err(|refusal| anyhow::Error::msg(refusal.message))?,
            None => None,
        };
        let (tree, path) =
            disk::read_flux(directory, &owner.spec.components, &self.args.ignore_paths)
                .with_context(|| format!("cannot read {shown}"))?;
        if !tree.is_dir(&path) {
            return Ok(Vec::new());
        }
        let strict = self.args.strict_substitute;
        let mut objects =
            fluvial_render::here(&tree, &path, &owner.spec, variables.as_ref(), strict)
                .map_err(|refusal| anyhow::Error::msg(refusal.message))?;
        let mark = owner_of(owner);
        for object in &mut objects {
            mark.mark(object);
            mask::encrypted(object);
        }
        Ok(objects)
    }

    /// The directory that a Kustomization among what was built is to be built of.
    pub(crate) fn directory(&self, child: &Kustomization) -> Result<PathBuf> {
        let (kind, name) = (&child.spec.source_ref.kind, &child.spec.source_ref.name);
        let source = format!("{kind}/{}/{name}", child.source_namespace());
        let sources = self.args.local_sources.iter();
        let directory = sources
            .filter_map(|it| it.split_once('='))
            .find_map(|(named, directory)| (named == source).then_some(directory));
        let Some(directory) = directory else {
            bail!(
                "cannot build Kustomization/{}/{}: where {source} is on this machine is not known; say --local-sources {source}=DIR",
                child.metadata.namespace,
                child.metadata.name
            );
        };
        let path = child.spec.path.as_deref().unwrap_or_default();
        Ok(Path::new(directory).join(path.trim_start_matches('/')))
    }
}

/// The Kustomization that is declared by one of the objects of `owner`, unless it is `owner` itself.
pub(crate) fn child(object: &Value, owner: &Kustomization) -> Result<Option<Kustomization>> {
    if !is_kustomization(object) {
        return Ok(None);
    }
    let child = of(object, &owner.metadata.namespace)?;
    let is_itself = owner_of(&child) == owner_of(owner);
    Ok((!is_itself).then_some(child))
}

/// Whose objects are built.
pub(crate) fn owner_of(kustomization: &Kustomization) -> Owner {
    let metadata = &kustomization.metadata;
    Owner::kustomization(&metadata.namespace, &metadata.name)
}

/// What `object` declares; without a namespace it is in `namespace`.
fn of(object: &Value, namespace: &str) -> Result<Kustomization> {
    let mut object = object.clone();
    if object::namespace(&object).is_empty() {
        object["metadata"]["namespace"] = Value::from(namespace);
    }
    Ok(Kustomization::read(&object)?)
}

fn is_kustomization(object: &Value) -> bool {
    let (group, _) = object::group_version(object::api_version(object));
    group == kinds::KUSTOMIZATION.group && object::kind(object) == kinds::KUSTOMIZATION.kind
}
