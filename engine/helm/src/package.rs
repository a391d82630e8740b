//! A chart as it is packed: its files, with another version, other values or more charts in it.
//!
//! Where the files come from, and which dependencies are to be added, is the callers' business; so is what
//! becomes of the archive.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use flate2::{Compression, GzBuilder};
use fluvial_manifest::yaml as manifest_yaml;
use fluvial_manifest::{Map, Tree, Value};
use tar::{EntryType, Header};

use crate::archive::{self, Budget};
use crate::{Chart, Dependency, Error, File, Metadata, yaml};

/// What the header of a gzip file says when it was made on no system in particular.
const NO_SYSTEM: u8 = 255;
const CHART_FILE: &str = "Chart.yaml";
const VALUES_FILE: &str = "values.yaml";

/// A chart that can be changed and packed.
#[derive(Clone, Debug)]
pub struct Package {
    /// Sorted as they were read.
    files: Vec<File>,
    metadata: Metadata,
    /// Names of the charts in it.
    charts: Vec<String>,
    locked: Option<Vec<Dependency>>,
}

/// Values that are merged from several files, each over those before it.
#[derive(Clone, Debug, Default)]
pub struct Defaults(Map<String, Value>);

impl Package {
    /// The chart in the directory `path` of a tree. `.helmignore` counts; links are followed in the tree.
    pub fn from_tree(tree: &Tree, path: &str) -> Result<Self, Error> {
        let budget = &mut Budget::default();
        let files = Chart::files_of_tree(tree, path, budget)?;
        Self::new(files, budget)
    }

    /// The chart in a `.tgz`.
    pub fn from_archive(bytes: &[u8]) -> Result<Self, Error> {
        let budget = &mut Budget::default();
        let files = archive::unpack(bytes, budget)?;
        Self::new(files, budget)
    }

    fn new(files: Vec<File>, budget: &mut Budget) -> Result<Self, Error> {
        let chart = Chart::from_files(files.clone(), budget, 0)?;
        let charts = chart.dependencies.iter().map(|it| it.name().to_owned());
        Ok(Self {
            charts: charts.collect(),
            locked: chart.lock.as_ref().map(locked).transpose()?,
            metadata: chart.metadata,
            files,
        })
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The contents of one of its files, by its path in the chart.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files
            .iter()
            .find(|file| file.name == path)
            .map(|file| &*file.data)
    }

    /// The dependencies that are declared, or locked, and not in it.
    ///
    /// flux: `collectMissing`, internal/helm/chart/dependency_manager.go: where there are as many charts as
    /// declarations nothing is missing, whatever the names.
    pub fn missing(&self) -> Vec<&Dependency> {
        let wanted = self.locked.as_ref().unwrap_or(&self.metadata.dependencies);
        if wanted.len() == self.charts.len() {
            return Vec::new();
        }
        wanted
            .iter()
            .filter(|it| !self.charts.iter().any(|chart| chart == name_of(it)))
            .collect()
    }

    /// Gives it another version.
    pub fn set_version(&mut self, version: &str) -> Result<(), Error> {
        self.set("version", version)?;
        version.clone_into(&mut self.metadata.version);
        Ok(())
    }

    /// Puts `values` in the place of its own.
    pub fn set_values(&mut self, values: Defaults) {
        let text = manifest_yaml::to_string(&Value::Object(values.0));
        self.put(VALUES_FILE, text.into_bytes());
    }

    /// Adds a chart to it, under the name that `dependency` gives it.
    pub fn add(&mut self, mut chart: Self, dependency: &Dependency) -> Result<(), Error> {
        if !dependency.alias.is_empty() {
            chart.set("name", &dependency.alias)?;
            chart.metadata.name.clone_from(&dependency.alias);
        }
        let name = chart.metadata.name.clone();
        for file in chart.files {
            self.files.push(File {
                name: format!("charts/{name}/{}", file.name),
                data: file.data,
            });
        }
        self.charts.push(name);
        Ok(())
    }

