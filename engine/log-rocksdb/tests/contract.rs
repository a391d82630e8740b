//! RocksDB keeps what every log, store of blobs and state promises; and what a data directory does.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::sync::Arc;

use fluvial_event::{Digest, Offset};
use fluvial_log::index::{self, Index, IndexStore, advance};
use fluvial_log::{Applied, BlobStore as _, Error, EventLog as _, Key, StateStore as _, contract};
use fluvial_log_rocksdb::{Data, Found, Mode, RocksLog, RocksState};
use tempfile::TempDir;

const FORMAT: &str = "test 1";

fn data() -> (TempDir, Data) {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(directory.path().join("data"));
    (directory, data)
}

fn write(data: &Data) -> RocksLog {
    data.open_log(Mode::Write).unwrap()
}

#[test]
fn keeps_the_contract_of_a_log() {
    for (name, check) in contract::LOG {
        println!("{name}");
        let (_directory, data) = data();
        check(&|| Arc::new(write(&data)));
        assert!(data.verify().is_sound(), "{:?}", data.verify());
    }
}

#[test]
fn keeps_the_contract_of_blobs() {
    for (name, check) in contract::BLOBS {
        println!("{name}");
        let (_directory, data) = data();
        check(&write(&data));
    }
}

#[test]
fn keeps_the_contract_of_a_state() {
    for (name, check) in contract::STATE {
        println!("{name}");
        let (_directory, data) = data();
        drop(data.open_log(Mode::Write).unwrap());
        check(&|| Arc::new(RocksState::open(&data.state_directory(), FORMAT).unwrap()));
    }
}

/// How much a start would read of the write-ahead log.
fn unsettled_bytes(data: &Data) -> u64 {
    let files = fs::read_dir(data.log_directory()).unwrap();
    let files = files.map(|it| it.unwrap());
    let logs = files.filter(|it| it.path().extension().is_some_and(|it| it == "log"));
    logs.map(|it| it.metadata().unwrap().len()).sum()
}

#[test]
fn a_settled_log_has_nothing_to_read_again_and_goes_on() {
    let (_directory, data) = data();
    let records = contract::records(300);
    let log = write(&data);
    log.append(&records[..200]).unwrap();
    let blob = log.put(b"manifest").unwrap();
    assert!(unsettled_bytes(&data) > 0);
    log.settle().unwrap();
    drop(log);
    assert_eq!(unsettled_bytes(&data), 0);
    let log = write(&data);
    log.append(&records[200..]).unwrap();
    let read: Vec<_> = log.read(Offset::FIRST).map(Result::unwrap).collect();
    assert_eq!(read, records);
    assert_eq!(log.get(&blob).unwrap(), b"manifest");
    drop(log);
    assert!(data.verify().is_sound(), "{:?}", data.verify());
    let reader = data.open_log(Mode::Read).unwrap();
    assert!(matches!(reader.settle(), Err(Error::Storage { .. })));
}

