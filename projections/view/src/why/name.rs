//! From what people type to an object: `deploy/podinfo`, `deployment.apps/podinfo`, `ks app`.

use std::collections::BTreeSet;

use fluvial_api::kinds;
use fluvial_event::ObjectRef;

/// What was typed, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A kind by any of its names, in small letters.
    kind: String,
    /// Its group, if that was said.
    group: Option<String>,
    /// Its namespace, if that was said.
    namespace: Option<String>,
    /// Its name.
    name: String,
}

/// Where an object is looked for whose name does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace<'a> {
    /// There, and among what is in no namespace.
    Only(&'a str),
    /// There first; then in all others.
    First(&'a str),
}

/// What it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// This object.
    One(ObjectRef),
    /// Any of these.
    Many(Vec<ObjectRef>),
    /// Nothing that is known; these are near.
    Nothing(Vec<ObjectRef>),
}

/// What kubectl also calls the kinds that it knows by itself.
const SHORT_NAMES: [(&str, &str); 27] = [
    // sorted
    ("cj", "cronjob"),
    ("cm", "configmap"),
    ("crd", "customresourcedefinition"),
    ("crds", "customresourcedefinition"),
    ("csr", "certificatesigningrequest"),
    ("deploy", "deployment"),
    ("ds", "daemonset"),
    ("ep", "endpoints"),
    ("ev", "event"),
    ("hpa", "horizontalpodautoscaler"),
    ("ing", "ingress"),
    ("limits", "limitrange"),
    ("netpol", "networkpolicy"),
    ("no", "node"),
    ("ns", "namespace"),
    ("pc", "priorityclass"),
    ("pdb", "poddisruptionbudget"),
    ("po", "pod"),
    ("pv", "persistentvolume"),
    ("pvc", "persistentvolumeclaim"),
    ("quota", "resourcequota"),
    ("rc", "replicationcontroller"),
    ("rs", "replicaset"),
    ("sa", "serviceaccount"),
    ("sc", "storageclass"),
    ("sts", "statefulset"),
    ("svc", "service"),
];
/// How many near names are told.
const NEAR_MAX: usize = 3;

impl Wanted {
    /// Understands `KIND/NAME`, `KIND NAME`, `KIND/NAMESPACE/NAME`, `KIND.GROUP/NAME` and `source git NAME`.
    pub fn parse(words: &[String]) -> Option<Self> {
        let text = words.join(" ");
        let text = text.trim();
        let (kind, rest) = text.split_once('/').or_else(|| text.rsplit_once(' '))?;
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, rest),
        };
        let is_name = |it: &str| !it.is_empty() && !it.contains(['/', ' ']);
        let kind = kind.trim().to_lowercase();
        if kind.is_empty() || !is_name(name) || namespace.as_deref().is_some_and(|it| !is_name(it))
        {
            return None;
        }
        let (kind, group) = match kind.split_once('.') {
            Some((kind, group)) => (kind.to_owned(), Some(without_version(group).to_owned())),
            None => (kind, None),
        };
        let short = SHORT_NAMES.iter().find(|it| it.0 == kind);
        let kind = match (kinds::named(&kind), short) {
            (Some(known), _) => known.kind.to_lowercase(),
            (None, Some((_, long))) => (*long).to_owned(),
            (None, None) => kind,
        };
        Some(Self {
            kind,
            group,
            namespace,
            name: name.to_owned(),
        })
    }

    /// Which of the `known` objects this means.
    pub fn among(&self, known: &BTreeSet<ObjectRef>, namespace: Namespace<'_>) -> Meant {
        let all: Vec<_> = known
            .iter()
            .filter(|it| it.name == self.name && self.is_kind(it) && self.is_placed(it))
            .collect();
        let (Namespace::Only(here) | Namespace::First(here)) = namespace;
        let here: Vec<_> = all
            .iter()
            .filter(|it| it.namespace.is_empty() || it.namespace == here)
            .copied()
            .collect();
        // A name that says its namespace means that one, whatever was said beside it.
        let all = match namespace {
            Namespace::Only(_) if self.namespace.is_none() => here.clone(),
            Namespace::Only(_) | Namespace::First(_) => all,
        };
        match (here.as_slice(), all.as_slice()) {
            ([one], _) | ([], [one]) => Meant::One((*one).clone()),
            ([], []) => Meant::Nothing(self.near(known)),
            ([], many) | (many, _) => Meant::Many(many.iter().map(|it| (*it).clone()).collect()),
        }
    }

    fn is_kind(&self, object: &ObjectRef) -> bool {
        let kind = object.kind.to_lowercase();
        let is_it = kind == self.kind || plural(&kind) == self.kind;
        is_it
            && self
                .group
                .as_ref()
                .is_none_or(|group| *group == object.group)
    }

    fn is_placed(&self, object: &ObjectRef) -> bool {
        self.namespace
            .as_ref()
            .is_none_or(|it| *it == object.namespace)
    }

    /// The names that are near: of this kind first.
    fn near(&self, known: &BTreeSet<ObjectRef>) -> Vec<ObjectRef> {
        let far = (self.name.len() / 3).max(2);
        let mut near: Vec<_> = known
            .iter()
            .map(|it| (!self.is_kind(it), distance(&self.name, &it.name), it))
            .filter(|(_, distance, it)| *distance <= far || it.name.contains(&self.name))
            .collect();
        near.sort();
        near.into_iter()
            .take(NEAR_MAX)
            .map(|it| it.2.clone())
            .collect()
    }
}