    /// The archive: the same files give the same bytes, wherever and whenever they are packed.
    pub fn pack(&self) -> Result<Vec<u8>, Error> {
        self.write()
            .map_err(|error| Error::chart(format!("cannot be packed: {error}")))
    }

    fn write(&self) -> io::Result<Vec<u8>> {
        let gzip = GzBuilder::new()
            .mtime(0)
            .operating_system(NO_SYSTEM)
            .write(Vec::new(), Compression::default());
        let mut tar = tar::Builder::new(gzip);
        let mut seen = BTreeSet::new();
        for file in self.files.iter().filter(|file| seen.insert(&file.name)) {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            header.set_size(file.data.len() as u64);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            let path = format!("{}/{}", self.metadata.name, file.name);
            tar.append_data(&mut header, path, &*file.data)?;
        }
        tar.into_inner()?.finish()
    }

    /// Sets one field of `Chart.yaml`. As in Helm, comments do not survive it.
    fn set(&mut self, field: &str, value: &str) -> Result<(), Error> {
        let text = self.file(CHART_FILE).unwrap_or_default();
        let refuse = |why| Error::chart(format!("cannot load {CHART_FILE}: {why}"));
        let mut chart = yaml::first(text).map_err(refuse)?;
        if let Value::Object(fields) = &mut chart {
            fields.insert(field.to_owned(), Value::from(value));
        }
        self.put(CHART_FILE, manifest_yaml::to_string(&chart).into_bytes());
        Ok(())
    }

    fn put(&mut self, name: &str, data: Vec<u8>) {
        let data: Arc<[u8]> = data.into();
        match self.files.iter_mut().find(|file| file.name == name) {
            Some(file) => file.data = data,
            None => self.files.push(File {
                name: name.to_owned(),
                data,
            }),
        }
    }
}

impl Defaults {
    /// Lays the values of one file over those before it.
    pub fn merge(&mut self, text: &[u8]) -> Result<(), Error> {
        match yaml::first(text).map_err(Error::chart)? {
            Value::Null => Ok(()),
            Value::Object(more) => {
                yaml::merge(&mut self.0, more);
                Ok(())
            }
            _ => Err(Error::chart("the values are no map")),
        }
    }
}

/// What a dependency is called in the chart that has it.
fn name_of(dependency: &Dependency) -> &str {
    match dependency.alias.as_str() {
        "" => &dependency.name,
        alias => alias,
    }
}

