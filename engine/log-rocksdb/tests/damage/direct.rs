//! Somebody writes to the database itself: what they leave behind is found, and told apart.

use std::path::Path;

use fluvial_event::{Digest, HEADER_BYTES, Offset, RECORD_BYTES_MAX, Record, encode};
use fluvial_log::{BlobStore as _, EventLog as _, contract, verify};
use fluvial_log_rocksdb::{Data, Mode};
use rocksdb::{DB, Options};

const RECORDS: usize = 8;

/// A log of eight records that name blobs.
fn written(root: &Path) -> Vec<Record> {
    let log = Data::new(root).open_log(Mode::Write).unwrap();
    let blobs: Vec<_> = (0..RECORDS)
        .map(|number| {
            log.put(format!("blob {number}").as_bytes())
                .unwrap()
                .to_string()
        })
        .collect();
    let records = contract::sealed(blobs.iter().map(|blob| contract::artifact_draft(blob)));
    log.append(&records).unwrap();
    records
}

/// The database behind the log.
struct Direct(DB);

impl Direct {
    fn open(root: &Path) -> Self {
        let families = ["default", "records", "blobs", "meta"];
        let log = root.join("log");
        Self(DB::open_cf(&Options::default(), log, families).unwrap())
    }

    fn put(&self, family: &str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let family = self.0.cf_handle(family).unwrap();
        self.0.put_cf(family, key, value).unwrap();
    }

    fn delete(&self, family: &str, key: impl AsRef<[u8]>) {
        let family = self.0.cf_handle(family).unwrap();
        self.0.delete_cf(family, key).unwrap();
    }

    fn record(&self, offset: u64) -> Vec<u8> {
        let family = self.0.cf_handle("records").unwrap();
        self.0
            .get_cf(family, offset.to_be_bytes())
            .unwrap()
            .unwrap()
    }

    fn set(&self, offset: u64, bytes: impl AsRef<[u8]>) {
        self.put("records", offset.to_be_bytes(), bytes);
    }

    /// Changes bytes of a record, and makes its digests right again.
    fn reseal(&self, offset: u64, change: impl Fn(&mut Vec<u8>)) {
        let mut bytes = self.record(offset);
        change(&mut bytes);
        let short = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let body = HEADER_BYTES + short(14) + short(104);
        let payload = Digest::of(&bytes[body..]);
        bytes[112..144].copy_from_slice(&payload.0);
        let hash = Digest::of_parts(&[&[0], &bytes[..176], &bytes[HEADER_BYTES..body]]);
        bytes[176..208].copy_from_slice(&hash.0);
        self.set(offset, bytes);
    }
}

/// What is done, what is said about it, and at which offset; and whether opening refuses it, too.
struct Case {
    what: &'static str,
    tamper: fn(&Direct, &[Record]),
    says: &'static str,
    at: u64,
    opens: bool,
}

const fn case(
    what: &'static str,
    tamper: fn(&Direct, &[Record]),
    says: &'static str,
    at: u64,
    opens: bool,
) -> Case {
    Case {
        what,
        tamper,
        says,
        at,
        opens,
    }
}

