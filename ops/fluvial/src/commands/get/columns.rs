//! The columns of each kind, as flux has them.

use fluvial_api::condition::HELD;
use fluvial_api::git_repository;
use fluvial_api::kinds::{self, Kind};
use fluvial_api::{Alert, Provider};
use serde_json::Value;

use crate::json::{is_static, is_suspended, name, namespace, ready, text};
use crate::table::truncate_hex;

/// Which columns there are besides those of the kind.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column, or not")]
pub(super) struct Columns {
    pub(super) namespace: bool,
    /// Names have the kind in front, because there are several.
    pub(super) kind: bool,
    pub(super) source: bool,
    pub(super) wide: bool,
}

/// What stands between name and suspension.
enum Shape {
    Reconciler,
    Source,
    Other,
    /// Static objects have no status: what they are is what they say.
    Alert,
    Provider,
}

fn shape(kind: &Kind) -> Shape {
    match kind.category {
        _ if *kind == kinds::KUSTOMIZATION || *kind == kinds::HELM_RELEASE => Shape::Reconciler,
        _ if *kind == kinds::ALERT => Shape::Alert,
        _ if *kind == kinds::PROVIDER => Shape::Provider,
        "fluxcd-sources" => Shape::Source,
        _ => Shape::Other,
    }
}

impl Columns {
    pub(super) fn header(self, kind: &Kind) -> Vec<&'static str> {
        let mut header = Vec::new();
        if self.namespace {
            header.push("NAMESPACE");
        }
        header.push("NAME");
        match shape(kind) {
            Shape::Reconciler if self.source || self.wide => header.extend(["SOURCE", "REVISION"]),
            Shape::Reconciler | Shape::Source => header.push("REVISION"),
            Shape::Other | Shape::Alert | Shape::Provider => {}
        }
        // flux: a Provider has no such column.
        if !matches!(shape(kind), Shape::Provider) {
            header.push("SUSPENDED");
        }
        header.extend(["READY", "MESSAGE"]);
        if self.wide {
            header.extend(match shape(kind) {
                Shape::Reconciler if *kind == kinds::KUSTOMIZATION => {
                    ["PATH", "INTERVAL", "HELD"].as_slice()
                }
                Shape::Reconciler => &["PATH", "INTERVAL"],
                Shape::Source => &["URL", "INTERVAL"],
                Shape::Other => &["INTERVAL"],
                Shape::Alert => &["PROVIDER"],
                Shape::Provider => &["TYPE"],
            });
        }
        header
    }

    pub(super) fn row(self, kind: &Kind, object: &Value) -> Vec<String> {
        let mut row = Vec::new();
        if self.namespace {
            row.push(namespace(object).to_owned());
        }
        row.push(if self.kind {
            format!("{}/{}", kind.kind.to_lowercase(), name(object))
        } else {
            name(object).to_owned()
        });
        let artifact = truncate_hex(text(object, "/status/artifact/revision"));
        let applied = applied(kind, object);
        match shape(kind) {
            Shape::Reconciler if self.source || self.wide => row.extend([source(object), applied]),
            Shape::Reconciler => row.push(applied),
            // flux: the revision of a chart is its version, whatever it looks like.
            Shape::Source if *kind == kinds::HELM_CHART => {
                row.push(text(object, "/status/artifact/revision").to_owned());
            }
            Shape::Source => row.push(artifact),
            Shape::Other | Shape::Alert | Shape::Provider => {}
        }
        if !matches!(shape(kind), Shape::Provider) {
            let suspended = if is_suspended(object) {
                "True"
            } else {
                "False"
            };
            row.push(suspended.to_owned());
        }
        let (status, message) = match shape(kind) {
            Shape::Alert => of_static(kind, Alert::read(object).err().map(|it| it.to_string())),
            Shape::Provider => of_static(kind, refusal(object)),
            // flux: nothing is ever fetched from a registry by itself.
            Shape::Source if is_static(kind, object) => {
                ("True".to_owned(), "Helm repository is Ready".to_owned())
            }
            Shape::Reconciler | Shape::Source | Shape::Other => {
                let (status, message) = ready(object);
                (status.to_owned(), truncate_hex(message))
            }
        };
        row.extend([status, message]);
        if self.wide {
            let interval = text(object, "/spec/interval").to_owned();
            match shape(kind) {
                Shape::Reconciler => row.push(text(object, "/spec/path").to_owned()),
                Shape::Source => row.push(git_repository::shown(text(object, "/spec/url"))),
                Shape::Other => {}
                Shape::Alert => {
                    row.push(text(object, "/spec/providerRef/name").to_owned());
                    return row;
                }
                Shape::Provider => {
                    row.push(text(object, "/spec/type").to_owned());
                    return row;
                }
            }
            row.push(interval);
            if *kind == kinds::KUSTOMIZATION {
                row.push(held(object).to_owned());
            }
        }
        row
    }
}

/// Whether what a rollback put back is held: `True`, `False` where one was refused, else nothing.
fn held(object: &Value) -> &str {
    let conditions = object.pointer("/status/conditions");
    let mut conditions = conditions.and_then(Value::as_array).into_iter().flatten();
    let held = conditions.find(|it| text(it, "/type") == HELD);
    held.map_or("", |it| text(it, "/status"))
}

