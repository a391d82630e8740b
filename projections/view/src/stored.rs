//! What is stored of a read model, so that a start costs what lives and not what ever happened.
//!
//! One key for each object, values in bincode's layout. All of it can be folded again from the log: what
//! is missing, torn or of another format is. Where it is stored, and as of which offset, is the sink's
//! business.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::ObjectRef;
use wincode::config::DefaultConfig;
use wincode::{SchemaRead, SchemaWrite};

use crate::Projection;

/// A change of one key: its new value, or `None` where it is gone.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// Why what was stored cannot be read. It can be folded again.
#[derive(Debug, PartialEq, Eq)]
pub struct Error(String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot read a stored view: {}", self.0)
    }
}

impl std::error::Error for Error {}

/// A read model that can be stored and read back. Read back as of an offset, and fed what follows, it is
/// the one that was fed everything.
pub trait Stored: Projection + Sized {
    /// Names the layout of what is stored, and whatever else its values depend on.
    fn format(&self) -> String;

    /// What changed since this was last asked.
    fn changes(&mut self) -> Vec<Change>;

    /// Itself, which was fed nothing yet, with every pair that was stored.
    fn load<E: std::fmt::Display>(
        self,
        pairs: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), E>>,
    ) -> Result<Self, Error>;
}

pub(crate) fn write<T>(value: &T) -> Vec<u8>
where
    T: SchemaWrite<DefaultConfig, Src = T>,
{
    wincode::serialize(value).expect("values in memory are within the limits of their own lengths")
}

/// The changes of the objects that are `dirty`, which none is afterwards.
pub(crate) fn changes<T>(
    dirty: &mut BTreeSet<ObjectRef>,
    objects: &BTreeMap<ObjectRef, T>,
) -> Vec<Change>
where
    T: SchemaWrite<DefaultConfig, Src = T>,
{
    let change = |object| (write(&object), objects.get(&object).map(write));
    std::mem::take(dirty).into_iter().map(change).collect()
}

/// One pair back, its key read.
pub(crate) fn pair<K, E>(pair: Result<(Vec<u8>, Vec<u8>), E>) -> Result<(K, Vec<u8>), Error>
where
    K: for<'a> SchemaRead<'a, DefaultConfig, Dst = K>,
    E: std::fmt::Display,
{
    let (key, bytes) = pair.map_err(|error| Error(error.to_string()))?;
    Ok((value(&key)?, bytes))
}

/// One value back.
pub(crate) fn value<T>(bytes: &[u8]) -> Result<T, Error>
where
    T: for<'a> SchemaRead<'a, DefaultConfig, Dst = T>,
{
    wincode::deserialize_exact(bytes).map_err(|error| Error(error.to_string()))
}

/// One pair back, of an object and what is known of it.
pub(crate) fn read<T, E>(pair: Result<(Vec<u8>, Vec<u8>), E>) -> Result<(ObjectRef, T), Error>
where
    T: for<'a> SchemaRead<'a, DefaultConfig, Dst = T>,
    E: std::fmt::Display,
{
    let (key, bytes) = self::pair(pair)?;
    Ok((key, value(&bytes)?))
}
