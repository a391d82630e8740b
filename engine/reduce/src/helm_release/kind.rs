//! What Helm does to a release, in helm's and helm-controller's words.

use wincode::{SchemaRead, SchemaWrite};

/// What Helm does to a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub(crate) enum Kind {
    #[default]
    Install,
    Upgrade,
    Test,
    Rollback,
    /// As a remediation.
    Uninstall,
    /// Because the HelmRelease was deleted, or names another release now.
    Remove,
    Unlock,
}
impl Kind {
    /// The word in commands and records.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Test => "test",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall-remediation",
            Self::Remove => "uninstall",
            Self::Unlock => "unlock",
        }
    }

    pub(super) fn of_release(name: &str) -> Self {
        if name == "install" {
            Self::Install
        } else {
            Self::Upgrade
        }
    }

    pub(super) fn of_recall(name: &str) -> Self {
        let all = [Self::Test, Self::Rollback, Self::Uninstall, Self::Unlock];
        let known = all.into_iter().find(|kind| kind.name() == name);
        known.unwrap_or(Self::Remove)
    }

    /// Flux's reason for its end.
    pub(super) fn reason(self, is_success: bool) -> &'static str {
        match (self, is_success) {
            (Self::Install, true) => "InstallSucceeded",
            (Self::Install, false) => "InstallFailed",
            (Self::Upgrade, true) => "UpgradeSucceeded",
            (Self::Upgrade, false) => "UpgradeFailed",
            (Self::Test, true) => "TestSucceeded",
            (Self::Test, false) => "TestFailed",
            (Self::Rollback, true) => "RollbackSucceeded",
            (Self::Rollback, false) => "RollbackFailed",
            (Self::Uninstall | Self::Remove, true) => "UninstallSucceeded",
            (Self::Uninstall | Self::Remove, false) => "UninstallFailed",
            (Self::Unlock, _) => "PendingRelease",
        }
    }

    /// The event of the hooks that come first.
    pub(super) fn hook_before(self) -> &'static str {
        match self {
            Self::Install => "pre-install",
            Self::Upgrade => "pre-upgrade",
            Self::Test => "test",
            Self::Rollback => "pre-rollback",
            Self::Uninstall | Self::Remove => "pre-delete",
            Self::Unlock => "",
        }
    }

    /// The event of the hooks that come last.
    pub(super) fn hook_after(self) -> &'static str {
        match self {
            Self::Install => "post-install",
            Self::Upgrade => "post-upgrade",
            Self::Rollback => "post-rollback",
            Self::Uninstall | Self::Remove => "post-delete",
            Self::Test | Self::Unlock => "",
        }
    }

    /// Helm's word for a release while this is under way.
    pub(super) fn pending(self) -> &'static str {
        match self {
            Self::Install => "pending-install",
            Self::Upgrade => "pending-upgrade",
            Self::Rollback => "pending-rollback",
            Self::Uninstall | Self::Remove => "uninstalling",
            Self::Test | Self::Unlock => "",
        }
    }

    pub(super) fn removes(self) -> bool {
        matches!(self, Self::Uninstall | Self::Remove)
    }

    /// Whether it makes a release of a chart.
    pub(super) fn releases(self) -> bool {
        matches!(self, Self::Install | Self::Upgrade)
    }

    pub(super) fn applies(self) -> bool {
        matches!(self, Self::Install | Self::Upgrade | Self::Rollback)
    }
}
