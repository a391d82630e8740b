//! What would become of the objects of one owner: of those that it declares, and of those that it declares no more.

use anyhow::Result;
use fluvial_api::status::ResourceInventory;
use fluvial_apply::prune::{Fate, fate};
use fluvial_apply::{Inventory, Object, Owner, normalize};
use fluvial_cluster::{Apply, Cluster, Reference};
use fluvial_execute::scopes;
use fluvial_manifest::{ObjectId, Value};
use fluvial_view::difference::Secrets;
use futures::{StreamExt as _, stream};

use super::changes::{Change, change};
use super::live::{Action, Preview, preview};

/// Objects that are asked for at a time.
const AT_A_TIME: usize = 8;

/// An owner whose objects are compared with the live ones, and how the engine would apply them.
pub(super) struct Comparison<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) owner: Owner,
    pub(super) apply: Apply,
    /// Whether objects that cannot be changed are made again.
    pub(super) force: bool,
}

impl Comparison<'_> {
    /// The manifests as the engine would apply them.
    pub(super) async fn normalized(&self, manifests: Vec<Value>) -> Result<Vec<Object>> {
        let scopes = scopes::of(self.cluster, &manifests).await?;
        let scope = |id: &ObjectId| scopes.get(&(id.group.clone(), id.kind.clone())).copied();
        Ok(normalize::as_listed(manifests, &self.owner, &scope)?)
    }

    /// What would become of each object of `set`, in its order. What is `made` by the set itself may be missing.
    pub(super) async fn changes(
        &self,
        set: &[&Object],
        made: &(dyn Fn(&Reference) -> bool + Sync),
    ) -> Vec<Result<Change>> {
        let previews: Vec<_> = stream::iter(set)
            .map(|it| preview(self.cluster, it, made, self.force, &self.apply))
            .buffered(AT_A_TIME)
            .collect()
            .await;
        let live = previews.iter().flatten().map(|it| &it.live);
        let secrets = Secrets::of(set.iter().map(|it| &it.value).chain(live));
        let told = |(object, preview): (&&Object, Result<Preview>)| {
            Ok(change(object.id.clone(), preview?, &secrets))
        };
        set.iter().zip(previews).map(told).collect()
    }

    /// What the inventory has and the set has not, as far as it would be deleted.
    pub(super) async fn stale(
        &self,
        inventory: Option<&ResourceInventory>,
        set: &[Object],
    ) -> Result<Vec<Change>> {
        let Some(inventory) = inventory else {
            return Ok(Vec::new());
        };
        let old = Inventory::from_status(inventory)?;
        let mut deleted = Vec::new();
        for id in old.stale(&Inventory::of(set)) {
            let place = Reference {
                group: id.group.clone(),
                version: old.0.get(&id).cloned().unwrap_or_default(),
                kind: id.kind.clone(),
                namespace: id.namespace.clone(),
                name: id.name.clone(),
            };
            let live = self.cluster.get(&place).await?;
            if let Fate::Deleted { .. } = fate(live.as_ref(), &self.owner, "") {
                let gone = Preview::of(Action::Deleted);
                deleted.push(change(id, gone, &Secrets::default()));
            }
        }
        Ok(deleted)
    }
}
