//! helmCharts: which chart, where it is, and the values it gets (`HelmChartInflationGenerator.go`, v0.21.2).
//!
//! What a chart makes is Helm's knowledge, so it is rendered by whoever builds ([`Charts`]); one that is not in
//! the repository is asked for like a remote base.

use fluvial_manifest::{Map, Tree, Value, object, yaml};

use crate::decode::Fields;
use crate::error::{Error, Result};
use crate::loader::Loader;
use crate::parse;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::strategic;

/// Where charts are, unless `helmGlobals` says otherwise.
const HOME: &str = "charts";

/// Marks what a chart made: its namespace is the chart's own business.
pub(crate) const GENERATED: &str = "internal.config.kubernetes.io/helm-generated";

/// One chart as it is to be rendered: what kustomize says to `helm template`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    /// The name of the chart.
    pub name: String,
    /// The name of the release; empty where one is to be made up.
    pub release_name: String,
    /// A template for the name of the release.
    pub name_template: String,
    /// The namespace of the release; empty for the default one.
    pub namespace: String,
    /// YAML texts of values, each over those before it.
    pub values: Vec<Vec<u8>>,
    /// API versions that the chart sees besides the common ones.
    pub api_versions: Vec<String>,
    /// The version of Kubernetes that the chart sees; empty for Helm's own.
    pub kube_version: String,
    /// Whether what is in `crds/` comes along.
    pub include_crds: bool,
    /// Whether hooks are left out.
    pub skip_hooks: bool,
    /// Whether tests are left out.
    pub skip_tests: bool,
}

/// Renders a chart that is in a directory of a tree, as `helm template` prints it.
pub type Inflate<'a> = dyn Fn(&Chart, &Tree, &str) -> Result<String, String> + 'a;

/// How a build comes by what its charts make: `--enable-helm` and the flags that go with it.
#[derive(Clone, Copy)]
pub struct Charts<'a> {
    /// Renders one.
    pub inflate: &'a Inflate<'a>,
    /// `--helm-kube-version`, for charts that say nothing themselves.
    pub kube_version: &'a str,
    /// `--helm-api-versions`, for charts that say nothing themselves.
    pub api_versions: &'a [String],
}

/// An entry of `helmCharts`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChartArgs {
    pub(crate) chart: Chart,
    version: String,
    repository: String,
    devel: bool,
    additional_values_files: Vec<String>,
    values_file: String,
    values_inline: Map<String, Value>,
    values_merge: String,
}

/// `helmGlobals`, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globals {
    chart_home: String,
}

pub(crate) fn read_globals(fields: &mut Fields<'_>) -> Result<Globals> {
    // Where Helm keeps its own configuration says nothing about a chart.
    fields.string("configHome")?;
    Ok(Globals {
        chart_home: fields.string("chartHome")?,
    })
}

pub(crate) fn read(fields: &mut Fields<'_>) -> Result<ChartArgs> {
    fields.flag("debug")?;
    Ok(ChartArgs {
        chart: Chart {
            name: fields.string("name")?,
            release_name: fields.string("releaseName")?,
            name_template: fields.string("nameTemplate")?,
            namespace: fields.string("namespace")?,
            values: Vec::new(),
            api_versions: fields.strings("apiVersions")?,
            kube_version: fields.string("kubeVersion")?,
            include_crds: fields.flag("includeCRDs")?,
            skip_hooks: fields.flag("skipHooks")?,
            skip_tests: fields.flag("skipTests")?,
        },
        version: fields.string("version")?,
        repository: fields.string("repo")?,
        devel: fields.flag("devel")?,
        additional_values_files: fields.strings("additionalValuesFiles")?,
        values_file: fields.string("valuesFile")?,
        values_inline: fields.map("valuesInline")?,
        values_merge: fields.string("valuesMerge")?,
    })
}