/// The blob of a record.
fn blob(record: &Record) -> [u8; 32] {
    let name = verify::blobs(&record.event).next().unwrap();
    name.parse::<Digest>().unwrap().0
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("a record is missing", |db, _| db.delete("records", 5_u64.to_be_bytes()), "expected record 5, found 6", 5, false),
    case("the first is missing", |db, _| db.delete("records", 1_u64.to_be_bytes()), "expected record 1, found 2", 1, false),
    case("the last is missing", |db, _| db.delete("records", 8_u64.to_be_bytes()), "its end is missing", 8, false),
    case("two are swapped", |db, _| { let five = db.record(5); db.set(5, db.record(6)); db.set(6, five); }, "expected record 5, found 6", 5, false),
    case("one stands twice", |db, _| db.set(6, db.record(5)), "expected record 6, found 5", 6, false),
    case("one of another history", |db, _| db.reseal(5, |it| it[40] ^= 1), "does not follow the record before it", 6, false),
    case("one was changed", |db, _| { let mut it = db.record(5); it[40] ^= 1; db.set(5, it); }, "does not match its hash", 5, false),
    case("a later format", |db, _| db.reseal(5, |it| it[2] = 2), "format 2: it was written by a newer version", 5, false),
    case("an unknown codec", |db, _| db.reseal(5, |it| it[3] = 9), "codec 9: it was written by a newer version", 5, false),
    case("an unknown type", |db, _| db.reseal(5, |it| it[10..12].fill(0xee)), "event of type 61166: it was written by a newer version", 5, false),
    case("a later version of a type", |db, _| db.reseal(5, |it| it[12] = 9), "version 9: this program knows up to 1; use a newer version", 5, false),
    case("no version", |db, _| db.reseal(5, |it| it[12] = 0), "version 0", 5, false),
    case("a payload that is no message", |db, _| db.reseal(5, |it| *it.last_mut().unwrap() ^= 0x80), "cannot read the payload of ArtifactFetched", 5, false),
    case("a length without end", |db, _| { let mut it = db.record(5); it[108..112].fill(0xff); db.set(5, it); }, "its length is not what its header says", 5, false),
    case("a header without end", |db, _| { let mut it = db.record(5); it[6..8].fill(0xff); db.set(5, it); }, "its length is not what its header says", 5, false),
    case("an offset without end", |db, _| db.reseal(5, |it| it[16..24].fill(0xff)), "expected record 5, found 18446744073709551615", 5, false),
    case("nothing in it", |db, _| db.set(5, b""), "shorter than a header", 5, false),
    case("something else in it", |db, _| db.set(5, [7; 300]), "does not begin with the magic number", 5, false),
    case("far beyond the end", |db, _| { let mut it = db.record(8); it[16..24].fill(0xff); db.set(u64::MAX, it); db.reseal(u64::MAX, |_| {}); }, "found 18446744073709551615", 9, false),
    case("a key that is no offset", |db, _| db.put("records", b"zzz", b""), "its key is not an offset", 0, false),
    case("a blob is missing", |db, records| db.delete("blobs", blob(&records[4])), "is not there", 5, true),
    case("a blob was changed", |db, records| db.put("blobs", blob(&records[4]), b"other"), "was changed after it was written", 5, true),
    case("a blob of another name", |db, _| db.put("blobs", [7; 32], b"other"), "was changed after it was written", 0, true),
    case("a later format of the log", |db, _| db.put("meta", b"format", b"3"), "it was written by a newer version", 0, false),
    case("no format of the log", |db, _| db.delete("meta", b"format"), "it does not tell its format", 0, false),
    case("another key", |db, _| db.put("meta", b"fingerprint", [7; 32]), "the log was written under another one", 0, false),
];

pub(crate) fn tampering() {
    for case in CASES {
        let directory = tempfile::tempdir().unwrap();
        let data = Data::new(directory.path());
        let records = written(directory.path());
        assert!(data.verify().is_sound(), "{:?}", data.verify());
        (case.tamper)(&Direct::open(directory.path()), &records);
        let report = data.verify();
        let what = case.what;
        let told = report
            .problems
            .iter()
            .find(|it| it.what.contains(case.says))
            .unwrap_or_else(|| panic!("{what}: {:?}", report.problems));
        assert_eq!(told.offset, Offset(case.at), "{what}: {told:?}");
        for mode in [Mode::Read, Mode::Write] {
            let opened = data.open_log(mode);
            assert_eq!(opened.is_ok(), case.opens, "{what}: {:?}", opened.err());
        }
        assert_eq!(
            data.verify().problems,
            report.problems,
            "{what}: a refusal changed it"
        );
    }
}

pub(crate) fn sizes() {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(directory.path());
    let log = data.open_log(Mode::Write).unwrap();
    let of = |bytes: usize| contract::sealed([contract::large_draft(bytes)]).remove(0);
    let around = encode(&of(1 << 20)).len() - (1 << 20);
    // The payload of sixteen mebibytes is one that a large Kustomization may have.
    let mut records = contract::sealed([
        contract::large_draft(16 << 20),
        contract::large_draft(RECORD_BYTES_MAX - around - 1),
        contract::large_draft(RECORD_BYTES_MAX - around + 64),
    ]);
    let too_large = records.split_off(2);
    assert!(encode(&records[1]).len() <= RECORD_BYTES_MAX);
    for record in &records {
        log.append(std::slice::from_ref(record)).unwrap();
    }
    let refused = log.append(&too_large).unwrap_err();
    assert!(
        refused.to_string().contains("more than a record may have"),
        "{refused}"
    );
    assert_eq!(log.head().offset, Offset(2));
    drop(log);
    let read = |log: fluvial_log_rocksdb::RocksLog| {
        let lengths = log.read(Offset::FIRST).map(|it| encode(&it.unwrap()).len());
        lengths.collect::<Vec<_>>()
    };
    let lengths: Vec<_> = records.iter().map(|it| encode(it).len()).collect();
    assert_eq!(read(data.open_log(Mode::Write).unwrap()), lengths);
    assert!(data.verify().is_sound());
    // Past the log: it is not read into memory as a record.
    Direct::open(directory.path()).set(2, vec![b'F'; RECORD_BYTES_MAX + 1]);
    let report = data.verify();
    let told = |it: &verify::Problem| it.what.contains("larger than a record may be");
    assert!(report.problems.iter().any(told), "{:?}", report.problems);
}
