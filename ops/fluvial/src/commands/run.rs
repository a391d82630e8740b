//! `fluvial run`: the engine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use fluvial_deliver::Namespaces;
use fluvial_publish::{Target, Values};
use fluvial_render::Limits;

use crate::cli::parse_duration;
use crate::connect::Globals;
use crate::engine;

/// Run the engine: reconcile the cluster, and record everything in the log
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial run --data ./data
  fluvial run --data ./data --leader-election=false --kubeconfig ./kubeconfig
  fluvial run --data ./data --publish kafka://broker:9092/prod --publish-config ./kafka.properties

What it says on standard error is set by FLUVIAL_LOG: info (the default), debug, fluvial_ingest=debug, …
It ends with exit status 0 when it is told to stop (SIGTERM, Ctrl-C), and with 1 when it loses the lead or
the log takes no more.")]
pub(crate) struct RunArgs {
    /// The directory of the log; made where there is none
    #[arg(long, env = "FLUVIAL_DATA", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Wait for the Lease, so that one engine at a time is active
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) leader_election: bool,
    /// Let an Alert tell only of its own namespace, as with Flux's notification-controller; nothing else is
    /// restricted by it
    #[arg(long)]
    no_cross_namespace_refs: bool,
    #[command(flatten)]
    limits: Rendering,
    #[command(flatten)]
    publishing: Publishing,
}

/// The story on Kafka, for whoever wants to consume it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Publishing")]
struct Publishing {
    /// Publish every record to this Kafka, at least once and in order for each object, on the topics PREFIX.events,
    /// .decisions, .outcomes, .drift, .health and .state; PREFIX is fluvial, unless it is said
    #[arg(
        long,
        env = "FLUVIAL_PUBLISH",
        value_name = "kafka://HOST:PORT[/PREFIX]"
    )]
    publish: Option<String>,
    /// A file of properties for the connection: a line for each, name=value, by librdkafka's names
    #[arg(
        long,
        env = "FLUVIAL_PUBLISH_CONFIG",
        value_name = "FILE",
        requires = "publish"
    )]
    publish_config: Option<PathBuf>,
    /// How the values are written
    #[arg(long, value_enum, default_value_t, requires = "publish")]
    publish_values: PublishValues,
}

/// How the values of messages are written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum PublishValues {
    /// JSON
    #[default]
    Json,
    /// Protobuf, by the messages in schemas/event/proto
    Protobuf,
}

impl Publishing {
    fn target(self) -> Result<Option<Target>> {
        let values = match self.publish_values {
            PublishValues::Json => Values::Json,
            PublishValues::Protobuf => Values::Protobuf,
        };
        // Read here, not by clap, which would repeat it: it may have a credential in it.
        let Some(target) = &self.publish else {
            return Ok(None);
        };
        let target = target.parse::<Target>()?.with_values(values);
        let Some(file) = &self.publish_config else {
            return Ok(Some(target));
        };
        let place = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {place}"))?;
        let target = target.with_properties(&text);
        Ok(Some(target.with_context(|| place.to_string())?))
    }
}

/// How manifests are built: each in a process without rights, within limits.
#[derive(Args, Debug)]
#[command(next_help_heading = "Rendering")]
struct Rendering {
    /// How long one build may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    render_timeout: Duration,
    /// How much memory one build may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(16..))]
    render_memory: u32,
    /// How many processes may build at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    render_workers: u8,
    /// Build even where the kernel has no seccomp, and a renderer that is taken over by what it reads
    /// could do what the engine may do
    #[arg(long = "allow-unconfined-rendering")]
    allow_unconfined: bool,
}

impl Rendering {
    fn limits(&self) -> Limits {
        Limits {
            memory_bytes_max: u64::from(self.render_memory) << 20,
            time_max: self.render_timeout,
            workers_max: self.render_workers.into(),
            ..Limits::default()
        }
    }
}

/// Runs the engine until it is told to stop.
pub(crate) async fn run(globals: &Globals, args: RunArgs) -> Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("FLUVIAL_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    let publish = args.publishing.target()?;
    std::fs::create_dir_all(&args.data)
        .with_context(|| format!("cannot make the data directory {}", args.data.display()))?;
    let cluster = globals.cluster().await?;
    engine::run(
        cluster,
        engine::Options {
            data: args.data,
            leader_election: args.leader_election,
            alerts: if args.no_cross_namespace_refs {
                Namespaces::Own
            } else {
                Namespaces::Any
            },
            namespace: globals.namespace.clone(),
            rendering: args.limits.limits(),
            allow_unconfined: args.limits.allow_unconfined,
            publish,
        },
    )
    .await?;
    Ok(ExitCode::SUCCESS)
}
