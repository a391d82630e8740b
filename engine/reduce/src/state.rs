//! How the world is stored: one key for each object, one for each owned object, in bincode's layout.
//!
//! The bytes are ours and can be folded again from the log, so a positional layout may hold them; a
//! version byte stands in front. A test proves that they are what bincode 2 writes.

use fluvial_event::ObjectRef;
use wincode::{SchemaRead, SchemaWrite};

use crate::bystander::Bystander;
use crate::git_repository::Source;
use crate::kustomization::{Core, Owned};
use crate::live::Seen;

/// The version of the layout. A state of another version is folded again from the log.
const LAYOUT: u8 = 1;

/// Why stored state cannot be read. It can be folded again.
#[derive(Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "cannot read the stored state: {}; it will be made again from the log",
            self.0
        )
    }
}

impl std::error::Error for Error {}

/// The name of one stored value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
pub enum Key {
    /// The time of the last record.
    Clock,
    /// A GitRepository.
    Source(ObjectRef),
    /// A Kustomization, without its objects.
    Kustomization(ObjectRef),
    /// An object that a Kustomization owns.
    Owned(ObjectRef, ObjectRef),
    /// What was last seen of an object.
    Seen(ObjectRef),
    /// An object of a kind that this version does not reconcile.
    Bystander(ObjectRef),
}

/// One stored value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Clock(i64),
    Source(Box<Source>),
    Kustomization(Box<Core>),
    Owned(Box<Owned>),
    Seen(Box<Seen>),
    Bystander(Box<Bystander>),
}

impl Key {
    /// Its bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        write(self)
    }
}

pub(crate) fn to_bytes(value: &Value) -> Vec<u8> {
    let body = match value {
        Value::Clock(time) => write(time),
        Value::Source(source) => write(&**source),
        Value::Kustomization(core) => write(&**core),
        Value::Owned(owned) => write(&**owned),
        Value::Seen(seen) => write(&**seen),
        Value::Bystander(bystander) => write(&**bystander),
    };
    let mut bytes = vec![LAYOUT];
    bytes.extend_from_slice(&body);
    bytes
}

/// Reads a stored pair back.
pub(crate) fn from_bytes(key: &[u8], value: &[u8]) -> Result<(Key, Value), Error> {
    let key: Key = read(key)?;
    let Some((&LAYOUT, body)) = value.split_first() else {
        return Err(Error("it was written by another version".into()));
    };
    let value = match &key {
        Key::Clock => Value::Clock(read(body)?),
        Key::Source(_) => Value::Source(read(body)?),
        Key::Kustomization(_) => Value::Kustomization(read(body)?),
        Key::Owned(..) => Value::Owned(read(body)?),
        Key::Seen(_) => Value::Seen(read(body)?),
        Key::Bystander(_) => Value::Bystander(read(body)?),
    };
    Ok((key, value))
}

fn write<T>(value: &T) -> Vec<u8>
where
    T: SchemaWrite<wincode::config::DefaultConfig, Src = T>,
{
    wincode::serialize(value).expect("values in memory are within the limits of their own lengths")
}

fn read<'a, T>(bytes: &'a [u8]) -> Result<T, Error>
where
    T: SchemaRead<'a, wincode::config::DefaultConfig, Dst = T>,
{
    wincode::deserialize_exact(bytes).map_err(|error| Error(error.to_string()))
}