/// What `Chart.lock` says that there is.
fn locked(lock: &Value) -> Result<Vec<Dependency>, Error> {
    let field = |of: &Value, name: &str| {
        let text = of.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let all = match lock.get("dependencies") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(all)) => all,
        Some(_) => {
            return Err(Error::chart(
                "cannot load Chart.lock: its dependencies are no list",
            ));
        }
    };
    let one = |of| Dependency {
        name: field(of, "name"),
        version: field(of, "version"),
        repository: field(of, "repository"),
        ..Dependency::default()
    };
    Ok(all.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use fluvial_manifest::Entry;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            tree.insert(path, Entry::file(text.as_bytes())).unwrap();
        }
        tree
    }

    const CHART: &str = "apiVersion: v2\nname: app\nversion: 0.1.0\n";

    fn app() -> Tree {
        tree(&[
            ("app/Chart.yaml", CHART),
            ("app/values.yaml", "a: 1\nb: {c: 2, d: 3}\n"),
            ("app/templates/all.yaml", "x: {{ .Values.a }}\n"),
            ("app/.helmignore", "secret.txt\n"),
            ("app/secret.txt", "no"),
            ("prod.yaml", "b: {c: 4}\n"),
        ])
    }

    #[test]
    fn a_directory_is_packed_without_what_is_ignored() {
        let package = Package::from_tree(&app(), "app").unwrap();
        let packed = package.pack().unwrap();
        assert_eq!(packed, package.pack().unwrap());
        let again = Package::from_archive(&packed).unwrap();
        assert_eq!(again.metadata(), package.metadata());
        assert!(again.file("templates/all.yaml").is_some());
        assert_eq!(again.file("secret.txt"), None);
    }

    #[test]
    fn version_and_values_are_replaced() {
        let tree = app();
        let mut package = Package::from_tree(&tree, "app").unwrap();
        let mut values = Defaults::default();
        values.merge(package.file("values.yaml").unwrap()).unwrap();
        values.merge(tree.file("prod.yaml").unwrap()).unwrap();
        assert!(values.merge(b"[1]").is_err());
        package.set_values(values);
        package.set_version("0.1.0+7").unwrap();
        let again = Package::from_archive(&package.pack().unwrap()).unwrap();
        assert_eq!(again.metadata().version, "0.1.0+7");
        assert_eq!(
            again.file("values.yaml").unwrap(),
            b"a: 1\nb:\n  c: 4\n  d: 3\n"
        );
    }

    #[test]
    fn what_is_missing_is_what_is_declared_or_locked_and_not_there() {
        let declared = "dependencies:\n\
            - {name: redis, version: 1.x, repository: 'https://a', alias: cache}\n\
            - {name: lib, version: 0.1.0, repository: 'file://../lib'}\n";
        let chart = format!("{CHART}{declared}");
        let lib = "apiVersion: v2\nname: lib\nversion: 0.1.0\n";
        let mut files = vec![("app/Chart.yaml", chart.as_str()), ("lib/Chart.yaml", lib)];
        let names = |files: &[(&str, &str)]| {
            let package = Package::from_tree(&tree(files), "app").unwrap();
            let missing = package.missing().into_iter();
            missing
                .map(|it| format!("{} {}", it.name, it.version))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&files), ["redis 1.x", "lib 0.1.0"]);
        files.push(("app/charts/lib/Chart.yaml", lib));
        assert_eq!(names(&files), ["redis 1.x"]);
        let lock = "dependencies:\n- {name: redis, version: 1.2.3, repository: 'https://a'}\n\
            - {name: lib, version: 0.1.0, repository: 'file://../lib'}\n";
        files.push(("app/Chart.lock", lock));
        assert_eq!(names(&files), ["redis 1.2.3"]);
    }

    #[test]
    fn an_added_chart_has_the_name_that_it_is_asked_for_by() {
        let chart = format!("{CHART}dependencies:\n- {{name: lib, version: '*', alias: tools}}\n");
        let lib = "apiVersion: v2\nname: lib\nversion: 0.1.0\n";
        let tree = tree(&[("app/Chart.yaml", &chart), ("lib/Chart.yaml", lib)]);
        let mut package = Package::from_tree(&tree, "app").unwrap();
        let wanted = package.missing()[0].clone();
        package
            .add(Package::from_tree(&tree, "lib").unwrap(), &wanted)
            .unwrap();
        assert!(package.missing().is_empty());
        let again = Package::from_archive(&package.pack().unwrap()).unwrap();
        assert!(again.missing().is_empty());
        assert!(again.file("charts/tools/Chart.yaml").is_some());
        let whole = Chart::from_archive(&package.pack().unwrap()).unwrap();
        assert_eq!(whole.dependencies[0].name(), "tools");
    }

    #[test]
    fn what_leads_out_of_the_tree_is_refused() {
        for (link, target) in [
            ("app/Chart.lock", "../../../etc/passwd"),
            ("app/values.yaml", "/etc/passwd"),
            ("app/templates/x", "../../../x"),
        ] {
            let mut tree = tree(&[("app/Chart.yaml", CHART)]);
            let target = target.to_owned();
            tree.insert(link, Entry::Link { target }).unwrap();
            assert!(Package::from_tree(&tree, "app").is_err(), "{link}");
        }
        for name in [".", "..", "a/b"] {
            let chart = format!("apiVersion: v2\nname: '{name}'\nversion: 0.1.0\n");
            assert!(
                Package::from_tree(&tree(&[("app/Chart.yaml", &chart)]), "app").is_err(),
                "{name}"
            );
        }
    }
}
