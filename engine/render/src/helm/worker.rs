//! Inside a worker: charts, values and records are read and rendered. Nothing here is trusted by the parent.

use fluvial_helm::manifests::{Hook, compare_hooks, split};
use fluvial_helm::release::{RecordedHook, config_digest};
use fluvial_helm::{
    Capabilities, Chart, Error, KubeVersion, Options, Values, check_installable, render_with,
};
use fluvial_manifest::{Map, Value};

use super::objects::{Ignored, read};
use super::post_render::PostRenderer;
use super::tracked::tracked;
use super::{
    Answer, ChartValues, Layer, Question, ReadHook, ReadRecord, RecordJob, ReleaseJob,
    RenderedRelease, ValuesJob,
};
use crate::Refusal;

/// What a question comes to; `chart` is the one that it names.
pub(crate) fn answer(question: &Question, chart: Option<&Chart>) -> Answer {
    let chart = || chart.ok_or_else(|| refuse("ArtifactFailed", "the chart was not sent along"));
    let answer = match question {
        Question::Values(job) => chart()
            .and_then(|chart| compose_here(job, chart))
            .map(Answer::Values),
        Question::Release(job) => chart()
            .and_then(|chart| release_here(job, chart.clone()))
            .map(|it| Answer::Release(Box::new(it))),
        Question::Record(job) => record(job).map(Answer::Record),
    };
    answer.unwrap_or_else(Answer::Refused)
}

fn refuse(reason: &str, message: &(impl ToString + ?Sized)) -> Refusal {
    Refusal {
        reason: reason.to_owned(),
        message: message.to_string(),
    }
}

/// The chart in an archive, to be asked about.
pub(crate) fn load(archive: &[u8]) -> Result<Chart, Refusal> {
    let chart = Chart::from_archive(archive)
        .map_err(|error| refuse("ArtifactFailed", &format!("could not load chart: {error}")))?;
    check_installable(&chart).map_err(|error| refuse("ArtifactFailed", &error))?;
    Ok(chart)
}

/// The values that a chart is released with, put together in this very process: for the files of whoever
/// runs it, never for a stranger's.
pub fn compose_here(job: &ValuesJob, chart: &Chart) -> Result<ChartValues, Refusal> {
    let values = values_here(job.kept.as_ref(), &job.layers)?;
    Ok(ChartValues {
        name: chart.metadata.name.clone(),
        version: version(chart, &job.revision)?,
        app_version: chart.metadata.app_version.clone(),
        config_digest: config_digest(Some(&values)),
        values,
    })
}

fn version(chart: &Chart, revision: &str) -> Result<String, Refusal> {
    tracked(&chart.metadata.version, revision).map_err(|why| refuse("ChartMutateError", &why))
}

/// Values put together in this very process: `kept` below all layers, each over those before it.
pub fn values_here(
    kept: Option<&Map<String, Value>>,
    layers: &[Layer],
) -> Result<Map<String, Value>, Refusal> {
    let mut values = Values::new();
    if let Some(kept) = kept {
        values.add_json(&Value::Object(kept.clone()));
    }
    for layer in layers {
        let cannot = |origin: &str, is_secret: bool, error: &Error| {
            let why = if is_secret {
                "its text cannot be read as values".to_owned()
            } else {
                error.to_string()
            };
            refuse("ValuesError", &format!("could not resolve {origin}: {why}"))
        };
        match layer {
            Layer::Yaml {
                text,
                origin,
                is_secret,
            } => {
                let added = values.add_yaml(text.as_bytes());
                added.map_err(|error| cannot(origin, *is_secret, &error))?;
            }
            Layer::One {
                path,
                text,
                literal,
                origin,
                is_secret,
            } => {
                let set = set(&mut values, path, text, *literal);
                set.map_err(|error| cannot(origin, *is_secret, &error))?;
            }
            Layer::Json(more) => values.add_json(more),
        }
    }
    let Value::Object(values) = values.to_json() else {
        let why = "the values hold a number that JSON has no form for; write it as text";
        return Err(refuse("ValuesError", why));
    };
    Ok(values)
}

/// flux: `ReplacePathValue` in `fluxcd/pkg/chartutil`.
fn set(values: &mut Values, path: &str, text: &str, literal: bool) -> Result<(), Error> {
    if literal {
        return values.set_literal(&format!("{path}={text}"));
    }
    let is_within = |quote: char| text.starts_with(quote) && text.ends_with(quote);
    if is_within('\'') || is_within('"') {
        let inner = text.trim_matches(['\'', '"']);
        return values.set_text(&format!("{path}={inner}"));
    }
    values.set(&format!("{path}={text}"))
}