/// An entry of the deprecated `helmChartInflationGenerator`, and the globals that it sets.
pub(crate) fn read_legacy(fields: &mut Fields<'_>) -> Result<(ChartArgs, Globals)> {
    for unused in ["chartRepoName", "helmBin", "helmHome", "releaseNamespace"] {
        fields.string(unused)?;
    }
    fields.strings("extraArgs")?;
    let args = ChartArgs {
        chart: Chart {
            name: fields.string("chartName")?,
            release_name: fields.string("releaseName")?,
            ..Chart::default()
        },
        version: fields.string("chartVersion")?,
        repository: fields.string("chartRepoUrl")?,
        values_file: fields.string("values")?,
        values_inline: fields.map("valuesLocal")?,
        values_merge: fields.string("valuesMerge")?,
        ..ChartArgs::default()
    };
    let chart_home = fields.string("chartHome")?;
    Ok((args, Globals { chart_home }))
}

/// What several entries set: the last that says something counts.
pub(crate) fn last(set: Vec<Globals>) -> Globals {
    let mut set = set.into_iter().rev();
    set.find(|globals| !globals.chart_home.is_empty())
        .unwrap_or_default()
}

/// The objects that a chart makes, in Helm's order.
pub(crate) fn generate(
    loader: &Loader<'_>,
    globals: &Globals,
    args: &ChartArgs,
) -> Result<Vec<Resource>> {
    let Some(charts) = loader.charts() else {
        return Err(Error::new(
            "charts are rendered by `fluvial render kustomize --enable-helm` alone; make the chart a HelmRelease, or commit what it makes",
        ));
    };
    args.check()?;
    let (tree, directory, own_values) = args.find(loader, globals)?;
    let mut chart = args.chart.clone();
    if chart.kube_version.is_empty() {
        charts.kube_version.clone_into(&mut chart.kube_version);
    }
    if chart.api_versions.is_empty() {
        charts.api_versions.clone_into(&mut chart.api_versions);
    }
    chart.values = args.values(loader, own_values)?;
    let text = (charts.inflate)(&chart, tree, &directory)
        .map_err(|why| Error::new(format!("cannot render the chart {:?}: {why}", chart.name)))?;
    let mut resources = parse::resources("", &text).map_err(|error| {
        let line = error
            .line
            .map(|line| format!("line {line} of what it renders: "));
        Error::new(format!(
            "the chart {:?} makes no objects: {}{}",
            chart.name,
            line.unwrap_or_default(),
            error.reason
        ))
    })?;
    for resource in &mut resources {
        object::set_annotation(&mut resource.value, GENERATED, "true");
    }
    Ok(resources)
}

/// Whether a chart made an object.
pub(crate) fn is_generated(value: &Value) -> bool {
    object::annotation(value, GENERATED) == Some("true")
}

impl ChartArgs {
    fn check(&self) -> Result<()> {
        let wrong = |field: &str, why: &str| Err(Error::new(why).in_field(field));
        if self.chart.name.is_empty() {
            return wrong("name", "a chart needs a name");
        }
        if self.chart.name.starts_with('-') {
            return wrong("name", "the name of a chart begins with no `-`");
        }
        if self.chart.release_name.starts_with('-') {
            return wrong("releaseName", "the name of a release begins with no `-`");
        }
        if !matches!(
            self.values_merge.as_str(),
            "" | "merge" | "override" | "replace"
        ) {
            return wrong("valuesMerge", "it must be merge, override or replace");
        }
        Ok(())
    }

