//! The whole way: a chart and values to manifests, hooks, notes and CRDs, as `helm template` goes it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use fluvial_gotemplate as gotemplate;
use fluvial_gotemplate::{Execution, Map, Parsed, Templates, Value};
use fluvial_semver::is_compatible;
use serde::{Deserialize, Serialize};

use crate::coalesce::{Nulls, coalesce};
use crate::manifests::{self, Hook, Manifest};
use crate::memo::Memo;
use crate::scope::{self, Template};
use crate::{Capabilities, Chart, Crd, Error, Values, dependencies, failure, schema};

/// Bytes that all rendered files may have together.
const OUTPUT_BYTES_MAX: usize = 64 << 20;

/// Templates in a chart and the charts in it.
const TEMPLATES_MAX: usize = 10_000;

/// What a rendering depends on besides the chart and the values.
#[derive(Clone, Debug)]
pub struct Options {
    /// `.Release.Name`
    pub name: String,
    /// `.Release.Namespace`
    pub namespace: String,
    /// `.Release.Revision`
    pub revision: i64,
    /// `.Release.IsUpgrade`, and not `.Release.IsInstall`.
    pub is_upgrade: bool,
    /// `.Capabilities`
    pub capabilities: Capabilities,
    /// Whether the values need not be what the schemas want.
    pub skip_schema: bool,
    /// What passwords, keys and identifiers are drawn from: the same seed draws the same.
    pub seed: [u8; 32],
    /// What `now` says: seconds since 1970, and nanoseconds.
    pub now: (i64, u32),
    /// What `lookup` finds; `None` is no cluster, where nothing is found and nothing is wanted.
    pub objects: Option<BTreeMap<Lookup, Option<serde_json::Value>>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "release-name".to_owned(),
            namespace: "default".to_owned(),
            revision: 1,
            is_upgrade: false,
            capabilities: Capabilities::default(),
            skip_schema: false,
            seed: [0; 32],
            now: (0, 0),
            objects: None,
        }
    }
}

/// An object, or all of a kind if the name is empty, that a template asked the cluster for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lookup {
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// Its namespace; empty for all, or for none.
    pub namespace: String,
    /// Its name; empty for all.
    pub name: String,
}

/// What a chart and values make.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The documents that are installed, in that order.
    pub manifests: Vec<Manifest>,
    /// The hooks, by kind.
    pub hooks: Vec<Hook>,
    /// `NOTES.txt` of the chart itself.
    pub notes: String,
    /// What is in `crds/`.
    pub crds: Vec<Crd>,
    /// The chart as it was rendered: without what is disabled, with what it imported.
    pub chart: Chart,
    /// What `lookup` asked for and [`Options::objects`] does not have. If it is not empty, the rest was rendered
    /// as if nothing was found, if that went at all; ask for these and render again.
    pub wanted: BTreeSet<Lookup>,
}

impl Rendered {
    /// The manifest as a release stores it: every document below a line with its source.
    pub fn manifest(&self) -> String {
        let mut text = String::new();
        for manifest in &self.manifests {
            document(&mut text, &manifest.source, &manifest.content);
        }
        text
    }

    /// What `helm template` prints: the manifest, with CRDs before it where they are asked for, and those hooks
    /// that `shown` lets through.
    pub fn template(&self, include_crds: bool, shown: impl Fn(&Hook) -> bool) -> String {
        let mut text = String::new();
        if include_crds {
            text = self.crd_manifest();
        }
        text.push_str(&self.manifest());
        let mut text = format!("{}\n", text.trim());
        for hook in self.hooks.iter().filter(|hook| shown(hook)) {
            document(&mut text, &hook.path, &hook.manifest);
        }
        text
    }

    /// The CRDs as `--include-crds` puts them before the manifest.
    pub fn crd_manifest(&self) -> String {
        let mut text = String::new();
        for crd in &self.crds {
            document(
                &mut text,
                &crd.filename,
                &String::from_utf8_lossy(&crd.data),
            );
        }
        text
    }
}

