//! generators, transformers and validators given as objects: those built in, all others refused.

use fluvial_manifest::{Map, Value, object};

use crate::chart;
use crate::config::read_specs;
use crate::decode::{Fields, Source};
use crate::error::{Error, Result};
use crate::fieldspec::FieldSpec;
use crate::generate;
use crate::kustomization::{self, ReplacementField};
use crate::loader::Loader;
use crate::replacement::{self, Replacement};
use crate::resource::Resource;
use crate::transform::Transformer;
use crate::transform::namespace::{NamespaceTransformer, Subjects};
use crate::transform::patch::PatchTransformer;
use crate::transform::value::{Target, ValueAdd};

/// The objects that a generator makes: one, but for a chart.
pub(crate) fn generate(loader: &Loader<'_>, plugin: &Resource) -> Result<Vec<Resource>> {
    let kind = builtin_kind(plugin)?;
    let value = &plugin.value;
    let mut fields = fields(value)?;
    let single = match kind {
        "ConfigMapGenerator" | "SecretGenerator" => {
            let secret = kind == "SecretGenerator";
            let mut args = kustomization::read_generator(&mut fields, secret)?;
            if args.name.is_empty() {
                object::name(value).clone_into(&mut args.name);
            }
            if args.namespace.is_empty() {
                object::namespace(value).clone_into(&mut args.namespace);
            }
            if secret {
                generate::secret(loader, &args, None)?
            } else {
                generate::config_map(loader, &args, None)?
            }
        }
        "IAMPolicyGenerator" => iam_policy(&mut fields)?,
        "HelmChartInflationGenerator" => {
            let globals = chart::read_globals(&mut fields)?;
            return chart::generate(loader, &globals, &chart::read(&mut fields)?);
        }
        _ => return Err(Error::new(format!("{kind} is no generator"))),
    };
    Ok(vec![single])
}

/// The transformers that an object configures: one, but for a prefix and a suffix together.
pub(crate) fn transformers(loader: &Loader<'_>, plugin: &Resource) -> Result<Vec<Transformer>> {
    let kind = builtin_kind(plugin)?;
    let value = &plugin.value;
    let mut fields = fields(value)?;
    let specs = || specs(value);
    let single = match kind {
        "AnnotationsTransformer" => {
            Transformer::Annotations(fields.texts("annotations")?, specs()?)
        }
        "LabelTransformer" => Transformer::Labels(fields.texts("labels")?, specs()?),
        "HashTransformer" => Transformer::Hash,
        "ImageTagTransformer" => {
            let image = fields.object("imageTag", kustomization::read_image)?;
            Transformer::Image(image.unwrap_or_default(), specs()?)
        }
        "NamespaceTransformer" => Transformer::Namespace(namespace(&mut fields, value)?),
        "PatchTransformer" => {
            let patch = kustomization::read_patch(&mut fields)?;
            Transformer::Patch(PatchTransformer::new(loader, &patch)?)
        }
        "PatchJson6902Transformer" => {
            let mut patch = kustomization::read_patch(&mut fields)?;
            patch.inline = fields.string("jsonOp")?;
            Transformer::Patch(PatchTransformer::json(loader, &patch)?)
        }
        "PatchStrategicMergeTransformer" => {
            let paths = fields.strings("paths")?;
            let mut patches = PatchTransformer::strategic_text(&fields.string("patches")?)?;
            for path in paths {
                patches.extend(PatchTransformer::strategic_entry(loader, &path)?);
            }
            Transformer::Patch(PatchTransformer::strategic_of(patches)?)
        }
        "PrefixTransformer" => Transformer::Prefix(fields.string("prefix")?, name_specs(value)?),
        "SuffixTransformer" => Transformer::Suffix(fields.string("suffix")?, name_specs(value)?),
        "PrefixSuffixTransformer" => {
            return Ok(vec![
                Transformer::Prefix(fields.string("prefix")?, name_specs(value)?),
                Transformer::Suffix(fields.string("suffix")?, name_specs(value)?),
            ]);
        }
        "ReplacementTransformer" => {
            let list = fields.list("replacements", kustomization::read_replacement)?;
            Transformer::Replacements(replacements(loader, &list)?)
        }
        "ReplicaCountTransformer" => {
            let replica = fields.object("replica", |fields| {
                Ok(kustomization::Replica {
                    name: fields.string("name")?,
                    count: fields.integer("count")?,
                })
            })?;
            Transformer::Replicas(replica.unwrap_or_default(), specs()?)
        }
        "ValueAddTransformer" => value_add(loader, &mut fields)?,
        _ => return Err(Error::new(format!("{kind} is no built-in transformer"))),
    };
    Ok(vec![single])
}

