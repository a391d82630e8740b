//! Compiles the protobuf families to Rust, without an installed protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FAMILIES: [&str; 10] = [
        "proto/decision.proto",
        "proto/engine.proto",
        "proto/helm.proto",
        "proto/helm_source.proto",
        "proto/kustomization.proto",
        "proto/live.proto",
        "proto/notify.proto",
        "proto/object.proto",
        "proto/resource.proto",
        "proto/source.proto",
    ];
    const STATE: &str = "#[derive(wincode::SchemaRead, wincode::SchemaWrite)]";
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(FAMILIES, ["proto"])?;
    prost_build::Config::new()
        .btree_map(["."])
        .boxed("Command.kind.fetch_helm_chart")
        .boxed("Command.kind.fetch_helm_repository")
        .boxed("Command.kind.recall_manifests")
        .boxed("Command.kind.declare_chart")
        .boxed("Command.kind.inspect_release")
        .boxed("Command.kind.recall_release")
        .boxed("Command.kind.render_release")
        .boxed("Command.kind.store_release")
        .boxed("Command.kind.run_hook")
        .type_attribute("ObjectRef", "#[derive(PartialOrd, Ord)]")
        .type_attribute(".", "#[derive(serde::Serialize)]")
        // These are kept in folded state, too, which has bincode's layout.
        .type_attribute("Artifact", STATE)
        .type_attribute("Commit", STATE)
        .type_attribute("Hook", STATE)
        .type_attribute("HookRun", STATE)
        .type_attribute("InventoryEntry", STATE)
        .type_attribute("ObjectRef", STATE)
        .type_attribute("PackedChart", STATE)
        .type_attribute("RecallManifests", STATE)
        .type_attribute("Rendered", STATE)
        .type_attribute("RollbackRequest", STATE)
        .type_attribute("Validators", STATE)
        .field_attribute(
            "DeclareChart.manifest",
            "#[serde(serialize_with = \"crate::json::raw\")]",
        )
        .field_attribute("spec", "#[serde(serialize_with = \"crate::json::raw\")]")
        .field_attribute(
            "AppliedObject.action",
            "#[serde(serialize_with = \"crate::json::action\")]",
        )
        .field_attribute(
            "AppliedObject.health",
            "#[serde(serialize_with = \"crate::json::health\")]",
        )
        .field_attribute(
            "ObjectObserved.health",
            "#[serde(serialize_with = \"crate::json::health\")]",
        )
        .compile_fds(files)?;
    Ok(())
}
