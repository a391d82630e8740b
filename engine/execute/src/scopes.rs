//! Which kinds live in namespaces, as the cluster says.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_apply::Scope;
use fluvial_cluster::{Cluster, Error, Retry};
use fluvial_manifest::{Value, object};

/// Scopes by group and kind.
pub type Scopes = BTreeMap<(String, String), Scope>;

/// The scopes of the kinds of `manifests`. One that the cluster does not know is left out: its definition
/// may come with the same manifests, else the apply says what is missing.
pub async fn of(cluster: &Cluster, manifests: &[Value]) -> Result<Scopes, Error> {
    let kinds: BTreeSet<_> = manifests
        .iter()
        .map(|manifest| {
            let (group, version) = object::group_version(object::api_version(manifest));
            (group, version, object::kind(manifest))
        })
        .collect();
    let mut scopes = Scopes::new();
    for (group, version, kind) in kinds {
        match cluster.resource(group, version, kind).await {
            Ok(resource) => {
                let scope = if resource.namespaced {
                    Scope::Namespaced
                } else {
                    Scope::Cluster
                };
                scopes.insert((group.to_owned(), kind.to_owned()), scope);
            }
            Err(error) if error.retry() == Retry::Soon => return Err(error),
            Err(_) => {}
        }
    }
    Ok(scopes)
}
