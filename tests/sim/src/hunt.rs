//! The hunt for mutants: all are built into a copy of the tree, and the simulator must find each.
//!
//! The copy and what is built of it stay in one folder outside the checkout, so that the next hunt only
//! compiles what has changed since.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::mutant::{ALL, Mutant, SWITCH, with_switches};

/// What finds a mutant: the quickest, which find nearly all, first.
const CHECKS: [&[&str]; 5] = [
    &["scenarios", "--shallow"],
    &["--seeds", "40"],
    &["scenarios", "--parts", "60"],
    &["--start", "40", "--seeds", "160"],
    &["scenarios", "--parts", "10", "--part", "1"],
];
/// A check that takes longer decides nothing: the machine may be slow. The simulator itself ends a run in
/// which there is always something to do, and says so.
const CHECK_MAX: Duration = Duration::from_mins(4);

/// The copy of the tree.
struct Copy {
    tree: PathBuf,
    target: PathBuf,
    said: PathBuf,
}

/// Hunts the mutants whose names contain one of `names` (all, where there is none), of those `sample`
/// from the `from`-th on. Answers whether every one was found.
pub fn hunt(place: &Path, names: &[String], sample: usize, from: usize) -> io::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let copy = Copy::of(&root.canonicalize()?, place)?;
    let began = Instant::now();
    copy.build()?;
    println!("built in {} s", began.elapsed().as_secs());
    if let Some(found) = copy.check("", CHECKS[0])? {
        println!("without any mutant: {found}");
        return Ok(false);
    }
    println!("{:34} {:>6}  killed by", "mutant", "after");
    let is_chosen =
        |it: &&Mutant| names.is_empty() || names.iter().any(|name| it.name.contains(&**name));
    let chosen: Vec<_> = ALL.iter().filter(is_chosen).collect();
    let mut alive = 0;
    let count = sample.min(chosen.len());
    for index in 0..count {
        let mutant = chosen[(from + index) % chosen.len()];
        let began = Instant::now();
        let found = copy.find(mutant)?;
        alive += usize::from(found.is_none());
        let found = found.unwrap_or_else(|| format!("NOTHING: it survives ({})", mutant.says));
        println!(
            "{:34} {:>4.1} s  {found}",
            mutant.name,
            began.elapsed().as_secs_f64()
        );
    }
    println!(
        "{} of {count} mutants killed, in {} s",
        count - alive,
        began.elapsed().as_secs()
    );
    Ok(alive == 0)
}

impl Copy {
    /// Brings the copy up to date; what has not changed is not touched, and so not built again.
    fn of(root: &Path, place: &Path) -> io::Result<Self> {
        let copy = Self {
            tree: place.join("tree"),
            target: place.join("target"),
            said: place.join("said.txt"),
        };
        fs::create_dir_all(&copy.tree)?;
        let listed = Command::new("git")
            .current_dir(root)
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .output()?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let is_needed = |path: &&str| !path.is_empty() && root.join(path).is_file();
        let needed: BTreeSet<_> = listed.split('\0').filter(is_needed).collect();
        copy.remove_all_but(&needed, Path::new(""))?;
        for path in needed {
            let mut bytes = fs::read(root.join(path))?;
            if ALL.iter().any(|it| it.file == path || it.root() == path) {
                let text = String::from_utf8(bytes).map_err(io::Error::other)?;
                bytes = with_switches(path, text)
                    .map_err(io::Error::other)?
                    .into_bytes();
            }
            let there = copy.tree.join(path);
            if fs::read(&there).ok().as_ref() != Some(&bytes) {
                if let Some(folder) = there.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::write(there, bytes)?;
            }
        }
        Ok(copy)
    }

    /// Removes what an earlier hunt copied and the checkout no longer has.
    fn remove_all_but(&self, needed: &BTreeSet<&str>, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(self.tree.join(folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.remove_all_but(needed, &path)?;
            } else if !path.to_str().is_some_and(|it| needed.contains(it)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn build(&self) -> io::Result<()> {
        let built = Command::new("cargo")
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .args([
                "build",
                "--quiet",
                "--locked",
                "--profile",
                "sim",
                "-p",
                "fluvial-sim",
            ])
            .output()?;
        if built.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&built.stderr).into_owned();
        Err(io::Error::other(format!("it does not build: {why}")))
    }

    /// What finds `mutant`, if anything does.
    fn find(&self, mutant: &Mutant) -> io::Result<Option<String>> {
        for check in CHECKS {
            let found = self.check(mutant.name, check)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Runs the simulator once with a mutant awake, or with none; answers the first thing that it complains of.
    fn check(&self, mutant: &str, check: &[&str]) -> io::Result<Option<String>> {
        let mut running = Command::new(self.target.join("sim/fluvial-sim"))
            .args(check)
            .env(SWITCH, mutant)
            .stdout(File::create(&self.said)?)
            .stderr(Stdio::null())
            .spawn()?;
        let began = Instant::now();
        let ended: Option<ExitStatus> = loop {
            if let Some(status) = running.try_wait()? {
                break Some(status);
            }
            if began.elapsed() > CHECK_MAX {
                running.kill()?;
                running.wait()?;
                break None;
            }
            thread::sleep(Duration::from_millis(50));
        };
        if ended.is_none_or(|status| status.success()) {
            return Ok(None);
        }
        let said = fs::read_to_string(&self.said)?;
        let line = said.lines().find(|line| line.contains("FAILED"));
        let line = line.unwrap_or("it ends of itself");
        Ok(Some(line.chars().take(110).collect()))
    }
}
