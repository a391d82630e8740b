//! The columns of each kind, as flux has them.

use fluvial_api::condition::HELD;
use fluvial_api::git_repository;
use fluvial_api::kinds::{self, Kind};
use fluvial_api::{Alert, Provider};
use serde_json::Value;

use crate::json::{is_suspended, name, namespace, ready, text};
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
        let applied = truncate_hex(text(object, "/status/lastAppliedRevision"));
        match shape(kind) {
            Shape::Reconciler if self.source || self.wide => row.extend([source(object), applied]),
            Shape::Reconciler => row.push(applied),
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
    let reference = |field: &str| text(object, &format!("/spec/sourceRef/{field}"));
    let place = match reference("namespace") {
        "" => namespace(object),
        other => other,
    };
    format!("{}/{place}/{}", reference("kind"), reference("name"))
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
}
