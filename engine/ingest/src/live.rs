//! The objects that an inventory owns or a health check names: drift, health, disappearance.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::metadata::label;
use fluvial_apply::drift;
use fluvial_apply::health::expression;
use fluvial_event::{Digest, Draft, Health, ObjectGone, ObjectObserved, ObjectRef};
use fluvial_manifest::digest::canonical;
use fluvial_reduce::{Owners, World};
use serde_json::Value;

use crate::hear::{Known, Watcher, identity, named, text};

/// The label of what helm, or an engine in its place, made. kubernetes: well-known labels.
const MANAGED_BY_HELM: &str = "app.kubernetes.io/managed-by=Helm";

/// One watch: the owned objects of a kind, or one object that is only waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// The API group.
    pub group: String,
    /// The version in which to watch; empty for the server's choice.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// Who owns the objects; nobody where it is one object.
    pub owners: Option<Owners>,
    /// Namespace and name, where it is one object.
    pub one: Option<(String, String)>,
    /// What health is judged by, besides what is known of the kind: where that changes, all objects are
    /// looked at again.
    pub judged_by: String,
}

impl Scope {
    /// The label that the objects of this watch carry; one that is only waited for may carry none.
    pub fn label(&self) -> Option<&'static str> {
        Some(match self.owners? {
            Owners::Kustomizations => label::KUSTOMIZATION_NAME,
            Owners::Releases => MANAGED_BY_HELM,
        })
    }
}

/// The watches that `world` needs.
pub fn wanted(world: &World) -> BTreeSet<Scope> {
    let mut scopes = BTreeSet::new();
    for watched in world.kinds() {
        let (group, kind) = (&watched.group, &watched.kind);
        let scope = |one| Scope {
            group: group.clone(),
            version: watched.version.clone(),
            kind: kind.clone(),
            owners: watched.owners,
            one,
            judged_by: world.judged_by(group, kind),
        };
        if watched.owners.is_some() {
            scopes.insert(scope(None));
            continue;
        }
        // Objects that nobody here owns carry no label to select them by: one watch for each.
        for (object, watched) in world.all_watched() {
            if !watched.is_owned() && object.group == *group && object.kind == *kind {
                scopes.insert(scope(Some((object.namespace.clone(), object.name.clone()))));
            }
        }
    }
    scopes
}

/// What of an object decides whether it is news; `None` for one that is gone.
type Face = Option<(String, String, i32, String)>;

/// A face, and the resource version that showed it.
#[derive(Clone)]
struct Look {
    face: Face,
    resource_version: String,
}

pub(crate) struct Live {
    known: Known,
    group: String,
    kind: String,
    owners: Option<Owners>,
    one: Option<(String, String)>,
    /// What was said in this batch, and the world does not know yet.
    said: BTreeMap<ObjectRef, Look>,
}

impl Live {
    pub(crate) fn new(scope: Scope, known: Known) -> Self {
        Self {
            known,
            group: scope.group,
            kind: scope.kind,
            owners: scope.owners,
            one: scope.one,
            said: BTreeMap::new(),
        }
    }

    /// What the world last heard of an object; `None` where it heard nothing.
    fn heard_of(&self, object: &ObjectRef) -> Option<Look> {
        if let Some(said) = self.said.get(object) {
            return Some(said.clone());
        }
        let world = self.known.world();
        let seen = world.seen(object)?;
        Some(Look {
            face: (!seen.gone).then(|| {
                let (uid, live) = (seen.uid.clone(), seen.live.clone());
                (uid, live, seen.health, seen.judged.clone())
            }),
            resource_version: seen.resource_version.clone(),
        })
    }

    /// Whether the world knows already what a look shows. The same face in another version is news while
    /// an owner may be writing: its outcome stands between the two, and would cover the later one.
    fn knows(&self, object: &ObjectRef, look: &Look) -> bool {
        self.heard_of(object).is_some_and(|known| {
            let is_same = known.resource_version == look.resource_version;
            known.face == look.face && (is_same || !self.known.world().is_in_hand(object))
        })
    }

