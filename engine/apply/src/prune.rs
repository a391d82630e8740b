//! Whether a live object may be deleted, when its owner wants it no more.

use fluvial_manifest::Value;

use crate::Owner;

/// What is to become of an object that is to be pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is gone already.
    Gone,
    /// It is another's, or another of the same name, or is to be kept: it stays as it is.
    Left,
    /// It is deleted, if its uid is still this.
    Deleted {
        /// The uid that it has now.
        uid: String,
    },
}

/// What is to become of what is `live` under the name of an object that `owner` no longer wants and knew
/// by `uid` (empty where it never heard one). Nothing is deleted on the owner's word alone: the object
/// must be the one that was known, and still carry the owner's labels.
pub fn fate(live: Option<&Value>, owner: &Owner, uid: &str) -> Fate {
    let Some(live) = live else {
        return Fate::Gone;
    };
    let live_uid = live
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_same = uid.is_empty() || uid == live_uid;
    let is_ours = owner.owns(live);
    if !is_same || !is_ours || owner.keeps(live) {
        return Fate::Left;
    }
    Fate::Deleted {
        uid: live_uid.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use fluvial_api::metadata::{label, marker};
    use serde_json::json;

    use super::{Fate, fate};
    use crate::Owner;

    #[test]
    fn only_the_very_object_of_its_owner_is_deleted() {
        let owner = Owner::kustomization("team", "app");
        let labels = json!({
            label::KUSTOMIZATION_NAME: "app", label::KUSTOMIZATION_NAMESPACE: "team",
        });
        let theirs = json!({
            label::KUSTOMIZATION_NAME: "app", label::KUSTOMIZATION_NAMESPACE: "other",
        });
        let kept = json!({marker::PRUNE: "disabled"});
        let deleted = || Fate::Deleted { uid: "1".into() };
        for (labels, annotations, known, expected) in [
            (&labels, json!({}), "1", deleted()),
            (&labels, json!({}), "", deleted()),
            (&labels, json!({}), "2", Fate::Left),
            (&labels, kept, "1", Fate::Left),
            (&theirs, json!({}), "1", Fate::Left),
            (&json!({}), json!({}), "1", Fate::Left),
        ] {
            let live = json!({"metadata": {
                "uid": "1", "labels": labels, "annotations": annotations,
            }});
            assert_eq!(fate(Some(&live), &owner, known), expected, "{live} {known}");
        }
        assert_eq!(fate(None, &owner, "1"), Fate::Gone);
    }
}
