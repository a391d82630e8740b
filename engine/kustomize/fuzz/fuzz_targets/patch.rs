//! Any text as a strategic merge patch or a JSON patch.
#![no_main]

use fluvial_kustomize_fuzz::{OBJECTS, hold};
use libfuzzer_sys::fuzz_target;

const KUSTOMIZATION: &str = "resources: [a.yaml]\npatches: [{path: p.yaml, target: {name: web}}]\n";

fuzz_target!(|text: &str| {
    hold(&[
        ("kustomization.yaml", KUSTOMIZATION),
        ("a.yaml", OBJECTS),
        ("p.yaml", text),
    ]);
});
