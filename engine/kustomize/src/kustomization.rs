//! The kustomization file: every field kustomize v5.8 knows, in one model.

use std::collections::BTreeMap;

use fluvial_manifest::{Value, yaml};

use crate::chart::{self, ChartArgs};
use crate::config::read_spec;
use crate::decode::{Fields, Source};
use crate::error::{Error, Result};
use crate::fieldspec::FieldSpec;
use crate::loader::Loader;
use crate::replacement::{self, Replacement};
use crate::resource::{Behavior, Gvk};
use crate::selector::Selector;
use crate::sort::SortOptions;

/// The names a kustomization file may have.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A kustomization file, deprecated fields moved to where they live now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kustomization {
    pub(crate) component: bool,
    pub(crate) openapi: BTreeMap<String, String>,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: BTreeMap<String, String>,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: BTreeMap<String, String>,
    pub(crate) patches_strategic_merge: Vec<String>,
    pub(crate) patches_json: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Vec<Var>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<String>,
    /// Whether `resources` itself is absent or empty, whatever `bases` says.
    pub(crate) has_no_resources: bool,
    pub(crate) components: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) config_maps: Vec<GeneratorArgs>,
    pub(crate) secrets: Vec<GeneratorArgs>,
    pub(crate) helm_globals: chart::Globals,
    pub(crate) charts: Vec<ChartArgs>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<String>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) build_metadata: Vec<String>,
}

/// An entry of `labels`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) include_volume_claim_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// An entry of `patches`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) path: String,
    /// The patch itself.
    pub(crate) inline: String,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

/// An entry of `images`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

/// An entry of `replacements`: one inline, or a file of them.
#[derive(Clone, Debug)]
pub(crate) enum ReplacementField {
    Path(String),
    Inline(Box<Replacement>),
}

/// An entry of `replicas`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// An entry of `vars`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) gvk: Gvk,
    pub(crate) object: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorArgs {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) behavior: Behavior,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) options: Option<GeneratorOptions>,
    /// The type of a Secret.
    pub(crate) secret_type: String,
}

/// `generatorOptions`, or the `options` of one generator.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

/// The kustomization file of a directory: its name and its text.
pub(crate) fn find<'a>(loader: &Loader<'a>) -> Result<Option<(&'static str, &'a str)>> {
    let mut found = None;
    for name in FILE_NAMES {
        if !loader.tree().is_file(&loader.path(name)) {
            continue;
        }
        let text = loader.text(name)?;
        if found.replace((name, text)).is_some() {
            return Err(
                Error::new("there is another kustomization in this directory; keep one")
                    .in_file(&loader.path(name)),
            );
        }
    }
    Ok(found)
}

impl Kustomization {
    /// Reads a kustomization file, in which every field must be known.
    pub(crate) fn read(file: &str, text: &str) -> Result<Self> {
        let empty = || Err(Error::new("it is empty; give it `resources`").in_file(file));
        let documents =
            yaml::documents_of_kustomization(text).map_err(|error| Error::yaml(file, error))?;
        let Some(document) = documents.first() else {
            return empty();
        };
        let says_nothing = |map: &serde_json::Map<String, Value>| {
            map.iter()
                .all(|(key, value)| value.is_null() || key == "apiVersion" || key == "kind")
        };
        if document.as_object().is_some_and(says_nothing) {
            return empty();
        }
        let source = Source {
            file,
            text,
            strict: true,
        };
        Self::from_value(source, document)
    }

    /// Reads a kustomization file as Flux does that of a path: what is not known is dropped.
    pub(crate) fn read_lenient(file: &str, text: &str) -> Result<Self> {
        let documents =
            yaml::documents_of_kustomization(text).map_err(|error| Error::yaml(file, error))?;
        let source = Source {
            file,
            text,
            strict: false,
        };
        match documents.first() {
            Some(document) => Self::from_value(source, document),
            None => Ok(Self {
                has_no_resources: true,
                ..Self::default()
            }),
        }
    }

