//! `fluvial tree`: what a Kustomization brought, and what that brought in turn, as `flux tree` prints it.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use fluvial_api::kinds;
use fluvial_cluster::{Cluster, Reference};
use fluvial_helm::release::Record;
use fluvial_manifest::{ObjectId, yaml};
use serde::Serialize;
use serde_json::Value;

use crate::connect::Globals;
use crate::json as read;
use crate::objects::reference;
use crate::output::{self, Plain};

/// Print what a Kustomization brought, as a tree
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial tree kustomization flux-system
  fluvial tree ks app --compact
  fluvial tree ks app -n apps -o yaml")]
pub(crate) struct TreeArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The objects of a Kustomization, those of its Kustomizations, and those of its HelmReleases
    #[command(
        visible_alias = "ks",
        after_help = "Examples:
  fluvial tree kustomization flux-system
  fluvial tree ks app --compact"
    )]
    Kustomization(KustomizationArgs),
}

#[derive(Args, Debug)]
struct KustomizationArgs {
    /// The name of the Kustomization
    name: String,
    /// Only Flux objects
    #[arg(long)]
    compact: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
}

/// An object, and what came of it.
#[derive(Debug, Serialize)]
struct Node {
    #[serde(serialize_with = "as_flux")]
    resource: ObjectId,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Self>,
}

/// As cli-utils' `ObjMetadata` is written.
fn as_flux<S: serde::Serializer>(id: &ObjectId, serializer: S) -> Result<S::Ok, S::Error> {
    let written = serde_json::json!({
        "Namespace": id.namespace,
        "Name": id.name,
        "GroupKind": {"Group": id.group, "Kind": id.kind},
    });
    written.serialize(serializer)
}

impl Node {
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.resource.human());
        self.branches("", &mut text);
        text
    }

    fn branches(&self, indent: &str, text: &mut String) {
        for (at, node) in self.resources.iter().enumerate() {
            let is_last = at + 1 == self.resources.len();
            let (branch, below) = if is_last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            text.extend([indent, branch, &node.resource.human(), "\n"]);
            node.branches(&format!("{indent}{below}"), text);
        }
    }
}

