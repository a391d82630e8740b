//! `fluvial render kustomize` of what is elsewhere, beside the real kustomize, git and helm: bases in repositories
//! over http, ssh and on this disk, and charts of repositories.
#![expect(
    clippy::unwrap_used,
    reason = "clippy sees only `#[test]` functions as tests, not what they call"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use fluvial_support::{ChartRepository, GitServer, Repository, SshServer, built};
use tempfile::TempDir;

/// A directory that is built on both sides.
struct Case {
    title: &'static str,
    /// Its kustomization, with the names of places in braces.
    text: &'static str,
    flags: &'static [&'static str],
    /// Words of our refusal; where there are none, both print the same.
    refused: &'static [&'static str],
}

const fn same(title: &'static str, text: &'static str) -> Case {
    Case {
        title,
        text,
        flags: &[],
        refused: &[],
    }
}

const fn refused(
    title: &'static str,
    text: &'static str,
    refused: &'static [&'static str],
) -> Case {
    Case {
        refused,
        ..same(title, text)
    }
}

#[rustfmt::skip]
const BASES: &[Case] = &[
    same("the default branch", "resources: ['{http}/app.git//base']"),
    same("a base, changed", "resources: ['{http}/app.git//base']\nnamePrefix: my-\nnamespace: prod"),
    same("where it comes from", "resources: ['{http}/app.git//base']\nbuildMetadata: [originAnnotations, transformerAnnotations]"),
    same("without the double slash", "resources: ['{http}/app.git/base']"),
    same("the root of a repository", "resources: ['{http}/lib.git']"),
    same("a tag", "resources: ['{http}/app.git//base?ref=v1']"),
    same("a tag, as a version", "resources: ['{http}/app.git//base?version=v1']"),
    same("a branch", "resources: ['{http}/app.git//base?ref=release/x']"),
    same("a commit", "resources: ['{http}/app.git//base?ref={commit}']"),
    same("a whole reference", "resources: ['{http}/app.git//base?ref=refs/heads/release/x']"),
    same("git:: before the URL", "resources: ['git::{http}/app.git//base']"),
    same("a component", "resources: [cm.yaml]\ncomponents: ['{http}/app.git//component']"),
    same("two of one repository", "resources: ['{http}/app.git//base?ref=v1', '{http}/app.git//other']"),
    same("a base in a base, in another repository", "resources: ['{http}/app.git//nested']"),
    same("files that artifacts leave out", "resources: ['{http}/app.git//ignored']"),
    same("what a submodule has", "resources: ['{http}/app.git//uses-lib']"),
    same("a submodule that nobody uses", "resources: ['{http}/app.git//base?submodules=false']"),
    same("a repository of this disk", "resources: ['file://{disk}//base?ref=main&submodules=false']"),
    same("its default branch", "resources: ['file://{disk}//base?submodules=0']"),
    same("over ssh", "resources: ['{ssh}//base?ref=v1']"),
    refused("no such reference", "resources: ['{http}/app.git//base?ref=nope']", &["nope", "?ref="]),
    refused("no such reference on this disk", "resources: ['file://{disk}//base?ref=nope']", &["nope", "correct the reference"]),
    refused("no such repository", "resources: ['{http}/nope.git//base']", &["nope.git"]),
    refused("no such repository on this disk", "resources: ['file:///nowhere//base']", &["/nowhere", "check the path"]),
    refused("no such directory", "resources: ['{http}/app.git//nope']", &["line 1", "resources[0]", "nope"]),
    refused("a directory that climbs out", "resources: ['{http}/app.git//../base']", &["//../base", "check the URL"]),
    refused("a base that goes out of its repository", "resources: ['{http}/app.git//out']", &["out/kustomization.yaml", "leads out of the repository"]),
    refused("a base that reads beside itself", "resources: ['{http}/app.git//reads']", &["reads/kustomization.yaml", "not in or below"]),
    Case { flags: &["--load-restrictor=LoadRestrictionsNone"], ..refused("… whatever this side may read", "resources: ['{http}/app.git//reads']", &["reads/kustomization.yaml", "not in or below"]) },
    refused("a base that names itself", "resources: ['{http}/app.git//cycle']", &["leads back"]),
    refused("two that name each other", "resources: ['{http}/app.git//there']", &["leads back"]),
    refused("a submodule that is left out", "resources: ['{http}/app.git//uses-lib?submodules=false']", &["lib/base"]),
    refused("a submodule on a disk", "resources: ['file://{disk}//base']", &["submodule 'lib'", "?submodules=false"]),
];