#[test]
fn a_log_with_the_streams_of_an_earlier_version_goes_on_without_them() {
    let (_directory, data) = data();
    let records = contract::records(6);
    write(&data).append(&records[..3]).unwrap();
    let directory = data.log_directory();
    let families = || rocksdb::DB::list_cf(&rocksdb::Options::default(), &directory).unwrap();
    let mut db =
        rocksdb::DB::open_cf(&rocksdb::Options::default(), &directory, families()).unwrap();
    db.create_cf("streams", &rocksdb::Options::default())
        .unwrap();
    let (streams, meta) = ["streams", "meta"]
        .map(|name| db.cf_handle(name).unwrap())
        .into();
    db.put_cf(meta, "format", "1").unwrap();
    db.put_cf(streams, [1; 24], b"").unwrap();
    // One entry in a table, another in the write-ahead log.
    db.flush_cf(streams).unwrap();
    db.put_cf(streams, [2; 24], b"").unwrap();
    drop(db);
    assert!(families().contains(&"streams".to_owned()));
    assert!(data.verify().is_sound(), "{:?}", data.verify());
    let read = |log: RocksLog| -> Vec<_> { log.read(Offset::FIRST).map(Result::unwrap).collect() };
    assert_eq!(read(data.open_log(Mode::Read).unwrap()), records[..3]);
    for batch in [&records[3..5], &records[5..]] {
        write(&data).append(batch).unwrap();
        assert!(!families().contains(&"streams".to_owned()));
    }
    let (options, all) = (rocksdb::Options::default(), families());
    let db = rocksdb::DB::open_cf_for_read_only(&options, &directory, all, false).unwrap();
    let format = db.get_cf(db.cf_handle("meta").unwrap(), "format");
    assert_eq!(
        format.unwrap().unwrap(),
        b"2",
        "the earlier version must refuse it"
    );
    drop(db);
    assert_eq!(read(data.open_log(Mode::Read).unwrap()), records);
    assert!(data.verify().is_sound(), "{:?}", data.verify());
}

#[test]
fn one_process_writes_and_others_read_beside_it() {
    let (_directory, data) = data();
    let records = contract::records(6);
    assert!(matches!(
        data.open_log(Mode::Read),
        Err(Error::NoKey { .. })
    ));
    let log = write(&data);
    log.append(&records[..3]).unwrap();
    assert!(matches!(data.open_log(Mode::Write), Err(Error::Locked(_))));
    let reader = data.open_log(Mode::Read).unwrap();
    let blob = log.put(b"later").unwrap();
    log.append(&records[3..]).unwrap();
    assert_eq!(
        (reader.head().offset, log.head().offset),
        (Offset(3), Offset(6))
    );
    assert_eq!(
        data.open_log(Mode::Read).unwrap().get(&blob).unwrap(),
        b"later"
    );
    assert!(matches!(
        reader.append(&records[3..4]),
        Err(Error::Storage { .. })
    ));
    assert!(matches!(reader.put(b"x"), Err(Error::Storage { .. })));
    assert!(data.verify().is_sound(), "{:?}", data.verify());
    let stats = log.stats().unwrap();
    assert_eq!(
        (stats.records, stats.first, stats.last, stats.blobs),
        (6, Offset(1), Offset(6), 1)
    );
    assert_eq!(stats.types["TermStarted"], 6);
}

#[test]
fn a_log_is_opened_under_its_own_key_only() {
    let (_directory, data) = data();
    let log = RocksLog::open(data.root(), Key::from_bytes([1; 32]), Mode::Write).unwrap();
    log.append(&contract::records(2)).unwrap();
    drop(log);
    for mode in [Mode::Read, Mode::Write] {
        let result = RocksLog::open(data.root(), Key::from_bytes([2; 32]), mode);
        assert!(result.is_err());
        RocksLog::open(data.root(), Key::from_bytes([1; 32]), mode).unwrap();
    }
    // A key that is lost is not replaced without a word.
    assert!(matches!(
        data.open_log(Mode::Write),
        Err(Error::NoKey { .. })
    ));
    assert!(data.verify_with(&Key::from_bytes([1; 32])).is_sound());
    assert!(!data.verify_with(&Key::from_bytes([2; 32])).is_sound());
}

