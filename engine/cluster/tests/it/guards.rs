//! What must never happen: more rights than the account has, a Secret's value in an error, a name that
//! leads elsewhere.

use fluvial_cluster::{
    Apply, Cause, Cluster, Delete, Mode, Reference, Retry, Selector, ServiceAccount,
};
use serde_json::{Value, json};

use crate::{config_map, eventually, make_namespace, read};

pub(crate) async fn acts_with_the_accounts_rights_only(cluster: &Cluster) {
    make_namespace(cluster, "tenant").await;
    make_namespace(cluster, "other").await;
    // Bound to the account's group: the server must add it to the account's name.
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"namespace": "tenant", "name": "edit"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
            "name": "system:serviceaccounts:tenant"}]});
    cluster.apply(&role, &Apply::flux()).await.unwrap();
    let tenant = cluster.impersonate(ServiceAccount::new("tenant", "flux").unwrap());
    // The authorizer learns of the binding by a watch of its own.
    let mine = config_map("tenant", "a", &json!({}));
    eventually(async || tenant.apply(&mine, &Apply::flux()).await.ok()).await;

    let foreign = config_map("other", "a", &json!({}));
    let reference = Reference::of(&foreign).unwrap();
    cluster.apply(&foreign, &Apply::flux()).await.unwrap();
    let errors = [
        tenant.apply(&foreign, &Apply::flux()).await.unwrap_err(),
        tenant.get(&reference).await.unwrap_err(),
        tenant
            .delete(&reference, &Delete::default())
            .await
            .unwrap_err(),
        tenant
            .patch_status(&reference, &json!({}), "x")
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.cause(), Cause::Forbidden { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("system:serviceaccount:tenant:flux"),
            "{error}"
        );
        assert_eq!(error.retry(), Retry::Later);
    }
    let config_maps = tenant.resource("", "v1", "ConfigMap").await.unwrap();
    let error = tenant
        .list_all(&config_maps, &Selector::default())
        .await
        .unwrap_err();
    assert!(matches!(error.cause(), Cause::Forbidden { .. }), "{error}");
}

pub(crate) async fn secrets_stay_secret(cluster: &Cluster) {
    make_namespace(cluster, "secret").await;
    let secret = |fields: &Value| {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"namespace": "secret", "name": "a"}});
        secret
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        secret
    };
    for fields in [
        json!({"data": {"password": "hunter2!"}}),
        json!({"data": {"password": 2}}),
        json!({"data": {"password": {"hunter2": "hunter2"}}}),
        json!({"stringData": {"password": ["hunter2"]}}),
        json!({"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "hunter2"}}),
        json!({"stringData": {"pass word": "hunter2"}}),
    ] {
        let object = secret(&fields);
        for mode in [Mode::Commit, Mode::DryRun] {
            let error = cluster
                .apply(
                    &object,
                    &Apply {
                        mode,
                        ..Apply::flux()
                    },
                )
                .await
                .unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{error:?}"
            );
            assert!(error.to_string().contains("Secret"), "{error}");
            assert_eq!(error.retry(), Retry::Never, "{error}");
        }
    }
    let fixed = secret(&json!({"immutable": true, "stringData": {"password": "hunter1"}}));
    cluster.apply(&fixed, &Apply::flux()).await.unwrap();
    let changed = secret(&json!({"immutable": true, "stringData": {"password": "hunter2"}}));
    let error = cluster.apply(&changed, &Apply::flux()).await.unwrap_err();
    assert!(
        error.immutable() && !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("at data"),
        "the field is named: {error}"
    );
}

pub(crate) async fn names_stay_names(cluster: &Cluster) {
    make_namespace(cluster, "kept").await;
    let victim = config_map("kept", "a", &json!({}));
    cluster.apply(&victim, &Apply::flux()).await.unwrap();
    for name in [
        "../../kept/configmaps/a",
        "..",
        "a/../../../kept/configmaps/a",
        "%2e%2e",
    ] {
        let reference = Reference::new("v1", "Secret", "kept", name);
        let error = cluster
            .delete(&reference, &Delete::default())
            .await
            .unwrap_err();
        assert!(matches!(error.cause(), Cause::Address { .. }), "{error}");
    }
    assert!(read(cluster, &victim).await.is_some());
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "system:fluvial:a"}, "rules": []});
    cluster.apply(&role, &Apply::flux()).await.unwrap();
    assert!(read(cluster, &role).await.is_some());
}
