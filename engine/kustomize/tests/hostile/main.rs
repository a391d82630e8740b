//! Repositories made to harm whoever builds them: what each is, and the verdict that it must get.
//!
//! Every row has the id of a kind of attack, as in `SECURITY.md`, which lists them all. A refusal must name
//! the place and the limit or the reason. All of them are built as Flux builds, with no restriction on the
//! directory; a build that takes longer than a test may is a failure, too.
#![expect(clippy::too_many_lines, reason = "each test is one table")]

mod bombs;

use std::fmt::Write as _;

use fluvial_kustomize::build_flux;
use fluvial_kustomize::flux::{Overlay, Patch, PatchTarget};
use fluvial_manifest::{Entry, Tree};

/// A path, and its text; `-> ` makes it a link.
type Files = Vec<(String, String)>;

enum Verdict {
    /// Nothing is built, and the message has all these words.
    Refused(&'static [&'static str]),
    /// It is harmless: so many objects.
    Built(usize),
}
use Verdict::{Built, Refused};

struct Case {
    id: &'static str,
    what: &'static str,
    cve: &'static str,
    files: Files,
    overlay: Overlay,
    verdict: Verdict,
}

const OUTSIDE: &str = "leads out of the repository";
const FETCHES: &str = "a build fetches nothing";
const CM: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {k: v}}\n";

fn case(
    id: &'static str,
    what: &'static str,
    cve: &'static str,
    files: Files,
    verdict: Verdict,
) -> Case {
    Case {
        id,
        what,
        cve,
        files,
        overlay: Overlay::default(),
        verdict,
    }
}

/// One kustomization at `k`, beside files that would be worth reading.
fn kustomization(text: impl Into<String>) -> Files {
    let mut files = owned(&[("k/c.yaml", CM), ("secret/token", "t0ps3cret")]);
    files.push(("k/kustomization.yaml".to_owned(), text.into()));
    files
}

fn owned(files: &[(&str, &str)]) -> Files {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}

/// A single manifest, and no kustomization.
fn manifest(text: impl Into<String>) -> Files {
    vec![("k/a.yaml".to_owned(), text.into())]
}

fn tree(files: &Files) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        let entry = match text.strip_prefix("-> ") {
            Some(target) => Entry::Link {
                target: target.to_owned(),
            },
            None => Entry::file(text.as_bytes()),
        };
        tree.insert(path, entry)
            .expect("the test's paths are normal");
    }
    tree
}

fn check(cases: Vec<Case>) {
    let mut failures = String::new();
    for Case {
        id,
        what,
        cve,
        files,
        overlay,
        verdict,
    } in cases
    {
        let outcome = build_flux(&tree(&files), "k", &overlay);
        let outcome = outcome
            .map(|objects| objects.len())
            .map_err(|error| error.to_string());
        let is_so = match (&verdict, &outcome) {
            (Refused(words), Err(message)) => {
                message.starts_with("cannot build")
                    && message.len() < 2000
                    && words.iter().all(|word| message.contains(word))
            }
            (Built(wanted), Ok(built)) => wanted == built,
            (Refused(_), Ok(_)) | (Built(_), Err(_)) => false,
        };
        // What is in a file that was not to be read must not get out in a message, either.
        if !is_so
            || outcome
                .as_ref()
                .is_err_and(|message| message.contains("t0ps3cret"))
        {
            let mut outcome = format!("{outcome:?}");
            outcome.truncate(600);
            writeln!(failures, "{id} {what} {cve}: {outcome}").expect("a String takes it");
        }
    }
    assert!(failures.is_empty(), "the verdict is another:\n{failures}");
}

