//! A bare repository and what people do to it: commit, tag, move and delete branches.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};

/// A bare repository. Every commit is written through `git fast-import`, so there is no worktree.
#[derive(Clone, Debug)]
pub struct Repository {
    path: PathBuf,
}

/// One commit to make.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The branch, made when it does not exist.
    pub branch: &'a str,
    /// The commit's message.
    pub message: &'a str,
    /// The author's name and e-mail address, also used for the committer.
    pub author: (&'a str, &'a str),
    /// Seconds since 1970; now when `None`.
    pub seconds: Option<u64>,
    /// Files to write, by path.
    pub write: &'a [(&'a str, &'a str)],
    /// Files or directories to remove.
    pub remove: &'a [&'a str],
}

impl Default for Change<'_> {
    fn default() -> Self {
        Self {
            branch: "main",
            message: "Change",
            author: ("Ada Example", "ada@example.org"),
            seconds: None,
            write: &[],
            remove: &[],
        }
    }
}

/// One line of a tree, as fast-import takes it.
struct Entry {
    mode: &'static str,
    path: Vec<u8>,
    content: Vec<u8>,
}

impl Repository {
    /// The bare repository at `path`, made with the default branch `main` when there is none. Anyone
    /// may fetch any commit from it and push to it; who may connect is the server's to say.
    pub fn open(path: &Path) -> Result<Self> {
        let repository = Self {
            path: path.to_owned(),
        };
        if !path.join("HEAD").exists() {
            fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
            repository.git(["init", "--quiet", "--bare", "--initial-branch=main"], b"")?;
            for (key, value) in [
                ("http.receivepack", "true"),
                ("uploadpack.allowAnySHA1InWant", "true"),
                ("uploadpack.allowFilter", "true"),
                // A collection in the background would outlive the test.
                ("gc.auto", "0"),
                ("receive.autogc", "false"),
            ] {
                repository.git(["config", key, value], b"")?;
            }
        }
        Ok(repository)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits these files (path, content) on top of what the branch has, and returns the commit's id.
    pub fn commit(&self, branch: &str, message: &str, write: &[(&str, &str)]) -> Result<String> {
        self.change(&Change {
            branch,
            message,
            write,
            ..Change::default()
        })
    }

    /// Makes a commit and returns its id.
    pub fn change(&self, change: &Change<'_>) -> Result<String> {
        let entries = change.write.iter().map(|(path, content)| Entry {
            mode: "100644",
            path: path.as_bytes().to_vec(),
            content: content.as_bytes().to_vec(),
        });
        let mut tree = Vec::new();
        for path in change.remove {
            statement(&mut tree, "D ", path.as_bytes(), b"\n")?;
        }
        for entry in entries {
            entry.write(&mut tree)?;
        }
        self.import_stream(change, &tree)
    }

    /// Commits a whole directory from disk in place of what the branch has: executables stay
    /// executable and symbolic links stay links.
    pub fn import(&self, branch: &str, message: &str, directory: &Path) -> Result<String> {
        let mut entries = Vec::new();
        collect(directory, directory, &mut entries)?;
        let mut tree = b"deleteall\n".to_vec();
        for entry in entries {
            entry.write(&mut tree)?;
        }
        self.import_stream(
            &Change {
                branch,
                message,
                ..Change::default()
            },
            &tree,
        )
    }

    /// The commit that a branch points at.
    pub fn head(&self, branch: &str) -> Result<String> {
        Ok(self
            .git(["rev-parse", &format!("refs/heads/{branch}")], b"")?
            .trim()
            .to_owned())
    }

    /// Points a branch at a commit, whatever it pointed at before: what a forced push does.
    pub fn set_branch(&self, branch: &str, commit: &str) -> Result<()> {
        self.git(["update-ref", &format!("refs/heads/{branch}"), commit], b"")
            .map(drop)
    }

    /// Deletes a branch.
    pub fn delete_branch(&self, branch: &str) -> Result<()> {
        self.git(["update-ref", "-d", &format!("refs/heads/{branch}")], b"")
            .map(drop)
    }

    /// Points a lightweight tag at a commit, whatever it pointed at before.
    pub fn tag(&self, tag: &str, commit: &str) -> Result<()> {
        self.git(["update-ref", &format!("refs/tags/{tag}"), commit], b"")
            .map(drop)
    }

    /// Makes an annotated tag: a tag object with a message of its own.
    pub fn annotated_tag(&self, tag: &str, commit: &str, message: &str) -> Result<()> {
        self.git(
            [
                "tag",
                "--force",
                "--annotate",
                "--message",
                message,
                tag,
                commit,
            ],
            b"",
        )
        .map(drop)
    }

    /// Deletes a tag.
    pub fn delete_tag(&self, tag: &str) -> Result<()> {
        self.git(["update-ref", "-d", &format!("refs/tags/{tag}")], b"")
            .map(drop)
    }

    /// Runs git in the repository and returns what it printed: for what has no method here.
    pub fn git<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Result<String> {
        let args: Vec<_> = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        let mut child = git()
            .arg("-C")
            .arg(&self.path)
            .args(&args)
            .envs([
                ("GIT_AUTHOR_NAME", "Ada Example"),
                ("GIT_AUTHOR_EMAIL", "ada@example.org"),
            ])
            .envs([
                ("GIT_COMMITTER_NAME", "Ada Example"),
                ("GIT_COMMITTER_EMAIL", "ada@example.org"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start git")?;
        // What is given is small or read whole before git prints: neither side can fill a pipe.
        let fed = child
            .stdin
            .take()
            .ok_or_else(|| anyhow!("git has no input"))?
            .write_all(input);
        let output = child.wait_with_output().context("cannot wait for git")?;
        ensure!(
            output.status.success(),
            "cannot run git {args:?} in {}: {}",
            self.path.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        fed.context("cannot give git its input")?;
        String::from_utf8(output.stdout).context("cannot read what git printed")
    }

    fn import_stream(&self, change: &Change<'_>, tree: &[u8]) -> Result<String> {
        let branch = format!("refs/heads/{}", change.branch);
        let seconds = change.seconds.unwrap_or_else(|| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("the clock is past 1970")
                .as_secs()
        });
        let (name, mail) = change.author;
        let mut head = format!("commit {branch}\n");
        for role in ["author", "committer"] {
            writeln!(head, "{role} {name} <{mail}> {seconds} +0000")
                .expect("writing to a string cannot fail");
        }
        let message = change.message;
        write!(head, "data {}\n{message}\n", message.len())
            .expect("writing to a string cannot fail");
        if self.head(change.branch).is_ok() {
            writeln!(head, "from {branch}^0").expect("writing to a string cannot fail");
        }
        let mut stream = head.into_bytes();
        stream.extend_from_slice(tree);
        self.git(
            ["fast-import", "--quiet", "--date-format=raw", "--done"],
            &[&stream, &b"done\n"[..]].concat(),
        )?;
        self.head(change.branch)
    }
}

impl Entry {
    fn write(&self, stream: &mut Vec<u8>) -> Result<()> {
        statement(
            stream,
            &format!("M {} inline ", self.mode),
            &self.path,
            b"\n",
        )?;
        stream.extend_from_slice(format!("data {}\n", self.content.len()).as_bytes());
        stream.extend_from_slice(&self.content);
        stream.push(b'\n');
        Ok(())
    }
}

/// Git with nobody's configuration: not from files, not from the environment.
pub(super) fn git() -> Command {
    let mut command = Command::new("git");
    for variable in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
    ] {
        command.env_remove(variable);
    }
    command.envs([
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ]);
    command
}

fn statement(stream: &mut Vec<u8>, verb: &str, path: &[u8], end: &[u8]) -> Result<()> {
    let plain = !path.is_empty() && !path.starts_with(b"\"") && !path.contains(&b'\n');
    ensure!(
        plain,
        "cannot commit a file named `{}`",
        path.escape_ascii()
    );
    for part in [verb.as_bytes(), path, end] {
        stream.extend_from_slice(part);
    }
    Ok(())
}

/// Every file and link under `directory`, by its path from `root`, in order.
fn collect(root: &Path, directory: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    let cannot = || format!("cannot read {}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(cannot)? {
        found.push(entry.with_context(cannot)?.path());
    }
    found.sort();
    for path in found {
        let cannot = || format!("cannot read {}", path.display());
        let metadata = path.symlink_metadata().with_context(cannot)?;
        if metadata.is_dir() {
            collect(root, &path, entries)?;
            continue;
        }
        let (mode, content) = if metadata.is_symlink() {
            let target = fs::read_link(&path).with_context(cannot)?;
            ("120000", target.as_os_str().as_bytes().to_vec())
        } else if metadata.permissions().mode() & 0o100 == 0 {
            ("100644", fs::read(&path).with_context(cannot)?)
        } else {
            ("100755", fs::read(&path).with_context(cannot)?)
        };
        let name = path.strip_prefix(root).expect("found under the root");
        entries.push(Entry {
            mode,
            path: name.as_os_str().as_bytes().to_vec(),
            content,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_follow_one_another_and_removals_count() {
        let directory = tempfile::tempdir().unwrap();
        let repository = Repository::open(directory.path()).unwrap();
        let first = repository
            .commit("main", "One", &[("a/b.yaml", "b\n"), ("c", "c")])
            .unwrap();
        let second = repository
            .change(&Change {
                message: "Two",
                author: ("Grace", "grace@example.org"),
                seconds: Some(1_700_000_000),
                write: &[("d", "with \"quotes\" and ünïcode")],
                remove: &["a"],
                ..Change::default()
            })
            .unwrap();
        let log = repository
            .git(["log", "--format=%H %an %ct %s", "main"], b"")
            .unwrap();
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines[0], format!("{second} Grace 1700000000 Two"));
        assert!(lines[1].starts_with(&first) && lines.len() == 2, "{log}");
        assert_eq!(
            repository
                .git(["ls-tree", "-r", "--name-only", "main"], b"")
                .unwrap(),
            "c\nd\n"
        );
        repository.set_branch("main", &first).unwrap();
        assert_eq!(repository.head("main").unwrap(), first);
    }

    #[test]
    fn a_directory_is_committed_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("sub/run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(from.join("sub/run"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("sub/run", from.join("link")).unwrap();
        let repository = Repository::open(&directory.path().join("bare")).unwrap();
        repository.commit("main", "Before", &[("old", "")]).unwrap();
        repository.import("main", "After", &from).unwrap();
        let tree = repository.git(
            ["ls-tree", "-r", "--format=%(objectmode) %(path)", "main"],
            b"",
        );
        assert_eq!(tree.unwrap(), "120000 link\n100755 sub/run\n");
    }
}