const CM: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\n";

type Files = &'static [(&'static str, &'static str)];

const LIB: Files = &[
    (
        "kustomization.yaml",
        "resources: [base]\nnameSuffix: -lib\n",
    ),
    ("base/kustomization.yaml", "resources: [cm.yaml]\n"),
    ("base/cm.yaml", CM),
    (
        "back/kustomization.yaml",
        "resources: ['{http}/app.git//there']\n",
    ),
];

const APP_V1: Files = &[
    (
        "base/kustomization.yaml",
        "resources: [cm.yaml, ../other]\nnamePrefix: one-\n",
    ),
    ("base/cm.yaml", CM),
    (
        "other/kustomization.yaml",
        "configMapGenerator: [{name: other, literals: [a=b]}]\n",
    ),
];

const APP_BRANCH: Files = &[(
    "base/kustomization.yaml",
    "resources: [cm.yaml]\nnamePrefix: two-\n",
)];

#[rustfmt::skip]
const APP_MAIN: Files = &[
    (".sourceignore", "/ignored\n"),
    (".gitmodules", "[submodule \"it\"]\n\tpath = lib\n\turl = ../lib.git\n"),
    ("component/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: c-\n"),
    ("nested/kustomization.yaml", "resources: ['{http}/lib.git//base?ref=main', ../other]\n"),
    ("ignored/kustomization.yaml", "resources: [cm.yaml]\n"),
    ("ignored/cm.yaml", CM),
    ("uses-lib/kustomization.yaml", "resources: [../lib/base]\n"),
    ("out/kustomization.yaml", "resources: [../../x]\n"),
    ("reads/kustomization.yaml", "resources: [../base/cm.yaml]\n"),
    ("cycle/kustomization.yaml", "resources: ['{http}/app.git//cycle']\n"),
    ("there/kustomization.yaml", "resources: ['{http}/lib.git//back']\n"),
];

/// Repositories that name each other, one of which is a submodule of the other; and the commit of its tag.
fn repositories(server: &GitServer) -> (Repository, String) {
    let commit = |repository: &Repository, branch: &str, files: Files| {
        let base = server.base();
        let texts = files.iter().map(|(_, text)| text.replace("{http}", &base));
        let texts: Vec<String> = texts.collect();
        let paths = files.iter().map(|(path, _)| *path);
        let files: Vec<(&str, &str)> = paths.zip(texts.iter().map(String::as_str)).collect();
        repository.commit(branch, "Files", &files).unwrap()
    };
    let lib = commit(&server.repository("lib").unwrap(), "main", LIB);
    let app = server.repository("app").unwrap();
    let tagged = commit(&app, "main", APP_V1);
    app.tag("v1", &tagged).unwrap();
    app.set_branch("release/x", &tagged).unwrap();
    commit(&app, "release/x", APP_BRANCH);
    commit(&app, "main", APP_MAIN);
    add_submodule(&app, "lib", &lib);
    (app, tagged)
}

/// Commits another repository's commit in place of a directory.
fn add_submodule(repository: &Repository, path: &str, commit: &str) {
    let listed = repository.git(["ls-tree", "main"], b"").unwrap();
    let tree = format!("{listed}160000 commit {commit}\t{path}\n");
    let tree = repository
        .git(["mktree", "--missing"], tree.as_bytes())
        .unwrap();
    let made = repository.git(["commit-tree", "-m", "Lib", "-p", "main", tree.trim()], b"");
    repository.set_branch("main", made.unwrap().trim()).unwrap();
}