/// Adds a document below its source.
pub fn document(text: &mut String, source: &str, content: &str) {
    for part in ["---\n# Source: ", source, "\n", content, "\n"] {
        text.push_str(part);
    }
}

/// Whether a chart can be installed: it is no library, and holds the charts that it needs.
pub fn check_installable(chart: &Chart) -> Result<(), Error> {
    if chart.metadata.is_library() {
        return Err(Error::Chart(
            "library charts are not installable".to_owned(),
        ));
    }
    dependencies::check(chart)
}

/// Rendered files by their names, from the root chart's on.
pub type Files = BTreeMap<String, String>;

/// Renders a chart.
pub fn render(chart: Chart, values: &Values, options: &Options) -> Result<Rendered, Error> {
    render_with(chart, values, options, &mut Ok)
}

/// Renders a chart, and lets `post_render` make other files of those that came out, hooks among them.
pub fn render_with(
    mut chart: Chart,
    values: &Values,
    options: &Options,
    post_render: &mut dyn FnMut(Files) -> Result<Files, Error>,
) -> Result<Rendered, Error> {
    check_name(&options.name)?;
    let given = values.map();
    dependencies::process(&mut chart, &given)?;
    let values = coalesce(&chart, &given, Nulls::Delete)?;
    if !options.skip_schema {
        schema::check(&chart, &values)?;
    }
    let kube_version = &options.capabilities.kube_version;
    let wanted = &chart.metadata.kube_version;
    if !wanted.is_empty() && !is_compatible(wanted, &kube_version.normalized) {
        return Err(Error::Chart(format!(
            "chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {}",
            kube_version.version
        )));
    }
    let templates = scope::templates(&chart, &top(values, options));
    let wanted: Rc<RefCell<BTreeSet<Lookup>>> = Rc::default();
    let made = execute(&templates, &chart.memo, options, &wanted)
        .and_then(|files| sort(files, &chart, post_render));
    let wanted = wanted.take();
    let (hooks, manifests, notes) = match made {
        Ok(made) => made,
        // What fails may be there: a template takes it for granted that it finds what it looks up.
        Err(_) if !wanted.is_empty() => <_>::default(),
        Err(error) => return Err(error),
    };
    Ok(Rendered {
        manifests,
        hooks,
        notes,
        crds: chart.crds(),
        chart,
        wanted,
    })
}

/// The hooks and the manifests among the files that templates made, and the notes.
fn sort(
    mut files: BTreeMap<&str, String>,
    chart: &Chart,
    post_render: &mut dyn FnMut(Files) -> Result<Files, Error>,
) -> Result<(Vec<Hook>, Vec<Manifest>, String), Error> {
    let notes = format!("{}/templates/NOTES.txt", chart.name());
    let notes = files.remove(notes.as_str()).unwrap_or_default();
    files.retain(|name, _| !name.ends_with("NOTES.txt"));
    let files = files
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text));
    let files = post_render(files.collect())?;
    let files = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let (hooks, manifests) = manifests::sort(files)?;
    Ok((hooks, manifests, notes))
}

/// What the root chart's templates see, without what is the chart's own.
fn top(values: Map, options: &Options) -> Map {
    let release = Map::new();
    release.insert("Name", options.name.as_str().into());
    release.insert("Namespace", options.namespace.as_str().into());
    release.insert("IsUpgrade", options.is_upgrade.into());
    release.insert("IsInstall", (!options.is_upgrade).into());
    release.insert("Revision", Value::int(options.revision));
    release.insert("Service", "Helm".into());
    let top = Map::new();
    top.insert("Release", release.into());
    top.insert("Capabilities", options.capabilities.value());
    top.insert("Values", values.into());
    top
}

