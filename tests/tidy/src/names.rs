//! A crate is called what its folder is called, stands where data passes it, and takes its versions
//! and lints from the workspace.

use crate::ring::Ring;
use crate::{Crate, Repository};

/// Complains of names, order and manifests.
pub fn check(repository: &Repository) -> Vec<String> {
    let mut complaints: Vec<String> = repository.crates.iter().filter_map(name).collect();
    complaints.extend(order(&repository.crates));
    complaints.extend(
        repository
            .crates
            .iter()
            .flat_map(|member| manifest(member, repository)),
    );
    complaints
}

fn name(member: &Crate) -> Option<String> {
    let Crate { name, folder, .. } = member;
    let last = folder.rsplit('/').next().unwrap_or(folder);
    // The one program is the project's namesake.
    let expected = if last == "fluvial" {
        "fluvial".to_owned()
    } else {
        format!("fluvial-{last}")
    };
    (*name != expected).then(|| format!("{folder}: is called {name}; call it {expected}"))
}

fn order(crates: &[Crate]) -> Vec<String> {
    crates
        .windows(2)
        .filter(|pair| Ring::of(&pair[0].folder) > Ring::of(&pair[1].folder))
        .map(|pair| {
            let (one, other) = (&pair[0].folder, &pair[1].folder);
            format!("Cargo.toml: lists {one} before {other}; members stand in the order data flows")
        })
        .collect()
}

fn manifest(member: &Crate, repository: &Repository) -> Vec<String> {
    let path = format!("{}/Cargo.toml", member.folder);
    let Some(file) = repository.files.iter().find(|file| file.path == path) else {
        return vec![format!("{path}: is missing")];
    };
    let mut complaints = Vec::new();
    if !file.text.contains("[lints]\nworkspace = true\n") {
        complaints.push(format!("{path}: must say [lints] workspace = true"));
    }
    let mut listed = false;
    for line in file.text.lines() {
        if line.starts_with('[') {
            listed = line.ends_with("dependencies]");
        } else if listed && !line.is_empty() && !line.starts_with('#') {
            let shared = line.contains("workspace = true");
            if !shared {
                complaints.push(format!(
                    "{path}: {line}: put the version in the root Cargo.toml"
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{file, member, none, repository};

    #[test]
    fn the_repository_is_in_order() {
        none(&check(Repository::read()));
    }

    #[test]
    fn a_crate_by_another_name_is_found() {
        let mut other = member("engine/log", &[]);
        assert_eq!(name(&other), None);
        other.name = "log".to_owned();
        assert!(name(&other).is_some());
        let mut program = member("ops/fluvial", &[]);
        assert!(name(&program).is_some());
        program.name = "fluvial".to_owned();
        assert_eq!(name(&program), None);
    }

    #[test]
    fn members_out_of_order_are_found() {
        let crates = ["schemas/api", "engine/log", "engine/apply", "ops/fluvial"];
        assert_eq!(order(&crates.map(|folder| member(folder, &[]))).len(), 1);
    }

    #[test]
    fn a_manifest_with_its_own_mind_is_found() {
        let lints = "[lints]\nworkspace = true\n";
        for (text, complaints) in [
            (
                format!("{lints}\n[dependencies]\nserde.workspace = true\n"),
                0,
            ),
            (
                format!(
                    "{lints}\n[dev-dependencies]\ntokio = {{ workspace = true, features = [] }}\n"
                ),
                0,
            ),
            (format!("{lints}\n[dependencies]\nserde = \"1\"\n"), 1),
            ("[dependencies]\nserde.workspace = true\n".to_owned(), 1),
        ] {
            let member = member("engine/log", &[]);
            let files = vec![file("engine/log/Cargo.toml", &text)];
            let found = manifest(&member, &repository(vec![], files));
            assert_eq!(found.len(), complaints, "{text}: {found:?}");
        }
        assert_eq!(
            manifest(&member("engine/log", &[]), &repository(vec![], vec![])).len(),
            1
        );
    }
}