    /// The manifest that an object is held to, without what is left to others; none where all of it is.
    fn manifest(&self, object: &ObjectRef) -> Option<Value> {
        let (digest, ignored) = {
            let world = self.known.world();
            let rendered = world.rendered_of(object)?;
            let digest: Digest = rendered.manifest.parse().ok()?;
            (digest, rendered.ignored.clone())
        };
        if ignored.iter().any(String::is_empty) {
            return None;
        }
        let bytes = match self.known.blobs().get(&digest) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%object, %error, "A manifest cannot be read; drift of its object is not seen.");
                return None;
            }
        };
        let manifest: Value = serde_json::from_slice(&bytes).ok()?;
        Some(drift::without(&manifest, &ignored).into_owned())
    }

    fn say_gone(
        &mut self,
        object: ObjectRef,
        uid: String,
        resource_version: &str,
        drafts: &mut Vec<Draft>,
    ) {
        let look = Look {
            face: None,
            resource_version: resource_version.to_owned(),
        };
        if self.knows(&object, &look) || self.known.world().watched(&object).is_none() {
            self.known.drop_one();
            return;
        }
        let event = ObjectGone {
            object: Some(object.clone()),
            uid,
            resource_version: look.resource_version.clone(),
        };
        drafts.push(Draft::news(event.into()));
        self.said.insert(object, look);
    }
}

impl Watcher for Live {
    fn present(&mut self, live: &Value, now_seconds: i64, drafts: &mut Vec<Draft>) {
        let object = identity(live);
        if self.known.world().watched(&object).is_none() {
            self.known.drop_one();
            return;
        }
        let manifest = self.manifest(&object);
        let digest = manifest.as_ref().map(|manifest| {
            self.known
                .key
                .mac(&canonical(&drift::projection(manifest, live)))
                .to_string()
        });
        let judge = self.known.world().judge_of(&object);
        let judged = judge.as_ref().map(expression::mark).unwrap_or_default();
        let verdict = expression::status_by(judge.as_ref(), live, now_seconds);
        let (health, health_message): (Health, _) =
            (verdict.recorded(), verdict.message().to_owned());
        let uid = text(live, "/metadata/uid").to_owned();
        let digest = digest.unwrap_or_default();
        let look = Look {
            face: Some((
                uid.clone(),
                digest.clone(),
                i32::from(health),
                judged.clone(),
            )),
            resource_version: text(live, "/metadata/resourceVersion").to_owned(),
        };
        if self.knows(&object, &look) {
            self.known.drop_one();
            return;
        }
        let known = self.heard_of(&object).and_then(|known| known.face);
        let is_health_alone =
            known != look.face && matches!(&known, Some((_, before, ..)) if *before == digest);
        let manifest = manifest.filter(|_| !is_health_alone);
        let blamed = manifest
            .as_ref()
            .and_then(|manifest| drift::blame(manifest, live, &drift::OURS));
        let changed = manifest
            .as_ref()
            .map(|manifest| drift::changed_paths(manifest, live));
        let manager = blamed.map(|manager| manager.name).unwrap_or_default();
        let event = ObjectObserved {
            object: Some(named(live)),
            uid,
            resource_version: look.resource_version.clone(),
            live: digest,
            health: health.into(),
            health_message,
            manager: manager.clone(),
            changed: changed.unwrap_or_default(),
            judged,
        };
        let actor = if manager.is_empty() {
            manager
        } else {
            format!("manager:{manager}")
        };
        drafts.push(Draft::news(event.into()).by(actor));
        self.said.insert(object, look);
    }

    fn deleted(&mut self, live: &Value, drafts: &mut Vec<Draft>) {
        let uid = text(live, "/metadata/uid").to_owned();
        self.say_gone(
            identity(live),
            uid,
            text(live, "/metadata/resourceVersion"),
            drafts,
        );
    }

