//! Which fields the transformers touch: kustomize's defaults, and what a repository adds to them.

use std::sync::{Arc, LazyLock};

use fluvial_manifest::{Value, yaml};

use crate::decode::{Fields, Source};
use crate::error::{Error, Result};
use crate::fieldspec::{FieldSpec, merge_all};
use crate::resource::Gvk;
use crate::sort;

/// kustomize's defaults (`api/internal/konfig/builtinpluginconsts`, v0.21.2): a section line, then
/// per line a path, a group, a version, a kind (`*` is any) and whether it is made when missing.
static DEFAULTS: &str = include_str!("fieldspecs.txt");

static DEFAULT: LazyLock<Arc<Config>> = LazyLock::new(|| Arc::new(defaults()));

/// Field specs by transformer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) volume_claim_template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<NameReference>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

/// Which fields hold the name of an object of a kind.
#[derive(Clone, Debug)]
pub(crate) struct NameReference {
    pub(crate) target: Gvk,
    pub(crate) referrers: Vec<FieldSpec>,
}

impl Config {
    /// What kustomize does without any configuration.
    pub(crate) fn default_specs() -> Arc<Self> {
        DEFAULT.clone()
    }

    /// Both, sorted by kind; the same one again when there is nothing to merge.
    ///
    /// The order matters when the result is merged once more: a spec for one kind then keeps out
    /// the same path for every kind, which comes after it.
    pub(crate) fn merged(first: &Arc<Self>, second: &Arc<Self>) -> Result<Arc<Self>> {
        if Arc::ptr_eq(first, second) {
            return Ok(first.clone());
        }
        let mut merged = Self::clone(first);
        merged.merge(second)?;
        merged.sort();
        Ok(Arc::new(merged))
    }

    fn sort(&mut self) {
        let Self {
            name_prefix,
            name_suffix,
            namespace,
            common_labels,
            labels,
            template_labels,
            volume_claim_template_labels,
            common_annotations,
            name_reference,
            var_reference,
            images,
            replicas,
        } = self;
        for specs in [
            name_prefix,
            name_suffix,
            namespace,
            common_labels,
            labels,
            template_labels,
            volume_claim_template_labels,
            common_annotations,
            var_reference,
            images,
            replicas,
        ] {
            specs.sort_by(|first, second| sort::compare_kinds(&first.gvk, &second.gvk));
        }
        name_reference.sort_by(|first, second| sort::compare_kinds(&first.target, &second.target));
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        let Self {
            name_prefix,
            name_suffix,
            namespace,
            common_labels,
            labels,
            template_labels,
            volume_claim_template_labels,
            common_annotations,
            name_reference,
            var_reference,
            images,
            replicas,
        } = other;
        merge_all(&mut self.name_prefix, name_prefix)?;
        merge_all(&mut self.name_suffix, name_suffix)?;
        merge_all(&mut self.namespace, namespace)?;
        merge_all(&mut self.common_labels, common_labels)?;
        merge_all(&mut self.labels, labels)?;
        merge_all(&mut self.template_labels, template_labels)?;
        merge_all(
            &mut self.volume_claim_template_labels,
            volume_claim_template_labels,
        )?;
        merge_all(&mut self.common_annotations, common_annotations)?;
        merge_all(&mut self.var_reference, var_reference)?;
        merge_all(&mut self.images, images)?;
        merge_all(&mut self.replicas, replicas)?;
        for reference in name_reference {
            self.add_reference(reference)?;
        }
        Ok(())
    }

    pub(crate) fn add_reference(&mut self, reference: &NameReference) -> Result<()> {
        let known = self
            .name_reference
            .iter_mut()
            .find(|known| known.target == reference.target);
        if let Some(known) = known {
            return merge_all(&mut known.referrers, &reference.referrers);
        }
        self.name_reference.push(reference.clone());
        Ok(())
    }