    fn from_value(source: Source<'_>, document: &Value) -> Result<Self> {
        let mut fields = Fields::new(source, document)?;
        let mut kustomization = Self {
            component: read_type(&mut fields)?,
            ..Self::default()
        };
        kustomization.read_operators(&mut fields)?;
        kustomization.read_operands(&mut fields)?;
        fields.finish()?;
        Ok(kustomization)
    }

    fn read_operators(&mut self, fields: &mut Fields<'_>) -> Result<()> {
        fields.object("metadata", |fields| {
            fields.string("name")?;
            fields.string("namespace")?;
            fields.texts("labels")?;
            fields.texts("annotations")
        })?;
        self.openapi = fields.texts("openapi")?;
        self.name_prefix = fields.string("namePrefix")?;
        self.name_suffix = fields.string("nameSuffix")?;
        self.namespace = fields.string("namespace")?;
        self.common_labels = fields.texts("commonLabels")?;
        self.labels = fields.list("labels", read_label)?;
        self.common_annotations = fields.texts("commonAnnotations")?;
        self.patches_strategic_merge = fields.strings("patchesStrategicMerge")?;
        self.patches_json = fields.list("patchesJson6902", read_patch)?;
        self.patches = fields.list("patches", read_patch)?;
        self.images = fields.list("images", read_image)?;
        self.images.extend(fields.list("imageTags", read_image)?);
        self.replacements = fields.list("replacements", read_replacement)?;
        self.replicas = fields.list("replicas", |fields| {
            Ok(Replica {
                name: fields.string("name")?,
                count: fields.integer("count")?,
            })
        })?;
        self.vars = fields.list("vars", read_var)?;
        self.sort_options = fields.object("sortOptions", SortOptions::read)?;
        self.build_metadata = fields.strings("buildMetadata")?;
        Ok(())
    }

    fn read_operands(&mut self, fields: &mut Fields<'_>) -> Result<()> {
        self.resources = fields.strings("resources")?;
        self.has_no_resources = self.resources.is_empty();
        self.resources.extend(fields.strings("bases")?);
        self.components = fields.strings("components")?;
        self.crds = fields.strings("crds")?;
        self.config_maps = fields.list("configMapGenerator", |fields| {
            read_generator_entry(fields, false)
        })?;
        self.secrets = fields.list("secretGenerator", |fields| {
            read_generator_entry(fields, true)
        })?;
        self.charts = fields.list("helmCharts", chart::read)?;
        let globals = fields.object("helmGlobals", chart::read_globals)?;
        let legacy = fields.list("helmChartInflationGenerator", chart::read_legacy)?;
        let (charts, set): (Vec<_>, Vec<_>) = legacy.into_iter().unzip();
        self.charts.extend(charts);
        self.helm_globals = globals.unwrap_or_else(|| chart::last(set));
        self.generator_options = fields.object("generatorOptions", read_options)?;
        self.configurations = fields.strings("configurations")?;
        self.generators = fields.strings("generators")?;
        self.transformers = fields.strings("transformers")?;
        self.validators = fields.strings("validators")?;
        Ok(())
    }
}

/// Whether it is a Component; refuses what is neither that nor a Kustomization.
fn read_type(fields: &mut Fields<'_>) -> Result<bool> {
    let (kind, api_version) = (fields.string("kind")?, fields.string("apiVersion")?);
    let (component, wanted) = match kind.as_str() {
        "" | "Kustomization" => (false, "kustomize.config.k8s.io/v1beta1"),
        "Component" => (true, "kustomize.config.k8s.io/v1alpha1"),
        _ => return Err(fields.error("kind", "it must be Kustomization or Component")),
    };
    if !api_version.is_empty() && api_version != wanted {
        return Err(fields.error("apiVersion", format!("it must be {wanted} for this kind")));
    }
    Ok(component)
}

fn read_label(fields: &mut Fields<'_>) -> Result<Label> {
    Ok(Label {
        pairs: fields.texts("pairs")?,
        include_selectors: fields.flag("includeSelectors")?,
        include_templates: fields.flag("includeTemplates")?,
        include_volume_claim_templates: fields.flag("includeVolumeClaimTemplates")?,
        fields: fields.list("fields", read_spec)?,
    })
}