    fn listed(
        &mut self,
        listed: &BTreeSet<ObjectRef>,
        resource_version: &str,
        drafts: &mut Vec<Draft>,
    ) {
        let gone: Vec<_> = {
            let world = self.known.world();
            let in_scope = world.all_watched().filter(|(object, watched)| {
                let is_kind = object.group == self.group && object.kind == self.kind;
                let is_one = |(namespace, name): &(String, String)| {
                    object.namespace == *namespace && object.name == *name
                };
                is_kind
                    && self.one.as_ref().is_none_or(is_one)
                    && self.owners.is_none_or(|owners| watched.is_owned_by(owners))
            });
            let in_scope = in_scope.map(|(object, _)| object);
            in_scope
                .filter(|object| !listed.contains(*object))
                .cloned()
                .collect()
        };
        for object in gone {
            self.say_gone(object, String::new(), resource_version, drafts);
        }
    }

    fn passed(&self) {
        self.known.drop_one();
    }

    fn settled(&mut self) {
        self.said.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, RwLock};

    use fluvial_event::{
        ApplyObjects, Chain, Command, CommandIssued, Draft, Event, Head, Id, Rendered,
        ResourceObserved, Timestamp, command,
    };
    use fluvial_log::Key;
    use fluvial_log::memory::MemoryBlobs;

    use super::*;
    use crate::hear::{Heard, Listener};

    fn object(group: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            namespace: "team".into(),
            name: name.into(),
        }
    }

    /// A Kustomization that owns the ConfigMap `a`, and a HelmRelease that owns `b`.
    fn world() -> World {
        let mut world = World::default();
        let mut chain = Chain::new(Head::default(), 1);
        let mut tell = |event: Event| {
            let record = chain.seal(Draft::news(event), Id::NONE, Timestamp::default());
            world.evolve(&record);
        };
        for (group, kind, owned) in [
            ("kustomize.toolkit.fluxcd.io", "Kustomization", "a"),
            ("helm.toolkit.fluxcd.io", "HelmRelease", "b"),
        ] {
            let owner = object(group, kind, "web");
            tell(
                ResourceObserved {
                    object: Some(owner.clone()),
                    uid: kind.into(),
                    ..ResourceObserved::default()
                }
                .into(),
            );
            let apply = ApplyObjects {
                object: Some(owner),
                objects: vec![Rendered {
                    object: Some(object("", "ConfigMap", owned)),
                    manifest: "m1".into(),
                    stage: 1,
                    ..Rendered::default()
                }],
                ..ApplyObjects::default()
            };
            let kind = Some(command::Kind::ApplyObjects(apply));
            tell(
                CommandIssued {
                    command: Some(Command { kind }),
                }
                .into(),
            );
        }
        world
    }

    #[test]
    fn a_list_of_what_one_kind_of_owner_has_says_nothing_of_the_others() {
        let world = world();
        let scopes = wanted(&world);
        let labels: Vec<_> = scopes.iter().map(Scope::label).collect();
        assert_eq!(
            labels,
            [Some(label::KUSTOMIZATION_NAME), Some(MANAGED_BY_HELM)]
        );
        let known = Known::new(
            Arc::new(RwLock::new(world)),
            Arc::new(MemoryBlobs::default()),
            Key::from_bytes([0; 32]),
        );
        for (scope, expected) in scopes.into_iter().zip(["a", "b"]) {
            let nothing = [
                Heard::ListStarted,
                Heard::ListEnded {
                    resource_version: "7".into(),
                },
            ];
            let drafts = Listener::live(scope, known.clone()).hear(nothing, 0);
            let gone: Vec<_> = drafts
                .iter()
                .filter_map(|draft| draft.event.object())
                .map(|object| object.name.as_str())
                .collect();
            assert_eq!(gone, [expected]);
        }
    }
}
