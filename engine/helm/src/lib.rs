//! Helm, natively and as pure functions: a chart and values in, manifests, hooks and notes out.
//!
//! Start at [`Chart`], which is read from a [`Tree`](fluvial_manifest::Tree) or from a packaged chart. What
//! templates mean is `fluvial-gotemplate`'s knowledge; where charts come from, and what becomes of a
//! release, is the engine's. Everything here agrees with helm v4.3.1, and says so where it does not.
//!
//! Invariants: the same chart, values and options give the same bytes; nothing is read but what is given;
//! nothing is fetched or executed; no input makes it panic or grow without bound.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod archive;
mod capabilities;
mod chart;
mod coalesce;
mod dependencies;
mod error;
mod failure;
mod files;
pub mod glob;
pub mod hook;
pub mod ignore;
pub mod manifests;
mod memo;
mod metadata;
mod order;
mod package;
pub mod release;
mod render;
pub mod repository;
mod schema;
mod scope;
mod strvals;
mod template;
mod values;
mod yaml;

pub use capabilities::{Capabilities, KubeVersion};
pub use chart::{Chart, Crd, File};
pub use error::Error;
pub use fluvial_gotemplate::measure_stack;
pub use metadata::{Dependency, Maintainer, Metadata};
pub use order::{compare_install, compare_uninstall};
pub use package::{Defaults, Package};
pub use render::{
    Files, Lookup, Options, Rendered, check_installable, document, release_name, render,
    render_with,
};
pub use template::Template;
pub use values::Values;