    /// Reads a file named under `configurations`, in which every field must be known.
    pub(crate) fn read(file: &str, text: &str) -> Result<Self> {
        let mut config = Self::default();
        let documents = yaml::documents(text).map_err(|error| Error::yaml(file, error))?;
        let Some(document) = documents.first() else {
            return Ok(config);
        };
        let source = Source {
            file,
            text,
            strict: true,
        };
        let mut fields = Fields::new(source, document)?;
        config.name_prefix = fields.list("namePrefix", read_spec)?;
        config.name_suffix = fields.list("nameSuffix", read_spec)?;
        config.namespace = fields.list("namespace", read_spec)?;
        config.common_labels = fields.list("commonLabels", read_spec)?;
        config.labels = fields.list("labels", read_spec)?;
        config.template_labels = fields.list("templateLabels", read_spec)?;
        config.volume_claim_template_labels =
            fields.list("volumeClaimTemplateLabels", read_spec)?;
        config.common_annotations = fields.list("commonAnnotations", read_spec)?;
        config.var_reference = fields.list("varReference", read_spec)?;
        config.images = fields.list("images", read_spec)?;
        config.replicas = fields.list("replicas", read_spec)?;
        config.name_reference = fields.list("nameReference", |fields| {
            Ok(NameReference {
                target: read_gvk(fields)?,
                referrers: fields.list("fieldSpecs", read_spec)?,
            })
        })?;
        fields.finish()?;
        Ok(config)
    }

    fn section(&mut self, name: &str) -> Option<&mut Vec<FieldSpec>> {
        Some(match name {
            "namePrefix" => &mut self.name_prefix,
            "nameSuffix" => &mut self.name_suffix,
            "namespace" => &mut self.namespace,
            "commonLabels" => &mut self.common_labels,
            "templateLabels" => &mut self.template_labels,
            "volumeClaimTemplateLabels" => &mut self.volume_claim_template_labels,
            "commonAnnotations" => &mut self.common_annotations,
            "varReference" => &mut self.var_reference,
            "images" => &mut self.images,
            "replicas" => &mut self.replicas,
            _ => return None,
        })
    }
}

pub(crate) fn read_spec(fields: &mut Fields<'_>) -> Result<FieldSpec> {
    let gvk = read_gvk(fields)?;
    let path = fields.string("path")?;
    let create = fields.flag("create")?;
    Ok(FieldSpec::new(gvk, &path, create))
}

pub(crate) fn read_gvk(fields: &mut Fields<'_>) -> Result<Gvk> {
    Ok(Gvk {
        group: fields.string("group")?,
        version: fields.string("version")?,
        kind: fields.string("kind")?,
    })
}

/// Field specs given as a list inside another object.
pub(crate) fn read_specs(file: &str, value: &Value) -> Result<Vec<FieldSpec>> {
    let source = Source {
        file,
        text: "",
        strict: false,
    };
    Fields::new(source, value)?.list("fieldSpecs", read_spec)
}

fn defaults() -> Config {
    let mut config = Config::default();
    let mut section = "";
    for line in DEFAULTS.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name;
            if let Some(target) = name.strip_prefix("nameReference ") {
                config.name_reference.push(NameReference {
                    target: table_gvk(target),
                    referrers: Vec::new(),
                });
            }
            continue;
        }
        let Some((path, rest)) = line.split_once(' ') else {
            continue;
        };
        let create = rest.ends_with(" create");
        let spec = FieldSpec::new(table_gvk(rest), path, create);
        let list = if section.starts_with("nameReference") {
            config
                .name_reference
                .last_mut()
                .map(|last| &mut last.referrers)
        } else {
            config.section(section)
        };
        if let Some(list) = list {
            list.push(spec);
        }
    }
    config
}

fn table_gvk(text: &str) -> Gvk {
    let mut parts = text.split(' ').map(|part| {
        if part == "*" {
            String::new()
        } else {
            part.to_owned()
        }
    });
    let mut next = || parts.next().unwrap_or_default();
    Gvk {
        group: next(),
        version: next(),
        kind: next(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_default_is_there_twice() {
        let mut section = "";
        let mut seen = BTreeSet::new();
        for line in DEFAULTS.lines() {
            if line.starts_with('[') {
                section = line;
            }
            assert!(seen.insert((section, line)), "{section} {line}");
        }
    }

    #[test]
    fn the_defaults_are_read_whole() {
        let config = Config::default_specs();
        assert_eq!(config.common_labels.len(), 32);
        assert_eq!(config.var_reference.len(), 72);
        assert_eq!(config.name_reference.len(), 16);
        assert_eq!(config.images.len(), 7);
        let written = DEFAULTS
            .lines()
            .filter(|line| !line.starts_with('['))
            .count();
        let read = [
            &config.name_prefix,
            &config.name_suffix,
            &config.namespace,
            &config.common_labels,
            &config.template_labels,
            &config.volume_claim_template_labels,
            &config.common_annotations,
            &config.var_reference,
            &config.images,
            &config.replicas,
        ]
        .iter()
        .map(|list| list.len())
        .sum::<usize>()
            + config
                .name_reference
                .iter()
                .map(|reference| reference.referrers.len())
                .sum::<usize>();
        assert_eq!(read, written);
    }
}