/// Replacements given inline or as files.
pub(crate) fn replacements(
    loader: &Loader<'_>,
    list: &[ReplacementField],
) -> Result<Vec<Replacement>> {
    let mut replacements = Vec::with_capacity(list.len());
    for field in list {
        match field {
            ReplacementField::Inline(replacement) => {
                replacements.push(Replacement::clone(replacement));
            }
            ReplacementField::Path(path) => {
                replacements.extend(replacement::read_file(
                    &loader.path(path),
                    loader.text(path)?,
                )?);
            }
        }
    }
    Ok(replacements)
}

fn builtin_kind(plugin: &Resource) -> Result<&str> {
    let kind = object::kind(&plugin.value);
    if object::api_version(&plugin.value) == "builtin" {
        return Ok(kind);
    }
    Err(Error::new(format!(
        "{kind} is an external plugin, and a build runs no programs and no containers; commit what it makes, or use a built-in transformer"
    )))
}

fn fields(value: &Value) -> Result<Fields<'_>> {
    let source = Source {
        file: "",
        text: "",
        strict: false,
    };
    Fields::new(source, value)
}

fn specs(value: &Value) -> Result<Vec<FieldSpec>> {
    read_specs("", value)
}

fn name_specs(value: &Value) -> Result<Vec<FieldSpec>> {
    let mut fields = fields(value)?;
    if fields.value("fieldSpecs").is_none() {
        return Err(Error::new("it needs fieldSpecs"));
    }
    specs(value)
}

fn namespace(fields: &mut Fields<'_>, value: &Value) -> Result<NamespaceTransformer> {
    let subjects = match fields.string("setRoleBindingSubjects")?.as_str() {
        "" | "defaultOnly" => Subjects::Default,
        "allServiceAccounts" => Subjects::All,
        "none" => Subjects::None,
        _ => {
            return Err(fields.error(
                "setRoleBindingSubjects",
                "it must be defaultOnly, allServiceAccounts or none",
            ));
        }
    };
    Ok(NamespaceTransformer {
        namespace: object::namespace(value).to_owned(),
        specs: specs(value)?,
        unset_only: fields.flag("unsetOnly")?,
        subjects,
    })
}

fn value_add(loader: &Loader<'_>, fields: &mut Fields<'_>) -> Result<Transformer> {
    let mut value = fields.string("value")?.trim().to_owned();
    if value.is_empty() {
        let root = loader.root();
        root.rsplit_once('/')
            .map_or(root, |(_, name)| name)
            .clone_into(&mut value);
    }
    let mut targets = fields.list("targets", Target::read)?;
    let path = fields.string("targetFilePath")?;
    if !path.is_empty() {
        let file = loader.path(&path);
        let documents = fluvial_manifest::yaml::documents(loader.text(&path)?)
            .map_err(|error| Error::yaml(&file, error))?;
        if let Some(document) = documents.first() {
            targets.extend(self::fields(document)?.list("targets", Target::read)?);
        }
    }
    if targets.is_empty() {
        return Err(Error::new("it needs at least one target"));
    }
    Ok(Transformer::ValueAdd(ValueAdd { value, targets }))
}

fn iam_policy(fields: &mut Fields<'_>) -> Result<Resource> {
    if fields.string("cloud")? != "gke" {
        return Err(fields.error("cloud", "it must be gke"));
    }
    let kubernetes = fields.object("kubernetesService", |fields| {
        Ok((fields.string("name")?, fields.string("namespace")?))
    })?;
    let (name, namespace) = kubernetes.unwrap_or_default();
    let account = fields
        .object("serviceAccount", |fields| {
            Ok((fields.string("name")?, fields.string("projectId")?))
        })?
        .unwrap_or_default();
    let annotation = format!("{}@{}.iam.gserviceaccount.com", account.0, account.1);
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), Value::String(name));
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), Value::String(namespace));
    }
    let mut map = Map::new();
    map.insert("apiVersion".to_owned(), Value::String("v1".to_owned()));
    map.insert(
        "kind".to_owned(),
        Value::String("ServiceAccount".to_owned()),
    );
    map.insert("metadata".to_owned(), Value::Object(metadata));
    let mut value = Value::Object(map);
    object::set_annotation(&mut value, "iam.gke.io/gcp-service-account", &annotation);
    Ok(Resource::new(value))
}
