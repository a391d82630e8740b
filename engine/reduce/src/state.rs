//! How the world is stored: one key for each object, one for each owned object, in bincode's layout.
//!
//! The bytes are ours and can be folded again from the log, so a positional layout may hold them; a
//! version byte stands in front. A test proves that they are what bincode 2 writes.

use fluvial_event::ObjectRef;
use wincode::{SchemaRead, SchemaWrite};

use crate::alert::{Alert, Provider};
use crate::bystander::Bystander;
use crate::helm_release::Core as Release;
use crate::kustomization::Core;
use crate::live::Seen;
use crate::name::Name;
use crate::owned::Owned;
use crate::source::Source;

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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
pub enum Key<O = ObjectRef> {
    /// The time of the last record.
    Clock,
    /// A source: a GitRepository, HelmRepository or HelmChart.
    Source(O),
    /// A Kustomization, without its objects.
    Kustomization(O),
    /// An object that a Kustomization owns.
    Owned(O, O),
    /// What was last seen of an object.
    Seen(O),
    /// An object of a kind that this version does not reconcile.
    Bystander(O),
    /// An Alert.
    Alert(O),
    /// A Provider.
    Provider(O),
    /// A HelmRelease, without its objects.
    HelmRelease(O),
    /// An object that a HelmRelease owns.
    Released(O, O),
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
    Alert(Box<Alert>),
    Provider(Box<Provider>),
    HelmRelease(Box<Release>),
    Released(Box<Owned>),
}

impl Key<Name> {
    /// Its bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let stored: Key<&ObjectRef> = match self {
            Self::Clock => Key::Clock,
            Self::Source(object) => Key::Source(object),
            Self::Kustomization(object) => Key::Kustomization(object),
            Self::Owned(object, owned) => Key::Owned(object, owned),
            Self::Seen(object) => Key::Seen(object),
            Self::Bystander(object) => Key::Bystander(object),
            Self::Alert(object) => Key::Alert(object),
            Self::Provider(object) => Key::Provider(object),
            Self::HelmRelease(object) => Key::HelmRelease(object),
            Self::Released(object, owned) => Key::Released(object, owned),
        };
        wincode::serialize(&stored).expect("names are within the limits of their own lengths")
    }
}