/// As it was typed, in one way.
impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(group) = &self.group {
            write!(f, ".{group}")?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, "/{namespace}")?;
        }
        write!(f, "/{}", self.name)
    }
}

/// `apps` of `v1.apps`, as kubectl takes it.
fn without_version(group: &str) -> &str {
    let is_version = |it: &str| {
        it.strip_prefix('v')
            .is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
    };
    match group.split_once('.') {
        Some((version, group)) if is_version(version) => group,
        _ => group,
    }
}

/// As Kubernetes makes it of a kind that does not say.
fn plural(kind: &str) -> String {
    if let Some(stem) = kind.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
    {
        return format!("{stem}ies");
    }
    if ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|end| kind.ends_with(end))
    {
        return format!("{kind}es");
    }
    format!("{kind}s")
}

/// How many letters are to be changed, added or taken away. Names are at most 253 bytes long.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fluvial_event::ObjectRef;

    use super::{Meant, Namespace, Wanted};

    /// What is typed, in which namespace, and what it means.
    const TYPED: [(&str, &str, &str); 21] = [
        ("deployment/web", "apps", "Deployment/apps/web"),
        ("deploy web", "shop", "Deployment/shop/web"),
        ("Deployments/web", "shop", "Deployment/shop/web"),
        ("deployment/web", "elsewhere", "many"),
        ("Deployment/apps/web", "shop", "Deployment/apps/web"),
        ("deploy/both", "shop", "many"),
        ("deployment.apps/both", "shop", "Deployment/shop/both"),
        ("deployments.v1.apps/both", "shop", "Deployment/shop/both"),
        (
            "deployment.example.org/both",
            "shop",
            "Deployment/shop/both",
        ),
        ("netpol/web", "shop", "NetworkPolicy/shop/web"),
        ("networkpolicies web", "shop", "NetworkPolicy/shop/web"),
        ("ingresses/web", "shop", "Ingress/shop/web"),
        ("ep/web", "shop", "Endpoints/shop/web"),
        ("ns/shop", "anywhere", "Namespace/shop"),
        ("ks/app", "flux-system", "Kustomization/flux-system/app"),
        (
            "kustomization other",
            "flux-system",
            "Kustomization/team/other",
        ),
        (
            "source git app",
            "flux-system",
            "GitRepository/flux-system/app",
        ),
        (
            "gitrepositories/app",
            "flux-system",
            "GitRepository/flux-system/app",
        ),
        (
            "deployment/wbe",
            "shop",
            "near Deployment/apps/web Deployment/shop/web Endpoints/shop/web",
        ),
        (
            "service/both",
            "shop",
            "near Deployment/shop/both Deployment/shop/both",
        ),
        ("deployment/nothing", "shop", "near"),
    ];

    fn object(kind: &str, namespace: &str, name: &str) -> ObjectRef {
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        ObjectRef {
            group: group.into(),
            version: String::new(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    #[test]
    fn every_way_to_name_an_object_means_it() {
        let known: BTreeSet<_> = [
            object("Deployment.apps", "apps", "web"),
            object("Deployment.apps", "shop", "web"),
            object("Deployment.example.org", "shop", "both"),
            object("Deployment.apps", "shop", "both"),
            object("NetworkPolicy.networking.k8s.io", "shop", "web"),
            object("Ingress.networking.k8s.io", "shop", "web"),
            object("Endpoints", "shop", "web"),
            object("Namespace", "", "shop"),
            object(
                "Kustomization.kustomize.toolkit.fluxcd.io",
                "flux-system",
                "app",
            ),
            object("Kustomization.kustomize.toolkit.fluxcd.io", "team", "other"),
            object(
                "GitRepository.source.toolkit.fluxcd.io",
                "flux-system",
                "app",
            ),
        ]
        .into();
        for (typed, namespace, means) in TYPED {
            let words: Vec<_> = typed.split(' ').map(str::to_owned).collect();
            let found = match Wanted::parse(&words)
                .unwrap()
                .among(&known, Namespace::First(namespace))
            {
                Meant::One(it) => it.to_string(),
                Meant::Many(_) => "many".to_owned(),
                Meant::Nothing(near) => {
                    let near = near.iter().map(|it| format!(" {it}"));
                    format!("near{}", near.collect::<Vec<_>>().concat())
                }
            };
            assert_eq!(found, means, "{typed}");
        }
        for (typed, namespace, means) in [
            ("deployment/web", "shop", "Deployment/shop/web"),
            ("kustomization other", "flux-system", "nothing"),
            (
                "kustomization/team/other",
                "flux-system",
                "Kustomization/team/other",
            ),
            ("ns/shop", "anywhere", "Namespace/shop"),
        ] {
            let words: Vec<_> = typed.split(' ').map(str::to_owned).collect();
            let wanted = Wanted::parse(&words).unwrap();
            let found = match wanted.among(&known, Namespace::Only(namespace)) {
                Meant::One(it) => it.to_string(),
                Meant::Many(_) | Meant::Nothing(_) => "nothing".to_owned(),
            };
            assert_eq!(found, means, "-n {namespace} {typed}");
        }
        for bad in ["", "deployment", "/", "deployment/", "/web", "a/b/c/d"] {
            assert_eq!(Wanted::parse(&[bad.to_owned()]), None, "{bad}");
        }
    }
}
