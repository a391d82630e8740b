//! `fluvial diff helmrelease`: what a chart of this machine would change in the cluster.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, bail, ensure};
use clap::{ArgAction, Args};
use fluvial_api::helm_release::CrdsPolicy;
use fluvial_api::{HelmRelease, kinds};
use fluvial_apply::{Object, Owner};
use fluvial_cluster::{Apply, Cluster, Reference, Takeover};
use fluvial_event::ObjectRef;
use fluvial_execute::rendering::{Occasion, release_job, rendered};
use fluvial_execute::values;
use fluvial_manifest::{ObjectId, Value, object, yaml};
use fluvial_render::helm::{RenderedRelease, ValuesJob, compose_here, release_here};
use indicatif::ProgressBar;

use super::changes::{self, Change};
use super::comparison::Comparison;
use super::live::{self, Action};
use crate::commands::render::chart;
use crate::commands::render::helm::{now, seed};
use crate::connect::Globals;
use crate::objects::reference;
use crate::output::Plain;

#[derive(Args, Debug)]
pub(super) struct HelmReleaseArgs {
    /// The name of the HelmRelease
    name: String,
    /// The chart: a directory or a packaged chart
    #[arg(long, value_name = "CHART")]
    path: PathBuf,
    /// The HelmRelease as this file declares it, not as the cluster has it
    #[arg(long, value_name = "FILE")]
    helmrelease_file: Option<PathBuf>,
    /// Do not mind that the HelmRelease of --helmrelease-file is not in the cluster yet
    #[arg(long, requires = "helmrelease_file")]
    ignore_not_found: bool,
    /// Show on a terminal how far it is
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    progress_bar: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
}

/// Prints it; whether anything would change.
pub(super) async fn run(globals: &Globals, args: &HelmReleaseArgs) -> Result<bool> {
    let cluster = globals.cluster().await?;
    let bar = changes::spinner("HelmRelease", args.progress_bar);
    let compared = async {
        let release = declared(&cluster, &globals.namespace, args).await?;
        let diff = Diff {
            cluster: cluster.clone(),
            release,
            bar: bar.clone(),
        };
        diff.of(&args.path).await
    };
    let compared = tokio::time::timeout(globals.timeout, compared).await;
    bar.finish_and_clear();
    let (changes, errors) = compared
        .context("cannot compare in time: the cluster does not answer; see --timeout")??;
    changes::print(&changes, &errors, args.output)
}

/// The HelmRelease that is meant. One from a file has the status of the live one, if there is one.
async fn declared(
    cluster: &Cluster,
    namespace: &str,
    args: &HelmReleaseArgs,
) -> Result<HelmRelease> {
    let place = reference(&kinds::HELM_RELEASE, namespace, &args.name);
    let live = cluster.get(&place).await?;
    let live = live.map(|it| HelmRelease::read(&it)).transpose()?;
    let Some(file) = &args.helmrelease_file else {
        return live.with_context(|| {
            format!(
                "cannot find {place} in the cluster: see `fluvial get helmreleases -A`, or give --helmrelease-file"
            )
        });
    };
    let declared = in_file(file, namespace, &args.name)?;
    match live {
        Some(live) => Ok(HelmRelease {
            status: live.status,
            ..declared
        }),
        None if args.ignore_not_found => Ok(declared),
        None => {
            bail!("cannot find {place} in the cluster: say --ignore-not-found if it is new")
        }
    }
}

fn in_file(file: &Path, namespace: &str, name: &str) -> Result<HelmRelease> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let documents = yaml::documents(&text).with_context(|| format!("cannot read {shown}"))?;
    let is_meant = |it: &Value| {
        let (group, _) = object::group_version(object::api_version(it));
        group == kinds::HELM_RELEASE.group
            && object::kind(it) == kinds::HELM_RELEASE.kind
            && object::name(it) == name
            && ["", namespace].contains(&object::namespace(it))
    };
    let Some(mut found) = documents.into_iter().find(is_meant) else {
        bail!("cannot find HelmRelease/{namespace}/{name} in {shown}: name one that it declares");
    };
    found["metadata"]["namespace"] = Value::from(namespace);
    HelmRelease::read(&found).with_context(|| format!("cannot read {shown}"))
}

struct Diff {
    cluster: Cluster,
    release: HelmRelease,
    bar: ProgressBar,
}

