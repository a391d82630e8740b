//! How the world is stored, read back, digested and compared.

use std::collections::BTreeSet;

use fluvial_event::{Digest, Timestamp};

use super::World;
use crate::helm_release::HelmRelease;
use crate::kustomization::Kustomization;
use crate::name::Name;
use crate::state::{self, Error, Key, Value};

/// How the world is stored and read back.
impl World {
    /// The format of what is stored: a state of another one is folded again.
    pub const FORMAT: &str = "world/9";

    /// What changed since this was last asked: keys with their values, `None` for what is gone.
    pub fn changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let dirty = self.dirty.take();
        dirty
            .iter()
            .map(|key| {
                (
                    key.to_bytes(),
                    self.value(key).map(|it| state::to_bytes(&it)),
                )
            })
            .collect()
    }

    fn value(&self, key: &Key<Name>) -> Option<Value> {
        match key {
            Key::Clock => Some(Value::Clock(self.now.0)),
            Key::Source(object) => self
                .sources
                .get(object)
                .map(|it| Value::Source(Box::new(it.clone()))),
            Key::Kustomization(object) => self
                .kustomizations
                .get(object)
                .map(|it| Value::Kustomization(Box::new(it.core.clone()))),
            Key::Owned(object, owned) => self
                .kustomizations
                .get(object)
                .and_then(|it| it.owned.get(owned))
                .map(|it| Value::Owned(Box::new(it.clone()))),
            Key::HelmRelease(object) => self
                .releases
                .get(object)
                .map(|it| Value::HelmRelease(Box::new(it.core.clone()))),
            Key::Released(object, owned) => self
                .releases
                .get(object)
                .and_then(|it| it.owned.get(owned))
                .map(|it| Value::Released(Box::new(it.clone()))),
            Key::Seen(object) => self
                .seen
                .get(object)
                .map(|it| Value::Seen(Box::new(it.clone()))),
            Key::Bystander(object) => self
                .bystanders
                .get(object)
                .map(|it| Value::Bystander(Box::new(it.clone()))),
            Key::Alert(object) => self
                .alerts
                .get(object)
                .map(|it| Value::Alert(Box::new(it.clone()))),
            Key::Provider(object) => self
                .providers
                .get(object)
                .map(|it| Value::Provider(Box::new(it.clone()))),
        }
    }

    fn keys(&self) -> BTreeSet<Key<Name>> {
        let mut keys = BTreeSet::from([Key::Clock]);
        keys.extend(self.sources.names().cloned().map(Key::Source));
        keys.extend(self.bystanders.names().cloned().map(Key::Bystander));
        keys.extend(self.alerts.names().cloned().map(Key::Alert));
        keys.extend(self.providers.names().cloned().map(Key::Provider));
        keys.extend(self.seen.names().cloned().map(Key::Seen));
        for (object, kustomization) in self.kustomizations.iter() {
            keys.insert(Key::Kustomization(object.clone()));
            keys.extend(
                kustomization
                    .owned
                    .names()
                    .map(|it| Key::Owned(object.clone(), it.clone())),
            );
        }
        for (object, release) in self.releases.iter() {
            keys.insert(Key::HelmRelease(object.clone()));
            let owned = release.owned.names();
            keys.extend(owned.map(|it| Key::Released(object.clone(), it.clone())));
        }
        keys
    }

    /// The digest of the whole state: the same log gives the same digest, on any machine.
    pub fn digest(&self) -> Digest {
        let mut all = Vec::new();
        for key in self.keys() {
            let Some(value) = self.value(&key) else {
                continue;
            };
            for bytes in [key.to_bytes(), state::to_bytes(&value)] {
                all.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                all.extend_from_slice(&bytes);
            }
        }
        Digest::of(&all)
    }

    /// Puts the world together from stored pairs. Nothing is due until something is folded in.
    pub fn load<E>(
        pairs: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), E>>,
    ) -> Result<Self, Error>
    where
        E: std::fmt::Display,
    {
        let mut world = Self::default();
        let mut owned = Vec::new();
        let mut released = Vec::new();
        for pair in pairs {
            let (key, value) = pair.map_err(|error| Error(error.to_string()))?;
            match state::from_bytes(&key, &value)? {
                (Key::Clock, Value::Clock(time)) => world.now = Timestamp(time),
                (Key::Source(object), Value::Source(source)) => {
                    world.sources.insert(Name::of(&object), *source);
                }
                (Key::Kustomization(object), Value::Kustomization(core)) => {
                    world
                        .kustomizations
                        .insert(Name::of(&object), Kustomization::restored(*core));
                }
                (Key::Owned(object, key), Value::Owned(value)) => owned.push((object, key, *value)),
                (Key::HelmRelease(object), Value::HelmRelease(core)) => {
                    let release = HelmRelease::restored(*core);
                    world.releases.insert(Name::of(&object), release);
                }
                (Key::Released(object, key), Value::Released(value)) => {
                    released.push((object, key, *value));
                }
                (Key::Seen(object), Value::Seen(seen)) => {
                    world.seen.insert(Name::of(&object), *seen);
                }
                (Key::Bystander(object), Value::Bystander(bystander)) => {
                    world.bystanders.insert(Name::of(&object), *bystander);
                }
                (Key::Alert(object), Value::Alert(alert)) => {
                    world.alerts.insert(Name::of(&object), *alert);
                }
                (Key::Provider(object), Value::Provider(provider)) => {
                    world.providers.insert(Name::of(&object), *provider);
                }
                (key, _) => return Err(Error(format!("{key:?} holds a value of another kind"))),
            }
        }
        for (object, key, value) in owned {
            let Some(kustomization) = world.kustomizations.get_mut(&object) else {
                return Err(Error(format!("{object} owns objects but is not there")));
            };
            let key = Name::of(&key);
            kustomization.owned.restore(key.clone(), value);
            world.suspect(&Name::of(&object), &key);
        }
        for (object, key, value) in released {
            let Some(release) = world.releases.get_mut(&object) else {
                return Err(Error(format!("{object} owns objects but is not there")));
            };
            let key = Name::of(&key);
            release.owned.restore(key.clone(), value);
            world.suspect(&Name::of(&object), &key);
        }
        let all = world.kustomizations.names().chain(world.releases.names());
        let all = all.chain(world.sources.names());
        let all: Vec<_> = all.cloned().collect();
        for object in &all {
            world.relink(object);
        }
        world.dirty.clear();
        world.set_all_timers();
        Ok(world)
    }

    fn set_all_timers(&mut self) {
        let all: Vec<_> = self.names().cloned().collect();
        for object in all {
            let due = self.due(&object);
            self.set_timer(&object, &due);
        }
    }
}

/// Two worlds are equal when what is stored of them is.
impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.now == other.now
            && self.sources == other.sources
            && self.kustomizations == other.kustomizations
            && self.releases == other.releases
            && self.bystanders == other.bystanders
            && self.alerts == other.alerts
            && self.providers == other.providers
            && self.seen == other.seen
    }
}
