//! What a Flux Kustomization adds to a build: a kustomization for directories that have none, and
//! the overlays of its spec. Substitution is [`crate::substitute`]; owner labels are left to others.

use std::collections::BTreeMap;

use fluvial_manifest::tree::{Child, join};
use fluvial_manifest::{Tree, Value, object};

use crate::error::{Error, Result};
use crate::kustomization::{self, FILE_NAMES, Image as OwnImage, Kustomization, Patch as OwnPatch};
use crate::loader::Loader;
use crate::parse;
use crate::remote::is_remote;
use crate::resource::Resource;
use crate::resource::{Gvk, Id};
use crate::selector::{Matcher, Selector};
use crate::target::Target;
use crate::{Options, Reorder, Restriction, finish};

/// The fields of a Flux Kustomization's spec that change what is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// `spec.targetNamespace`
    pub target_namespace: Option<String>,
    /// `spec.namePrefix`
    pub name_prefix: Option<String>,
    /// `spec.nameSuffix`
    pub name_suffix: Option<String>,
    /// `spec.patches`, applied after those of the kustomization.
    pub patches: Vec<Patch>,
    /// `spec.images`, merged by name into those of the kustomization.
    pub images: Vec<Image>,
    /// `spec.components`, applied after those of the kustomization.
    pub components: Vec<String>,
    /// `spec.ignoreMissingComponents`
    pub ignore_missing_components: bool,
    /// `spec.commonMetadata`, set on every object that comes out.
    pub common_metadata: CommonMetadata,
    /// `spec.buildMetadata`
    pub build_metadata: Vec<String>,
}

/// An entry of `spec.patches`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// A strategic merge patch or a JSON patch, as YAML.
    pub patch: String,
    /// What it is for; a strategic merge patch can say so itself.
    pub target: Option<PatchTarget>,
}

/// The target of a patch: regular expressions that match whole values, and selectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchTarget {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Label selector.
    pub label_selector: String,
    /// Annotation selector.
    pub annotation_selector: String,
}

/// A target made ready to be asked.
pub struct Selection(Matcher);

impl Selection {
    /// Compiles the expressions of a target.
    pub fn new(target: &PatchTarget) -> Result<Self, Error> {
        Matcher::new(&selector(target)).map(Self)
    }

    /// Whether `object` is meant.
    pub fn selects(&self, object: &Value) -> bool {
        self.0.selects(&Resource::new(object.clone()))
    }
}

/// An entry of `spec.images`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The image as the manifests name it.
    pub name: String,
    /// Its new name; empty keeps it.
    pub new_name: String,
    /// Its new tag; empty keeps it.
    pub new_tag: String,
    /// Its new digest; empty keeps it.
    pub digest: String,
}

/// `spec.commonMetadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommonMetadata {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The objects that Flux would apply for the directory `path` of `tree`, before substitution.
///
/// A directory with a kustomization is built as that; one without is walked: a directory below it
/// that has one is built, every other `.yaml` or `.yml` file must hold Kubernetes objects. A directory
/// with nothing in it gives no objects.
pub fn build_flux(tree: &Tree, path: &str, overlay: &Overlay) -> Result<Vec<Value>, Error> {
    let loader = Loader::new(tree, path, Restriction::None, None)?;
    let Some((file, mut kustomization)) = find_or_generate(&loader)? else {
        return Ok(Vec::new());
    };
    overlay.lay_over(&mut kustomization, &loader)?;
    let options = Options {
        restriction: Restriction::None,
        reorder: Reorder::None,
        managed_by_label: false,
    };
    let mut objects = finish(Target::of(loader, file, kustomization), options)?;
    for object in &mut objects {
        for (key, value) in &overlay.common_metadata.labels {
            object::set_label(object, key, value);
        }
        for (key, value) in &overlay.common_metadata.annotations {
            object::set_annotation(object, key, value);
        }
    }
    Ok(objects)
}

