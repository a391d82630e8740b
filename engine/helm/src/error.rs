//! Why there is no chart, or nothing rendered of it.

use std::borrow::Cow;

/// What went wrong, in helm's words where helm has words for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The files are no chart.
    #[error("cannot load the chart: {0}")]
    Chart(String),
    /// The values cannot be used, or are not what the chart's schema wants.
    #[error("cannot use the values: {0}")]
    Values(String),
    /// A template could not be parsed or executed, or did not make YAML.
    #[error("cannot render the chart: {}", brief(.0))]
    Render(String),
    /// More was asked for than one rendering may have.
    #[error("cannot render the chart: {}", brief(.0))]
    Limit(String),
}

/// Templates that call themselves say so at every level; where it began and how it ended is enough.
fn brief(why: &str) -> Cow<'_, str> {
    const END_BYTES_MAX: usize = 900;
    if why.len() <= 2 * END_BYTES_MAX {
        return Cow::Borrowed(why);
    }
    let start = why.floor_char_boundary(END_BYTES_MAX);
    let end = why.ceil_char_boundary(why.len() - END_BYTES_MAX);
    Cow::Owned(format!("{} … {}", &why[..start], &why[end..]))
}

impl Error {
    pub(crate) fn chart(why: impl Into<String>) -> Self {
        Self::Chart(why.into())
    }

    pub(crate) fn render(why: impl Into<String>) -> Self {
        Self::Render(why.into())
    }
}
