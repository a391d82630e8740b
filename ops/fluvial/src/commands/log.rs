//! `fluvial log`: reading the log itself. Needs no cluster, and may run beside the engine.

mod line;

pub(crate) use line::said;

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use fluvial_api::kinds;
use fluvial_event::{ObjectRef, Offset, Record, Role};
use fluvial_log::EventLog as _;
use fluvial_log::index::Index;

use crate::data::DataArgs;
use crate::output::{self, Plain};
use crate::say;

/// Read the log
///
/// Needs no cluster, changes nothing, and may run beside the engine.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial log tail --data ./data --follow
  fluvial log show 42 --data ./data
  fluvial log verify --data ./data
  fluvial log stats --data ./data -o json")]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the newest records
    #[command(after_help = "Examples:
  fluvial log tail --data ./data
  fluvial log tail -f --for kustomization/app
  fluvial log tail --for Deployment/web --limit 5 -o json")]
    Tail(TailArgs),
    /// Print one record, whole
    #[command(after_help = "Examples:
  fluvial log show 42 --data ./data")]
    Show(ShowArgs),
    /// Check every record, blob and link, and the end; exit with 1 if anything is wrong
    #[command(after_help = "Examples:
  fluvial log verify --data ./data
  fluvial log verify --data ./data -o json")]
    Verify(ReadArgs),
    /// Count what is in the log
    #[command(after_help = "Examples:
  fluvial log stats --data ./data")]
    Stats(ReadArgs),
}

#[derive(Args, Debug)]
struct ReadArgs {
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// Where the record stands
    offset: u64,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Args, Debug)]
struct TailArgs {
    /// Go on with what is appended, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Only records about this object, in any namespace: Kind/name, or Kind/namespace/name
    #[arg(long = "for", value_name = "KIND/NAME")]
    about: Option<String>,
    /// How many records
    #[arg(long, default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) fn run(args: &LogArgs) -> Result<ExitCode> {
    match &args.command {
        Command::Tail(args) => tail(args),
        Command::Show(args) => show(args),
        Command::Verify(args) => verify(args),
        Command::Stats(args) => stats(args),
    }
}

