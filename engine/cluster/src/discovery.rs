//! What kinds the server has, and what it calls them: aggregated discovery, cached.
//!
//! One answer serves everybody: who comes while it is being fetched waits for it. It leaves to
//! `Cluster` in whose name the question is asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    cluster::{Cluster, Outgoing},
    error::Cause,
    requests::Verb,
};

/// A kind as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The name in URLs and RBAC rules.
    pub plural: String,
    /// What people also call it: the singular, and the short names.
    pub aliases: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether it has the subresource `status`.
    pub status: bool,
    /// What can be done with it: "get", "list", "watch", …
    pub verbs: Vec<String>,
}

impl Resource {
    /// "apps/v1" or "v1", as in an object's `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            return self.version.clone();
        }
        format!("{}/{}", self.group, self.version)
    }

    /// Whether it has this name, in small letters.
    fn is_called(&self, name: &str) -> bool {
        let mut aliases = self.aliases.iter();
        name == self.plural || name == self.kind.to_lowercase() || aliases.any(|it| it == name)
    }

    /// Whether `verb` can be done with it.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }
}

/// The kinds of one server.
#[derive(Default)]
pub(crate) struct Discovery {
    known: RwLock<Known>,
    /// Held while asking.
    asking: Mutex<()>,
}

#[derive(Default)]
struct Known {
    groups: BTreeMap<String, Group>,
    /// When the question was sent whose answer this is.
    answered: Option<Instant>,
    /// When a question was sent last, answered or not.
    asked: Option<Instant>,
    /// Whether kinds may have changed since.
    doubted: bool,
    /// Whether the server was still beginning when it was asked: what it did not name may be there all the same.
    is_partial: bool,
}

#[derive(Default)]
struct Group {
    /// In the server's order of preference.
    versions: Vec<Version>,
}

struct Version {
    name: String,
    /// The server could not reach the API server behind this version: what it says may be old or empty.
    stale: bool,
    resources: Vec<Arc<Resource>>,
}

/// An unknown kind makes us ask again, but not more often than this.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

impl Discovery {
    /// The resource of this kind; an empty version means the preferred one that has it.
    pub(crate) async fn find(
        &self,
        cluster: &Cluster,
        group: &str,
        version: &str,
        kind: &str,
    ) -> Result<Arc<Resource>, Cause> {
        let arrived = Instant::now();
        let (found, asked, doubted) = {
            let known = self.known();
            (
                known.look_up(group, version, kind),
                known.asked,
                known.doubted,
            )
        };
        let just_asked = asked.is_some_and(|asked| arrived < asked + ASK_INTERVAL);
        match found {
            Some(resource) if !doubted || just_asked => Ok(resource),
            _ => self.find_anew(cluster, arrived, group, version, kind).await,
        }
    }

    /// The same, from an answer to a question asked after `since`.
    pub(crate) async fn find_anew(
        &self,
        cluster: &Cluster,
        since: Instant,
        group: &str,
        version: &str,
        kind: &str,
    ) -> Result<Arc<Resource>, Cause> {
        self.ask(cluster, since).await?;
        let known = self.known();
        known
            .look_up(group, version, kind)
            .ok_or_else(|| known.why_not(group, version, kind))
    }

    /// The resource that people call so: `deploy`, `Deployment`, `deployments.apps`, `deployments.v1.apps`.
    pub(crate) async fn called(
        &self,
        cluster: &Cluster,
        name: &str,
    ) -> Result<Arc<Resource>, Cause> {
        if let Ok(resource) = self.known().called(name) {
            return Ok(resource);
        }
        self.ask(cluster, Instant::now()).await?;
        let known = self.known();
        known.called(name).map_err(|message| {
            if known.is_partial {
                return known.why_not("", "", name);
            }
            Cause::UnknownKind { message }
        })
    }

    /// Every version of every group, and every kind in it, as Helm's charts ask for them: `apps/v1` and
    /// `apps/v1/Deployment`.
    pub(crate) async fn names(&self, cluster: &Cluster) -> Result<Vec<String>, Cause> {
        let is_fresh = {
            let known = self.known();
            known.answered.is_some() && !known.doubted
        };
        if !is_fresh {
            self.ask(cluster, Instant::now()).await?;
        }
        let known = self.known();
        if known.is_partial {
            let message =
                "it is not ready, and may not know all its kinds; see its /readyz?verbose";
            return Err(unavailable(message));
        }
        Ok(known.names())
    }

