//! What is said beside the output, on stderr, with Flux's signs.

/// Something is being done.
pub(crate) fn action(text: &str) {
    eprintln!("► {text}");
}

/// It was done.
pub(crate) fn success(text: &str) {
    eprintln!("✔ {text}");
}

/// It was done, and there is something to know about it.
pub(crate) fn warning(text: &str) {
    eprintln!("⚠️ {text}");
}

/// It could not be done.
pub(crate) fn failure(text: &str) {
    eprintln!("✗ {text}");
}

/// Waiting for somebody else.
pub(crate) fn waiting(text: &str) {
    eprintln!("◎ {text}");
}
