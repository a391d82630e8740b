//! The reasons Flux writes into conditions and events, in one list.

use std::fmt;

/// Declares [`Reason`] once: variant, the word Flux writes, and what it means.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident = $word:literal,)+) => {
        /// Why a condition is as it is: Flux's words exactly.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word in `status.conditions[].reason`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

reasons! {
    // Of every kind.
    /// The work was done.
    Succeeded = "Succeeded",
    /// The work was not done.
    Failed = "Failed",
    /// The work is under way.
    Progressing = "Progressing",
    /// The work failed and is being tried again.
    ProgressingWithRetry = "ProgressingWithRetry",
    /// Somebody set `spec.suspend`.
    Suspended = "Suspended",
    /// A dependency is not ready.
    DependencyNotReady = "DependencyNotReady",
    /// A reference crosses namespaces and that is not allowed.
    AccessDenied = "AccessDenied",
    /// A path is not allowed or does not exist.
    InvalidPath = "InvalidPath",
    /// A URL cannot be used.
    InvalidUrl = "InvalidURL",
    /// Plain HTTP was asked for and is not allowed.
    InsecureConnectionsDisallowed = "InsecureConnectionsDisallowed",
    /// The kind of connection is not known.
    UnsupportedConnectionType = "UnsupportedConnectionType",
    /// A CEL expression cannot be compiled or evaluated.
    InvalidCelExpression = "InvalidCELExpression",
    /// The field needs a feature that is switched off.
    FeatureGateDisabled = "FeatureGateDisabled",

    // Of a Kustomization.
    /// What the source holds was applied, and is healthy where that was asked for.
    ReconciliationSucceeded = "ReconciliationSucceeded",
    /// Applying failed.
    ReconciliationFailed = "ReconciliationFailed",
    /// The source has no artifact, or it cannot be fetched.
    ArtifactFailed = "ArtifactFailed",
    /// Building the manifests failed.
    BuildFailed = "BuildFailed",
    /// An applied object failed its health check, or none came in time.
    HealthCheckFailed = "HealthCheckFailed",
    /// The health check was given up for a newer revision.
    HealthCheckCanceled = "HealthCheckCanceled",
    /// An object that left the inventory could not be deleted.
    PruneFailed = "PruneFailed",

    // Of every source.
    /// The URL of the source cannot be parsed or is not allowed.
    UrlInvalid = "URLInvalid",
    /// The credentials are missing or were refused.
    AuthenticationFailed = "AuthenticationFailed",
    /// A signature could not be verified.
    VerificationError = "VerificationError",
    /// A directory could not be made.
    DirectoryCreationFailed = "DirectoryCreationFailed",
    /// A file could not be examined.
    StatOperationFailed = "StatOperationFailed",
    /// A file could not be read.
    ReadOperationFailed = "ReadOperationFailed",
    /// A lock could not be taken.
    AcquireLockFailed = "AcquireLockFailed",
    /// The artifact could not be packed.
    ArchiveOperationFailed = "ArchiveOperationFailed",
    /// The link to the newest artifact could not be moved.
    SymlinkUpdateFailed = "SymlinkUpdateFailed",
    /// The artifact already holds the newest revision.
    ArtifactUpToDate = "ArtifactUpToDate",
    /// A cache failed.
    CacheOperationFailed = "CacheOperationFailed",
    /// The status could not be written.
    PatchOperationFailed = "PatchOperationFailed",
    /// The provider cannot be used as configured.
    InvalidProviderConfiguration = "InvalidProviderConfiguration",
    /// A new revision was found.
    NewRevision = "NewRevision",
    /// A new artifact was stored.
    NewArtifact = "NewArtifact",
    /// There is no artifact in storage.
    NoArtifact = "NoArtifact",
    /// Old artifacts were deleted.
    GarbageCollectionSucceeded = "GarbageCollectionSucceeded",
    /// Old artifacts could not be deleted.
    GarbageCollectionFailed = "GarbageCollectionFailed",
    /// A stored artifact is not what its digest says.
    ArtifactVerificationFailed = "ArtifactVerificationFailed",

    // Of a GitRepository.
    /// Fetching from git succeeded.
    GitOperationSucceeded = "GitOperationSucceeded",
    /// Fetching from git failed.
    GitOperationFailed = "GitOperationFailed",
    /// The repository has no commit.
    EmptyGitRepository = "EmptyGitRepository",
    /// An included artifact changed.
    IncludeChange = "IncludeChange",
    /// An included GitRepository does not exist.
    NotFound = "NotFound",
    /// A path leads outside of its artifact.
    IllegalPath = "IllegalPath",
    /// An included artifact could not be copied in.
    CopyFailure = "CopyFailure",
    /// The ignore rules cannot be read.
    SourceIgnoreError = "SourceIgnoreError",
    /// `spec.verify.mode` is not known.
    InvalidVerificationMode = "InvalidVerificationMode",
    /// The object to verify is missing.
    InvalidGitObject = "InvalidGitObject",
    /// The tag's signature is missing or wrong.
    InvalidTagSignature = "InvalidTagSignature",
    /// The commit's signature is missing or wrong.
    InvalidCommitSignature = "InvalidCommitSignature",

    // Of a HelmRepository.
    /// The index cannot be read.
    IndexationFailed = "IndexationFailed",

    // Of a HelmChart.
    /// The chart was taken as it is.
    ChartPullSucceeded = "ChartPullSucceeded",
    /// The chart was packaged.
    ChartPackageSucceeded = "ChartPackageSucceeded",
    /// The source has no artifact.
    NoSourceArtifact = "NoSourceArtifact",
    /// The source does not exist.
    SourceUnavailable = "SourceUnavailable",
    /// The source is of a kind that has no charts.
    UnsupportedSourceKind = "UnsupportedSourceKind",
    /// The source has no such chart or version.
    InvalidChartReference = "InvalidChartReference",
    /// The chart could not be downloaded.
    ChartPullError = "ChartPullError",
    /// The chart's version could not be changed.
    MetadataPatchError = "MetadataPatchError",
    /// The values files could not be merged.
    ValuesFilesError = "ValuesFilesError",
    /// A dependency of the chart could not be had.
    DependencyBuildError = "DependencyBuildError",
    /// The chart could not be packaged.
    ChartPackageError = "ChartPackageError",
    /// The chart's signature could not be verified.
    ChartVerificationError = "ChartVerificationError",
    /// The build failed for a reason of no name.
    Unknown = "Unknown",
    /// Another chart or version was found.
    NewChart = "NewChart",
    /// The dependencies were had.
    ResolvedDependencies = "ResolvedDependencies",
}

impl Reason {
    /// The reason of a word, if it is one of Flux's.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_its_own_and_reads_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("Sunshine"), None);
    }

    #[test]
    fn every_word_is_valid_in_a_condition() {
        for reason in Reason::ALL {
            let word = reason.as_str();
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
        }
    }
}
