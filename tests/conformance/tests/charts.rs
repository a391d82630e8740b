//! Charts of kustomizations, beside the real kustomize with the real helm.
//!
//! `ONLY=part` runs the cases whose title has that part; `SHOW=1` prints what both sides say where both refuse.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use fluvial_conformance::{Case, lines, one_line, read};
use fluvial_helm::Template;
use fluvial_kustomize::chart::{Chart, Charts};
use fluvial_kustomize::{Built, Means, build, build_with};
use fluvial_manifest::{Tree, yaml};

fn cases() -> Vec<Case> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/charts/charts.txt");
    read(&fs::read_to_string(file).expect("the cases are there"))
}

fn ours(case: &Case) -> Result<String, String> {
    let inflate = |chart: &Chart, tree: &Tree, path: &str| {
        let told = Template {
            name: chart.release_name.clone(),
            name_template: chart.name_template.clone(),
            namespace: chart.namespace.clone(),
            values: chart.values.clone(),
            api_versions: chart.api_versions.clone(),
            kube_version: chart.kube_version.clone(),
            include_crds: chart.include_crds,
            skip_hooks: chart.skip_hooks,
            skip_tests: chart.skip_tests,
            ..Template::default()
        };
        told.print(tree, path).map_err(|error| error.to_string())
    };
    let charts = Charts {
        inflate: &inflate,
        kube_version: "",
        api_versions: &[],
    };
    let means = Means {
        charts: Some(charts),
        ..Means::default()
    };
    match build_with(&case.tree(), &case.path, &case.options, means) {
        Ok(Built::Objects(objects)) => Ok(yaml::to_multi(&objects)),
        Ok(Built::Needs(needs)) => Err(format!("it needs {needs:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn theirs(case: &Case, folder: &Path) -> Result<String, String> {
    drop(fs::remove_dir_all(folder));
    for (path, content) in &case.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("it can be made");
        fs::write(path, content).expect("it can be written");
    }
    let done = Command::new("kustomize")
        .args(["build", "--enable-helm"])
        .arg(folder.join(&case.path))
        .output()
        .expect("kustomize is there: ./ops/test builds it");
    if done.status.success() {
        Ok(String::from_utf8(done.stdout).expect("it prints text"))
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }
}

#[test]
fn every_chart_is_rendered_as_the_real_kustomize_and_helm_render_it() {
    let only = env::var("ONLY").unwrap_or_default();
    let show = env::var("SHOW").is_ok();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("charts");
    let mut different = Vec::new();
    for case in cases() {
        if !case.title.contains(&only) {
            continue;
        }
        match (ours(&case), theirs(&case, &folder)) {
            (Ok(ours), Ok(theirs)) if ours == theirs => {}
            (Err(ours), Err(theirs)) => {
                if show {
                    println!("=== {}\n  {ours}\n  {}", case.title, one_line(&theirs));
                }
            }
            (ours, theirs) => {
                let said = |answer| match answer {
                    Ok(text) => text,
                    Err(error) => format!("refused: {error}"),
                };
                let difference = lines(&said(ours), &said(theirs));
                different.push(format!("=== {}\n{difference}", case.title));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_build_renders_no_charts_unless_it_is_told_how() {
    let case = cases().remove(0);
    let refused = build(&case.tree(), &case.path, &case.options).expect_err("it has a chart");
    assert_eq!(
        (refused.file.as_str(), refused.field.as_str(), refused.line),
        ("kustomization.yaml", "helmCharts[0]", Some(1))
    );
    assert!(refused.reason.contains("--enable-helm"), "{refused}");
    assert!(refused.reason.contains("HelmRelease"), "{refused}");
}
