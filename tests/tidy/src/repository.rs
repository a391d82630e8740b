//! What the rules are about: the workspace's crates, from `cargo metadata`, and its text files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// The repository as it is on disk.
#[derive(Debug)]
pub struct Repository {
    /// The workspace's crates, in the order in which the root `Cargo.toml` lists them.
    pub crates: Vec<Crate>,
    /// Every text file, by path.
    pub files: Vec<File>,
}

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// Its folder from the root: `engine/log`.
    pub folder: String,
    /// What its manifest asks for.
    pub dependencies: Vec<Dependency>,
    /// The names of everything that is linked into it: its dependencies', and theirs, without those
    /// that only build scripts, macros and tests use.
    pub linked: BTreeSet<String>,
}

/// One line of a manifest's dependencies.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// Its folder, when it is a crate of the workspace.
    pub folder: Option<String>,
    /// What it is used for.
    pub used: Use,
}

/// What a dependency is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The program itself, or its build script.
    Program,
    /// Its tests only.
    Tests,
}

/// A text file.
#[derive(Clone, Debug)]
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    /// The whole content.
    pub text: String,
}

impl Repository {
    /// The repository that this crate is in, read once.
    ///
    /// # Panics
    ///
    /// When it cannot be read: there is nothing to check then.
    pub fn read() -> &'static Self {
        static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let root = root
                .canonicalize()
                .expect("the crate is two folders deep in the repository");
            let metadata = MetadataCommand::new()
                .manifest_path(root.join("Cargo.toml"))
                // Without it, crates for other systems would be fetched only to be read about.
                .other_options(["--filter-platform".to_owned(), "x86_64-unknown-linux-gnu".to_owned()])
                .exec()
                .expect("the workspace can be read by cargo");
            Repository {
                crates: crates(&metadata, &root),
                files: files(&root),
            }
        });
        &REPOSITORY
    }

    /// The files whose names end so.
    pub fn files_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a File> {
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(ending))
    }
}

impl Crate {
    /// Whether a file is in the crate's folder.
    pub fn holds(&self, file: &File) -> bool {
        file.path
            .strip_prefix(&self.folder)
            .is_some_and(|rest| rest.starts_with('/'))
    }
}

fn crates(metadata: &Metadata, root: &Path) -> Vec<Crate> {
    let names: BTreeMap<&PackageId, &str> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.as_str()))
        .collect();
    let links = links(metadata);
    let folder = |package: &Package| {
        let directory = package
            .manifest_path
            .parent()
            .expect("a manifest is in a folder");
        let inside = directory
            .strip_prefix(root)
            .expect("a member is inside the repository");
        inside.as_str().to_owned()
    };
    let listed = listed(&fs::read_to_string(root.join("Cargo.toml")).expect("cargo read it too"));
    let mut crates: Vec<Crate> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Crate {
            name: package.name.to_string(),
            folder: folder(package),
            dependencies: package
                .dependencies
                .iter()
                .map(|dependency| Dependency {
                    name: dependency.name.clone(),
                    folder: dependency.path.as_ref().map(|path| {
                        let inside = path.strip_prefix(root).expect("inside the repository");
                        inside.as_str().to_owned()
                    }),
                    used: match dependency.kind {
                        DependencyKind::Development => Use::Tests,
                        _ => Use::Program,
                    },
                })
                .collect(),
            linked: linked(&package.id, &links, &names),
        })
        .collect();
    crates.sort_by_key(|each| listed.iter().position(|folder| *folder == each.folder));
    crates
}

/// The folders of the `members` list in a root manifest, in its order.
fn listed(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| !line.starts_with("members"))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .filter_map(|line| line.trim().strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// Which package is linked into which: normal dependencies, without macros, which run elsewhere.
fn links(metadata: &Metadata) -> BTreeMap<&PackageId, Vec<&PackageId>> {
    let macros: BTreeSet<&PackageId> = metadata
        .packages
        .iter()
        .filter(|package| {
            package
                .targets
                .iter()
                .any(cargo_metadata::Target::is_proc_macro)
        })
        .map(|package| &package.id)
        .collect();
    let resolve = metadata
        .resolve
        .as_ref()
        .expect("dependencies were asked for");
    resolve
        .nodes
        .iter()
        .map(|node| {
            let linked = node.deps.iter().filter(|dependency| {
                let normal =
                    |kind: &cargo_metadata::DepKindInfo| kind.kind == DependencyKind::Normal;
                dependency.dep_kinds.iter().any(normal) && !macros.contains(&dependency.pkg)
            });
            (&node.id, linked.map(|dependency| &dependency.pkg).collect())
        })
        .collect()
}

fn linked(
    package: &PackageId,
    links: &BTreeMap<&PackageId, Vec<&PackageId>>,
    names: &BTreeMap<&PackageId, &str>,
) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![package];
    while let Some(package) = next.pop() {
        for dependency in links.get(package).into_iter().flatten() {
            if seen.insert(*dependency) {
                next.push(dependency);
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

/// Every text file that is not built, generated or git's.
fn files(root: &Path) -> Vec<File> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let name = path
                .file_name()
                .expect("an entry has a name")
                .to_string_lossy()
                .into_owned();
            if path.is_symlink() || name == ".git" || name == "target" || name == "Cargo.lock" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let inside = path.strip_prefix(root).expect("found under the root");
                files.push(File {
                    path: inside.to_string_lossy().into_owned(),
                    text,
                });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()))
        .into_iter()
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_in_their_order_and_comments_passed_over() {
        let manifest =
            "[workspace]\nmembers = [\n    # first\n    \"b/x\",\n    \"a/y\", # last\n]\n\"c\"";
        assert_eq!(listed(manifest), ["b/x", "a/y"]);
    }

    #[test]
    fn the_repository_has_this_crate_and_this_file() {
        let repository = Repository::read();
        let this = repository
            .crates
            .iter()
            .find(|each| each.folder == "tests/tidy")
            .unwrap();
        assert!(this.linked.contains("cargo_metadata") && this.linked.contains("serde_json"));
        assert!(
            !this.linked.contains("serde_derive"),
            "a macro is not linked"
        );
        let file = repository
            .files_ending("tidy/src/repository.rs")
            .next()
            .unwrap();
        assert!(this.holds(file));
    }
}
