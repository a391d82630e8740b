//! One file by its URL.

use std::time::Duration;

use fluvial_source::{Limits, fetch_file};

use crate::helm::shelf::Shelf;

#[test]
fn a_file_is_what_the_server_has_at_its_url() {
    let shelf = Shelf::start();
    shelf.body("/a.yaml", "kind: ConfigMap\n");
    shelf.redirect("/moved.yaml", "/a.yaml");
    let limit = |bytes| Limits {
        file_bytes_max: bytes,
        ..Limits::default()
    };
    let fetch = |path: &str, bytes| {
        let fetched = fetch_file(&shelf.url(path), Duration::from_secs(30), &limit(bytes));
        fetched.map_err(|error| error.to_string())
    };
    assert_eq!(fetch("/a.yaml", 16), Ok(b"kind: ConfigMap\n".to_vec()));
    assert_eq!(fetch("/moved.yaml", 16), Ok(b"kind: ConfigMap\n".to_vec()));
    let error = fetch("/a.yaml", 15).unwrap_err();
    assert!(error.contains("more than 15 bytes"), "{error}");
    fetch("/b.yaml", 16).unwrap_err();
    shelf.redirect("/moved.yaml", "http://169.254.169.254/latest");
    fetch("/moved.yaml", 16).unwrap_err();
}