/// A chart rendered as a release in this very process: for the files of whoever runs it, never for a
/// stranger's.
pub fn release_here(job: &ReleaseJob, mut chart: Chart) -> Result<RenderedRelease, Refusal> {
    if let Some(defaults) = &job.defaults {
        chart.assume(defaults);
    }
    chart.metadata.version = version(&chart, &job.revision)?;
    let values = Values::from_json(&Value::Object(job.values.clone()));
    let options = options(job)?;
    let renderer = PostRenderer::new(&job.post);
    let mut post_render = |files| renderer.run(&files).map_err(Error::Render);
    let rendered = render_with(chart, &values, &options, &mut post_render)
        .map_err(|error| refuse("BuildFailed", &error))?;
    if !rendered.wanted.is_empty() {
        let wanted = rendered.wanted.into_iter().collect();
        return Ok(RenderedRelease::wanting(wanted));
    }
    let ignored = Ignored::new(&job.ignore).map_err(|why| refuse("InvalidSpec", &why))?;
    let mut objects = Vec::new();
    for manifest in &rendered.manifests {
        let read = read(&manifest.content, &job.namespace, &ignored)
            .map_err(|why| refuse("BuildFailed", &format!("{}: {why}", manifest.source)))?;
        objects.extend(read);
    }
    let mut hooks = rendered.hooks.clone();
    hooks.sort_by(compare_hooks);
    let hooks = hooks.iter().map(recorded).map(read_hook);
    let mut definitions = Vec::new();
    for file in &rendered.crds {
        let text = String::from_utf8_lossy(&file.data);
        for document in split(&text) {
            let objects = read(document, "", &Ignored::default())
                .map_err(|why| refuse("BuildFailed", &format!("{}: {why}", file.filename)))?;
            definitions.extend(objects.into_iter().map(|it| it.value));
        }
    }
    Ok(RenderedRelease {
        wanted: Vec::new(),
        chart: rendered.chart.recorded(),
        manifest: rendered.manifest(),
        notes: rendered.notes.clone(),
        definitions,
        hooks: hooks.collect::<Result<_, _>>()?,
        objects,
    })
}

fn options(job: &ReleaseJob) -> Result<Options, Refusal> {
    let mut capabilities = Capabilities::default();
    if !job.kube_version.is_empty() {
        let version = KubeVersion::parse(&job.kube_version);
        capabilities.kube_version = version.map_err(|error| refuse("BuildFailed", &error))?;
    }
    if !job.api_versions.is_empty() {
        capabilities.api_versions.clone_from(&job.api_versions);
    }
    Ok(Options {
        name: job.name.clone(),
        namespace: job.namespace.clone(),
        revision: job.version,
        is_upgrade: job.is_upgrade,
        capabilities,
        skip_schema: job.skip_schema,
        seed: job.seed,
        now: job.now,
        objects: Some(job.found.iter().cloned().collect()),
    })
}

fn record(job: &RecordJob) -> Result<ReadRecord, Refusal> {
    let ignored = Ignored::new(&job.ignore).map_err(|why| refuse("InvalidSpec", &why))?;
    let mut objects = Vec::new();
    for document in split(&job.manifest) {
        let read = read(document, &job.namespace, &ignored)
            .map_err(|why| refuse("StateError", &format!("the recorded manifest: {why}")))?;
        objects.extend(read);
    }
    let mut hooks = job.hooks.clone();
    hooks.sort_by(|left, right| (left.weight, &left.name).cmp(&(right.weight, &right.name)));
    let hooks = hooks.into_iter().map(read_hook);
    Ok(ReadRecord {
        objects,
        hooks: hooks.collect::<Result<_, _>>()?,
    })
}

fn recorded(hook: &Hook) -> RecordedHook {
    RecordedHook {
        name: hook.name.clone(),
        kind: hook.kind.clone(),
        path: hook.path.clone(),
        manifest: hook.manifest.clone(),
        events: hook.events.iter().map(|it| it.name().to_owned()).collect(),
        weight: hook.weight,
        delete_policies: hook.delete_policies.clone(),
        output_log_policies: hook.output_log_policies.clone(),
        ..RecordedHook::default()
    }
}

fn read_hook(recorded: RecordedHook) -> Result<ReadHook, Refusal> {
    let value = read(&recorded.manifest, "", &Ignored::default());
    let value = value.and_then(|objects| match <[_; 1]>::try_from(objects) {
        Ok([object]) => Ok(object.value),
        Err(_) => Err("a hook is one object".to_owned()),
    });
    match value {
        Ok(value) => Ok(ReadHook { recorded, value }),
        Err(why) => Err(refuse(
            "BuildFailed",
            &format!("hook {}: {why}", recorded.path),
        )),
    }
}