#[test]
fn paths_stay_inside_the_repository() {
    let resource = |path: &str| kustomization(format!("resources: [{path:?}]\n"));
    check(vec![
        case(
            "A1",
            "up and out",
            "CVE-2022-24877",
            resource("../../../../etc/passwd"),
            Refused(&["k/kustomization.yaml", "resources", OUTSIDE]),
        ),
        case(
            "A1",
            "absolute",
            "CVE-2022-24877",
            resource("/etc/passwd"),
            Refused(&["resources", "absolute path"]),
        ),
        case(
            "A1",
            "file URL",
            "CVE-2022-24877",
            resource("file:///etc/passwd"),
            Refused(&["resources", "remote"]),
        ),
        case(
            "A1",
            "drive letter",
            "",
            resource(r"C:\Windows\win.ini"),
            Refused(&["resources", "cannot find"]),
        ),
        case(
            "A1",
            "NUL",
            "",
            resource("c.yaml\0/etc/passwd"),
            Refused(&["k/kustomization.yaml"]),
        ),
        case(
            "A1",
            "encoded dots",
            "",
            resource("%2e%2e/secret/token"),
            Refused(&["resources", "cannot find"]),
        ),
        case(
            "A2",
            "out and in again",
            "CVE-2022-24877",
            resource("../../repo/secret"),
            Refused(&["resources", OUTSIDE]),
        ),
        case(
            "A17",
            "component outside",
            "CVE-2022-24877",
            kustomization("components: [../../elsewhere]\n"),
            Refused(&["components", OUTSIDE]),
        ),
        case(
            "A17",
            "patch outside",
            "",
            kustomization("resources: [c.yaml]\npatches: [{path: ../../etc/passwd}]\n"),
            Refused(&["patches[0]", OUTSIDE]),
        ),
        case(
            "A17",
            "configuration outside",
            "",
            kustomization("resources: [c.yaml]\nconfigurations: [../../etc/passwd]\n"),
            Refused(&[OUTSIDE]),
        ),
        case(
            "A17",
            "CRDs outside",
            "",
            kustomization("resources: [c.yaml]\ncrds: [../../etc/passwd]\n"),
            Refused(&[OUTSIDE]),
        ),
        case(
            "A17",
            "OpenAPI outside",
            "",
            kustomization("resources: [c.yaml]\nopenapi: {path: ../../etc/passwd}\n"),
            Refused(&[OUTSIDE]),
        ),
        case(
            "A17",
            "replacement outside",
            "",
            kustomization("resources: [c.yaml]\nreplacements: [{path: ../../etc/passwd}]\n"),
            Refused(&[OUTSIDE]),
        ),
        case(
            "A17",
            "environment of the process",
            "",
            kustomization("configMapGenerator: [{name: x, files: [/proc/self/environ]}]\n"),
            Refused(&["configMapGenerator", "absolute path"]),
        ),
        case(
            "A17",
            "environment file outside",
            "",
            kustomization("secretGenerator: [{name: x, envs: [../../../proc/self/environ]}]\n"),
            Refused(&["secretGenerator", OUTSIDE]),
        ),
        case(
            "A17",
            "service account token",
            "",
            kustomization(
                "secretGenerator: [{name: x, files: [t=/var/run/secrets/kubernetes.io/serviceaccount/token]}]\n",
            ),
            Refused(&["secretGenerator", "absolute path"]),
        ),
    ]);
}

