//! Our renderers beside the real tools: cases, the real tool in a process of its own, and where the
//! two differ.
//!
//! The expected output of a case is written nowhere: it is what the real tool, built from its Go
//! modules, says in the same run.

mod case;
mod difference;
mod go;
mod helm;
mod measure;
mod peer;
mod template;

pub use case::{Case, read};
pub use difference::{Verdict, compare, lines, one_line};
pub use helm::{ChartCase, HelmPeer};
pub use measure::{Measure, Run};
pub use peer::{Answer, Peer};
pub use template::{Printed, Row, TemplatePeer};
