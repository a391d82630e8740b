//! `dora`: the four measures of software delivery, from what was deployed. (dora.dev)
//!
//! Whose deployments are measured together is the caller's to say.
#![expect(
    clippy::cast_precision_loss,
    reason = "measures are shown with a digit or two"
)]

use std::collections::BTreeMap;

use fluvial_event::{ObjectRef, Timestamp};
use serde::Serialize;

use crate::history::Deployment;

const DAY_NS: f64 = 86_400e9;

/// What is measured of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sample {
    object: ObjectRef,
    time: Timestamp,
    is_ready: bool,
    is_rollback: bool,
    authored_at: Option<Timestamp>,
}

/// Deployments that are measured together.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

/// The four. Times are in seconds, and none where nothing was there to measure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Four {
    /// How many changes were deployed with success.
    pub deployments: u64,
    /// So many a day.
    pub deployments_per_day: f64,
    /// From the commit to the cluster, the median.
    pub lead_time_seconds: Option<f64>,
    /// The share of deployments that failed, or were rolled back.
    pub change_failure_rate: Option<f64>,
    /// From a failure, or a deployment that was rolled back, to the next success; the median.
    pub time_to_restore_seconds: Option<f64>,
}

impl Samples {
    /// Adds a deployment of `object`.
    pub fn add(&mut self, object: &ObjectRef, deployment: &Deployment) {
        self.0.push(Sample {
            object: object.identity(),
            time: deployment.time,
            is_ready: deployment.ready,
            is_rollback: deployment.rolled_back_to.is_some(),
            authored_at: deployment.authored_at,
        });
    }

    /// What these come to, in the time between.
    pub fn measure(mut self, from: Timestamp, to: Timestamp) -> Four {
        self.0.sort_by_key(|it| it.time);
        let mut streams: BTreeMap<&ObjectRef, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.0 {
            streams.entry(&sample.object).or_default().push(sample);
        }
        let (mut failures, mut restored) = (0, Vec::new());
        for stream in streams.values() {
            failures += count_failures(stream, &mut restored);
        }
        let changes: Vec<_> = self.0.iter().filter(|it| !it.is_rollback).collect();
        let deployed: Vec<_> = changes.iter().filter(|it| it.is_ready).collect();
        let lead = deployed.iter().filter_map(|it| {
            let authored = it.authored_at?;
            // A clock of somebody's own may be ahead.
            Some(seconds(authored, it.time).max(0.0))
        });
        let days = (to.0.saturating_sub(from.0)) as f64 / DAY_NS;
        let count = deployed.len();
        Four {
            deployments: count as u64,
            deployments_per_day: if days > 0.0 { count as f64 / days } else { 0.0 },
            lead_time_seconds: median(lead.collect()),
            change_failure_rate: (!changes.is_empty())
                .then(|| failures as f64 / changes.len() as f64),
            time_to_restore_seconds: median(restored),
        }
    }
}

/// How many changes of one object failed or were rolled back; how long each time until it was well again. Failures in
/// a row are one outage.
fn count_failures(stream: &[&Sample], restored: &mut Vec<f64>) -> u64 {
    let mut failures = 0;
    let mut since: Option<Timestamp> = None;
    for (at, sample) in stream.iter().enumerate() {
        let is_rolled_back = stream.get(at + 1).is_some_and(|next| next.is_rollback);
        let has_failed = !sample.is_rollback && (!sample.is_ready || is_rolled_back);
        if has_failed {
            failures += 1;
            since.get_or_insert(sample.time);
        } else if sample.is_ready
            && let Some(since) = since.take()
        {
            restored.push(seconds(since, sample.time));
        }
    }
    failures
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.0.saturating_sub(from.0) as f64 / 1e9
}

fn median(mut all: Vec<f64>) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    if all.len() % 2 == 1 {
        return all.get(middle).copied();
    }
    Some((all.get(middle.checked_sub(1)?)? + all.get(middle)?) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            kind: "Kustomization".into(),
            name: name.into(),
            ..ObjectRef::default()
        }
    }

    /// `+` ended well, `-` failed, `r` put an earlier state back; every ten seconds, four after the commit.
    fn samples(streams: &[(&str, &str)]) -> Samples {
        let mut samples = Samples::default();
        for (name, ends) in streams {
            for (end, number) in ends.chars().zip(1..) {
                let deployment = Deployment {
                    time: at(number * 10),
                    ready: end != '-',
                    rolled_back_to: (end == 'r').then(Default::default),
                    authored_at: Some(at(number * 10 - 4)),
                    ..Deployment::default()
                };
                samples.add(&object(name), &deployment);
            }
        }
        samples
    }

    #[test]
    fn failures_end_with_the_next_success_of_the_same_object() {
        for (ends, deployments, rate, restore) in [
            ("+++", 3, Some(0.0), None),
            ("+-+", 2, Some(1.0 / 3.0), Some(10.0)),
            ("+--+", 2, Some(0.5), Some(20.0)),
            ("-", 0, Some(1.0), None),
            // What is rolled back had failed, whatever it said of itself; the rollback is no change.
            ("++r", 2, Some(0.5), Some(10.0)),
            ("+-r+", 2, Some(1.0 / 3.0), Some(10.0)),
            ("", 0, None, None),
        ] {
            let four = samples(&[("a", ends)]).measure(at(0), at(86_400));
            assert_eq!(four.deployments, deployments, "{ends}");
            assert_eq!(four.change_failure_rate, rate, "{ends}");
            assert_eq!(four.time_to_restore_seconds, restore, "{ends}");
        }
        let four = samples(&[("a", "-"), ("b", "+")]).measure(at(0), at(86_400));
        assert_eq!(
            four.time_to_restore_seconds, None,
            "another object's success"
        );
        assert_eq!(four.change_failure_rate, Some(0.5));
    }

    #[test]
    fn what_is_deployed_is_counted_by_the_day_and_from_the_commit() {
        let four = samples(&[("a", "++++")]).measure(at(0), at(2 * 86_400));
        assert_eq!(Some(four.deployments_per_day), Some(2.0));
        assert_eq!(four.lead_time_seconds, Some(4.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0, 9.0]), Some(2.5));
    }
}
