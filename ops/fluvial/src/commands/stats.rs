//! `fluvial stats`: how many reconcilers run, fail and rest, as `flux stats` prints it.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use fluvial_api::kinds::{self, Kind};
use fluvial_cluster::{Cause, Cluster, Selector};
use futures::TryStreamExt as _;
use serde::Serialize;
use serde_json::Value;

use crate::connect::Globals;
use crate::json as read;
use crate::output::{self, Plain};
use crate::table::Table;

/// The kinds that are counted, in flux's order.
const COUNTED: [&Kind; 13] = [
    &kinds::GIT_REPOSITORY,
    &kinds::OCI_REPOSITORY,
    &kinds::HELM_REPOSITORY,
    &kinds::HELM_CHART,
    &kinds::BUCKET,
    &kinds::KUSTOMIZATION,
    &kinds::HELM_RELEASE,
    &kinds::ALERT,
    &kinds::PROVIDER,
    &kinds::RECEIVER,
    &kinds::IMAGE_UPDATE_AUTOMATION,
    &kinds::IMAGE_POLICY,
    &kinds::IMAGE_REPOSITORY,
];

/// Count the Flux objects that run, fail and are suspended, and what their artifacts weigh
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial stats
  fluvial stats -A
  fluvial stats -A -o json")]
pub(crate) struct StatsArgs {
    /// The objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
}

/// How the objects of one kind are.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    kind: &'static str,
    running: u64,
    failing: u64,
    suspended: u64,
    storage_bytes: u64,
}

impl Count {
    fn add(&mut self, object: &Value) {
        if read::is_suspended(object) {
            self.suspended += 1;
        } else {
            self.running += 1;
        }
        let ready = read::condition(object, "Ready");
        if ready.is_some_and(|it| read::text(it, "/status") == "False") {
            self.failing += 1;
        }
        let bytes = object.pointer("/status/artifact/size");
        self.storage_bytes += bytes.and_then(Value::as_u64).unwrap_or_default();
    }
}

pub(crate) async fn run(globals: &Globals, args: &StatsArgs) -> Result<ExitCode> {
    let cluster = globals.cluster().await?;
    let namespace = if args.all_namespaces {
        ""
    } else {
        &globals.namespace
    };
    let mut counts = Vec::new();
    for kind in COUNTED {
        counts.push(count(&cluster, kind, &Selector::namespace(namespace)).await?);
    }
    if let Some(format) = args.output {
        output::plain(format, &counts)?;
    } else {
        output::print(&table(&counts).text(true))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// None where the cluster does not know the kind. Of a listing one page is held at a time.
async fn count(cluster: &Cluster, kind: &Kind, selector: &Selector) -> Result<Count> {
    let mut count = Count {
        kind: kind.kind,
        ..Count::default()
    };
    let resource = match cluster.preferred(kind.group, kind.kind).await {
        Ok(resource) => resource,
        Err(error) if matches!(error.cause(), Cause::UnknownKind { .. }) => return Ok(count),
        Err(error) => return Err(error).context("cannot count"),
    };
    let mut objects = std::pin::pin!(cluster.list(&resource, selector));
    while let Some(object) = objects.try_next().await? {
        count.add(&object);
    }
    Ok(count)
}

fn table(counts: &[Count]) -> Table {
    let mut table = Table::new(["reconcilers", "running", "failing", "suspended", "storage"]);
    for count in counts {
        table.row([
            count.kind.to_owned(),
            count.running.to_string(),
            count.failing.to_string(),
            count.suspended.to_string(),
            size(count.storage_bytes),
        ]);
    }
    table
}

/// flux: `formatSize`, cmd/flux/stats.go.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    #[expect(
        clippy::cast_precision_loss,
        reason = "one digit after the point is shown"
    )]
    let mut size = bytes as f64;
    let mut unit = None;
    for next in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = Some(next);
    }
    match unit {
        None if bytes == 0 => "-".to_owned(),
        None => format!("{bytes} B"),
        Some(unit) => format!("{size:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_have_the_units_of_flux() {
        for (bytes, text) in [
            (0, "-"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_153_434, "1.1 MiB"),
            (5 << 40, "5.0 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn the_table_is_that_of_flux() {
        let mut count = Count {
            kind: "GitRepository",
            ..Count::default()
        };
        count.add(&json!({"status": {"artifact": {"size": 1_153_434}}}));
        count.add(&json!({
            "spec": {"suspend": true},
            "status": {"conditions": [{"type": "Ready", "status": "False"}]},
        }));
        let none = Count {
            kind: "Alert",
            ..Count::default()
        };
        assert_eq!(
            table(&[count, none]).text(true),
            "RECONCILERS  \tRUNNING\tFAILING\tSUSPENDED\tSTORAGE\n\
             GitRepository\t1      \t1      \t1        \t1.1 MiB\n\
             Alert        \t0      \t0      \t0        \t-\n"
        );
    }
}
