//! The objects one Kustomization owns, and what left them.

use std::collections::BTreeMap;

use fluvial_api::status::{ResourceInventory, ResourceRef};
use fluvial_manifest::ObjectId;

use crate::{Error, Object, order};

/// Objects and the version of their group in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory(pub BTreeMap<ObjectId, String>);

impl Inventory {
    /// The inventory of what is to be applied.
    pub fn of(objects: &[Object]) -> Self {
        Self(
            objects
                .iter()
                .map(|object| (object.id.clone(), object.version.clone()))
                .collect(),
        )
    }

    /// Reads `status.inventory`, as Flux wrote it too.
    ///
    /// An entry that names no object is an error: to ignore it would be to give an object up.
    pub fn from_status(status: &ResourceInventory) -> Result<Self, Error> {
        let entry = |ResourceRef { id, v }: &ResourceRef| Ok((id.parse()?, v.clone()));
        status
            .entries
            .iter()
            .map(entry)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Writes `status.inventory`, in the order in which the objects are applied.
    pub fn to_status(&self) -> ResourceInventory {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by(|(a, _), (b, _)| order::compare(a, b));
        let entry = |(id, version): (&ObjectId, &String)| ResourceRef {
            id: id.to_string(),
            v: version.clone(),
        };
        ResourceInventory {
            entries: entries.into_iter().map(entry).collect(),
        }
    }

    /// What this inventory holds and a newer one does not, in the order in which it is pruned.
    ///
    /// A change of the version alone makes nothing stale.
    pub fn stale(&self, newer: &Self) -> Vec<ObjectId> {
        let mut stale: Vec<_> = self
            .0
            .keys()
            .filter(|id| !newer.0.contains_key(id))
            .cloned()
            .collect();
        order::sort_for_prune(&mut stale);
        stale
    }

    /// Keeps an object of an older inventory, because it could not be pruned.
    pub fn keep(&mut self, older: &Self, id: &ObjectId) {
        if let Some(version) = older.0.get(id) {
            self.0.entry(id.clone()).or_insert_with(|| version.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(entries: &[(&str, &str)]) -> Inventory {
        let entry = |(id, v): &(&str, &str)| ResourceRef {
            id: (*id).to_owned(),
            v: (*v).to_owned(),
        };
        Inventory::from_status(&ResourceInventory {
            entries: entries.iter().map(entry).collect(),
        })
        .unwrap()
    }

    #[test]
    fn status_entries_survive_the_way_there_and_back() {
        let entries = [
            ("_shop__Namespace", "v1"),
            ("_system__view_rbac.authorization.k8s.io_ClusterRole", "v1"),
            ("shop_web__Service", "v1"),
            ("shop_web_apps_Deployment", "v1"),
            ("shop_web_autoscaling_HorizontalPodAutoscaler", "v2"),
        ];
        let written = inventory(&entries).to_status().entries;
        let written: Vec<_> = written
            .iter()
            .map(|e| (e.id.as_str(), e.v.as_str()))
            .collect();
        assert_eq!(written, entries);
    }

    #[test]
    fn stale_is_what_left_and_goes_in_reverse_order() {
        let old = inventory(&[
            ("_shop__Namespace", "v1"),
            ("shop_web__ConfigMap", "v1"),
            ("shop_web_apps_Deployment", "v1"),
            ("shop_kept_autoscaling_HorizontalPodAutoscaler", "v1"),
        ]);
        let mut new = inventory(&[("shop_kept_autoscaling_HorizontalPodAutoscaler", "v2")]);
        let stale = old.stale(&new);
        let seen: Vec<_> = stale.iter().map(ObjectId::to_string).collect();
        assert_eq!(
            seen,
            [
                "shop_web_apps_Deployment",
                "shop_web__ConfigMap",
                "_shop__Namespace"
            ]
        );

        new.keep(&old, &stale[0]);
        assert_eq!(old.stale(&new).len(), 2);
        assert_eq!(new.stale(&new), []);
    }

    #[test]
    fn an_entry_that_names_no_object_is_not_ignored() {
        let entries = vec![ResourceRef {
            id: "nonsense".to_owned(),
            v: "v1".to_owned(),
        }];
        let error = Inventory::from_status(&ResourceInventory { entries }).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read status.inventory: "),
            "{error}"
        );
    }
}