#[test]
fn an_older_copy_and_another_history_are_refused_and_left_as_they_are() {
    let (directory, data) = data();
    let copy = directory.path().join("copy");
    let records = contract::records(5);
    let log = write(&data);
    log.append(&records[..3]).unwrap();
    drop(log);
    fs::rename(data.log_directory(), &copy).unwrap();
    copy_all(&copy, &data.log_directory());
    let log = write(&data);
    log.append(&records[3..]).unwrap();
    drop(log);
    fs::remove_dir_all(data.log_directory()).unwrap();
    let refused = data.open_log(Mode::Write);
    assert!(
        matches!(
            refused,
            Err(Error::Truncated {
                pinned: Offset(5),
                found: Offset(0)
            })
        ),
        "{refused:?}"
    );
    assert!(!data.log_directory().exists());
    assert!(!data.verify().is_sound());
    copy_all(&copy, &data.log_directory());
    for mode in [Mode::Read, Mode::Write] {
        let refused = data.open_log(mode);
        assert!(
            matches!(
                refused,
                Err(Error::Truncated {
                    pinned: Offset(5),
                    found: Offset(3)
                })
            ),
            "{refused:?}"
        );
    }
    assert!(!data.verify().is_sound());
    // The same offsets, but other records.
    let pin = fs::read(data.pin_file()).unwrap();
    fs::remove_dir_all(data.log_directory()).unwrap();
    fs::remove_file(data.pin_file()).unwrap();
    let log = write(&data);
    let drafts = (0..9).map(|number| contract::object_draft("podinfo", number));
    log.append(&contract::sealed(drafts)).unwrap();
    drop(log);
    fs::write(data.pin_file(), pin).unwrap();
    for mode in [Mode::Read, Mode::Write] {
        let refused = data.open_log(mode);
        assert!(
            matches!(refused, Err(Error::Replaced { offset: Offset(5) })),
            "{refused:?}"
        );
    }
    assert!(!data.verify().is_sound());
}

