//! How long somebody's edit stands before it is repaired.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout_at};

use super::objects::{NAMESPACE, objects};
use crate::cluster::Raw;

/// An edit this often.
const PACE: Duration = Duration::from_millis(50);
/// How long all may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long edits stood.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drift {
    edits: usize,
    pub(crate) p50_milliseconds: f64,
    pub(crate) p99_milliseconds: f64,
    max_milliseconds: f64,
}

/// Edits a ConfigMap of so many Kustomizations, one after the other, and waits until each is as it was.
pub(crate) async fn measure(raw: &Raw, edits: usize) -> Result<Drift> {
    let mut watch = raw.watch("/api/v1", NAMESPACE, "configmaps").await?;
    let editor = raw.clone();
    let edited = tokio::spawn(async move {
        let mut pace = interval(PACE);
        let mut times = BTreeMap::new();
        for number in 1..=edits {
            pace.tick().await;
            let [config, ..] = objects(number);
            let patch = json!({"data": {"number": "edited"}});
            // From before: the repair may be faster than the answer.
            times.insert(format!("app{number}"), Instant::now());
            editor.edit(&config, &patch).await?;
        }
        Ok::<_, anyhow::Error>(times)
    });
    let deadline = Instant::now() + PATIENCE;
    let mut drifted = BTreeSet::new();
    let mut repaired = BTreeMap::new();
    while repaired.len() < edits {
        let object = timeout_at(deadline, watch.next())
            .await
            .with_context(|| format!("{} of {edits} edits were repaired", repaired.len()))??
            .context("the watch ended")?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if object["data"]["number"] == "edited" {
            drifted.insert(name.to_owned());
        } else if drifted.contains(name) {
            repaired.entry(name.to_owned()).or_insert_with(Instant::now);
        }
    }
    let edited = edited.await??;
    let stood = repaired
        .iter()
        .filter_map(|(name, at)| Some(*at - *edited.get(name)?));
    Ok(Drift::of(stood.collect()))
}

impl Drift {
    fn of(mut stood: Vec<Duration>) -> Self {
        stood.sort();
        let at = |share: usize| {
            let place = (stood.len() * share).div_ceil(100).saturating_sub(1);
            stood.get(place).map_or(0.0, |it| it.as_secs_f64() * 1000.0)
        };
        Self {
            edits: stood.len(),
            p50_milliseconds: at(50),
            p99_milliseconds: at(99),
            max_milliseconds: at(100),
        }
    }
}

/// Whether a Kustomization says that it is Ready.
pub(crate) fn is_ready(object: &Value) -> Option<bool> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let ready = conditions.iter().find(|it| it["type"] == "Ready")?;
    Some(ready["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_least_that_so_many_keep() {
        let drift = Drift::of((1..=200).rev().map(Duration::from_millis).collect());
        let found = [
            drift.p50_milliseconds,
            drift.p99_milliseconds,
            drift.max_milliseconds,
        ];
        assert!(
            found
                .iter()
                .zip([100.0, 198.0, 200.0])
                .all(|(a, b)| (a - b).abs() < 1e-6),
            "{found:?}"
        );
        assert!(Drift::of(vec![]).p99_milliseconds.abs() < 1e-6);
    }
}