pub(crate) async fn run(globals: &Globals, args: &TreeArgs) -> Result<ExitCode> {
    let What::Kustomization(args) = &args.what;
    let place = reference(&kinds::KUSTOMIZATION, &globals.namespace, &args.name);
    let walk = Walk {
        cluster: globals.cluster().await?,
        is_compact: args.compact,
    };
    let object = walk.cluster.get(&place).await?;
    let object = object.with_context(|| format!("cannot find {place}: see `fluvial get ks -A`"))?;
    let resource = ObjectId {
        group: place.group,
        kind: place.kind,
        namespace: place.namespace,
        name: place.name,
    };
    let mut above = vec![resource.clone()];
    let tree = Node {
        resources: Box::pin(walk.kustomization(&object, &mut above)).await?,
        resource,
    };
    match args.output {
        Some(format) => output::plain(format, &tree)?,
        None => output::print(&output::clean(&tree.text()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Goes from an object to what came of it.
struct Walk {
    cluster: Cluster,
    is_compact: bool,
}

impl Walk {
    /// What is in the inventory of a Kustomization; `above` keeps a circle from being walked for ever.
    async fn kustomization(&self, object: &Value, above: &mut Vec<ObjectId>) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        for id in self.inventory(object)? {
            if above.contains(&id) {
                continue;
            }
            let is = |kind: &kinds::Kind| id.group == kind.group && id.kind == kind.kind;
            // What is applied to another cluster is not here.
            let resources = if is_remote(object) {
                Vec::new()
            } else if is(&kinds::KUSTOMIZATION) {
                match self.cluster.get(&place(&id)).await? {
                    Some(below) => {
                        above.push(id.clone());
                        let nodes = Box::pin(self.kustomization(&below, above)).await?;
                        above.pop();
                        nodes
                    }
                    None => Vec::new(),
                }
            } else if is(&kinds::HELM_RELEASE) {
                self.release(&id).await?
            } else {
                Vec::new()
            };
            nodes.push(Node {
                resource: id,
                resources,
            });
        }
        Ok(nodes)
    }

    /// What is in the inventory of a HelmRelease; where none was written, what helm's record says.
    async fn release(&self, id: &ObjectId) -> Result<Vec<Node>> {
        let Some(object) = self.cluster.get(&place(id)).await? else {
            return Ok(Vec::new());
        };
        if is_remote(&object) {
            return Ok(Vec::new());
        }
        let mut ids = self.inventory(&object)?;
        if object.pointer("/status/inventory").is_none() {
            ids = self.recorded(&object).await?;
            ids.retain(|id| self.is_wanted(id));
        }
        let leaf = |resource| Node {
            resource,
            resources: Vec::new(),
        };
        Ok(ids.into_iter().map(leaf).collect())
    }

    async fn recorded(&self, release: &Value) -> Result<Vec<ObjectId>> {
        let storage = read::text(release, "/status/storageNamespace");
        let Some(latest) = release.pointer("/status/history/0") else {
            return Ok(Vec::new());
        };
        let version = latest["version"].as_i64().unwrap_or_default();
        let name = Record::secret_name(read::text(latest, "/name"), version);
        let secret = Reference::new("v1", "Secret", storage, &name);
        let Some(secret) = self.cluster.get(&secret).await? else {
            return Ok(Vec::new());
        };
        let unreadable = || format!("cannot read helm's record in Secret {storage}/{name}");
        let data = read::text(&secret, "/data/release");
        let data = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data)
            .with_context(unreadable)?;
        let record = Record::decode(&data)
            .map_err(anyhow::Error::msg)
            .with_context(unreadable)?;
        let mut ids = Vec::new();
        for object in yaml::documents(&record.manifest).with_context(unreadable)? {
            let Some(mut id) = ObjectId::of(&object) else {
                continue;
            };
            if id.namespace.is_empty() && self.is_namespaced(&id).await {
                id.namespace = read::text(latest, "/namespace").to_owned();
            }
            ids.push(id);
        }
        Ok(ids)
    }

    async fn is_namespaced(&self, id: &ObjectId) -> bool {
        let resource = self.cluster.preferred(&id.group, &id.kind).await;
        resource.is_ok_and(|it| it.namespaced)
    }

    fn inventory(&self, object: &Value) -> Result<Vec<ObjectId>> {
        let entries = object.pointer("/status/inventory/entries");
        let entries = entries.and_then(Value::as_array).into_iter().flatten();
        let mut ids = Vec::new();
        for entry in entries {
            let text = read::text(entry, "/id");
            let id: ObjectId = text.parse().with_context(|| {
                format!(
                    "cannot read {text:?} in the inventory of {}",
                    read::name(object)
                )
            })?;
            if self.is_wanted(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    fn is_wanted(&self, id: &ObjectId) -> bool {
        !self.is_compact || id.group.contains("toolkit.fluxcd.io")
    }
}

fn is_remote(object: &Value) -> bool {
    object.pointer("/spec/kubeConfig").is_some()
}

fn place(id: &ObjectId) -> Reference {
    Reference {
        group: id.group.clone(),
        version: String::new(),
        kind: id.kind.clone(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str, resources: Vec<Node>) -> Node {
        let parts: Vec<_> = text.split('/').collect();
        let (namespace, name) = match parts.as_slice() {
            [_, name] => ("", *name),
            [_, namespace, name] => (*namespace, *name),
            _ => panic!("{text}"),
        };
        let resource = ObjectId {
            group: String::new(),
            kind: parts[0].to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Node {
            resource,
            resources,
        }
    }

    #[test]
    fn branches_are_drawn_as_flux_draws_them() {
        let infrastructure = vec![
            node("Namespace/cert-manager", vec![]),
            node(
                "HelmRelease/cert-manager/web",
                vec![node("Service/web/web", vec![])],
            ),
        ];
        let tree = node(
            "Kustomization/flux-system/flux-system",
            vec![
                node("Deployment/flux-system/helm-controller", vec![]),
                node("Kustomization/flux-system/infrastructure", infrastructure),
                node("GitRepository/flux-system/flux-system", vec![]),
            ],
        );
        assert_eq!(
            tree.text(),
            "Kustomization/flux-system/flux-system\n\
             ├── Deployment/flux-system/helm-controller\n\
             ├── Kustomization/flux-system/infrastructure\n\
             │   ├── Namespace/cert-manager\n\
             │   └── HelmRelease/cert-manager/web\n\
             │       └── Service/web/web\n\
             └── GitRepository/flux-system/flux-system\n"
        );
    }
}
