//! From flags to a log that is read beside whoever writes it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fluvial_event::{Offset, Record};
use fluvial_log::EventLog as _;
use fluvial_log_rocksdb::{Data, Mode, RocksLog};

use crate::index::Memory;

/// How often it is looked for more, when following a log that another process writes.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

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

    /// Goes on from `next` with what another process appends, until interrupted. The log is opened again only
    /// when its pin has moved.
    pub(crate) fn follow(
        &self,
        mut next: Offset,
        mut each: impl FnMut(&Record) -> Result<()>,
    ) -> Result<ExitCode> {
        let data = self.data()?;
        loop {
            std::thread::sleep(LOOK_AGAIN);
            if data.pinned()? < next {
                continue;
            }
            for record in self.log()?.read(next) {
                let record = record?;
                next = record.offset.next();
                each(&record)?;
            }
        }
    }

    /// The log as it is now, with its index, to be asked.
    pub(crate) fn memory(&self) -> Result<Memory> {
        Memory::open(&self.data()?)
    }
}
