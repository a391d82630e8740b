//! Commits and archives made to harm whoever reads them.

use std::io::Write;

use fluvial_manifest::{Entry, Tree};
use fluvial_source::{Error, Fetched, GitRequest, Limits, Reference, Retry, archive, fetch};
use tempfile::TempDir;

use crate::repository::Repository;
use crate::server::{Manners, Server};

fn read(repository: &Repository, limits: Limits) -> Result<Tree, Error> {
    let server = Server::start(repository.root(), Manners::default());
    let reference = Reference {
        branch: Some("main".to_owned()),
        ..Reference::default()
    };
    let request = GitRequest {
        reference,
        limits,
        ..GitRequest::new(server.url())
    };
    match fetch(&request, TempDir::new().unwrap().path())? {
        Fetched::New { tree, .. } => Ok(tree),
        Fetched::Unchanged { .. } => panic!("nothing was observed"),
    }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, what: &str) {
    match outcome {
        Err(error @ Error::Content { .. }) => assert_eq!(error.retry(), Retry::Later),
        other => panic!("{what} was not refused: {other:?}"),
    }
}

#[test]
fn hostile_names_in_a_tree_are_refused() {
    let names: [&[u8]; 11] = [
        b".git",
        b".GIT",
        ".g\u{200c}it".as_bytes(),
        b"git~1",
        b".git ",
        b".git::$INDEX_ALLOCATION",
        b"..",
        b".",
        b"a/b",
        b"a\nb",
        b"\xff",
    ];
    let repository = Repository::with(&[("a", "1")]);
    let blob = repository.blob("x");
    for name in names {
        repository.commit_raw_tree(&[("100644", name, &blob)]);
        refused(
            read(&repository, Limits::default()),
            &String::from_utf8_lossy(name),
        );
    }
}

#[test]
fn one_name_for_two_things_is_refused() {
    let repository = Repository::with(&[("d/x", "1")]);
    let blob = repository.blob("/etc/passwd");
    let tree = repository.git(&["rev-parse", "HEAD:d"]);
    for entries in [
        [
            ("120000", b"a".as_slice(), blob.as_str()),
            ("40000", b"a", tree.as_str()),
        ],
        [
            ("100644", b"a", blob.as_str()),
            ("100644", b"a", blob.as_str()),
        ],
    ] {
        repository.commit_raw_tree(&entries);
        refused(read(&repository, Limits::default()), "a twice");
    }
}

/// A limit, and whether the sample stays within it.
type Case = (fn(&mut Limits), bool);

#[test]
fn limits_hold_to_the_byte() {
    let repository = Repository::with(&[("d/a", "12345"), ("b", "123")]);
    let table: [Case; 10] = [
        (|limits| limits.file_bytes_max = 5, true),
        (|limits| limits.file_bytes_max = 4, false),
        (|limits| limits.total_bytes_max = 8, true),
        (|limits| limits.total_bytes_max = 7, false),
        (|limits| limits.entries_max = 3, true),
        (|limits| limits.entries_max = 2, false),
        (|limits| limits.depth_max = 1, true),
        (|limits| limits.depth_max = 0, false),
        (|limits| limits.path_bytes_max = 3, true),
        (|limits| limits.path_bytes_max = 2, false),
    ];
    for (lower, fits) in table {
        let mut limits = Limits::default();
        lower(&mut limits);
        match (read(&repository, limits), fits) {
            (Ok(_), true) => {}
            (outcome, false) => refused(outcome, &format!("{limits:?}")),
            (Err(error), true) => panic!("{limits:?}: {error}"),
        }
    }
}

#[test]
fn a_file_too_large_is_no_matter_when_it_is_ignored() {
    let repository = Repository::with(&[
        ("big.bin", "0123456789"),
        (".sourceignore", "*.bin"),
        ("a", "1"),
    ]);
    let tree = read(
        &repository,
        Limits {
            file_bytes_max: 5,
            ..Limits::default()
        },
    )
    .unwrap();
    assert_eq!(
        tree.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        [".sourceignore", "a"]
    );
}

#[test]
fn an_endless_answer_is_cut_off() {
    let repository = Repository::with(&[("a", &"x".repeat(100_000))]);
    let error = read(
        &repository,
        Limits {
            received_bytes_max: 100,
            ..Limits::default()
        },
    )
    .unwrap_err();
    assert!(error.to_string().contains("more than 100 bytes"), "{error}");
}

