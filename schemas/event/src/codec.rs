//! The bytes of a record: a fixed little-endian header, then stream, actor and payload.
//!
//! ```text
//!   0 magic "FL"   2 format    3 codec     4 flags       6 header bytes
//!   8 partition   10 type     12 version  14 stream bytes (u16)
//!  16 offset      24 epoch    32 time     40 producer   48 sequence
//!  56 id          72 cause    88 correlation
//! 104 actor bytes (u16), zero (u16)      108 payload bytes (u32)
//! 112 payload digest         144 previous hash         176 hash            208 end
//! ```
//!
//! The hash covers the header up to itself, the stream and the actor; the payload enters by its
//! digest, so that a payload can be redacted without breaking the chain. Readers skip a header tail
//! that they do not know.

use prost::DecodeError;

use crate::{Digest, Id, Offset, Record, Timestamp, upcast};

/// The bytes of the header that this version writes.
pub const HEADER_BYTES: usize = 208;
/// A record larger than this is refused, on the way in and on the way out.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

const MAGIC: [u8; 2] = *b"FL";
const FORMAT: u8 = 1;
const CODEC_PROTOBUF: u8 = 1;
const HASHED_BYTES: usize = 176;

/// Why bytes are not a record, or a record does not follow.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Shorter than it says, or not ours at all.
    #[error("cannot read a record: {0}")]
    Malformed(&'static str),
    /// Written by a later format.
    #[error(
        "cannot read a record of format {0}: it was written by a newer version; use that version or a later one"
    )]
    UnknownFormat(u8),
    /// Written with a codec that this version does not know.
    #[error(
        "cannot read a record with codec {0}: it was written by a newer version; use that version or a later one"
    )]
    UnknownCodec(u8),
    /// A type that this version does not know.
    #[error(
        "cannot read an event of type {number}: it was written by a newer version; use that version or a later one"
    )]
    UnknownType {
        /// The number found.
        number: u16,
    },
    /// A version of a known type that this version does not know.
    #[error(
        "cannot read {name} version {version}: this program knows up to {current}; use a newer version"
    )]
    UnknownVersion {
        /// The type's name.
        name: &'static str,
        /// The version found.
        version: u16,
        /// The newest known.
        current: u16,
    },
    /// The payload is not the message that the header names.
    #[error("cannot read the payload of {name}: {source}")]
    Payload {
        /// The type's name.
        name: &'static str,
        /// What protobuf says.
        source: DecodeError,
    },
    /// A bit changed: the hash is not the record's.
    #[error("record {offset} does not match its hash: it was changed after it was written")]
    Altered {
        /// Where it says it stands.
        offset: Offset,
    },
    /// A record is missing or stands twice.
    #[error("expected record {want}, found {found}: the log has a gap or a repetition")]
    Gap {
        /// The next offset.
        want: Offset,
        /// The one found.
        found: Offset,
    },
    /// It follows another history.
    #[error("record {offset} does not follow the record before it: history was replaced")]
    Broken {
        /// Where it stands.
        offset: Offset,
    },
}

/// Gives `record` the digest of its event, and the hash that follows from everything else in it.
pub(crate) fn seal(record: &mut Record) {
    let payload = record.event.payload();
    record.payload = Digest::of(&payload);
    record.hash = hash_bytes(
        &header(record, payload.len()),
        record.stream.as_bytes(),
        record.actor.as_bytes(),
    );
}

fn hash_bytes(header: &[u8], stream: &[u8], actor: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], &header[..HASHED_BYTES], stream, actor])
}

/// The bytes of `record`.
pub fn encode(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(record, &mut bytes);
    bytes
}

/// Adds the bytes of `record` to `bytes`, so that many records share one allocation.
pub fn encode_into(record: &Record, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.resize(start + HEADER_BYTES, 0);
    bytes.extend_from_slice(record.stream.as_bytes());
    bytes.extend_from_slice(record.actor.as_bytes());
    let payload = bytes.len();
    record.event.payload_into(bytes);
    let header = header(record, bytes.len() - payload);
    bytes[start..start + HEADER_BYTES].copy_from_slice(&header);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "streams and actors are Kubernetes names, cut at their limit by `short`; payloads are under RECORD_BYTES_MAX"
)]
fn header(record: &Record, payload_bytes: usize) -> [u8; HEADER_BYTES] {
    let (number, version) = record.event.schema();
    let mut header = [0; HEADER_BYTES];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC);
    put(2, &[FORMAT, CODEC_PROTOBUF]);
    put(6, &(HEADER_BYTES as u16).to_le_bytes());
    put(8, &record.partition.to_le_bytes());
    put(10, &number.to_le_bytes());
    put(12, &version.to_le_bytes());
    put(14, &(record.stream.len() as u16).to_le_bytes());
    put(16, &record.offset.0.to_le_bytes());
    put(24, &record.epoch.to_le_bytes());
    put(32, &record.time.0.to_le_bytes());
    put(40, &record.producer.to_le_bytes());
    put(48, &record.sequence.to_le_bytes());
    put(56, &record.id.0);
    put(72, &record.cause.0);
    put(88, &record.correlation.0);
    put(104, &(record.actor.len() as u16).to_le_bytes());
    put(108, &(payload_bytes as u32).to_le_bytes());
    put(112, &record.payload.0);
    put(144, &record.previous.0);
    put(176, &record.hash.0);
    header
}

/// Reads one record and checks it against its own hash. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Record, Error> {
    if bytes.len() < HEADER_BYTES {
        return Err(Error::Malformed("it is shorter than a header"));
    }
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(Error::Malformed("it is larger than a record may be"));
    }
    if bytes[..2] != MAGIC {
        return Err(Error::Malformed("it does not begin with the magic number"));
    }
    if bytes[2] != FORMAT {
        return Err(Error::UnknownFormat(bytes[2]));
    }
    if bytes[3] != CODEC_PROTOBUF {
        return Err(Error::UnknownCodec(bytes[3]));
    }
    let short = |at: usize| u16::from_le_bytes(array(bytes, at));
    let long = |at: usize| u64::from_le_bytes(array(bytes, at));
    let body = usize::from(short(6));
    if body < HEADER_BYTES {
        return Err(Error::Malformed("its header is shorter than the format's"));
    }
    let (stream, actor) = (usize::from(short(14)), usize::from(short(104)));
    let payload = u32::from_le_bytes(array(bytes, 108)) as usize;
    if body + stream + actor + payload != bytes.len() {
        return Err(Error::Malformed("its length is not what its header says"));
    }
    let (stream, rest) = bytes[body..].split_at(stream);
    let (actor, payload) = rest.split_at(actor);
    let offset = Offset(long(16));
    let digest = Digest(array(bytes, 112));
    let hash = Digest(array(bytes, 176));
    if hash != hash_bytes(bytes, stream, actor) || Digest::of(payload) != digest {
        return Err(Error::Altered { offset });
    }
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_invalid| Error::Malformed("a name in it is not UTF-8"))
    };
    Ok(Record {
        offset,
        time: Timestamp(i64::from_le_bytes(array(bytes, 32))),
        epoch: long(24),
        partition: short(8),
        id: Id(array(bytes, 56)),
        cause: Id(array(bytes, 72)),
        correlation: Id(array(bytes, 88)),
        actor: text(actor)?,
        stream: text(stream)?,
        producer: long(40),
        sequence: long(48),
        event: upcast::read(short(10), short(12), payload)?,
        payload: digest,
        previous: Digest(array(bytes, 144)),
        hash,
    })
}

/// `N` bytes at `at`, which the caller knows to lie inside the header.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
