//! The version of a chart that came as an artifact of a registry: with the artifact's digest, so that a tag that
//! is moved is another version.
//!
//! helm-controller: `mutateChartWithSourceRevision`, helmrelease_controller.go.

use fluvial_api::oci_repository::digest_of;
use fluvial_semver::Version;

/// Digits of the digest in a version.
const DIGITS: usize = 12;

/// The version that a chart of this `version` has where it is in the artifact `revision`.
pub(super) fn tracked(version: &str, revision: &str) -> Result<String, String> {
    let digest = digest_of(revision);
    if digest.is_empty() {
        return Ok(version.to_owned());
    }
    let parsed =
        Version::parse(version).map_err(|_error| format!("invalid chart version {version}"))?;
    let tag = revision.split_once('@').map_or("", |(tag, _)| tag);
    // In a tag `_` stands for `+`.
    let tagged = Version::parse(&tag.replace('_', "+"));
    if tagged.is_ok_and(|tagged| without_metadata(&tagged) != without_metadata(&parsed)) {
        return Err(format!(
            "artifact revision {tag} does not match chart version {version}"
        ));
    }
    let digits = digest
        .rsplit(':')
        .next()
        .and_then(|digits| digits.get(..DIGITS));
    let tracked = digits.and_then(|digits| parsed.with_metadata(digits).ok());
    let tracked = tracked.ok_or_else(|| format!("invalid artifact revision {revision}"))?;
    Ok(tracked.to_string())
}

fn without_metadata(version: &Version) -> String {
    let text = version.to_string();
    text.split('+').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_metadata_of_the_version() {
        for (version, revision, expected) in [
            (
                "6.7.1",
                "6.7.1@sha256:0123456789abcdef",
                Ok("6.7.1+0123456789ab"),
            ),
            (
                "6.7.1+b.2",
                "6.7.1_b.2@sha256:0123456789abcdef",
                Ok("6.7.1+0123456789ab"),
            ),
            (
                "6.7.1-rc.1",
                "v6.7.1-rc.1@sha256:0123456789abcdef",
                Ok("6.7.1-rc.1+0123456789ab"),
            ),
            (
                "6.7",
                "latest@sha256:0123456789abcdef",
                Ok("6.7.0+0123456789ab"),
            ),
            ("6.7.1", "sha256:0123456789abcdef", Ok("6.7.1+0123456789ab")),
            ("6.7.1+b", "6.7.1+b", Ok("6.7.1+b")),
            ("any", "", Ok("any")),
            (
                "6.7.1",
                "6.7.2@sha256:0123456789abcdef",
                Err("artifact revision 6.7.2 does not match chart version 6.7.1"),
            ),
            (
                "any",
                "latest@sha256:0123456789abcdef",
                Err("invalid chart version any"),
            ),
            (
                "6.7.1",
                "6.7.1@sha256:01",
                Err("invalid artifact revision 6.7.1@sha256:01"),
            ),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(
                tracked(version, revision),
                expected,
                "{version} in {revision}"
            );
        }
    }
}
