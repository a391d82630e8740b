//! Bases that are remote, beside the real kustomize: a git repository on this disk, named by its URL.

use std::fs;
use std::path::Path;
use std::process::Command;

use fluvial_conformance::{Case, read};
use fluvial_kustomize::{Brought, Built, Means, Options, Remotes, build, build_with};
use fluvial_manifest::yaml;

const BASE: &str = "\
-- base/kustomization.yaml --
namePrefix: base-
resources: [cm.yaml, ../other]
-- base/cm.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
-- other/kustomization.yaml --
configMapGenerator: [{name: made, literals: [a=b]}]
";

/// The files of one case.
fn case(text: &str) -> Case {
    read(&format!("=== one\n{text}")).remove(0)
}

fn write(folder: &Path, case: &Case) {
    for (path, content) in &case.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("it can be made");
        fs::write(path, content).expect("it can be written");
    }
}

fn means(remotes: &Remotes) -> Means<'_> {
    Means {
        remotes: Some(remotes),
        ..Means::default()
    }
}

fn git(folder: &Path, words: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@b", "-C"])
        .arg(folder)
        .args(words)
        .output()
        .expect("git is there");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// What the real kustomize prints for a directory.
fn theirs(folder: &Path) -> String {
    let done = Command::new("kustomize")
        .arg("build")
        .arg(folder)
        .output()
        .expect("kustomize is there: ./ops/test builds it");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).expect("it prints text")
}

#[test]
fn a_base_in_another_repository_is_built_as_kustomize_builds_it() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("remote");
    drop(fs::remove_dir_all(&folder));
    let base = case(BASE);
    let repository = folder.join("repository");
    write(&repository, &base);
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "--message=one"]);
    for (url, path) in [("//base?ref=main", "base"), ("//other", "other")] {
        let url = format!("file://{}{url}", repository.display());
        let overlay = format!(
            "-- kustomization.yaml --\nnameSuffix: -x\nresources: ['{url}']\nbuildMetadata: [originAnnotations]\n"
        );
        let overlay = case(&overlay);
        let local = folder.join(format!("overlay-{path}"));
        write(&local, &overlay);

        let options = Options::default();
        let refused = build(&overlay.tree(), "", &options).expect_err("a build fetches nothing");
        assert_eq!(
            (refused.field.as_str(), refused.line),
            ("resources[0]", Some(2)),
            "{refused}"
        );

        let mut remotes = Remotes::new();
        let needs = build_with(&overlay.tree(), "", &options, means(&remotes));
        let Ok(Built::Needs(needs)) = needs else {
            panic!("{needs:?}");
        };
        let [needed] = needs.as_slice() else {
            panic!("{needs:?}");
        };
        assert_eq!(
            (needed.url.as_str(), needed.may_be_file),
            (url.as_str(), false)
        );
        let of = needed.repository.as_ref().expect("it is a repository");
        assert_eq!(
            (of.clone.clone(), of.path.as_str()),
            (format!("file://{}", repository.display()), path)
        );

        remotes.insert(url.clone(), Brought::Repository(base.tree()));
        match build_with(&overlay.tree(), "", &options, means(&remotes)) {
            Ok(Built::Objects(objects)) => {
                assert_eq!(yaml::to_multi(&objects), theirs(&local), "{url}");
            }
            other => panic!("{other:?}"),
        }
    }
}
