//! The chart that is released: a Deployment, a Service, a ConfigMap, a hook before upgrades, and a test.

use fluvial_e2e::Scene;

const HOW: &str =
    "  how: {{ if .Release.IsInstall }}install{{ else }}upgrade{{ end }} {{ .Release.Revision }}\n";

const OBJECTS: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting | quote }}
  how: {{ if .Release.IsInstall }}install{{ else }}upgrade{{ end }} {{ .Release.Revision }}
  served: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  annotations: {greeting: {{ .Values.greeting | quote }}}
spec:
  replicas: {{ .Values.replicas }}
  progressDeadlineSeconds: 600
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}, fluvial.dev/pod: {{ .Values.pod }}}
    spec:
      containers:
      - {name: main, image: example.org/shop:1}
{{- if .Values.service }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {app: {{ .Release.Name }}}
  ports: [{port: 80}]
{{- end }}
"#;

const HOOK: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-before
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 0
  {{- if eq .Values.hook "failing" }}
  activeDeadlineSeconds: 1
  {{- end }}
  template:
    metadata:
      labels: {fluvial.dev/pod: {{ if eq .Values.hook "failing" }}pending{{ else }}running{{ end }}}
    spec:
      restartPolicy: Never
      containers:
      - {name: main, image: example.org/hook:1}
"#;

const TEST: &str = "apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-test
  annotations:
    helm.sh/hook: test
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: main, image: example.org/test:1}
";

const VALUES: &str = "greeting: hello\nreplicas: 1\nservice: true\npod: running\nhook: passing\n";

/// The files of the chart.
pub(crate) fn chart_files(version: &str) -> [(&'static str, String); 5] {
    let meta = format!("apiVersion: v2\nname: shop\nversion: {version}\nappVersion: v{version}\n");
    [
        ("Chart.yaml", meta),
        ("values.yaml", VALUES.to_owned()),
        ("templates/objects.yaml", OBJECTS.to_owned()),
        ("templates/hook.yaml", HOOK.to_owned()),
        ("templates/test.yaml", TEST.to_owned()),
    ]
}

/// The same, but that nothing in it says how, and as which revision, it was released.
pub(super) fn chart_files_of_no_release(version: &str) -> [(&'static str, String); 5] {
    chart_files(version).map(|(path, text)| (path, text.replace(HOW, "")))
}

/// Commits the chart, and declares the source that serves it.
pub(super) fn committed(scene: &Scene<'_>) {
    let files = chart_files("1.0.0").map(|(path, file)| (format!("charts/shop/{path}"), file));
    let files = files
        .each_ref()
        .map(|(path, file)| (path.as_str(), file.as_str()));
    scene.begin(&files);
}