    /// The directory of the chart, in the repository or brought from elsewhere, and its own values.
    fn find<'a>(
        &self,
        loader: &Loader<'a>,
        globals: &Globals,
    ) -> Result<(&'a Tree, String, Values<'a>)> {
        let name = &self.chart.name;
        let mut home = globals.chart_home.as_str();
        if home.is_empty() {
            home = HOME;
        }
        let is_pinned = !self.version.is_empty() && !self.repository.is_empty();
        let path = if is_pinned {
            format!("{home}/{name}-{}/{name}", self.version)
        } else {
            format!("{home}/{name}")
        };
        if let Some(directory) = loader.directory(&path) {
            return Ok((
                loader.tree(),
                directory,
                Values::At(format!("{path}/values.yaml")),
            ));
        }
        if self.repository.is_empty() {
            return Err(Error::new(format!(
                "there is no chart at {path:?}; put it there with `helm pull --untar`, or say its `repo`"
            )));
        }
        let tree = loader.chart(&ChartAt {
            repository: self.repository.clone(),
            name: name.clone(),
            version: self.version.clone(),
            devel: self.devel,
        })?;
        let values = tree.file("values.yaml").map_err(|_missing| {
            Error::new(format!(
                "the chart {name:?} has no values.yaml; give it a valuesFile"
            ))
        });
        Ok((tree, String::new(), Values::Brought(values)))
    }

    /// The texts of values: the chart's own or those of `valuesFile`, with what is inline; then all others.
    fn values(&self, loader: &Loader<'_>, own: Values<'_>) -> Result<Vec<Vec<u8>>> {
        let replaces = self.values_merge == "replace" && !self.values_inline.is_empty();
        let mut values = Vec::with_capacity(1 + self.additional_values_files.len());
        if replaces {
            values.push(Value::Object(self.values_inline.clone()).to_string().into());
        } else {
            let bytes = match own {
                _ if !self.values_file.is_empty() => loader
                    .bytes(&self.values_file)
                    .map_err(|error| error.in_field("valuesFile"))?,
                Values::At(path) => loader.bytes(&path)?,
                Values::Brought(values) => values?,
            };
            values.push(if self.values_inline.is_empty() {
                bytes.to_vec()
            } else {
                self.merged(bytes)?
            });
        }
        for (index, file) in self.additional_values_files.iter().enumerate() {
            let field = format!("additionalValuesFiles[{index}]");
            let bytes = loader.bytes(file).map_err(|error| error.in_field(&field))?;
            values.push(bytes.to_vec());
        }
        Ok(values)
    }

    /// The inline values over those of the file, or the other way round.
    fn merged(&self, file: &[u8]) -> Result<Vec<u8>> {
        let unreadable = |why: String| Error::new(format!("cannot read its values: {why}"));
        let text = str::from_utf8(file).map_err(|error| unreadable(error.to_string()))?;
        let read = |documents: Result<Vec<Value>, yaml::Error>| {
            let documents = documents.map_err(|error| unreadable(error.to_string()))?;
            Ok(documents.into_iter().next())
        };
        let Some(mut file) = read(yaml::documents(text))? else {
            return Err(unreadable(
                "the file is empty, and values cannot be merged with nothing; use valuesMerge: replace".to_owned(),
            ));
        };
        let inline = Value::Object(self.values_inline.clone());
        let schema = Schema::builtin();
        let (target, patch) = if self.values_merge == "merge" {
            (inline, file)
        } else {
            if let Some(written) = read(yaml::documents_absent(text))? {
                strategic::drop_absent(&mut file, &written, schema, None);
            }
            (file, inline)
        };
        let merged = strategic::merge(target, patch, schema, None)
            .map_err(|error| Error::new(format!("cannot merge its values: {}", error.reason)))?;
        Ok(merged
            .unwrap_or_else(|| Value::Object(Map::new()))
            .to_string()
            .into())
    }
}

/// Where the values of a chart are that gets no others.
enum Values<'a> {
    /// In a file, which the kustomization must be allowed to read.
    At(String),
    /// In a chart from elsewhere.
    Brought(Result<&'a [u8]>),
}

/// A chart of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartAt {
    /// `https://…`, or `oci://…` of a registry.
    pub repository: String,
    /// Its name.
    pub name: String,
    /// A version or a range of them; empty for the newest.
    pub version: String,
    /// Whether versions before a release count.
    pub devel: bool,
}
