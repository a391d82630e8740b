//! Why there is no chart, or nothing rendered of it.

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
    #[error("cannot render the chart: {0}")]
    Render(String),
    /// More was asked for than one rendering may have.
    #[error("cannot render the chart: {0}")]
    Limit(String),
}

impl Error {
    pub(crate) fn chart(why: impl Into<String>) -> Self {
        Self::Chart(why.into())
    }

    pub(crate) fn render(why: impl Into<String>) -> Self {
        Self::Render(why.into())
    }
}
