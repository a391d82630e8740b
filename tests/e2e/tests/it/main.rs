//! End to end: the real `fluvial` on the real control plane.
//!
//! Each test here has a control plane of its own, and plays its scenarios on it side by side. A
//! scenario is a function in the file of its subject; it is named for the promise that it checks.
#![expect(
    clippy::unwrap_used,
    reason = "clippy sees only `#[test]` functions as tests, not what they call"
)]

mod alerts;
mod apply;
mod artifacts;
mod asked;
mod deletion;
mod drift;
mod errors;
mod expressions;
mod flags;
mod health;
mod hostile;
mod kills;
mod local;
mod manifests;
mod outages;
mod past;
mod published;
mod real;
mod recovery;
mod releases;
mod rollback;
mod seen;
mod storage;
mod takeover;
mod tenants;
mod verbs;
mod what_if;

use fluvial_e2e::{Leading, Stage, play};

#[test]
fn a_commit_becomes_a_healthy_cluster() {
    let stage = Stage::start(Leading::Elected).unwrap();
    let scenarios = [
        apply::SCENARIOS,
        artifacts::SCENARIOS,
        asked::SCENARIOS,
        deletion::SCENARIOS,
        drift::SCENARIOS,
        errors::SCENARIOS,
        expressions::SCENARIOS,
        flags::SCENARIOS,
        health::SCENARIOS,
        hostile::SCENARIOS,
        local::SCENARIOS,
        past::SCENARIOS,
        rollback::SCENARIOS,
        seen::SCENARIOS,
        takeover::SCENARIOS,
        tenants::SCENARIOS,
        verbs::SCENARIOS,
        what_if::SCENARIOS,
    ];
    play(&stage, &scenarios.concat());
    recovery::the_log_is_sound(&stage);
    stage.engine.stop().unwrap();
}

#[test]
fn a_crash_anywhere_is_finished_after_the_restart() {
    recovery::crashes();
}

#[test]
fn alerts_are_told_whatever_happens() {
    alerts::all();
}

#[test]
fn the_story_is_on_kafka_whoever_is_killed() {
    published::whole_and_in_order();
}

#[test]
fn releases_are_those_that_helm_sees() {
    let stage = Stage::start(Leading::Alone).unwrap();
    let scenarios = [releases::SCENARIOS, releases::fields::SCENARIOS];
    play(&stage, &scenarios.concat());
    recovery::the_log_is_sound(&stage);
    stage.engine.stop().unwrap();
}

#[test]
fn charts_of_others_live_as_helm_sees_it() {
    releases::life::all();
}

#[test]
fn a_release_is_finished_wherever_the_engine_is_killed() {
    releases::crash::killed_at_each_step();
}

#[test]
fn one_engine_leads_and_the_next_takes_over() {
    recovery::leaders();
}

#[test]
fn repositories_of_others_reconcile_as_they_are() {
    real::repositories();
}

#[test]
fn killed_twenty_times_while_everything_changes_it_converges() {
    kills::twenty_kills();
}

#[test]
fn the_api_server_and_etcd_may_be_killed_in_the_middle_of_applies() {
    outages::outages();
}

#[test]
fn a_leader_that_was_frozen_beyond_its_lease_does_nothing_more() {
    outages::frozen();
}

#[test]
fn a_disk_that_is_full_read_only_or_fails_stops_the_engine_and_loses_nothing() {
    storage::disks();
}
