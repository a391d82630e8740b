//! The files that the source would have: a directory as it is, or a commit of a repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use fluvial_event::Commit;
use tempfile::TempDir;

/// Files to reconcile from.
#[derive(Debug)]
pub(super) struct Checkout {
    directory: PathBuf,
    /// The commit that they are; none for a directory.
    pub(super) commit: Option<Commit>,
    /// Dropped with it, where it was made.
    _made: Option<TempDir>,
}

impl Checkout {
    /// Of a directory that is there, or else of a commit of the repository at `repository`.
    pub(super) fn of(what: &str, repository: &Path) -> Result<Self> {
        let directory = Path::new(what);
        if directory.is_dir() {
            return Ok(Self {
                directory: directory.to_owned(),
                commit: None,
                _made: None,
            });
        }
        Self::commit(what, repository)
    }

    fn commit(what: &str, repository: &Path) -> Result<Self> {
        ensure!(
            !what.starts_with('-'),
            "cannot find {what}: say a directory or a commit"
        );
        let shown = repository.display();
        let wanted = format!("{what}^{{commit}}");
        let sha = git(repository, &[], &["rev-parse", "--verify", "--quiet", &wanted])
            .with_context(|| {
                format!("cannot find {what}: it is no directory, and no commit of the repository in {shown}; see --repository")
            })?;
        let sha = sha.trim().to_owned();
        let format = "--format=%an%x00%ae%x00%s%x00%at";
        let said = git(repository, &[], &["show", "--no-patch", format, &sha])?;
        let said: Vec<_> = said.trim_end().split('\0').collect();
        let [author, email, subject, at] = said.as_slice() else {
            bail!("cannot read what git says of {sha}");
        };
        let made = TempDir::with_prefix("fluvial-what-if-").context("cannot make a directory")?;
        // Files and an index of its own: the repository stays as it is, and may be a bare one.
        let (index, files) = (made.path().join("index"), made.path().join("files"));
        std::fs::create_dir(&files).context("cannot make a directory")?;
        let environment = [("GIT_INDEX_FILE", &*index), ("GIT_WORK_TREE", &*files)];
        git(repository, &environment, &["read-tree", &sha])?;
        git(repository, &environment, &["checkout-index", "--all"])?;
        Ok(Self {
            directory: files,
            commit: Some(Commit {
                author_name: (*author).to_owned(),
                author_email: (*email).to_owned(),
                subject: (*subject).to_owned(),
                authored_at: at.parse().unwrap_or_default(),
                sha,
            }),
            _made: Some(made),
        })
    }

    /// What `spec.path` means here.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path.trim_start_matches('/'))
    }

    /// What the source would call it, on the branch of `revision`.
    pub(super) fn revision(&self, revision: &str) -> String {
        let branch = revision.split('@').next().unwrap_or_default();
        match &self.commit {
            Some(commit) => format!("{branch}@sha1:{}", commit.sha),
            None => format!("{branch}@{}", self.directory.display()),
        }
    }
}

fn git(repository: &Path, environment: &[(&str, &Path)], args: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(args)
        .envs(environment.iter().copied())
        .output()
        .context("cannot start git: install it, or give a directory")?;
    ensure!(
        output.status.success(),
        "git {} failed: {}",
        args[0],
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("cannot read what git said")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_commit_is_checked_out_beside_the_repository() {
        let place = TempDir::new().unwrap();
        let at = place.path();
        let run = |args: &[&str]| git(at, &[], args).unwrap();
        run(&["init", "--quiet", "--initial-branch=main"]);
        run(&["config", "user.name", "Ada"]);
        run(&["config", "user.email", "ada@example.org"]);
        fs::create_dir(at.join("deploy")).unwrap();
        fs::write(at.join("deploy/a.yaml"), "one").unwrap();
        run(&["add", "."]);
        run(&["commit", "--quiet", "--message", "One: 'a' | \"b\""]);
        fs::write(at.join("deploy/a.yaml"), "two").unwrap();
        run(&["add", "."]);

        let checkout = Checkout::of("main", at).unwrap();
        let file = checkout.path("./deploy").join("a.yaml");
        assert_eq!(fs::read_to_string(file).unwrap(), "one");
        let commit = checkout.commit.clone().unwrap();
        assert_eq!(
            (&*commit.author_name, &*commit.subject),
            ("Ada", "One: 'a' | \"b\"")
        );
        assert_eq!(
            checkout.revision("main@sha1:00"),
            format!("main@sha1:{}", commit.sha)
        );
        assert_eq!(run(&["status", "--porcelain"]), "M  deploy/a.yaml\n");
        let error = Checkout::of("nowhere", at).unwrap_err().to_string();
        assert!(error.contains("no directory, and no commit"), "{error}");
        assert!(Checkout::of("--upload-pack=x", at).is_err());
    }
}
