//! Whether the API server refused a change because a field cannot be changed.

/// Whether an API error means that the object must be deleted and created again to be changed.
///
/// `reason` is that of the API server's `Status`. As Flux decides it
/// (`fluxcd/pkg/ssa/errors/immutable.go`): Conflict and Invalid always count, as they do for kubectl;
/// the words in the message are those of admission webhooks and of CEL rules.
pub fn is_immutable(reason: &str, message: &str) -> bool {
    matches!(reason, "Conflict" | "Invalid")
        || message.contains("is immutable")
        || message.contains("immutable field")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_flux_counts() {
        for (reason, message, expected) in [
            (
                "Invalid",
                "Deployment.apps \"a\" is invalid: spec.selector: field is immutable",
                true,
            ),
            ("Conflict", "", true),
            (
                "Forbidden",
                "admission webhook denied: spec.x is immutable",
                true,
            ),
            ("BadRequest", "immutable field spec.y", true),
            ("AlreadyExists", "already exists", false),
            ("Forbidden", "users cannot patch", false),
            ("", "connection refused", false),
        ] {
            assert_eq!(
                is_immutable(reason, message),
                expected,
                "{reason}: {message}"
            );
        }
    }
}
