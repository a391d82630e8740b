//! What a path of the API names.

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Version,
    Healthy,
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/apps`
    Group(String),
    /// `/api/v1`, `/apis/apps/v1`
    Resources {
        group: String,
        version: String,
    },
    List(Place),
    Object {
        place: Place,
        name: String,
    },
    /// `SelfSubjectAccessReview`: what somebody may.
    Review,
    Nothing,
}

/// The objects of a kind, in a namespace or in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) plural: String,
}

/// Reads a path, whose parts are decoded already.
pub(crate) fn read(path: &[&str]) -> Target {
    match path {
        ["version"] => Target::Version,
        ["healthz" | "livez" | "readyz", ..] => Target::Healthy,
        ["api"] => Target::Core,
        ["apis"] => Target::Groups,
        ["apis", group] => Target::Group((*group).to_owned()),
        [
            "apis",
            "authorization.k8s.io",
            "v1",
            "selfsubjectaccessreviews",
        ] => Target::Review,
        ["api", version, rest @ ..] => of("", version, rest),
        ["apis", group, version, rest @ ..] => of(group, version, rest),
        _ => Target::Nothing,
    }
}

fn of(group: &str, version: &str, rest: &[&str]) -> Target {
    let place = |namespace: Option<&str>, plural: &str| Place {
        group: group.to_owned(),
        version: version.to_owned(),
        namespace: namespace.map(str::to_owned),
        plural: plural.to_owned(),
    };
    let object = |place: Place, name: &str| Target::Object {
        place,
        name: name.to_owned(),
    };
    match rest {
        [] => Target::Resources {
            group: group.to_owned(),
            version: version.to_owned(),
        },
        ["namespaces", name] | ["namespaces", name, "status"] => {
            object(place(None, "namespaces"), name)
        }
        ["namespaces", namespace, plural] => Target::List(place(Some(namespace), plural)),
        ["namespaces", namespace, plural, name]
        | ["namespaces", namespace, plural, name, "status"] => {
            object(place(Some(namespace), plural), name)
        }
        [plural] => Target::List(place(None, plural)),
        [plural, name] | [plural, name, "status"] => object(place(None, plural), name),
        _ => Target::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_path_names_one_thing() {
        let said: Vec<_> = [
            "version",
            "api",
            "apis",
            "apis/apps",
            "apis/apps/v1",
            "api/v1",
            "api/v1/namespaces",
            "api/v1/namespaces/a",
            "api/v1/namespaces/a/pods",
            "api/v1/namespaces/a/pods/p",
            "api/v1/namespaces/a/pods/p/log",
            "apis/apps/v1/deployments",
            "apis/rbac.authorization.k8s.io/v1/clusterroles/admin",
            "openapi/v3",
        ]
        .into_iter()
        .map(|path| {
            let parts: Vec<_> = path.split('/').collect();
            let place = |it: Place| {
                format!(
                    "{} {} {:?} {}",
                    it.group, it.version, it.namespace, it.plural
                )
            };
            let said = match read(&parts) {
                Target::List(it) => format!("list {}", place(it)),
                Target::Object { place: it, name } => format!("{name} of {}", place(it)),
                other @ (Target::Version
                | Target::Healthy
                | Target::Core
                | Target::Groups
                | Target::Group(_)
                | Target::Resources { .. }
                | Target::Review
                | Target::Nothing) => format!("{other:?}"),
            };
            format!("{path}: {said}\n")
        })
        .collect();
        expect![[r#"
            version: Version
            api: Core
            apis: Groups
            apis/apps: Group("apps")
            apis/apps/v1: Resources { group: "apps", version: "v1" }
            api/v1: Resources { group: "", version: "v1" }
            api/v1/namespaces: list  v1 None namespaces
            api/v1/namespaces/a: a of  v1 None namespaces
            api/v1/namespaces/a/pods: list  v1 Some("a") pods
            api/v1/namespaces/a/pods/p: p of  v1 Some("a") pods
            api/v1/namespaces/a/pods/p/log: Nothing
            apis/apps/v1/deployments: list apps v1 None deployments
            apis/rbac.authorization.k8s.io/v1/clusterroles/admin: admin of rbac.authorization.k8s.io v1 None clusterroles
            openapi/v3: Nothing
        "#]]
        .assert_eq(&said.concat());
    }
}
