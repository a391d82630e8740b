//! Ignore rules, against what git itself says.

use std::collections::BTreeSet;

use fluvial_source::{Fetched, GitRequest, Ignore, Reference, fetch};
use tempfile::TempDir;

use crate::repository::Repository;
use crate::server::{Manners, Server};

const PATHS: &[&str] = &[
    "a.md",
    "a.yaml",
    "deploy/a.yaml",
    "deploy/docs/readme.md",
    "deploy/docs/sub/x.md",
    "deploy/x.txt",
    "docs/readme.md",
    "foo",
    "foobar/x",
    "sub/foo/x",
    "sub/bar/foo",
    "sub/a b.txt",
    "sub/a.yaml",
    "x[1].txt",
    "#hash",
    "!bang",
    "trailing ",
];

/// What git leaves out, given the patterns at the root.
fn git_ignores(patterns: &str) -> BTreeSet<String> {
    let repository = Repository::new();
    std::fs::write(repository.path().join(".git/info/exclude"), patterns).unwrap();
    let input: Vec<u8> = PATHS
        .iter()
        .flat_map(|path| [path.as_bytes(), b"\0"].concat())
        .collect();
    for path in PATHS {
        let path = repository.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    // It answers "none" with a status of one, so one that always matches goes along.
    std::fs::write(repository.path().join(".gitignore"), "/always\n").unwrap();
    let input = [input.as_slice(), b"always\0"].concat();
    let output = repository.git_with(&["check-ignore", "-z", "--no-index", "--stdin"], &input);
    output
        .split('\0')
        .filter(|path| !path.is_empty() && *path != "always")
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn patterns_mean_what_git_says_they_mean() {
    for patterns in [
        "*.md",
        "/*.md",
        "foo",
        "foo/",
        "/foo",
        "sub/foo",
        "**/foo",
        "sub/**",
        "deploy/**/*.md",
        "/*\n!/deploy\n/deploy/**/*.md\n/deploy/**/*.txt",
        "*.yaml\n!sub/a.yaml",
        "# comment\n\n*.txt",
        "\\#hash",
        "\\!bang",
        "a\\ b.txt\nsub/a b.txt",
        "*.md   ",
        "trailing\\ ",
        "x\\[1\\].txt",
        "x[[]1].txt",
        "fo?",
        "*/foo",
        "[a-c].yaml",
        "*.yaml\r\n",
        "doc?/",
        "deploy/docs/**/x.md",
    ] {
        let ignore = Ignore::new([(".sourceignore", patterns.as_bytes())], None);
        let ours: BTreeSet<String> = PATHS
            .iter()
            .filter(|path| ignore.excludes(path))
            .map(|path| (*path).to_owned())
            .collect();
        assert_eq!(ours, git_ignores(patterns), "{patterns:?}");
    }
}

#[test]
fn a_file_comes_back_from_a_directory_that_is_left_out_as_in_flux() {
    let ignore = Ignore::new([], Some("docs/\n!docs/readme.md"));
    assert!(!ignore.excludes("docs/readme.md"));
    assert!(ignore.excludes("docs/other.md"));
}

#[test]
fn defaults_hold_until_anyone_writes_a_pattern() {
    let nobody = Ignore::new([], None);
    let only_comments = Ignore::new([(".sourceignore", b"# nothing\n\n".as_slice())], Some(""));
    let somebody = Ignore::new([("deep/down/.sourceignore", b"x".as_slice())], None);
    let spec = Ignore::new([], Some("x"));
    for (path, by_default, always) in [
        ("a.jpg", true, false),
        ("sub/b.tar.gz", true, false),
        (".github/workflows/a.yaml", true, false),
        (".sops.yaml", true, false),
        ("sub/.flux.yaml", true, false),
        ("sub/.gitignore", true, true),
        (".gitmodules", true, true),
        ("a.yaml", false, false),
    ] {
        for ignore in [&nobody, &only_comments] {
            assert_eq!(ignore.excludes(path), by_default, "{path}");
        }
        for ignore in [&somebody, &spec] {
            assert_eq!(ignore.excludes(path), always, "{path}");
        }
    }
}

#[test]
fn rules_count_where_their_file_is_and_the_object_has_the_last_word() {
    let files = [
        (".sourceignore", b"*.txt".as_slice()),
        ("sub/.sourceignore", b"!keep.txt\n/only-here".as_slice()),
    ];
    let table = [
        (None, "keep.txt", true),
        (None, "sub/keep.txt", false),
        (None, "sub/deep/keep.txt", false),
        (None, "subway/keep.txt", true),
        (None, "sub/only-here", true),
        (None, "sub/x/only-here", false),
        (Some("keep.txt"), "sub/keep.txt", true),
        (Some("!*.txt"), "a.txt", false),
    ];
    for (spec, path, excluded) in table {
        assert_eq!(
            Ignore::new(files, spec).excludes(path),
            excluded,
            "{path} {spec:?}"
        );
    }
}

#[test]
fn a_fetch_applies_the_rules_and_the_sparse_directories() {
    let repository = Repository::with(&[
        ("a.jpg", "x"),
        ("apps/a.yaml", "x"),
        ("apps/.sourceignore", "secret*"),
        ("apps/secret.yaml", "x"),
        ("apps-more/b.yaml", "x"),
        ("infra/c.yaml", "x"),
    ]);
    let server = Server::start(repository.root(), Manners::default());
    let table: [(Option<&str>, &[&str], &[&str]); 4] = [
        (
            None,
            &[],
            &[
                "a.jpg",
                "apps-more/b.yaml",
                "apps/.sourceignore",
                "apps/a.yaml",
                "infra/c.yaml",
            ],
        ),
        (None, &["./infra"], &["infra/c.yaml"]),
        (
            None,
            &["apps/", "infra"],
            &["apps/.sourceignore", "apps/a.yaml", "infra/c.yaml"],
        ),
        (Some("/*\n!/infra"), &[], &["infra/c.yaml"]),
    ];
    let reference = Reference {
        branch: Some("main".to_owned()),
        ..Reference::default()
    };
    let request = GitRequest {
        reference,
        ..GitRequest::new(server.url())
    };
    let cache = TempDir::new().unwrap();
    for (ignore, sparse, paths) in table {
        let request = GitRequest {
            ignore: ignore.map(ToOwned::to_owned),
            sparse_checkout: sparse.iter().map(|path| (*path).to_owned()).collect(),
            ..request.clone()
        };
        let Fetched::New { tree, .. } = fetch(&request, cache.path()).unwrap() else {
            panic!("nothing new")
        };
        assert_eq!(tree.iter().map(|(path, _)| path).collect::<Vec<_>>(), paths);
    }
    let request = GitRequest {
        sparse_checkout: vec!["gone".to_owned()],
        ..request
    };
    let error = fetch(&request, cache.path()).unwrap_err();
    assert!(error.to_string().contains("'gone'"), "{error}");
}
