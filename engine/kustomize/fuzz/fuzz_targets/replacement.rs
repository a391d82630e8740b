//! Any text as a file of replacements.
#![no_main]

use fluvial_kustomize_fuzz::{OBJECTS, hold};
use libfuzzer_sys::fuzz_target;

const KUSTOMIZATION: &str = "resources: [a.yaml]\nreplacements: [{path: r.yaml}]\n";

fuzz_target!(|text: &str| {
    hold(&[
        ("kustomization.yaml", KUSTOMIZATION),
        ("a.yaml", OBJECTS),
        ("r.yaml", text),
    ]);
});
