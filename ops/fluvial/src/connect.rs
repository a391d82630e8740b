//! From flags to a cluster.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fluvial_cluster::{Cluster, Options};
use fluvial_view::why::name::Namespace;

use crate::cli::parse_duration;

/// Flags that every command has.
#[derive(Args, Clone, Debug)]
pub(crate) struct Globals {
    /// The kubeconfig; without one $KUBECONFIG, ~/.kube/config or the pod's own account
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    /// The namespace of the objects
    #[arg(
        short,
        long,
        global = true,
        env = "FLUX_SYSTEM_NAMESPACE",
        default_value = "flux-system"
    )]
    pub(crate) namespace: String,
    /// How long to wait for the cluster
    #[arg(long, global = true, default_value = "5m", value_parser = parse_duration)]
    pub(crate) timeout: std::time::Duration,
    /// Say more
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Whether the namespace was typed.
    #[arg(skip)]
    pub(crate) is_namespace_typed: bool,
}

impl Globals {
    /// Where an object is looked for in the log: there, if somebody said so, else there first.
    pub(crate) fn looked_in(&self) -> Namespace<'_> {
        if self.is_namespace_typed {
            Namespace::Only(&self.namespace)
        } else {
            Namespace::First(&self.namespace)
        }
    }

    /// Connects as the flags say.
    pub(crate) async fn cluster(&self) -> Result<Cluster> {
        let options = Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            ..Options::default()
        };
        Ok(Cluster::connect(&options).await?)
    }
}
