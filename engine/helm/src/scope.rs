//! What each template sees: `.Values`, `.Chart`, `.Release`, `.Files`, `.Capabilities`, `.Subcharts`, `.Template`.

use std::collections::BTreeMap;
use std::sync::Arc;

use fluvial_gotemplate::{Map, Value};

use crate::files::Files;
use crate::{Chart, Dependency, Metadata};

/// One template file of a chart or of a chart in it.
pub(crate) struct Template {
    pub(crate) text: Arc<[u8]>,
    /// What the dot is, shared by all templates of one chart.
    pub(crate) scope: Map,
    /// `.Template.BasePath`
    pub(crate) base_path: Arc<str>,
}

/// All templates by their names, from the root chart's name on.
pub(crate) fn templates(chart: &Chart, top: &Map) -> BTreeMap<String, Template> {
    let mut templates = BTreeMap::new();
    below(chart, chart.name(), true, top, &mut templates);
    templates
}

/// `top` is what the parent's templates see.
fn below(
    chart: &Chart,
    path: &str,
    is_root: bool,
    top: &Map,
    templates: &mut BTreeMap<String, Template>,
) -> Map {
    let scope = Map::new();
    let about = about(&chart.metadata);
    about.insert("IsRoot", is_root.into());
    scope.insert("Chart", about.into());
    scope.insert("Files", Files::of(&chart.files));
    for shared in ["Release", "Capabilities"] {
        scope.insert(shared, top.get(shared).unwrap_or(Value::Nil));
    }
    let values = match (is_root, top.get("Values")) {
        (true, values) => values,
        (false, Some(Value::Map(values))) => match values.get(chart.name()) {
            Some(Value::Map(own)) => Some(own.into()),
            _ => None,
        },
        (false, _) => None,
    };
    scope.insert(
        "Values",
        values.unwrap_or_else(|| Map::named("common.Values").into()),
    );
    let charts = Map::new();
    scope.insert("Subcharts", charts.clone().into());
    for dependency in &chart.dependencies {
        let name = dependency.name();
        let path = format!("{path}/charts/{name}");
        let inner = below(dependency, &path, false, &scope, templates);
        charts.insert(name, inner.into());
    }
    let base_path: Arc<str> = format!("{path}/templates").into();
    for file in chart.templates.iter() {
        let name = file.name.rsplit('/').next().unwrap_or_default();
        if chart.metadata.is_library() && !name.starts_with('_') {
            continue;
        }
        let template = Template {
            text: Arc::clone(&file.data),
            scope: scope.clone(),
            base_path: Arc::clone(&base_path),
        };
        templates.insert(format!("{path}/{}", file.name), template);
    }
    scope
}

/// `.Chart`: the fields under their Go names.
fn about(metadata: &Metadata) -> Map {
    let text = |text: &String| Value::from(text.as_str());
    let texts = |all: &[String]| Value::list(all.iter().map(text).collect());
    let annotations = metadata.annotations.iter().flatten();
    let annotations: Map = annotations
        .map(|(key, value)| (key.as_str(), text(value)))
        .collect();
    let maintainers = metadata.maintainers.iter().map(|own| {
        map([
            ("Name", text(&own.name)),
            ("Email", text(&own.email)),
            ("URL", text(&own.url)),
        ])
        .into()
    });
    map([
        ("Name", text(&metadata.name)),
        ("Home", text(&metadata.home)),
        ("Sources", texts(&metadata.sources)),
        ("Version", text(&metadata.version)),
        ("Description", text(&metadata.description)),
        ("Keywords", texts(&metadata.keywords)),
        ("Maintainers", Value::list(maintainers.collect())),
        ("Icon", text(&metadata.icon)),
        ("APIVersion", text(&metadata.api_version)),
        ("Condition", text(&metadata.condition)),
        ("Tags", text(&metadata.tags)),
        ("AppVersion", text(&metadata.app_version)),
        ("Deprecated", metadata.deprecated.into()),
        ("Annotations", annotations.into()),
        ("KubeVersion", text(&metadata.kube_version)),
        (
            "Dependencies",
            Value::list(metadata.dependencies.iter().map(needed).collect()),
        ),
        ("Type", text(&metadata.kind)),
    ])
}

fn needed(dependency: &Dependency) -> Value {
    let text = |text: &String| Value::from(text.as_str());
    let imports = dependency.import_values.iter().map(Value::from_json);
    map([
        ("Name", text(&dependency.name)),
        ("Version", text(&dependency.version)),
        ("Repository", text(&dependency.repository)),
        ("Condition", text(&dependency.condition)),
        (
            "Tags",
            Value::list(dependency.tags.iter().map(text).collect()),
        ),
        ("Enabled", dependency.enabled.into()),
        ("ImportValues", Value::list(imports.collect())),
        ("Alias", text(&dependency.alias)),
    ])
    .into()
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Map {
    entries.into_iter().collect()
}