fn tail(args: &TailArgs) -> Result<ExitCode> {
    let about = args.about.as_deref().map(About::parse).transpose()?;
    let memory = args.read.data.memory()?;
    let end = memory.log().head().offset;
    match &about {
        None => {
            let from = Offset(end.next().0.saturating_sub(args.limit as u64).max(1));
            for record in memory.log().read(from) {
                print(&record?, args.read.output)?;
            }
        }
        Some(about) => {
            let index = memory.index()?;
            for offset in newest(&index, about, args.limit)? {
                print(&index.record(offset)?, args.read.output)?;
            }
        }
    }
    drop(memory);
    if args.follow {
        args.read.data.follow(end.next(), |record| {
            if about.as_ref().is_none_or(|about| about.fits(record)) {
                print(record, args.read.output)?;
            }
            Ok(())
        })
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the newest records about an object stand.
fn newest(index: &Index<'_>, about: &About, limit: usize) -> Result<BTreeSet<Offset>> {
    let mut newest = BTreeSet::new();
    for object in index.objects()?.iter().filter(|it| about.is(it)) {
        let own = index.mentions(object, index.end());
        let own = own.filter(|it| !matches!(it, Ok(it) if it.role != Role::Subject));
        for mention in own.take(limit) {
            newest.insert(mention?.offset);
        }
    }
    while newest.len() > limit {
        newest.pop_first();
    }
    Ok(newest)
}

fn print(record: &Record, format: Option<Plain>) -> Result<()> {
    match format {
        // One record, one line: for programs that read along.
        Some(Plain::Json) => output::json_line(record),
        Some(Plain::Yaml) => {
            output::print("---\n")?;
            output::yaml(record)
        }
        None => output::print(&line::of(record)),
    }
}

fn show(args: &ShowArgs) -> Result<ExitCode> {
    let log = args.read.data.log()?;
    let (offset, end) = (Offset(args.offset), log.head().offset);
    if offset < Offset::FIRST || offset > end {
        bail!("cannot show record {offset}: the log goes from 1 to {end}");
    }
    let record = log.record(offset)?;
    output::plain(args.read.output.unwrap_or(Plain::Yaml), &record)?;
    Ok(ExitCode::SUCCESS)
}

fn verify(args: &ReadArgs) -> Result<ExitCode> {
    let report = args.data.data()?.verify();
    if let Some(format) = args.output {
        output::plain(format, &report)?;
    } else {
        output::print(&format!(
            "records: {} ({} to {})\nblobs:   {}\nhash:    {}\n",
            report.records, report.first, report.last, report.blobs, report.hash
        ))?;
    }
    if report.is_sound() {
        say::success("the log is whole: no bit changed, nothing missing");
        return Ok(ExitCode::SUCCESS);
    }
    for problem in &report.problems {
        let at = match problem.offset {
            Offset(0) => String::new(),
            offset => format!("at offset {offset}: "),
        };
        say::failure(&format!("{at}{}", problem.what));
    }
    if report.unlisted > 0 {
        say::failure(&format!("and {} more", report.unlisted));
    }
    say::failure(
        "the log is not whole: stop the engine, and restore the data directory from a backup",
    );
    Ok(ExitCode::FAILURE)
}

fn stats(args: &ReadArgs) -> Result<ExitCode> {
    let stats = args
        .data
        .log()?
        .stats()
        .context("run `fluvial log verify`")?;
    if let Some(format) = args.output {
        output::plain(format, &stats)?;
        return Ok(ExitCode::SUCCESS);
    }
    let time = |time: Option<fluvial_event::Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| time.to_string())
    };
    let mut text = format!(
        "records:  {} ({} bytes)\nfirst:    {} at {}\nlast:     {} at {}\nblobs:    {} ({} bytes)\non disk:  {} bytes in tables\n\n",
        stats.records,
        stats.record_bytes,
        stats.first,
        time(stats.first_time),
        stats.last,
        time(stats.last_time),
        stats.blobs,
        stats.blob_bytes,
        stats.table_bytes,
    );
    let mut table = crate::table::Table::new(["TYPE", "RECORDS"]);
    for (name, count) in &stats.types {
        table.row([(*name).to_owned(), count.to_string()]);
    }
    text.push_str(&table.text(true));
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// An object by kind and name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct About {
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl About {
    fn parse(text: &str) -> Result<Self> {
        let parts: Vec<_> = text.split('/').collect();
        let (kind, namespace, name) = match parts.as_slice() {
            [kind, name] => (*kind, None, *name),
            [kind, namespace, name] => (*kind, Some((*namespace).to_owned()), *name),
            _ => bail!("cannot read --for {text}: say Kind/name, such as kustomization/app"),
        };
        let kind = kinds::named(kind).map_or(kind, |known| known.kind);
        Ok(Self {
            kind: kind.to_owned(),
            namespace,
            name: name.to_owned(),
        })
    }

    fn fits(&self, record: &Record) -> bool {
        record.event.object().is_some_and(|object| self.is(object))
    }

    fn is(&self, object: &ObjectRef) -> bool {
        let in_namespace = self.namespace.as_ref();
        object.kind.eq_ignore_ascii_case(&self.kind)
            && object.name == self.name
            && in_namespace.is_none_or(|namespace| *namespace == object.namespace)
    }
}

#[cfg(test)]
mod tests {
    use fluvial_event::{Chain, Draft, Head, Id, TimerFired, Timestamp};

    use super::*;

    #[test]
    fn an_object_is_found_by_any_of_its_names() {
        let object = ObjectRef {
            group: "kustomize.toolkit.fluxcd.io".into(),
            version: "v1".into(),
            kind: "Kustomization".into(),
            namespace: "apps".into(),
            name: "app".into(),
        };
        let event = TimerFired {
            object: Some(object),
        };
        let mut chain = Chain::new(Head::default(), 1);
        let record = chain.seal(Draft::news(event.into()), Id::NONE, Timestamp(1));
        for (about, fits) in [
            ("kustomization/app", true),
            ("ks/app", true),
            ("Kustomization/apps/app", true),
            ("ks/other/app", false),
            ("ks/other", false),
            ("gitrepository/app", false),
        ] {
            assert_eq!(About::parse(about).unwrap().fits(&record), fits, "{about}");
        }
        for bad in ["app", "a/b/c/d"] {
            assert!(About::parse(bad).is_err(), "{bad}");
        }
    }
}