#[test]
fn bases_that_are_elsewhere_are_built_as_kustomize_builds_them() {
    let server = GitServer::start().unwrap();
    let (app, commit) = repositories(&server);
    let ssh = SshServer::start().unwrap();
    let home = Home::of(&ssh);
    let places = [
        ("{http}", server.base()),
        ("{disk}", app.path().display().to_string()),
        ("{ssh}", ssh.url(&app)),
        ("{commit}", commit),
    ];
    compare(BASES, &places, &home, "--allow-remote", &[]);
}

#[test]
fn what_is_elsewhere_is_refused_unless_that_is_allowed() {
    let server = GitServer::start().unwrap();
    repositories(&server);
    let directory = directory(&format!("resources: ['{}/app.git//base']", server.base()));
    let said = ours(directory.path(), &[], &Home::empty()).unwrap_err();
    for words in ["line 1", "resources[0]", "is remote", "--allow-remote"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[test]
fn a_server_that_says_nothing_is_waited_for_as_long_as_the_url_says() {
    let server = GitServer::start().unwrap();
    repositories(&server);
    server.stall();
    // The name of a host that is asked as a file first would wait for that.
    let url = format!("git::{}/app.git//base?timeout=1", server.base());
    let directory = directory(&format!("resources: ['{url}']"));
    let said = ours(directory.path(), &["--allow-remote"], &Home::empty()).unwrap_err();
    server.resume();
    for words in ["within 1 s", "raise ?timeout= in the URL"] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[rustfmt::skip]
const CHARTS: &[Case] = &[
    same("the newest", "helmCharts: [{name: web, repo: '{charts}', releaseName: app}]"),
    same("a version", "helmCharts: [{name: web, repo: '{charts}', releaseName: app, version: 1.0.0}]"),
    same("a range", "helmCharts: [{name: web, repo: '{charts}', releaseName: app, version: ~1.0}]"),
    same("before its release", "helmCharts: [{name: web, repo: '{charts}', releaseName: app, devel: true}]"),
    same("values, namespace, definitions", "namespace: prod\nhelmCharts: [{name: web, repo: '{charts}', releaseName: app, version: 1.0.0, includeCRDs: true, valuesInline: {replicas: 7}}]"),
    same("values that replace its own", "helmCharts: [{name: web, repo: '{charts}', releaseName: app, version: 1.0.0, valuesMerge: replace, valuesInline: {replicas: 7}}]"),
    same("the deprecated field", "helmChartInflationGenerator: [{chartName: web, chartRepoUrl: '{charts}', chartVersion: 1.0.0, releaseName: app}]"),
    same("two versions", "helmCharts:\n- {name: web, repo: '{charts}', releaseName: one, version: 1.0.0}\n- {name: web, repo: '{charts}', releaseName: two, version: 1.1.0}"),
    same("a home", "helmGlobals: {chartHome: kept}\nhelmCharts: [{name: web, repo: '{charts}', releaseName: app, version: 1.0.0}]"),
    Case { flags: &["--helm-kube-version=1.29", "--helm-api-versions=a.example/v1,b.example/v1", "--helm-debug"], ..same("what the cluster can do", "helmCharts: [{name: web, repo: '{charts}', releaseName: app, version: 1.0.0}]") },
    Case { flags: &["--helm-kube-version=1.29"], ..same("what the chart's entry says stands", "helmCharts: [{name: web, repo: '{charts}', releaseName: app, version: 1.0.0, kubeVersion: '1.31'}]") },
    Case { flags: &["--helm-command=helm"], ..same("a command that is not needed", "helmCharts: [{name: web, repo: '{charts}', releaseName: app}]") },
    refused("no such version", "helmCharts: [{name: web, repo: '{charts}', releaseName: app, version: 9.0.0}]", &["web", "9.0.0"]),
    refused("no such chart", "helmCharts: [{name: nope, repo: '{charts}', releaseName: app}]", &["nope"]),
    refused("no such place", "helmCharts: [{name: web, repo: '{charts}/nowhere', releaseName: app}]", &["nowhere"]),
];

#[test]
fn charts_of_repositories_are_pulled_as_kustomize_and_helm_pull_them() {
    let charts = ChartRepository::start().unwrap();
    for version in ["1.0.0", "1.1.0", "2.0.0-rc.1"] {
        let chart = format!("apiVersion: v2\nname: web\nversion: {version}\n");
        let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}', namespace: '{{ .Release.Namespace }}'}\n\
             data: {chart: '{{ .Chart.Version }}', replicas: '{{ .Values.replicas }}', own: '{{ .Values.own }}', kube: '{{ .Capabilities.KubeVersion }}', has: '{{ .Capabilities.APIVersions.Has \"b.example/v1\" }}'}\n";
        let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: as.example}\n";
        charts
            .publish(&[
                ("Chart.yaml", chart),
                ("values.yaml", "replicas: 1\nown: yes\n".to_owned()),
                ("templates/map.yaml", map.to_owned()),
                ("crds/a.yaml", definition.to_owned()),
            ])
            .unwrap();
    }
    let places = [("{charts}", charts.url())];
    compare(
        CHARTS,
        &places,
        &Home::empty(),
        "--enable-helm",
        &["--enable-helm"],
    );
}

/// Builds each case on both sides.
fn compare(
    cases: &[Case],
    places: &[(&str, String)],
    home: &Home,
    allowed: &str,
    allowed_theirs: &[&str],
) {
    let mut wrong = Vec::new();
    for case in cases {
        let text = places
            .iter()
            .fold(case.text.to_owned(), |text, (name, place)| {
                text.replace(name, place)
            });
        let here = directory(&text);
        let ours = ours(here.path(), &[&[allowed], case.flags].concat(), home);
        // kustomize leaves the charts that it pulls behind.
        let there = directory(&text);
        let flags = [allowed_theirs, case.flags].concat();
        let theirs = theirs(there.path(), &flags, home);
        let as_it_should = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => case.refused.is_empty() && ours == theirs,
            (Err(said), Err(_)) => {
                !case.refused.is_empty() && case.refused.iter().all(|words| said.contains(words))
            }
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        if !as_it_should {
            wrong.push(format!(
                "=== {}\nours: {ours:#?}\ntheirs: {theirs:#?}",
                case.title
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn directory(kustomization: &str) -> TempDir {
    let directory = TempDir::with_prefix("overlay-").unwrap();
    fs::write(directory.path().join("kustomization.yaml"), kustomization).unwrap();
    fs::write(directory.path().join("cm.yaml"), CM).unwrap();
    directory
}

/// The home of somebody whom an SSH server lets in.
struct Home {
    directory: TempDir,
    ssh: String,
}

impl Home {
    fn empty() -> Self {
        Self {
            directory: TempDir::with_prefix("home-").unwrap(),
            ssh: "ssh".to_owned(),
        }
    }

    fn of(server: &SshServer) -> Self {
        let mut home = Self::empty();
        let folder = home.directory.path().join(".ssh");
        fs::create_dir(&folder).unwrap();
        let key = folder.join("id_ed25519");
        fs::write(&key, server.identity()).unwrap();
        fs::write(folder.join("known_hosts"), server.known_hosts()).unwrap();
        let mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&key, mine).unwrap();
        // ssh takes the home of the user, whatever HOME says.
        home.ssh = format!(
            "ssh -F none -i {} -o UserKnownHostsFile={}",
            key.display(),
            folder.join("known_hosts").display()
        );
        home
    }
}

fn ours(directory: &Path, flags: &[&str], home: &Home) -> Result<String, String> {
    let mut command = Command::new(built("fluvial").unwrap());
    command.args(["render", "kustomize"]);
    said(command.args(flags).arg(directory), home)
}

fn theirs(directory: &Path, flags: &[&str], home: &Home) -> Result<String, String> {
    let mut command = Command::new("kustomize");
    said(command.arg("build").args(flags).arg(directory), home)
}

/// What it prints, or why it does not.
fn said(command: &mut Command, home: &Home) -> Result<String, String> {
    let done = command
        .env("HOME", home.directory.path())
        .env("GIT_SSH_COMMAND", &home.ssh)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("kustomize and fluvial are built: ./ops/test does it");
    if done.status.success() {
        Ok(String::from_utf8(done.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }
}