impl Overlay {
    fn lay_over(&self, kustomization: &mut Kustomization, loader: &Loader<'_>) -> Result<()> {
        let set = |field: &mut String, value: &Option<String>| {
            if let Some(value) = value {
                field.clone_from(value);
            }
        };
        set(&mut kustomization.namespace, &self.target_namespace);
        set(&mut kustomization.name_prefix, &self.name_prefix);
        set(&mut kustomization.name_suffix, &self.name_suffix);
        kustomization
            .patches
            .extend(self.patches.iter().map(own_patch));
        for component in &self.components {
            if component.starts_with('/')
                || is_remote(component)
                || join(loader.root(), component).is_err()
            {
                return Err(Error::new(format!(
                    "the component {component:?} must be a path relative to {:?}, inside the repository",
                    loader.root()
                ))
                .in_field("spec.components"));
            }
            if loader.is_dir(component) || !self.ignore_missing_components {
                kustomization.components.push(component.clone());
            }
        }
        for image in &self.images {
            merge_image(&mut kustomization.images, image);
        }
        if !self.build_metadata.is_empty() {
            kustomization
                .build_metadata
                .clone_from(&self.build_metadata);
        }
        Ok(())
    }
}

/// The kustomization of the directory, or one that lists what is in it; `None` when nothing is.
fn find_or_generate(loader: &Loader<'_>) -> Result<Option<(&'static str, Kustomization)>> {
    if let Some((name, text)) = kustomization::find(loader)? {
        let mut kustomization = Kustomization::read_lenient(&loader.path(name), text)?;
        if kustomization.has_no_resources {
            // Flux does this so that kustomize does not take the file for an empty one.
            kustomization.build_metadata = vec!["originAnnotations".to_owned()];
        }
        return Ok(Some((name, kustomization)));
    }
    let mut resources = Vec::new();
    scan(loader, "", &mut resources)?;
    let generated = Kustomization {
        resources,
        ..Kustomization::default()
    };
    Ok((!generated.resources.is_empty()).then_some((FILE_NAMES[0], generated)))
}

/// Walks a directory in the order of its names.
fn scan(loader: &Loader<'_>, dir: &str, resources: &mut Vec<String>) -> Result<()> {
    let children = loader
        .tree()
        .list(&loader.path(dir))
        .map_err(|error| Error::new(error.to_string()))?;
    for child in children {
        let name = child.name();
        let path = if dir.is_empty() {
            name.to_owned()
        } else {
            format!("{dir}/{name}")
        };
        if let Child::Dir(_) = child {
            let has_own = FILE_NAMES.iter().any(|file| {
                loader
                    .tree()
                    .is_file(&loader.path(&format!("{path}/{file}")))
            });
            if has_own {
                resources.push(path);
            } else {
                scan(loader, &path, resources)?;
            }
            continue;
        }
        let is_manifest = [".yaml", ".yml"]
            .iter()
            .any(|extension| name.ends_with(extension));
        if is_manifest {
            parse::resources(&loader.path(&path), loader.text(&path)?)?;
            resources.push(path);
        }
    }
    Ok(())
}

fn own_patch(patch: &Patch) -> OwnPatch {
    OwnPatch {
        inline: patch.patch.clone(),
        target: patch.target.as_ref().map(selector),
        ..OwnPatch::default()
    }
}

fn selector(target: &PatchTarget) -> Selector {
    Selector {
        id: Id {
            gvk: Gvk {
                group: target.group.clone(),
                version: target.version.clone(),
                kind: target.kind.clone(),
            },
            name: target.name.clone(),
            namespace: target.namespace.clone(),
        },
        labels: target.label_selector.clone(),
        annotations: target.annotation_selector.clone(),
    }
}

/// Tag and digest both say which version; they are replaced as one.
fn merge_image(images: &mut Vec<OwnImage>, image: &Image) {
    let Some(known) = images.iter_mut().find(|known| known.name == image.name) else {
        images.push(OwnImage {
            name: image.name.clone(),
            new_name: image.new_name.clone(),
            new_tag: image.new_tag.clone(),
            digest: image.digest.clone(),
            tag_suffix: String::new(),
        });
        return;
    };
    if !image.new_name.is_empty() {
        known.new_name.clone_from(&image.new_name);
    }
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        known.new_tag.clone_from(&image.new_tag);
        known.digest.clone_from(&image.digest);
    }
}

