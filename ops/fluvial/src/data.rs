//! From flags to a log that is read beside whoever writes it.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fluvial_log_rocksdb::{Data, Mode, RocksLog};

use crate::index::Memory;

/// Where the log is.
#[derive(Args, Clone, Debug)]
pub(crate) struct DataArgs {
    /// The data directory that `fluvial run` was given
    #[arg(long = "data", env = "FLUVIAL_DATA", value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl DataArgs {
    /// The data directory, which must be there.
    pub(crate) fn data(&self) -> Result<Data> {
        let directory = self
            .directory
            .as_ref()
            .context("cannot find the log: give --data DIR, or set FLUVIAL_DATA")?;
        let data = Data::new(directory);
        ensure!(
            data.log_directory().is_dir(),
            "cannot find a log in {}: give the directory that `fluvial run --data` was given",
            directory.display()
        );
        Ok(data)
    }

    /// The log as it is now. What is appended later is not seen.
    pub(crate) fn log(&self) -> Result<RocksLog> {
        Ok(self.data()?.open_log(Mode::Read)?)
    }
    /// The log as it is now, with its index, to be asked.
    pub(crate) fn memory(&self) -> Result<Memory> {
        Memory::open(&self.data()?)
    }
}