    /// What is known may have changed: ask again before it is next used, if that was not just done.
    pub(crate) fn doubt(&self) {
        self.known_mut().doubted = true;
    }

    async fn ask(&self, cluster: &Cluster, since: Instant) -> Result<(), Cause> {
        let _one_at_a_time = self.asking.lock().await;
        let (answered, asked) = {
            let known = self.known();
            (known.answered, known.asked)
        };
        if answered.is_some_and(|answered| answered >= since) {
            return Ok(());
        }
        if let Some(asked) = asked {
            tokio::time::sleep_until(asked + ASK_INTERVAL).await;
        }
        let began = Instant::now();
        {
            let mut known = self.known_mut();
            known.asked = Some(began);
            known.doubted = false;
        }
        let cluster = cluster.own();
        // Before the question: the other way about, what was asked too early would be taken for all there is.
        let is_ready = cluster.is_ready().await?;
        let mut groups = fetch(&cluster, "/api").await?;
        groups.extend(fetch(&cluster, "/apis").await?);
        let mut known = self.known_mut();
        known.groups = groups;
        known.answered = Some(began);
        known.is_partial = !is_ready;
        known.doubted |= !is_ready;
        Ok(())
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn look_up(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        let versions = self.groups.get(group)?.versions.iter();
        let mut resources = versions
            .filter(|known| version.is_empty() || known.name == version)
            .flat_map(|known| &known.resources);
        resources
            .find(|resource| resource.kind == kind)
            .map(Arc::clone)
    }

    /// The resource that people call so. A name that several groups have means the core group's.
    fn called(&self, name: &str) -> Result<Arc<Resource>, String> {
        let name = name.to_lowercase();
        let (word, place) = name.split_once('.').unwrap_or((&name, ""));
        let mut found: Vec<Arc<Resource>> = Vec::new();
        for (group, known) in &self.groups {
            let mut fitting = known.versions.iter().filter(|version| {
                let with_version = format!("{}.{group}", version.name);
                place.is_empty() || place == group || place == with_version
            });
            let resource = fitting.find_map(|version| {
                let mut resources = version.resources.iter();
                resources.find(|resource| resource.is_called(word))
            });
            found.extend(resource.map(Arc::clone));
        }
        let is_core = found.first().is_some_and(|it| it.group.is_empty());
        match found.as_slice() {
            [] => Err(format!(
                "the server has no kind {name:?}; `kubectl api-resources` lists those that it has"
            )),
            [_, _, ..] if !is_core => {
                let named = |it: &Arc<Resource>| format!("{}.{}", it.plural, it.group);
                let all: Vec<_> = found.iter().map(named).collect();
                Err(format!(
                    "{name:?} may be any of {}: say which",
                    all.join(", ")
                ))
            }
            [first, ..] => Ok(Arc::clone(first)),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (group, known) in &self.groups {
            for version in &known.versions {
                let slash = if group.is_empty() { "" } else { "/" };
                let name = format!("{group}{slash}{}", version.name);
                let kinds = version
                    .resources
                    .iter()
                    .map(|it| format!("{name}/{}", it.kind));
                names.extend(kinds);
                names.push(name);
            }
        }
        names
    }

    fn why_not(&self, group: &str, version: &str, kind: &str) -> Cause {
        let versions = self
            .groups
            .get(group)
            .map_or(&[][..], |group| &group.versions);
        if versions.iter().any(|known| known.stale) {
            return unavailable(&format!(
                "the API server behind group {group:?} is not available, so nothing is known of kind \
                 {kind:?}; check its APIService"
            ));
        }
        if self.is_partial {
            return unavailable(&format!(
                "it is not ready, so nothing is known of kind {kind:?} in group {group:?}; see its \
                 /readyz?verbose"
            ));
        }
        let slash = if group.is_empty() { "" } else { "/" };
        let message = format!(
            "no matches for kind {kind:?} in version \"{group}{slash}{version}\"; install its CRD or \
             correct apiVersion"
        );
        Cause::UnknownKind { message }
    }
}

fn unavailable(message: &str) -> Cause {
    Cause::Other {
        code: 503,
        message: message.to_owned(),
    }
}

/// `APIGroupDiscoveryList` of `k8s.io/api/apidiscovery/v2`, served since Kubernetes 1.30.
async fn fetch(cluster: &Cluster, path: &str) -> Result<BTreeMap<String, Group>, Cause> {
    const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let request = Outgoing {
        accept: Some(AGGREGATED),
        ..Outgoing::get(path.to_owned())
    };
    let list = cluster.call(Verb::Discover, request).await?.object;
    if list["kind"] != "APIGroupDiscoveryList" {
        let message = format!(
            "{path} of the server has no aggregated discovery; Kubernetes 1.30 or newer is needed"
        );
        return Err(Cause::Configuration { message });
    }
    let groups = items(&list, "items").map(|group| {
        let name = group
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned();
        let versions = items(group, "versions")
            .map(|version| read_version(&name, version))
            .collect();
        (name, Group { versions })
    });
    Ok(groups.collect())
}

fn read_version(group: &str, version: &Value) -> Version {
    let name = text(version, "version");
    let resources = items(version, "resources").filter_map(|resource| {
        // An entry without a kind is there only for its subresources.
        let kind = resource
            .pointer("/responseKind/kind")?
            .as_str()
            .filter(|kind| !kind.is_empty())?;
        Some(Arc::new(Resource {
            group: group.to_owned(),
            version: name.clone(),
            kind: kind.to_owned(),
            plural: text(resource, "resource"),
            aliases: aliases(resource),
            namespaced: resource["scope"] == "Namespaced",
            status: items(resource, "subresources").any(|sub| sub["subresource"] == "status"),
            verbs: items(resource, "verbs")
                .filter_map(Value::as_str)
                .map(ToOwned::to_owned)
                .collect(),
        }))
    });
    Version {
        resources: resources.collect(),
        stale: version["freshness"] == "Stale",
        name,
    }
}

fn aliases(resource: &Value) -> Vec<String> {
    let short = items(resource, "shortNames").filter_map(Value::as_str);
    let all = resource["singularResource"]
        .as_str()
        .into_iter()
        .chain(short);
    all.map(str::to_lowercase).collect()
}

fn items<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    object[key].as_array().into_iter().flatten()
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A group of the server with one version of these kinds: kind, plural, aliases.
    fn group(name: &str, kinds: &[(&str, &str, &[&str])]) -> (String, Group) {
        let resources = kinds.iter().map(|(kind, plural, short)| {
            json!({
                "resource": plural,
                "responseKind": {"kind": kind},
                "scope": "Namespaced",
                "singularResource": kind.to_lowercase(),
                "shortNames": short,
            })
        });
        let version = json!({"version": "v1", "resources": resources.collect::<Vec<_>>()});
        let versions = vec![read_version(name, &version)];
        (name.to_owned(), Group { versions })
    }

    #[test]
    fn a_kind_is_found_by_every_name_that_kubectl_knows() {
        let groups = [
            group(
                "",
                &[("Event", "events", &["ev"]), ("Pod", "pods", &["po"])],
            ),
            group("apps", &[("Deployment", "deployments", &["deploy"])]),
            group("events.k8s.io", &[("Event", "events", &["ev"])]),
            group("one.example", &[("Thing", "things", &[])]),
            group("two.example", &[("Thing", "things", &[])]),
        ];
        let known = Known {
            groups: BTreeMap::from(groups),
            ..Known::default()
        };
        for (name, found) in [
            ("deploy", "apps/Deployment"),
            ("Deployment", "apps/Deployment"),
            ("deployments", "apps/Deployment"),
            ("deployments.apps", "apps/Deployment"),
            ("deployments.v1.apps", "apps/Deployment"),
            ("po", "/Pod"),
            ("ev", "/Event"),
            ("events.events.k8s.io", "events.k8s.io/Event"),
            ("things.two.example", "two.example/Thing"),
        ] {
            let resource = known.called(name).unwrap();
            let resource = format!("{}/{}", resource.group, resource.kind);
            assert_eq!(resource, found, "{name}");
        }
        for (name, words) in [
            ("thing", "things.one.example, things.two.example"),
            ("deployments.v2.apps", "no kind"),
            ("nonsense", "kubectl api-resources"),
        ] {
            let error = known.called(name).unwrap_err();
            assert!(error.contains(words), "{name}: {error}");
        }
    }
}
