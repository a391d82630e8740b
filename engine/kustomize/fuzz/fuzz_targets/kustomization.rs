//! Any text as a kustomization.
#![no_main]

use fluvial_kustomize_fuzz::{OBJECTS, hold};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    hold(&[("kustomization.yaml", text), ("a.yaml", OBJECTS)]);
});
