//! A chart rendered for a HelmRelease: the job that its spec makes, and lookups that are answered until its
//! templates ask for nothing more. Where it is rendered is the caller's business: in a worker, or right there.

use fluvial_api::HelmReleaseSpec;
use fluvial_api::helm_release::origin_labels;
use fluvial_cluster::{Cause, Cluster, Error, Reference, Retry, Selector};
use fluvial_event::ObjectRef;
use fluvial_manifest::{Map, object};
use fluvial_render::Refusal;
use fluvial_render::helm::{Lookup, PostRendering, ReleaseJob, RenderedRelease};
use serde_json::{Value, json};

use crate::released::ignored;

/// How often a chart is rendered again because `lookup` asked for more than before: a template that needs the
/// answer to one asks for the next only then.
const LOOKUPS_MAX: usize = 64;

/// What differs from one release of the same HelmRelease to the next.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// The revision that it becomes.
    pub version: i64,
    /// Whether there was one before it.
    pub is_upgrade: bool,
    /// What chance is drawn from.
    pub seed: [u8; 32],
    /// What `now` says: seconds since 1970, and nanoseconds.
    pub now: (i64, u32),
}

/// What is rendered for the HelmRelease `object`. The chart is the caller's, and so are defaults in place of its
/// own.
pub async fn release_job(
    cluster: &Cluster,
    object: &ObjectRef,
    spec: &HelmReleaseSpec,
    values: Map<String, Value>,
    occasion: Occasion,
) -> Result<ReleaseJob, Error> {
    let ObjectRef {
        namespace, name, ..
    } = object;
    Ok(ReleaseJob {
        artifact: String::new(),
        revision: String::new(),
        name: spec.release_name(name),
        namespace: spec.release_namespace(namespace).to_owned(),
        version: occasion.version,
        is_upgrade: occasion.is_upgrade,
        values,
        defaults: None,
        kube_version: cluster.version().await?,
        api_versions: cluster.api_versions().await?,
        skip_schema: if occasion.is_upgrade {
            spec.upgrade.disable_schema_validation
        } else {
            spec.install.disable_schema_validation
        },
        seed: occasion.seed,
        now: occasion.now,
        found: Vec::new(),
        post: PostRendering {
            renderers: spec.post_renderers.clone().unwrap_or_default(),
            strategy: spec.post_render_strategy,
            metadata: spec.common_metadata.clone().unwrap_or_default(),
            origin: origin_labels(namespace, name),
        },
        ignore: ignored(spec),
    })
}

/// Renders, and looks up in `cluster` what templates ask for, until they ask for nothing more.
pub async fn rendered<E, Rendering>(
    cluster: &Cluster,
    mut job: ReleaseJob,
    render: impl Fn(ReleaseJob) -> Rendering,
) -> Result<Result<RenderedRelease, Refusal>, E>
where
    E: From<Error>,
    Rendering: Future<Output = Result<Result<RenderedRelease, Refusal>, E>>,
{
    for _ in 0..LOOKUPS_MAX {
        let rendered = match render(job.clone()).await? {
            Ok(rendered) if !rendered.wanted.is_empty() => rendered,
            done => return Ok(done),
        };
        for wanted in rendered.wanted {
            match look_up(cluster, &wanted).await {
                Ok(found) => job.found.push((wanted, found)),
                Err(error) if error.retry() == Retry::Soon => return Err(error.into()),
                Err(error) => return Ok(Err(Refusal::build(format!("lookup: {error}")))),
            }
        }
    }
    Ok(Err(Refusal::build(format!(
        "its templates look up more each time they are rendered; they were, {LOOKUPS_MAX} times"
    ))))
}

/// What `lookup` finds: one object, or a list of all where it names none.
async fn look_up(cluster: &Cluster, wanted: &Lookup) -> Result<Option<Value>, Error> {
    let Lookup {
        api_version,
        kind,
        namespace,
        name,
    } = wanted;
    let (group, version) = object::group_version(api_version);
    let resource = match cluster.resource(group, version, kind).await {
        Ok(resource) => resource,
        // As helm: a kind that is not served has no objects.
        Err(error) if matches!(error.cause(), Cause::UnknownKind { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if name.is_empty() {
        let selector = Selector::namespace(namespace);
        let items = cluster.list_all(&resource, &selector).await?;
        let list =
            json!({"apiVersion": api_version, "kind": format!("{kind}List"), "items": items});
        return Ok(Some(list));
    }
    let namespace = if resource.namespaced { namespace } else { "" };
    cluster
        .get(&Reference::new(api_version, kind, namespace, name))
        .await
}
