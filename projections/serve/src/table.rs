//! Objects as a `Table`: what `kubectl get` prints.

use fluvial_event::Timestamp;
use fluvial_view::past::HEALTH;
use serde_json::{Value, json};

use crate::age::age;
use crate::resource::Resource;

/// What stands where nothing is known.
const UNKNOWN: &str = "<unknown>";
const NONE: &str = "<none>";

/// What stands in a column.
enum Cell {
    /// What a path of kubectl's JSONPath finds.
    Path(String),
    /// The time that a path finds, as an age.
    Age(String),
    /// How many entries an object has.
    Count(&'static str),
    /// How many of its replicas are ready: all of them where it was healthy, and unknown elsewhere.
    Ready,
    /// The ports of a Service.
    Ports,
    /// Of a Kubernetes object, whether it worked.
    Health,
}

/// Name, type, priority.
type Column = (String, String, i64, Cell);

/// The columns of Kubernetes' own kinds that have more than name and age.
const KUBERNETES: &[(&str, &[(&str, &str)])] = &[
    ("ConfigMap", &[("Data", "#data")]),
    (
        "CronJob",
        &[("Schedule", ".spec.schedule"), ("Suspend", ".spec.suspend")],
    ),
    ("DaemonSet", &[]),
    ("Deployment", &[("Ready", "ready")]),
    (
        "HorizontalPodAutoscaler",
        &[
            ("Reference", ".spec.scaleTargetRef.name"),
            ("MinPods", ".spec.minReplicas"),
            ("MaxPods", ".spec.maxReplicas"),
        ],
    ),
    (
        "Ingress",
        &[
            ("Class", ".spec.ingressClassName"),
            ("Hosts", ".spec.rules[*].host"),
        ],
    ),
    (
        "PersistentVolumeClaim",
        &[
            ("Capacity", ".spec.resources.requests.storage"),
            ("StorageClass", ".spec.storageClassName"),
        ],
    ),
    ("ReplicaSet", &[("Ready", "ready")]),
    ("Secret", &[("Type", ".type"), ("Data", "#data")]),
    (
        "Service",
        &[
            ("Type", ".spec.type"),
            ("Cluster-IP", ".spec.clusterIP"),
            ("Port(s)", "ports"),
        ],
    ),
    ("StatefulSet", &[("Ready", "ready")]),
];

fn columns(resource: &Resource) -> Vec<Column> {
    let text = |name: &str, cell: Cell| (name.to_owned(), "string".to_owned(), 0, cell);
    let mut columns = vec![text("Name", Cell::Path(".metadata.name".to_owned()))];
    if !resource.columns.is_empty() {
        columns.extend(resource.columns.iter().map(|it| {
            let cell = if it.format == "date" {
                Cell::Age(it.path.clone())
            } else {
                Cell::Path(it.path.clone())
            };
            (it.name.clone(), "string".to_owned(), it.priority, cell)
        }));
        return columns;
    }
    let known = KUBERNETES.iter().find(|it| it.0 == resource.kind);
    for (name, what) in known.map_or(&[][..], |it| it.1) {
        let cell = match *what {
            "#data" => Cell::Count("data"),
            "ready" => Cell::Ready,
            "ports" => Cell::Ports,
            path => Cell::Path(path.to_owned()),
        };
        columns.push(text(name, cell));
    }
    columns.push(text(
        "Age",
        Cell::Age(".metadata.creationTimestamp".to_owned()),
    ));
    columns.push(("Health".to_owned(), "string".to_owned(), 1, Cell::Health));
    columns
}

/// How much of each object goes along with its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

/// Objects of a kind as a table, with ages as of `now`.
pub(crate) fn table(
    resource: &Resource,
    objects: &[Value],
    now: Timestamp,
    include: Include,
    metadata: &Value,
) -> Value {
    let columns = columns(resource);
    let definitions: Vec<_> = columns
        .iter()
        .map(|(name, format, priority, _)| {
            let kind = if name == "Name" { "name" } else { "" };
            json!({"name": name, "type": format, "format": kind, "description": "", "priority": priority})
        })
        .collect();
    let rows: Vec<_> = objects
        .iter()
        .map(|object| {
            let cells: Vec<_> = columns.iter().map(|it| cell(&it.3, object, now)).collect();
            let mut row = json!({"cells": cells});
            match include {
                Include::None => {}
                Include::Metadata => row["object"] = partial(object),
                Include::Object => row["object"] = object.clone(),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

/// An object without all but its metadata.
pub(crate) fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

fn cell(cell: &Cell, object: &Value, now: Timestamp) -> String {
    match cell {
        Cell::Path(path) => {
            let found: Vec<_> = find(object, path).into_iter().map(shown).collect();
            found.join(",")
        }
        Cell::Age(path) => {
            let found = find(object, path);
            age(found.first().and_then(|it| it.as_str()), now)
        }
        Cell::Count(field) => object[*field]
            .as_object()
            .map_or(0, serde_json::Map::len)
            .to_string(),
        Cell::Ready => {
            let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
            if object["metadata"]["annotations"][HEALTH] == "Current" {
                format!("{wanted}/{wanted}")
            } else {
                format!("?/{wanted}")
            }
        }
        Cell::Ports => ports(object),
        Cell::Health => {
            let health = object["metadata"]["annotations"][HEALTH].as_str();
            health.unwrap_or(UNKNOWN).to_owned()
        }
    }
}

fn ports(service: &Value) -> String {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let ports = ports.map(|port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        format!("{}/{protocol}", shown(&port["port"]))
    });
    let ports: Vec<_> = ports.collect();
    if ports.is_empty() {
        NONE.to_owned()
    } else {
        ports.join(",")
    }
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What a path such as `.status.conditions[?(@.type=="Ready")].status` finds: the part of JSONPath that
/// printer columns use.
fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let Some(end) = inside.find(']') else {
                return Vec::new();
            };
            found = found
                .into_iter()
                .flat_map(|it| within(it, &inside[..end]))
                .collect();
            rest = &inside[end + 1..];
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return Vec::new();
        }
        found = found.into_iter().filter_map(|it| it.get(name)).collect();
        rest = after;
    }
    found.retain(|it| !it.is_null());
    found
}

/// What an index finds: `*`, `0`, `'name'`, `?(@.type=="Ready")`.
fn within<'a>(value: &'a Value, index: &str) -> Vec<&'a Value> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    if index == "*" {
        return items.iter().collect();
    }
    if let Ok(number) = index.parse::<usize>() {
        return items.get(number).into_iter().collect();
    }
    let unquoted = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
    let filter = index
        .strip_prefix("?(@.")
        .and_then(|it| it.strip_suffix(')'));
    let Some((name, wanted)) = filter.and_then(|it| it.split_once("==")) else {
        return value.get(unquoted(index)).into_iter().collect();
    };
    let (name, wanted) = (name.trim(), unquoted(wanted));
    let items = items.iter();
    items
        .filter(|it| it[name].as_str() == Some(wanted.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_printer_columns_find_what_they_name() {
        let object = json!({
            "metadata": {"labels": {"a.b/c": "x"}},
            "spec": {"rules": [{"host": "one"}, {"host": "two"}], "n": 3},
            "status": {"conditions": [{"type": "Stalled", "status": "No"}, {"type": "Ready", "status": "True"}]},
        });
        for (path, found) in [
            (".spec.n", "3"),
            (".spec.none", ""),
            (".spec.rules[*].host", "one,two"),
            (".spec.rules[1].host", "two"),
            (".spec.rules[2].host", ""),
            (".metadata.labels['a.b/c']", "x"),
            (".status.conditions[?(@.type==\"Ready\")].status", "True"),
            (".status.conditions[?(@.type==\"None\")].status", ""),
            (".spec.rules[", ""),
            ("..", ""),
        ] {
            let all: Vec<_> = find(&object, path).into_iter().map(shown).collect();
            assert_eq!(all.join(","), found, "{path}");
        }
    }

    #[test]
    fn readiness_is_said_only_where_it_is_known() {
        for (health, ready) in [("Current", "3/3"), ("InProgress", "?/3"), ("", "?/3")] {
            let object =
                json!({"metadata": {"annotations": {HEALTH: health}}, "spec": {"replicas": 3}});
            assert_eq!(cell(&Cell::Ready, &object, Timestamp(0)), ready);
        }
        let service = json!({"spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}});
        assert_eq!(cell(&Cell::Ports, &service, Timestamp(0)), "80/TCP,53/UDP");
        assert_eq!(cell(&Cell::Ports, &json!({}), Timestamp(0)), NONE);
    }
}