/// Runs every template that is no partial; gives the texts by the names of the files.
fn execute<'t>(
    templates: &'t BTreeMap<String, Template>,
    memo: &Memo,
    options: &Options,
    wanted: &Rc<RefCell<BTreeSet<Lookup>>>,
) -> Result<BTreeMap<&'t str, String>, Error> {
    if templates.len() > TEMPLATES_MAX {
        return Err(Error::Limit(format!(
            "it has more than {TEMPLATES_MAX} templates"
        )));
    }
    let mut names: Vec<&str> = templates.keys().map(String::as_str).collect();
    // The deepest first, so that what is further up can define a name anew.
    let depth = |name: &str| name.bytes().filter(|byte| *byte == b'/').count();
    names.sort_by(|left, right| (depth(right), right).cmp(&(depth(left), left)));
    let set = parse(templates, &names, memo)?;
    let mut execution = Execution::new(
        &set,
        gotemplate::Options {
            seed: options.seed,
            now: options.now,
            lookup: options
                .objects
                .as_ref()
                .map(|objects| lookup(objects, wanted)),
            ..gotemplate::Options::default()
        },
    );
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    for name in names {
        if name
            .rsplit('/')
            .next()
            .is_some_and(|last| last.starts_with('_'))
        {
            continue;
        }
        let template = &templates[name];
        let own = Map::named("common.Values");
        own.insert("Name", name.into());
        own.insert("BasePath", (&*template.base_path).into());
        template.scope.insert("Template", own.into());
        let text = execution
            .execute(name, template.scope.clone().into())
            .map_err(|error| failure::of_execution(name, &error))?;
        let text = String::from_utf8_lossy(&text).replace("<no value>", "");
        bytes += text.len();
        if bytes > OUTPUT_BYTES_MAX {
            return Err(Error::Limit(format!(
                "it makes more than {OUTPUT_BYTES_MAX} bytes"
            )));
        }
        files.insert(name, text);
    }
    Ok(files)
}

fn parse(
    templates: &BTreeMap<String, Template>,
    names: &[&str],
    memo: &Memo,
) -> Result<Templates, Error> {
    let mut set = Templates::new();
    for name in names {
        let text = &templates[*name].text;
        let parsed = memo.template(name, text, || {
            Parsed::new(name, &String::from_utf8_lossy(text))
                .map_err(|error| failure::of_parsing(name, &error))
        });
        set.add(&parsed?);
    }
    Ok(set)
}

/// Answers `lookup` with what is known, and notes down what is not.
fn lookup<'o>(
    objects: &'o BTreeMap<Lookup, Option<serde_json::Value>>,
    wanted: &Rc<RefCell<BTreeSet<Lookup>>>,
) -> Box<gotemplate::Lookup<'o>> {
    let wanted = Rc::clone(wanted);
    Box::new(move |api_version, kind, namespace, name| {
        let asked = Lookup {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Ok(match objects.get(&asked) {
            Some(Some(object)) => Value::from_json(object),
            Some(None) => Map::new().into(),
            None => {
                wanted.borrow_mut().insert(asked);
                Map::new().into()
            }
        })
    })
}

/// helm v4.3.1: `ValidateReleaseName`.
fn check_name(name: &str) -> Result<(), Error> {
    const BYTES_MAX: usize = 53;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        label.bytes().all(|byte| plain(byte) || byte == b'-')
            && label.bytes().next().is_some_and(plain)
            && label.bytes().next_back().is_some_and(plain)
    };
    if name.len() <= BYTES_MAX && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(Error::Values(format!(
        "release name {name:?} is invalid: it has at most {BYTES_MAX} characters, lower-case letters, digits, - and ."
    )))
}

/// The name that `--name-template` makes.
pub fn release_name(template: &str, seed: [u8; 32], now: (i64, u32)) -> Result<String, Error> {
    let name = "name-template";
    let mut set = Templates::new();
    let refused = |error: gotemplate::Error| Error::Render(error.to_string());
    set.parse(name, template).map_err(refused)?;
    let options = gotemplate::Options {
        seed,
        now,
        ..gotemplate::Options::default()
    };
    let text = Execution::new(&set, options)
        .execute(name, Value::Nil)
        .map_err(refused)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