#[test]
fn links_stay_inside_the_repository() {
    let linked = |links: &[(&str, &str)]| {
        let mut files = owned(&[
            ("k/kustomization.yaml", "resources: [a.yaml]\n"),
            ("other/x.yaml", CM),
        ]);
        files.extend(owned(links));
        files
    };
    check(vec![
        case(
            "A3",
            "link to a file of the system",
            "CVE-2022-24877",
            linked(&[("k/a.yaml", "-> /etc/passwd")]),
            Refused(&["resources", "leads out of the repository"]),
        ),
        case(
            "A3",
            "link to a token",
            "CVE-2022-24877",
            linked(&[(
                "k/a.yaml",
                "-> ../../../var/run/secrets/kubernetes.io/serviceaccount/token",
            )]),
            Refused(&["resources", "leads out"]),
        ),
        case(
            "A3",
            "link to a neighbour in the same repository",
            "",
            linked(&[("k/a.yaml", "-> ../other/x.yaml")]),
            Built(1),
        ),
        case(
            "A4",
            "file through a linked directory",
            "",
            linked(&[("k/a.yaml", "-> d/passwd"), ("k/d", "-> /etc")]),
            Refused(&["leads out"]),
        ),
        case(
            "A5",
            "link to itself",
            "",
            linked(&[("k/a.yaml", "-> a.yaml")]),
            Refused(&["more than 40 links, or a loop"]),
        ),
        case(
            "A5",
            "links in a ring",
            "",
            linked(&[("k/a.yaml", "-> b.yaml"), ("k/b.yaml", "-> a.yaml")]),
            Refused(&["more than 40 links, or a loop"]),
        ),
        case(
            "A5",
            "a directory that is in itself",
            "",
            owned(&[("k/c.yaml", CM), ("k/d", "-> .")]),
            Built(1),
        ),
    ]);
}

#[test]
fn nothing_is_fetched_or_executed() {
    let remote = |path: &str| kustomization(format!("resources: [{path:?}]\n"));
    check(vec![
        case(
            "A17",
            "https",
            "",
            remote("https://169.254.169.254/latest/meta-data/"),
            Refused(&["resources", FETCHES]),
        ),
        case(
            "A17",
            "git over ssh",
            "",
            remote("git@host:org/repo"),
            Refused(&["resources", FETCHES]),
        ),
        case(
            "A17",
            "git with a query",
            "",
            remote("https://github.com/org/repo//base?ref=main"),
            Refused(&["resources", FETCHES]),
        ),
        case(
            "A17",
            "short form",
            "",
            remote("github.com/org/repo"),
            Refused(&["resources", FETCHES]),
        ),
        case(
            "A17",
            "a program as transport",
            "",
            remote("ext::sh -c id"),
            Refused(&["resources"]),
        ),
        case(
            "A17",
            "chart inflator",
            "CVE-2022-24348",
            kustomization("helmCharts: [{name: x, repo: 'https://host'}]\n"),
            Refused(&["helmCharts"]),
        ),
        case(
            "A17",
            "exec function",
            "",
            executed("config.kubernetes.io/function: \"exec: {path: ./run.sh}\""),
            Refused(&["k/"]),
        ),
        case(
            "A17",
            "container function",
            "",
            executed("config.kubernetes.io/function: \"container: {image: evil}\""),
            Refused(&["k/"]),
        ),
    ]);
}

fn executed(annotation: &str) -> Files {
    let mut files = kustomization("resources: [c.yaml]\ntransformers: [t.yaml]\n");
    let function = format!(
        "apiVersion: x/v1\nkind: Evil\nmetadata:\n  name: t\n  annotations:\n    {annotation}\n"
    );
    files.push(("k/t.yaml".to_owned(), function));
    files
}

#[test]
fn what_a_spec_lays_over_is_held_to_the_same() {
    let patch = |text: &str| Overlay {
        patches: vec![Patch {
            patch: text.to_owned(),
            target: Some(PatchTarget {
                kind: "ConfigMap".into(),
                ..PatchTarget::default()
            }),
        }],
        ..Overlay::default()
    };
    let component = |path: &str| Overlay {
        components: vec![path.to_owned()],
        ..Overlay::default()
    };
    let with = |id, what, overlay, words| Case {
        overlay,
        ..case(
            id,
            what,
            "",
            kustomization("resources: [c.yaml]\n"),
            Refused(words),
        )
    };
    check(vec![
        with(
            "A9",
            "a component beside the repository",
            component("../../sibling"),
            &["spec.components", "inside the repository"],
        ),
        with(
            "A9",
            "a remote component",
            component("https://host/x"),
            &["spec.components"],
        ),
        with(
            "B4",
            "a patch that contains itself",
            patch("a: &a [*a]\n"),
            &["an anchor contains itself"],
        ),
    ]);
}