pub(crate) fn read_patch(fields: &mut Fields<'_>) -> Result<Patch> {
    let mut patch = Patch {
        path: fields.string("path")?,
        inline: fields.string("patch")?,
        target: fields.object("target", Selector::read)?,
        ..Patch::default()
    };
    let options = fields.object("options", |fields| {
        Ok((
            fields.flag("allowNameChange")?,
            fields.flag("allowKindChange")?,
        ))
    })?;
    (patch.allow_name_change, patch.allow_kind_change) = options.unwrap_or_default();
    Ok(patch)
}

pub(crate) fn read_image(fields: &mut Fields<'_>) -> Result<Image> {
    Ok(Image {
        name: fields.string("name")?,
        new_name: fields.string("newName")?,
        tag_suffix: fields.string("tagSuffix")?,
        new_tag: fields.string("newTag")?,
        digest: fields.string("digest")?,
    })
}

pub(crate) fn read_replacement(fields: &mut Fields<'_>) -> Result<ReplacementField> {
    let path = fields.string("path")?;
    let inline = replacement::read(fields)?;
    if path.is_empty() {
        return Ok(ReplacementField::Inline(Box::new(inline)));
    }
    if !inline.is_empty() {
        return Err(fields.error("path", "give a path or an inline replacement, not both"));
    }
    Ok(ReplacementField::Path(path))
}

fn read_var(fields: &mut Fields<'_>) -> Result<Var> {
    let name = fields.string("name")?;
    let object = fields.object("objref", |fields| {
        let mut gvk = Gvk {
            group: fields.string("group")?,
            version: fields.string("version")?,
            kind: fields.string("kind")?,
        };
        let api_version = fields.string("apiVersion")?;
        match api_version.split_once('/') {
            Some((group, version)) => {
                (gvk.group, gvk.version) = (group.to_owned(), version.to_owned());
            }
            None if !api_version.is_empty() => gvk.version = api_version,
            None => {}
        }
        Ok((gvk, fields.string("name")?, fields.string("namespace")?))
    })?;
    let (gvk, object, namespace) = object.unwrap_or_default();
    let path = fields
        .object("fieldref", |fields| fields.string("fieldPath"))?
        .filter(|path| !path.is_empty());
    Ok(Var {
        name,
        gvk,
        object,
        namespace,
        field_path: path.unwrap_or_else(|| "metadata.name".to_owned()),
    })
}

pub(crate) fn read_generator(fields: &mut Fields<'_>, secret: bool) -> Result<GeneratorArgs> {
    let behavior = match fields.string("behavior")?.as_str() {
        "replace" => Behavior::Replace,
        "merge" => Behavior::Merge,
        _ => Behavior::Create,
    };
    let mut args = GeneratorArgs {
        namespace: fields.string("namespace")?,
        name: fields.string("name")?,
        behavior,
        literals: fields.strings("literals")?,
        files: fields.strings("files")?,
        envs: fields.strings("envs")?,
        options: fields.object("options", read_options)?,
        secret_type: String::new(),
    };
    if secret {
        args.secret_type = fields.string("type")?;
    }
    Ok(args)
}

/// The same in a kustomization, where the deprecated `env` is still read.
fn read_generator_entry(fields: &mut Fields<'_>, secret: bool) -> Result<GeneratorArgs> {
    let mut args = read_generator(fields, secret)?;
    let env = fields.string("env")?;
    if !env.is_empty() {
        args.envs.push(env);
    }
    Ok(args)
}

fn read_options(fields: &mut Fields<'_>) -> Result<GeneratorOptions> {
    Ok(GeneratorOptions {
        labels: fields.texts("labels")?,
        annotations: fields.texts("annotations")?,
        disable_name_suffix_hash: fields.flag("disableNameSuffixHash")?,
        immutable: fields.flag("immutable")?,
    })
}
