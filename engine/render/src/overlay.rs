//! The fields of a spec that change what is built, as the renderer takes them.

use fluvial_api::KustomizationSpec;
use fluvial_api::helm_release::Kustomize;
use fluvial_api::kustomization::BuildMetadata;
use fluvial_api::reference::{Image, Json6902Patch, Patch, Selector};
use fluvial_kustomize::flux;
use fluvial_manifest::{Value, yaml};

/// What `spec` lays over the kustomization in its path. The patch fields of older versions come
/// first, as they did then.
pub(crate) fn of(spec: &KustomizationSpec) -> flux::Overlay {
    let metadata = spec.common_metadata.clone().unwrap_or_default();
    flux::Overlay {
        target_namespace: spec.target_namespace.clone(),
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        patches: patches(
            &spec.patches_strategic_merge,
            &spec.patches_json6902,
            &spec.patches,
        ),
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

/// What one step after the rendering of a chart lays over it.
pub(crate) fn of_post_renderer(step: &Kustomize) -> flux::Overlay {
    flux::Overlay {
        patches: patches(
            &step.patches_strategic_merge,
            &step.patches_json6902,
            &step.patches,
        ),
        images: step.images.iter().map(image).collect(),
        ..flux::Overlay::default()
    }
}

fn patches(merges: &[Value], json: &[Json6902Patch], patches: &[Patch]) -> Vec<flux::Patch> {
    let merges = merges.iter().map(|patch| flux::Patch {
        patch: text(patch),
        target: None,
    });
    let json = json.iter().map(|patch| flux::Patch {
        patch: text(&Value::Array(patch.patch.clone())),
        target: Some(target(&patch.target)),
    });
    let patches = patches.iter().map(|it| flux::Patch {
        patch: it.patch.clone(),
        target: it.target.as_ref().map(target),
    });
    merges.chain(json).chain(patches).collect()
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

pub(crate) fn target(selector: &Selector) -> flux::PatchTarget {
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
