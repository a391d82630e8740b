//! Faults that no test can ask a kernel for: a disk that fails to sync, a clock that is off, and a
//! power failure. They are made by a library that is loaded in front of libc (`faults/shim.c`), so the
//! program that suffers them is the real one.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Faults of the programs that are started with [`Faults::environment`].
#[derive(Debug)]
pub struct Faults {
    directory: PathBuf,
    library: PathBuf,
}

impl Faults {
    /// Builds the library in `directory`, with the C compiler `cc`. There are no faults yet.
    pub fn build(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let source = directory.join("shim.c");
        let library = directory.join("shim.so");
        fs::write(&source, include_str!("faults/shim.c"))
            .with_context(|| format!("cannot write {}", source.display()))?;
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .context("cannot start cc (of the package gcc)")?;
        ensure!(
            built.status.success(),
            "cannot build the faults: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        Ok(Self {
            directory: directory.to_owned(),
            library,
        })
    }

    /// What a program is started with to be subject to the faults.
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("FAULTS", &self.directory)]
    }

    /// From now on every sync fails with EIO, and nothing is synced.
    pub fn fail_syncs(&self) -> Result<()> {
        self.write("fail-sync", "")
    }

    /// Syncs succeed again.
    pub fn heal_syncs(&self) -> Result<()> {
        fs::remove_file(self.directory.join("fail-sync")).context("cannot heal the syncs")
    }

    /// The wall clock is off by so many seconds from now on.
    pub fn shift_clock(&self, seconds: i64) -> Result<()> {
        self.write("clock", &seconds.to_string())
    }

    /// Forgets what was synced so far: what is on the disk now is taken to be.
    pub fn forget_syncs(&self) -> Result<()> {
        self.write("synced", "")
    }

    /// Takes it that so many bytes of `path` are on the disk.
    pub fn note_synced(&self, path: &Path, bytes: u64) -> Result<()> {
        let name = self.directory.join("synced");
        fs::File::options()
            .create(true)
            .append(true)
            .open(name)
            .and_then(|mut file| writeln!(file, "{bytes} {}", path.display()))
            .context("cannot note what was synced")
    }

    /// How long each file was when it was last synced. What is beyond that, or not named, a power
    /// failure would have taken.
    pub fn synced(&self) -> Result<BTreeMap<PathBuf, u64>> {
        let text = fs::read_to_string(self.directory.join("synced"))
            .context("cannot read what was synced")?;
        let mut synced = BTreeMap::new();
        // A last line without its end was cut by a kill.
        for line in text
            .split_inclusive('\n')
            .filter_map(|it| it.strip_suffix('\n'))
        {
            let (size, path) = line
                .split_once(' ')
                .with_context(|| format!("cannot read {line:?}"))?;
            synced.insert(PathBuf::from(path), size.parse()?);
        }
        Ok(synced)
    }

    /// Written beside and renamed, so that no program reads half of it.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let beside = self.directory.join("new");
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, self.directory.join(name)))
            .with_context(|| format!("cannot order the fault {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(faults: &Faults, script: &str) -> String {
        let output = Command::new("sh")
            .args(["-c", script])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(faults.environment())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn syncs_fail_and_heal_and_are_noted_and_clocks_go_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let faults = Faults::build(&directory.path().join("faults")).unwrap();
        let file = directory.path().join("file");
        let sync = format!(
            "printf 12345 > {0}; sync -d {0} && echo done",
            file.display()
        );
        assert_eq!(shell(&faults, &sync), "done");
        assert_eq!(faults.synced().unwrap()[&file], 5);
        faults.forget_syncs().unwrap();
        faults.fail_syncs().unwrap();
        assert_eq!(shell(&faults, &sync), "");
        assert!(faults.synced().unwrap().is_empty());
        faults.heal_syncs().unwrap();
        assert_eq!(shell(&faults, &sync), "done");
        faults.shift_clock(4_000_000_000).unwrap();
        let year: u32 = shell(&faults, "date +%Y").parse().unwrap();
        assert!(year > 2096, "{year}");
    }
}