#[test]
fn a_tree_that_multiplies_itself_is_refused() {
    let repository = Repository::with(&[("a", "1")]);
    let mut id = repository.git(&["rev-parse", "HEAD^{tree}"]);
    for _ in 0..10 {
        let lines: Vec<String> = (0..10)
            .map(|name| {
                format!(
                    "040000 tree {id}	{name}
"
                )
            })
            .collect();
        let lines = lines.concat();
        id = repository.git_with(&["mktree"], lines.as_bytes());
    }
    let commit = repository.git(&["commit-tree", "-m", "bomb", &id]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
    refused(
        read(
            &repository,
            Limits {
                entries_max: 10_000,
                ..Limits::default()
            },
        ),
        "ten thousand million files",
    );
}

fn sample() -> Tree {
    let mut tree = Tree::new();
    tree.insert("dir/a.yaml", Entry::file(*b"one")).unwrap();
    let run = Entry::File {
        bytes: (*b"two").into(),
        executable: true,
    };
    tree.insert(&format!("{}/run", "long".repeat(60)), run)
        .unwrap();
    tree.insert(
        "link",
        Entry::Link {
            target: "dir/a.yaml".to_owned(),
        },
    )
    .unwrap();
    tree
}

#[test]
fn what_is_packed_is_unpacked_and_packed_the_same() {
    let tree = sample();
    let packed = archive::pack(&tree).unwrap();
    let unpacked = archive::unpack(&packed, &Limits::default()).unwrap();
    assert_eq!(unpacked, tree);
    assert_eq!(archive::pack(&unpacked).unwrap(), packed);
    assert!(archive::digest(&packed).starts_with("sha256:"));
    assert_eq!(archive::digest(b"").len(), "sha256:".len() + 64);
}

#[test]
fn an_archive_tells_nothing_of_where_it_was_made() {
    let packed = archive::pack(&sample()).unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
    let mut modes = Vec::new();
    for entry in tar.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap()
            ),
            (0, 0, 0)
        );
        assert_eq!(header.username().unwrap(), Some(""));
        modes.push(header.mode().unwrap());
    }
    assert_eq!(modes, [0o750, 0o600, 0o600, 0o750, 0o700]);
}

/// One entry of a tar that no library would write.
fn raw(name: &str, kind: tar::EntryType, link: &str, mode: u32, body: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(body.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    let padding = vec![0; (512 - body.len() % 512) % 512];
    [header.as_bytes().as_slice(), body, &padding].concat()
}

fn zipped(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for entry in entries {
        gzip.write_all(entry).unwrap();
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}

fn file(name: &str) -> Vec<u8> {
    raw(name, tar::EntryType::Regular, "", 0o644, b"x")
}

fn entry(name: &str, kind: tar::EntryType, body: &[u8]) -> Vec<u8> {
    raw(name, kind, "", 0o644, body)
}

fn link(name: &str, kind: tar::EntryType, target: &str) -> Vec<u8> {
    raw(name, kind, target, 0o777, b"")
}

#[test]
fn archives_with_hostile_entries_are_refused() {
    use tar::EntryType as Kind;
    let long = "a/".repeat(32 << 10);
    let table = [
        ("..", vec![file("../x")]),
        (".. inside", vec![file("a/../../x")]),
        ("absolute", vec![file("/etc/x")]),
        (".git", vec![file(".git/config")]),
        ("double slash", vec![file("a//b")]),
        ("hard link", vec![link("a", Kind::Link, "/etc/passwd")]),
        ("device", vec![entry("a", Kind::Char, b"")]),
        ("block device", vec![entry("a", Kind::Block, b"")]),
        ("fifo", vec![entry("a", Kind::Fifo, b"")]),
        ("setuid", vec![raw("a", Kind::Regular, "", 0o4755, b"x")]),
        (
            "hostile directory",
            vec![entry("../a/", Kind::Directory, b"")],
        ),
        ("link to nothing", vec![link("a", Kind::Symlink, "")]),
        (
            "two sizes",
            vec![entry("pax", Kind::XHeader, b"10 size=2\n"), file("a")],
        ),
        (
            "long path",
            vec![entry("l", Kind::GNULongName, long.as_bytes()), file("a")],
        ),
    ];
    for (what, entries) in table {
        refused(archive::unpack(&zipped(&entries), &Limits::default()), what);
    }
}

#[test]
fn archives_that_contradict_themselves_are_refused() {
    use tar::EntryType as Kind;
    let directory = || entry("a/", Kind::Directory, b"");
    let table = [
        ("twice", vec![file("a"), file("a")]),
        ("twice, spelled twice", vec![file("a"), file("./a")]),
        (
            "through a link",
            vec![link("a", Kind::Symlink, "/tmp"), file("a/b")],
        ),
        ("file over directory", vec![directory(), file("a")]),
        ("directory over file", vec![file("a"), directory()]),
    ];
    for (what, entries) in table {
        refused(archive::unpack(&zipped(&entries), &Limits::default()), what);
    }
    let good = zipped(&[
        file("./a"),
        entry("./b/", Kind::Directory, b""),
        file("b/c"),
    ]);
    assert_eq!(archive::unpack(&good, &Limits::default()).unwrap().len(), 2);
    for broken in [&good[..good.len() / 2], b"nonsense".as_slice(), b""] {
        let error = archive::unpack(broken, &Limits::default()).unwrap_err();
        assert!(
            matches!(error, Error::Archive { .. } | Error::Content { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn an_archive_stays_within_its_limits() {
    let five = |name: &str| entry(name, tar::EntryType::Regular, b"12345");
    let packed = zipped(&[five("a"), five("b")]);
    let whole = Limits::default();
    for (limits, fits) in [
        (
            Limits {
                entries_max: 2,
                ..whole
            },
            true,
        ),
        (
            Limits {
                entries_max: 1,
                ..whole
            },
            false,
        ),
        (
            Limits {
                file_bytes_max: 5,
                ..whole
            },
            true,
        ),
        (
            Limits {
                file_bytes_max: 4,
                ..whole
            },
            false,
        ),
        (
            Limits {
                total_bytes_max: 10,
                ..whole
            },
            true,
        ),
        (
            Limits {
                total_bytes_max: 9,
                ..whole
            },
            false,
        ),
    ] {
        assert_eq!(
            archive::unpack(&packed, &limits).is_ok(),
            fits,
            "{limits:?}"
        );
    }
}