/// Why nothing is told through this Provider, if so.
fn refusal(object: &Value) -> Option<String> {
    match Provider::read(object) {
        Ok(provider) => provider.spec.unsupported(),
        Err(error) => Some(error.to_string()),
    }
}

/// flux: an object without a status is ready; one that cannot be followed is not.
fn of_static(kind: &Kind, refusal: Option<String>) -> (String, String) {
    match refusal {
        None => ("True".to_owned(), format!("{} is Ready", kind.kind)),
        Some(why) => ("False".to_owned(), why),
    }
}

/// `GitRepository/flux-system/app`
fn source(object: &Value) -> String {
    let places = [
        "/spec/sourceRef",
        "/spec/chartRef",
        "/spec/chart/spec/sourceRef",
    ];
    let place = places.into_iter().find(|it| object.pointer(it).is_some());
    let place = place.unwrap_or_default();
    let reference = |field: &str| text(object, &format!("{place}/{field}"));
    let namespace = match reference("namespace") {
        "" => namespace(object),
        other => other,
    };
    format!("{}/{namespace}/{}", reference("kind"), reference("name"))
}

/// flux: of a release, the version of the chart that was released or tried last.
fn applied(kind: &Kind, object: &Value) -> String {
    if *kind != kinds::HELM_RELEASE {
        return truncate_hex(text(object, "/status/lastAppliedRevision"));
    }
    match text(object, "/status/history/0/chartVersion") {
        "" => text(object, "/status/lastAttemptedRevision").to_owned(),
        version => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_as_flux_prints_them() {
        let revision = format!("main@sha1:{}", "ab".repeat(20));
        let object = json!({
            "metadata": {"name": "app", "namespace": "apps"},
            "spec": {"suspend": true, "sourceRef": {"kind": "GitRepository", "name": "app"}},
            "status": {
                "lastAppliedRevision": revision,
                "conditions": [{
                    "type": "Ready",
                    "status": "True",
                    "message": format!("Applied revision: {revision}"),
                }, {
                    "type": "Held",
                    "status": "True",
                }],
            },
        });
        let columns = Columns {
            namespace: true,
            kind: true,
            source: true,
            wide: false,
        };
        assert_eq!(
            columns.row(&kinds::KUSTOMIZATION, &object).join(" | "),
            "apps | kustomization/app | GitRepository/apps/app | main@sha1:abababab | True | True | \
             Applied revision: main@sha1:abababab"
        );
        let plain = Columns {
            namespace: false,
            kind: false,
            source: false,
            wide: false,
        };
        assert_eq!(
            plain
                .row(
                    &kinds::GIT_REPOSITORY,
                    &json!({"metadata": {"name": "new"}})
                )
                .join(" | "),
            "new |  | False | False | waiting to be reconciled"
        );
        let wide = Columns {
            wide: true,
            ..plain
        };
        let row = wide.row(&kinds::KUSTOMIZATION, &object);
        assert_eq!(row.last().map(String::as_str), Some("True"), "held");
        for kind in kinds::ALL {
            for columns in [
                columns,
                plain,
                Columns {
                    wide: true,
                    ..plain
                },
            ] {
                let (header, row) = (columns.header(kind), columns.row(kind, &object));
                assert_eq!(header.len(), row.len(), "{}", kind.kind);
            }
        }
    }

    #[test]
    fn releases_and_charts_are_as_flux_prints_them() {
        let columns = Columns {
            namespace: true,
            kind: true,
            source: true,
            wide: false,
        };
        for (kind, object, expected) in [
            (
                &kinds::HELM_RELEASE,
                json!({
                    "metadata": {"name": "web", "namespace": "apps"},
                    "spec": {"chart": {"spec": {"sourceRef": {"kind": "HelmRepository", "name": "charts"}}}},
                    "status": {
                        "lastAttemptedRevision": "1.3.0",
                        "history": [{"chartVersion": "1.2.3"}],
                        "conditions": [{"type": "Ready", "status": "True", "message": "done"}],
                    },
                }),
                "apps | helmrelease/web | HelmRepository/apps/charts | 1.2.3 | False | True | done",
            ),
            (
                &kinds::HELM_RELEASE,
                json!({
                    "metadata": {"name": "web", "namespace": "apps"},
                    "spec": {"chartRef": {"kind": "OCIRepository", "name": "web", "namespace": "flux"}},
                    "status": {"lastAttemptedRevision": "1.3.0"},
                }),
                "apps | helmrelease/web | OCIRepository/flux/web | 1.3.0 | False | False | waiting to be reconciled",
            ),
            (
                &kinds::HELM_REPOSITORY,
                json!({"metadata": {"name": "images", "namespace": "apps"}, "spec": {"type": "oci"}}),
                "apps | helmrepository/images |  | False | True | Helm repository is Ready",
            ),
        ] {
            assert_eq!(columns.row(kind, &object).join(" | "), expected);
        }
    }
}