#[cfg(test)]
mod tests {
    use fluvial_manifest::{Entry, yaml};

    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            tree.insert(path, Entry::file(text.as_bytes()))
                .expect("the test's paths are normal");
        }
        tree
    }

    fn check(files: &[(&str, &str)], path: &str, overlay: &Overlay, want: &str) {
        let got = build_flux(&tree(files), path, overlay).map(|objects| yaml::to_multi(&objects));
        assert_eq!(got.as_deref(), Ok(want));
    }

    const A: &str = "kind: A\nmetadata: {name: a}\n";
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: 'i:1'}]}\n";

    #[test]
    fn a_directory_without_a_kustomization_is_walked() {
        check(
            &[
                ("d/b.yml", "kind: B\nmetadata: {name: b}\n"),
                ("d/a/a.yaml", A),
                (
                    "d/c/kustomization.yaml",
                    "resources: [x.yaml]\nnamePrefix: p-\n",
                ),
                ("d/c/x.yaml", "kind: X\nmetadata: {name: x}\n"),
                ("d/c/not-listed.yaml", "kind: Y\nmetadata: {name: y}\n"),
                ("d/readme.md", "not: yaml: at: all"),
                ("other.yaml", A),
            ],
            "d",
            &Overlay::default(),
            "kind: A\nmetadata:\n  name: a\n---\nkind: B\nmetadata:\n  name: b\n---\nkind: X\nmetadata:\n  name: p-x\n",
        );
    }

    #[test]
    fn nothing_found_is_nothing_built_but_a_missing_directory_is_an_error() {
        check(&[("d/readme.md", "x")], "d", &Overlay::default(), "");
        let error = build_flux(&tree(&[("d/x", "")]), "e", &Overlay::default())
            .expect_err("e is not there");
        assert_eq!(error.to_string(), "cannot build: cannot find \"e\"");
    }

    #[test]
    fn a_file_that_holds_no_objects_is_named() {
        let error = build_flux(&tree(&[("d/v.yaml", "a: 1\n")]), "d", &Overlay::default())
            .expect_err("no kind");
        assert_eq!(
            error.to_string(),
            "cannot build d/v.yaml: the object has no kind; add one, or take the file out of `resources`"
        );
    }

    #[test]
    fn the_overlay_is_laid_over_the_kustomization() {
        let overlay = Overlay {
            target_namespace: Some("n".into()),
            name_prefix: Some("x-".into()),
            name_suffix: Some("-y".into()),
            patches: vec![Patch {
                patch: "- {op: add, path: /spec/hostNetwork, value: true}".into(),
                target: Some(PatchTarget {
                    kind: "Pod".into(),
                    ..PatchTarget::default()
                }),
            }],
            images: vec![Image {
                name: "i".into(),
                new_tag: "2".into(),
                ..Image::default()
            }],
            components: vec!["../c".into(), "../gone".into()],
            ignore_missing_components: true,
            common_metadata: CommonMetadata {
                labels: BTreeMap::from([("l".to_owned(), "1".to_owned())]),
                annotations: BTreeMap::from([("a".to_owned(), "2".to_owned())]),
            },
            build_metadata: Vec::new(),
        };
        check(
            &[
                (
                    "d/kustomization.yaml",
                    "resources: [pod.yaml]\nunknownFieldsAreDropped: true\nimages: [{name: i, digest: 'sha256:0', newName: j}]\n",
                ),
                ("d/pod.yaml", POD),
                (
                    "c/kustomization.yaml",
                    "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {c: d}}]\n",
                ),
            ],
            "d",
            &overlay,
            "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    a: \"2\"\n  labels:\n    c: d\n    l: \"1\"\n  name: x-p-y\n  namespace: \"n\"\nspec:\n  containers:\n  - image: j:2\n    name: c\n  hostNetwork: true\n",
        );
    }

    #[test]
    fn two_kustomization_files_are_one_too_many() {
        let files = [
            ("d/kustomization.yaml", "namePrefix: a-\n"),
            ("d/kustomization.yml", "namePrefix: b-\n"),
        ];
        let error = build_flux(&tree(&files), "d", &Overlay::default()).expect_err("there are two");
        assert_eq!(
            error.to_string(),
            "cannot build d/kustomization.yml: there is another kustomization in this directory; keep one"
        );
    }

    #[test]
    fn components_stay_inside_the_repository() {
        for component in ["/etc", "https://host/repo", "../../x"] {
            let overlay = Overlay {
                components: vec![component.to_owned()],
                ..Overlay::default()
            };
            assert!(
                build_flux(&tree(&[("d/a.yaml", A)]), "d", &overlay).is_err(),
                "{component}"
            );
        }
    }
}