pub(crate) fn to_bytes(value: &Value) -> Vec<u8> {
    let body = match value {
        Value::Clock(time) => write(time),
        Value::Source(source) => write(&**source),
        Value::Kustomization(core) => write(&**core),
        Value::Owned(owned) | Value::Released(owned) => write(&**owned),
        Value::Seen(seen) => write(&**seen),
        Value::Bystander(bystander) => write(&**bystander),
        Value::Alert(alert) => write(&**alert),
        Value::Provider(provider) => write(&**provider),
        Value::HelmRelease(core) => write(&**core),
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
        Key::Alert(_) => Value::Alert(read(body)?),
        Key::Provider(_) => Value::Provider(read(body)?),
        Key::HelmRelease(_) => Value::HelmRelease(read(body)?),
        Key::Released(..) => Value::Released(read(body)?),
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

#[cfg(test)]
mod tests {
    use bincode::Encode;
    use fluvial_event::{Health, ObjectRef, RollbackRequest};

    use super::{Key, Value, from_bytes, read, to_bytes, write};
    use crate::bystander::Bystander;
    use crate::declared::{Conclusion, Declared, Outstanding};
    use crate::live::Seen;
    use crate::name::Name;

    #[derive(Encode)]
    struct MirroredObject<'a> {
        group: &'a str,
        version: &'a str,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    }

    #[derive(Encode)]
    enum MirroredKey<'a> {
        Clock,
        Source(MirroredObject<'a>),
        #[expect(dead_code, reason = "its place counts")]
        Kustomization(MirroredObject<'a>),
        Owned(MirroredObject<'a>, MirroredObject<'a>),
    }

    #[derive(Encode)]
    struct MirroredOutstanding {
        id: [u8; 16],
        offset: u64,
        correlation: [u8; 16],
    }

    #[derive(Encode)]
    struct MirroredConclusion<'a> {
        generation: i64,
        ready: bool,
        stalled: bool,
        revision: &'a str,
        reason: &'a str,
        message: &'a str,
        at: i64,
    }

    #[derive(Encode)]
    struct MirroredDeclared<'a> {
        version: &'a str,
        uid: &'a str,
        generation: i64,
        spec: &'a [u8],
        invalid: &'a str,
        deleting: bool,
        finalizer: bool,
        marks: &'a str,
        labels: std::collections::BTreeMap<&'a str, &'a str>,
        requested_at: &'a str,
        handled_at: &'a str,
        rollback: Option<MirroredRollback<'a>>,
        outstanding: Option<MirroredOutstanding>,
        waiting: Option<(&'a str, &'a str)>,
        concluded: Option<MirroredConclusion<'a>>,
        observed_generation: Option<i64>,
        failures: u32,
        stumbles: u32,
        paused_until: i64,
    }

    #[derive(Encode)]
    struct MirroredRollback<'a> {
        offset: u64,
        digest: &'a str,
        by: &'a str,
        reason: &'a str,
        at: &'a str,
        invalid: &'a str,
    }

    #[derive(Encode)]
    struct MirroredSeen<'a> {
        uid: &'a str,
        resource_version: &'a str,
        live: &'a str,
        health: i32,
        health_message: &'a str,
        manager: &'a str,
        changed: Vec<&'a str>,
        gone: bool,
        judged: &'a str,
    }

    fn bincode(value: impl Encode) -> Vec<u8> {
        bincode::encode_to_vec(value, bincode::config::legacy()).unwrap()
    }

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            kind: "K".into(),
            name: name.into(),
            ..ObjectRef::default()
        }
    }

    fn named(name: &str) -> Name {
        Name::of(&object(name))
    }

    fn mirrored(name: &str) -> MirroredObject<'_> {
        MirroredObject {
            group: "",
            version: "",
            kind: "K",
            namespace: "",
            name,
        }
    }

    #[test]
    fn keys_have_the_layout_of_bincode_2() {
        let cases = [
            (Key::Clock, MirroredKey::Clock),
            (Key::Source(named("ä")), MirroredKey::Source(mirrored("ä"))),
            (
                Key::Owned(named("a"), named("b")),
                MirroredKey::Owned(mirrored("a"), mirrored("b")),
            ),
        ];
        for (key, mirror) in cases {
            assert_eq!(key.to_bytes(), bincode(mirror), "{key:?}");
            let read: Key = read(&key.to_bytes()).unwrap();
            assert_eq!(format!("{read:?}"), format!("{key:?}"));
        }
    }

    fn declared() -> Declared {
        Declared {
            version: "v1".into(),
            uid: "u".into(),
            generation: -2,
            spec: b"{}".to_vec(),
            finalizer: true,
            marks: "m".into(),
            labels: [("tier".to_owned(), "front".to_owned())].into(),
            rollback: Some(RollbackRequest {
                offset: 41,
                by: "jane".into(),
                ..RollbackRequest::default()
            }),
            outstanding: Some(Outstanding {
                id: [7; 16],
                offset: u64::MAX,
                correlation: [9; 16],
            }),
            waiting: Some(("Suspended".into(), "because".into())),
            concluded: Some(Conclusion {
                generation: 1,
                ready: true,
                revision: "main@sha1:00".into(),
                message: "well".into(),
                at: i64::MIN,
                ..Conclusion::default()
            }),
            observed_generation: Some(1),
            failures: 3,
            ..Declared::default()
        }
    }

    #[test]
    fn states_have_the_layout_of_bincode_2() {
        let mirror = MirroredDeclared {
            version: "v1",
            uid: "u",
            generation: -2,
            spec: b"{}",
            invalid: "",
            deleting: false,
            finalizer: true,
            marks: "m",
            labels: [("tier", "front")].into(),
            requested_at: "",
            handled_at: "",
            rollback: Some(MirroredRollback {
                offset: 41,
                digest: "",
                by: "jane",
                reason: "",
                at: "",
                invalid: "",
            }),
            outstanding: Some(MirroredOutstanding {
                id: [7; 16],
                offset: u64::MAX,
                correlation: [9; 16],
            }),
            waiting: Some(("Suspended", "because")),
            concluded: Some(MirroredConclusion {
                generation: 1,
                ready: true,
                stalled: false,
                revision: "main@sha1:00",
                reason: "",
                message: "well",
                at: i64::MIN,
            }),
            observed_generation: Some(1),
            failures: 3,
            stumbles: 0,
            paused_until: 0,
        };
        assert_eq!(write(&declared()), bincode(mirror));

        let seen = Seen {
            uid: "u".into(),
            health: Health::Failed.into(),
            changed: vec!["spec.replicas".into(), "é".into()],
            gone: true,
            judged: "sha256:aa".into(),
            ..Seen::default()
        };
        let mirror = MirroredSeen {
            uid: "u",
            resource_version: "",
            live: "",
            health: Health::Failed.into(),
            health_message: "",
            manager: "",
            changed: vec!["spec.replicas", "é"],
            gone: true,
            judged: "sha256:aa",
        };
        assert_eq!(write(&seen), bincode(mirror));
    }

    #[test]
    fn what_is_stored_reads_back_and_what_is_torn_does_not() {
        let key = Key::Bystander(named("b")).to_bytes();
        let value = to_bytes(&Value::Bystander(Box::<Bystander>::default()));
        assert!(from_bytes(&key, &value).is_ok());
        for length in 0..value.len() {
            assert!(
                from_bytes(&key, &value[..length]).is_err(),
                "cut at {length}"
            );
        }
        let mut longer = value.clone();
        longer.push(0);
        assert!(from_bytes(&key, &longer).is_err());
        let mut later = value;
        later[0] += 1;
        assert!(from_bytes(&key, &later).is_err());
    }
}
