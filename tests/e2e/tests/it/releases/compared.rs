//! A chart of this machine beside the release of the cluster: `fluvial diff helmrelease`.

use std::fs;
use std::path::Path;

use fluvial_e2e::Scene;
use serde_json::json;

use super::chart::{chart_files_of_no_release, committed};
use super::release;

pub(super) fn a_chart_of_files_is_compared_with_its_release(scene: &Scene<'_>) {
    committed(scene);
    release(
        scene,
        "shop",
        &json!({"values": {"greeting": "from the release"}}),
    );
    scene.ready("HelmRelease", "shop");
    let directory = tempfile::tempdir().unwrap();
    let chart = directory.path();
    fs::create_dir(chart.join("templates")).unwrap();
    // What says how it was released is of each release.
    for (path, text) in chart_files_of_no_release("1.0.0") {
        fs::write(chart.join(path), text).unwrap();
    }
    let (code, said) = diff(scene, "shop", chart);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains(&format!("ConfigMap/{}/shop drifted", scene.namespace)),
        "{said}"
    );
    assert!(
        !said.contains("Deployment/"),
        "what is the same is not shown: {said}"
    );
    // A Service that the chart has no more would go; nothing does.
    let objects = fs::read_to_string(chart.join("values.yaml")).unwrap();
    let without = objects
        .replace("service: true", "service: false")
        .replace("replicas: 1", "replicas: 4");
    fs::write(chart.join("values.yaml"), without).unwrap();
    let (code, said) = diff(scene, "shop", chart);
    assert_eq!(code, 1, "{said}");
    for words in [
        format!("Deployment/{}/shop drifted", scene.namespace),
        format!("Service/{}/shop deleted", scene.namespace),
    ] {
        assert!(said.contains(&words), "{words} in {said}");
    }
    assert_eq!(scene.get("Deployment", "shop")["spec"]["replicas"], 1);
    assert!(scene.find("Service", "shop").is_some());
    for (name, path, words) in [
        ("nothing", chart, "--helmrelease-file"),
        (
            "shop",
            Path::new("/nowhere"),
            "cannot find the chart /nowhere",
        ),
    ] {
        let (code, said) = diff(scene, name, path);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(words), "{words} in {said}");
    }
}

fn diff(scene: &Scene<'_>, name: &str, chart: &Path) -> (i32, String) {
    let args = [
        "diff",
        "helmrelease",
        name,
        "--path",
        chart.to_str().unwrap(),
    ];
    let args = [&args[..], &["-n", &scene.namespace]].concat();
    scene.stage.engine.exit(&args).unwrap()
}
