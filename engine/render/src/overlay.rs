//! The fields of a spec that change what is built, as the renderer takes them.

use fluvial_api::KustomizationSpec;
use fluvial_api::kustomization::BuildMetadata;
use fluvial_api::reference::{Image, Patch, Selector};
use fluvial_kustomize::flux;
use fluvial_manifest::{Value, yaml};

/// What `spec` lays over the kustomization in its path. The patch fields of older versions come
/// first, as they did then.
pub(crate) fn of(spec: &KustomizationSpec) -> flux::Overlay {
    let merges = spec
        .patches_strategic_merge
        .iter()
        .map(|patch| flux::Patch {
            patch: text(patch),
            target: None,
        });
    let json = spec.patches_json6902.iter().map(|patch| flux::Patch {
        patch: text(&Value::Array(patch.patch.clone())),
        target: Some(target(&patch.target)),
    });
    let patches = spec.patches.iter().map(
        |Patch {
             patch,
             target: selector,
         }| flux::Patch {
            patch: patch.clone(),
            target: selector.as_ref().map(target),
        },
    );
    let metadata = spec.common_metadata.clone().unwrap_or_default();
    flux::Overlay {
        target_namespace: spec.target_namespace.clone(),
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        patches: merges.chain(json).chain(patches).collect(),
        images: spec.images.iter().map(image).collect(),
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components,
        common_metadata: flux::CommonMetadata {
            labels: metadata.labels,
            annotations: metadata.annotations,
        },
        build_metadata: spec
            .build_metadata
            .iter()
            .copied()
            .map(build_metadata)
            .collect(),
    }
}

/// A patch of older versions is text in YAML, or the object itself.
fn text(patch: &Value) -> String {
    match patch {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            yaml::to_string(patch)
        }
    }
}

fn target(selector: &Selector) -> flux::PatchTarget {
    flux::PatchTarget {
        group: selector.group.clone(),
        version: selector.version.clone(),
        kind: selector.kind.clone(),
        name: selector.name.clone(),
        namespace: selector.namespace.clone(),
        label_selector: selector.label_selector.clone(),
        annotation_selector: selector.annotation_selector.clone(),
    }
}

fn image(image: &Image) -> flux::Image {
    flux::Image {
        name: image.name.clone(),
        new_name: image.new_name.clone().unwrap_or_default(),
        new_tag: image.new_tag.clone().unwrap_or_default(),
        digest: image.digest.clone().unwrap_or_default(),
    }
}

fn build_metadata(metadata: BuildMetadata) -> String {
    match metadata {
        BuildMetadata::OriginAnnotations => "originAnnotations".to_owned(),
        BuildMetadata::TransformerAnnotations => "transformerAnnotations".to_owned(),
    }
}