#[test]
fn state_comes_back_from_itself_a_snapshot_or_not_at_all() {
    let (_directory, data) = data();
    let records = contract::records(30);
    let log = write(&data);
    log.append(&records).unwrap();
    let at = |offset: usize| Applied {
        offset: records[offset - 1].offset,
        hash: records[offset - 1].hash,
    };
    let open = |format: &str| data.open_state(&log, format).unwrap();
    let (state, found) = open(FORMAT);
    assert!(matches!(found, Found::Nothing(_)), "{found:?}");
    for offset in [10, 20, 30] {
        let key = offset.to_string().into_bytes();
        state
            .commit(at(offset), &[(key, Some(vec![7; 100]))])
            .unwrap();
        assert_eq!(data.snapshot(&state, FORMAT).unwrap(), at(offset));
    }
    assert!(matches!(
        data.open_state(&log, FORMAT),
        Err(Error::Locked(_))
    ));
    drop(state);
    let snapshots = || {
        let entries = fs::read_dir(data.snapshots_directory()).unwrap();
        let mut names: Vec<_> = entries
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(snapshots(), ["20", "30"]);
    assert_eq!(open(FORMAT).1, Found::Kept);

    data.discard_state().unwrap();
    let (state, found) = open(FORMAT);
    assert!(matches!(found, Found::Restored(Offset(30), _)), "{found:?}");
    assert_eq!(
        (state.applied().unwrap(), state.load().count()),
        (at(30), 3)
    );
    // Of another history: every snapshot behind it is, too, but not those before.
    state
        .commit(
            Applied {
                offset: Offset(30),
                hash: Digest::of(b"other"),
            },
            &[],
        )
        .unwrap();
    data.snapshot(&state, FORMAT).unwrap();
    drop(state);
    let (state, found) = open(FORMAT);
    assert!(matches!(found, Found::Restored(Offset(20), _)), "{found:?}");
    // Ahead of the log.
    state
        .commit(
            Applied {
                offset: Offset(31),
                hash: Digest::of(b"other"),
            },
            &[],
        )
        .unwrap();
    drop(state);
    assert!(matches!(open(FORMAT).1, Found::Restored(Offset(20), _)));
    // Of another format.
    assert!(matches!(open("test 2").1, Found::Nothing(_)));
    // A snapshot with a changed byte is no snapshot.
    data.discard_state().unwrap();
    flip_one(&data.snapshots_directory().join("20/state"));
    assert!(matches!(open(FORMAT).1, Found::Nothing(_)));
}

#[test]
fn damaged_state_is_never_used() {
    let (directory, data) = data();
    let records = contract::records(3);
    let log = write(&data);
    log.append(&records).unwrap();
    let applied = Applied {
        offset: Offset(3),
        hash: records[2].hash,
    };
    let pairs: Vec<_> = (0..500_u32)
        .map(|n| {
            (
                n.to_be_bytes().to_vec(),
                Digest::of(&n.to_le_bytes()).0.to_vec(),
            )
        })
        .collect();
    let changes: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    let (state, _) = data.open_state(&log, FORMAT).unwrap();
    state.commit(applied, &changes).unwrap();
    drop(state);
    let copy = directory.path().join("copy");
    copy_all(&data.state_directory(), &copy);
    let mut refused = 0;
    for name in names(&copy, &["sst", "MANIFEST", "CURRENT"]) {
        let bytes = fs::read(copy.join(&name)).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 12 + 1) {
            data.discard_state().unwrap();
            copy_all(&copy, &data.state_directory());
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            fs::write(data.state_directory().join(&name), flipped).unwrap();
            let (state, found) = data.open_state(&log, FORMAT).unwrap();
            if found == Found::Kept {
                let loaded: Vec<_> = state.load().collect::<Result<_, _>>().unwrap();
                assert_eq!(
                    (loaded, state.applied().unwrap()),
                    (pairs.clone(), applied),
                    "{name} at {at}"
                );
            } else {
                refused += 1;
                assert_eq!(state.applied().unwrap(), Applied::default());
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

fn names(directory: &std::path::Path, kinds: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| kinds.iter().any(|kind| name.contains(kind)))
        .collect();
    names.sort();
    names
}

fn flip_one(directory: &std::path::Path) {
    let path = directory.join(&names(directory, &["sst"])[0]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[10] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn keeps_the_contract_of_an_index() {
    let (_directory, data) = data();
    drop(write(&data));
    index::contract::finds_what_a_scan_finds(&|| Box::new(data.open_index().unwrap()));
}

#[test]
fn an_index_is_read_beside_its_writer_and_made_again_when_it_is_lost() {
    let (_directory, data) = data();
    let log = write(&data);
    assert!(data.read_index().is_none());
    let writer = data.open_index().unwrap();
    let records = contract::records(30);
    for (end, batch) in [(10, &records[..10]), (30, &records[10..])] {
        log.append(batch).unwrap();
        // What is not flushed is read all the same.
        assert_eq!(advance(&log, &writer).unwrap(), Offset(end));
        let reader = data.read_index().unwrap();
        assert_eq!(reader.applied().unwrap().offset, Offset(end));
    }
    drop(writer);
    // Whatever is lost of it, and whatever it becomes, it is as before.
    let file = |nth: usize| {
        let files = fs::read_dir(data.index_directory()).unwrap();
        let mut files: Vec<_> = files.map(|it| it.unwrap().path()).collect();
        files.sort();
        files.get(nth).cloned()
    };
    for damage in 0..3 {
        for path in (0..).map_while(file) {
            let bytes = fs::read(&path).unwrap();
            match damage {
                0 => fs::remove_file(&path).unwrap(),
                1 => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                _ => fs::write(&path, b"nonsense").unwrap(),
            }
            let index = data.read_index();
            let stored = index.as_ref().map(|it| it as &dyn IndexStore);
            let read = Index::open(&log, stored, |_| {}).unwrap();
            let found = read.by_id(records[20].id).unwrap();
            assert_eq!(found.as_ref(), Some(&records[20]), "{}", path.display());
            drop(index);
            let store = data.open_index().unwrap();
            assert_eq!(advance(&log, &store).unwrap(), Offset(30));
            let index = Index::open(&log, Some(&store), |_| panic!("nothing is left to read"));
            let index = index.unwrap();
            for record in &records {
                assert_eq!(index.by_id(record.id).unwrap().as_ref(), Some(record));
            }
        }
    }
    data.discard_index().unwrap();
    assert!(data.read_index().is_none());
}