impl Diff {
    /// What would become of the objects of the chart, in helm's order, and of those that it has no more.
    async fn of(&self, path: &Path) -> Result<(Vec<Change>, Vec<Error>)> {
        let name = &self.release.metadata.name;
        self.bar.set_message(format!("rendering {name}"));
        let rendered = self.render(path).await?;
        let definitions = self.definitions(rendered.definitions).await?;
        let objects = rendered.objects.into_iter().map(|it| it.value).collect();
        let comparison = self.comparison();
        let set = comparison.normalized(objects).await?;
        self.bar.set_message(format!("running dry-run in {name}"));
        let all: Vec<_> = definitions.iter().chain(&set).collect();
        let made = |place: &Reference| {
            live::makes(&definitions, place) || live::makes(&set, place) || self.makes(place)
        };
        let (mut changes, mut errors) = (Vec::new(), Vec::new());
        for change in comparison.changes(&all, &made).await {
            match change {
                Ok(change) => changes.push(change),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            self.bar.set_message("processing inventory");
            // Definitions never leave: a chart's are not in its inventory.
            let inventory = self.release.status.inventory.as_ref();
            changes.extend(comparison.stale(inventory, &set).await?);
        }
        changes.retain(|it| it.action != Action::Unchanged);
        Ok((changes, errors))
    }

    /// The release as the engine owns and applies it.
    fn comparison(&self) -> Comparison<'_> {
        let HelmRelease { metadata, spec, .. } = &self.release;
        Comparison {
            cluster: &self.cluster,
            owner: Owner::release(
                spec.release_namespace(&metadata.namespace),
                &spec.release_name(&metadata.name),
            ),
            apply: Apply {
                field_manager: kinds::HELM_RELEASE.controller.to_owned(),
                takeover: Takeover::Legacy {
                    also: vec!["helm".to_owned()],
                },
                ..Apply::flux()
            },
            force: spec.upgrade.force,
        }
    }

    /// Whether the release makes its own namespace.
    fn makes(&self, place: &Reference) -> bool {
        let HelmRelease { metadata, spec, .. } = &self.release;
        spec.install.create_namespace
            && place.namespace == spec.release_namespace(&metadata.namespace)
    }

    async fn render(&self, path: &Path) -> Result<RenderedRelease> {
        let HelmRelease { metadata, spec, .. } = &self.release;
        let cluster = &self.cluster;
        let layers = values::layers(cluster, &metadata.namespace, spec).await?;
        let layers = layers.map_err(|refusal| Error::msg(refusal.message))?;
        let values = ValuesJob {
            artifact: String::new(),
            revision: String::new(),
            layers,
            kept: None,
        };
        let latest = self.release.status.history.latest();
        let is_upgrade = latest.is_some();
        ensure!(
            !(is_upgrade && spec.upgrade.preserve_values),
            "cannot compare HelmRelease/{}/{}: spec.upgrade.preserveValues takes values from the release before",
            metadata.namespace,
            metadata.name
        );
        let chart = chart::read(path)?;
        let composed = compose_here(&values, &chart);
        let composed = composed.map_err(|refusal| Error::msg(refusal.message))?;
        let occasion = Occasion {
            version: latest.map_or(1, |latest| latest.version + 1),
            is_upgrade,
            seed: seed()?,
            now: now(),
        };
        let object = ObjectRef {
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            ..ObjectRef::default()
        };
        let job = release_job(cluster, &object, spec, composed.values, occasion).await?;
        let render = |job| async move { Ok::<_, Error>(release_here(&job, chart::read(path)?)) };
        let rendered = rendered(cluster, job, render).await?;
        rendered.map_err(|refusal| Error::msg(refusal.message))
    }

    /// The definitions of the chart that would be applied: with `Create`, those that are not there yet.
    async fn definitions(&self, definitions: Vec<Value>) -> Result<Vec<Object>> {
        let spec = &self.release.spec;
        let policy = match self.release.status.history.latest() {
            Some(_) => spec.upgrade.crds_or_default(),
            None => spec.install.crds_or_default(),
        };
        let mut applied = Vec::new();
        for definition in definitions {
            let is_applied = match policy {
                CrdsPolicy::Skip => false,
                CrdsPolicy::CreateReplace => true,
                CrdsPolicy::Create => {
                    let place = Reference::of(&definition)?;
                    self.cluster.get(&place).await?.is_none()
                }
            };
            if is_applied {
                let place = Reference::of(&definition)?;
                applied.push(Object {
                    id: ObjectId {
                        group: place.group,
                        kind: place.kind,
                        namespace: String::new(),
                        name: place.name,
                    },
                    version: place.version,
                    value: definition,
                });
            }
        }
        Ok(applied)
    }
}
