//! The rings of the house, innermost first: a crate may use its own ring and those further in.

/// Where a crate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ring {
    /// What is said.
    Schemas,
    /// How it is decided: pure.
    Pure,
    /// Each the only one to name its library.
    Doors,
    /// What moves records, commands and outcomes.
    Flow,
    /// What is seen.
    Projections,
    /// Who is told.
    Sinks,
    /// How it is run.
    Ops,
    /// How we know.
    Tests,
}

/// The crates of `engine/` by ring; those of the other folders stand where the folder does.
const ENGINE: &[(&str, Ring)] = &[
    // sorted
    ("engine/apply", Ring::Pure),
    ("engine/cluster", Ring::Doors),
    ("engine/execute", Ring::Flow),
    ("engine/gotemplate", Ring::Pure),
    ("engine/helm", Ring::Pure),
    ("engine/ingest", Ring::Flow),
    ("engine/kustomize", Ring::Pure),
    ("engine/log", Ring::Doors),
    ("engine/log-rocksdb", Ring::Doors),
    ("engine/manifest", Ring::Pure),
    ("engine/reduce", Ring::Pure),
    ("engine/render", Ring::Doors),
    ("engine/runtime", Ring::Flow),
    ("engine/semver", Ring::Pure),
    ("engine/source", Ring::Doors),
];

impl Ring {
    /// The ring of a crate by its folder; `None` when nobody has said.
    pub fn of(folder: &str) -> Option<Self> {
        match folder.split('/').next()? {
            "schemas" => Some(Self::Schemas),
            "engine" => ENGINE
                .iter()
                .find(|(each, _)| *each == folder)
                .map(|(_, ring)| *ring),
            "projections" => Some(Self::Projections),
            "sinks" => Some(Self::Sinks),
            "ops" => Some(Self::Ops),
            "tests" => Some(Self::Tests),
            _ => None,
        }
    }
}
