//! The transformers that a kustomization's own fields ask for.

use crate::config::Config;
use crate::error::Result;
use crate::fieldspec::{FieldSpec, merge_all};
use crate::kustomization::Label;
use crate::plugin;
use crate::resource::Gvk;
use crate::target::Target;
use crate::transform::Transformer;
use crate::transform::namespace::{NamespaceTransformer, Subjects};
use crate::transform::patch::PatchTransformer;

pub(super) type Add<'a> = dyn FnMut(String, &str, Transformer) + 'a;

impl Target<'_> {
    /// In kustomize's order; `add` takes the field, the kind of transformer as kustomize calls it, and the
    /// transformer.
    pub(super) fn builtin_transformers(&self, config: &Config, add: &mut Add<'_>) -> Result<()> {
        self.patches_and_names(config, add)?;
        self.labels_and_values(config, add)
    }

    fn patches_and_names(&self, config: &Config, add: &mut Add<'_>) -> Result<()> {
        let own = &self.kustomization;
        if !own.patches_strategic_merge.is_empty() {
            let patch = PatchTransformer::strategic(&self.loader, &own.patches_strategic_merge)
                .map_err(|error| error.in_field("patchesStrategicMerge"))?;
            add(
                "patchesStrategicMerge".to_owned(),
                "PatchStrategicMergeTransformer",
                Transformer::Patch(patch),
            );
        }
        for (index, patch) in own.patches.iter().enumerate() {
            let patch = PatchTransformer::new(&self.loader, patch)
                .map_err(|error| error.in_field(&format!("patches[{index}]")))?;
            add(
                format!("patches[{index}]"),
                "PatchTransformer",
                Transformer::Patch(patch),
            );
        }
        if !own.namespace.is_empty() {
            let namespace = NamespaceTransformer {
                namespace: own.namespace.clone(),
                specs: config.namespace.clone(),
                unset_only: false,
                subjects: Subjects::Default,
            };
            add(
                "namespace".to_owned(),
                "NamespaceTransformer",
                Transformer::Namespace(namespace),
            );
        }
        if !own.name_prefix.is_empty() {
            let prefix = Transformer::Prefix(own.name_prefix.clone(), config.name_prefix.clone());
            add("namePrefix".to_owned(), "PrefixTransformer", prefix);
        }
        if !own.name_suffix.is_empty() {
            let suffix = Transformer::Suffix(own.name_suffix.clone(), config.name_suffix.clone());
            add("nameSuffix".to_owned(), "SuffixTransformer", suffix);
        }
        Ok(())
    }

    fn labels_and_values(&self, config: &Config, add: &mut Add<'_>) -> Result<()> {
        let own = &self.kustomization;
        for (index, label) in own.labels.iter().enumerate() {
            let field = format!("labels[{index}]");
            let specs = label_specs(label, config).map_err(|error| error.in_field(&field))?;
            add(
                field,
                "LabelTransformer",
                Transformer::Labels(label.pairs.clone(), specs),
            );
        }
        if !own.labels.is_empty() || !own.common_labels.is_empty() {
            let labels =
                Transformer::Labels(own.common_labels.clone(), config.common_labels.clone());
            add("commonLabels".to_owned(), "LabelTransformer", labels);
        }
        if !own.common_annotations.is_empty() {
            let specs = config.common_annotations.clone();
            let annotations = Transformer::Annotations(own.common_annotations.clone(), specs);
            add(
                "commonAnnotations".to_owned(),
                "AnnotationsTransformer",
                annotations,
            );
        }
        for (index, patch) in own.patches_json.iter().enumerate() {
            let patch = PatchTransformer::json(&self.loader, patch)
                .map_err(|error| error.in_field(&format!("patchesJson6902[{index}]")))?;
            add(
                format!("patchesJson6902[{index}]"),
                "PatchJson6902Transformer",
                Transformer::Patch(patch),
            );
        }
        for (index, replica) in own.replicas.iter().enumerate() {
            let replicas = Transformer::Replicas(replica.clone(), config.replicas.clone());
            add(
                format!("replicas[{index}]"),
                "ReplicaCountTransformer",
                replicas,
            );
        }
        for (index, image) in own.images.iter().enumerate() {
            add(
                format!("images[{index}]"),
                "ImageTagTransformer",
                Transformer::Image(image.clone(), config.images.clone()),
            );
        }
        if !own.replacements.is_empty() {
            let replacements = plugin::replacements(&self.loader, &own.replacements)
                .map_err(|error| error.in_field("replacements"))?;
            add(
                "replacements".to_owned(),
                "ReplacementTransformer",
                Transformer::Replacements(replacements),
            );
        }
        Ok(())
    }
}

/// Where an entry of `labels` goes: its own fields, and the default ones that it asks for.
fn label_specs(label: &Label, config: &Config) -> Result<Vec<FieldSpec>> {
    let mut specs = label.fields.clone();
    merge_all(&mut specs, &config.labels)?;
    if label.include_selectors {
        merge_all(&mut specs, &config.common_labels)?;
        return Ok(specs);
    }
    if label.include_templates {
        merge_all(&mut specs, &config.template_labels)?;
    }
    if label.include_volume_claim_templates {
        merge_all(&mut specs, &config.volume_claim_template_labels)?;
    }
    let own = FieldSpec::new(Gvk::default(), "metadata/labels", true);
    merge_all(&mut specs, &[own])?;
    Ok(specs)
}
