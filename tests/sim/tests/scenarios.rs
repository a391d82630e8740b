//! Every story in peace and in trouble; `fluvial-sim scenarios` plays them with every single fault.

use fluvial_sim::scenario::ALL;
use fluvial_sim::{Depth, sweep};

#[test]
fn every_story_ends_well() {
    let swept = sweep(&[], Depth::Shallow, false);
    let failures: Vec<_> = swept
        .failures
        .iter()
        .map(|it| format!("{} --life {}: {}", it.name, it.life, it.why))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(swept.runs, 2 * u64::try_from(ALL.len()).unwrap());
}

#[test]
fn stories_are_found_by_their_names() {
    assert!(ALL.is_sorted_by_key(|(name, _)| *name));
}
