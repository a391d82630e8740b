//! One large kustomization.

use std::fmt::Write as _;
use std::time::Duration;

use fluvial_conformance::Case;

/// Its objects.
pub(super) const OBJECTS: usize = 4_000;

/// How long it may take.
pub(super) const TIME_MAX: Duration = Duration::from_millis(500);

/// Deployments, their Services, ConfigMaps and Secrets, with everything a kustomization sets.
pub(super) fn case() -> Case {
    let mut resources = String::new();
    for at in 0..OBJECTS / 4 {
        write!(
            resources,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app-{at}, labels: {{app: app-{at}}}}}\nspec:\n  replicas: 1\n  selector: {{matchLabels: {{app: app-{at}}}}}\n  template:\n    metadata: {{labels: {{app: app-{at}}}}}\n    spec:\n      containers:\n      - name: main\n        image: nginx:1.0\n        envFrom: [{{configMapRef: {{name: config-{at}}}}}, {{secretRef: {{name: secret-{at}}}}}]\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: service-{at}}}\nspec: {{selector: {{app: app-{at}}}, ports: [{{port: 80}}]}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: config-{at}}}\ndata: {{key: value-{at}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: secret-{at}}}\nstringData: {{key: value-{at}}}\n---\n"
        )
        .expect("a String takes everything");
    }
    let kustomization = "namespace: large\nnamePrefix: pre-\ncommonLabels: {team: one}\ncommonAnnotations: {note: two}\nimages: [{name: nginx, newTag: '2.0'}]\nresources: [all.yaml]\npatches:\n- target: {kind: Deployment}\n  patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: any}\n    spec: {template: {spec: {containers: [{name: main, imagePullPolicy: Always}]}}}\n";
    Case {
        title: "large".to_owned(),
        files: [
            ("kustomization.yaml".to_owned(), kustomization.to_owned()),
            ("all.yaml".to_owned(), resources),
        ]
        .into(),
        ..Case::default()
    }
}
