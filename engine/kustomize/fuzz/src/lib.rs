//! What every build is held to, whatever it is given.

use fluvial_kustomize::{Options, build};
use fluvial_manifest::{Entry, Tree, yaml};

/// Two objects that kustomizations, patches and replacements find something in.
pub const OBJECTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {a: b}}
spec:
  replicas: 1
  template: {spec: {containers: [{name: one, image: 'nginx:1', args: [a, b]}, {name: two, image: redis}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}, {port: 443}]}
";

/// Builds a repository: objects that read back as they were printed, or a refusal that says why.
pub fn hold(files: &[(&str, &str)]) {
    let mut tree = Tree::new();
    for (path, text) in files {
        tree.insert(path, Entry::file(text.as_bytes()))
            .expect("the targets' paths are normal");
    }
    match build(&tree, "", &Options::default()) {
        Ok(objects) => {
            let text = yaml::to_multi(&objects);
            assert_eq!(yaml::documents(&text), Ok(objects), "{text}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
