//! Any text as a manifest.
#![no_main]

use fluvial_kustomize_fuzz::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    hold(&[
        ("kustomization.yaml", "resources: [a.yaml]\n"),
        ("a.yaml", text),
    ]);
});
