//! The order in which objects are printed: as they came, or kustomize's legacy order.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::decode::Fields;
use crate::error::Result;
use crate::resource::{Gvk, Id, Resource};

/// `sortOptions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SortOptions {
    Fifo,
    Legacy {
        first: Vec<Cow<'static, str>>,
        last: Vec<Cow<'static, str>>,
    },
}

/// kustomize's own legacy order (`SortOrderTransformer.go`, v0.21.2).
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
const LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

impl SortOptions {
    /// The legacy order with kustomize's own lists.
    pub(crate) fn legacy() -> Self {
        Self::Legacy {
            first: FIRST.map(Cow::Borrowed).to_vec(),
            last: LAST.map(Cow::Borrowed).to_vec(),
        }
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let order = fields.string("order")?;
        let lists = fields.object("legacySortOptions", |fields| {
            Ok((fields.strings("orderFirst")?, fields.strings("orderLast")?))
        })?;
        match (order.as_str(), lists) {
            ("fifo", None) => Ok(Self::Fifo),
            ("legacy", None) => Ok(Self::legacy()),
            ("legacy", Some((first, last))) => Ok(Self::Legacy {
                first: first.into_iter().map(Cow::Owned).collect(),
                last: last.into_iter().map(Cow::Owned).collect(),
            }),
            ("fifo", Some(_)) => {
                Err(fields.error("legacySortOptions", "it goes with order: legacy only"))
            }
            _ => Err(fields.error("order", "it must be fifo or legacy")),
        }
    }

    /// Sorts objects.
    pub(crate) fn sort(&self, list: &mut [Resource]) {
        let Self::Legacy { first, last } = self else {
            return;
        };
        // Of a kind that is there twice, the last place counts.
        let place = |kinds: &[Cow<'_, str>], kind: &str| kinds.iter().rposition(|own| own == kind);
        let rank = |id: &Id| match place(last, &id.gvk.kind) {
            Some(place) => first.len() + 1 + place,
            None => place(first, &id.gvk.kind).unwrap_or(first.len()),
        };
        list.sort_by_cached_key(|resource| {
            let id = resource.id();
            Key {
                rank: rank(&id),
                id,
            }
        });
    }
}

/// Which of two kinds comes first in kustomize's own order.
pub(crate) fn compare_kinds(first: &Gvk, second: &Gvk) -> Ordering {
    let rank = |gvk: &Gvk| {
        let first = FIRST.iter().position(|kind| *kind == gvk.kind);
        let last = LAST.iter().position(|kind| *kind == gvk.kind);
        match (first, last) {
            (Some(rank), _) => rank,
            (None, Some(rank)) => FIRST.len() + 1 + rank,
            (None, None) => FIRST.len(),
        }
    };
    let by_rank = rank(first).cmp(&rank(second));
    by_rank.then_with(|| gvk_text(first).cmp(gvk_text(second)))
}

/// What the legacy order compares.
#[derive(PartialEq, Eq)]
struct Key {
    rank: usize,
    id: Id,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let kinds = || {
            let (mine, theirs) = (&self.id.gvk, &other.id.gvk);
            let order = gvk_text(mine).cmp(gvk_text(theirs));
            let core_namespaces = mine.kind == "Namespace"
                && theirs.kind == "Namespace"
                && (mine.group.is_empty() || theirs.group.is_empty());
            if core_namespaces {
                order.reverse()
            } else {
                order
            }
        };
        self.rank
            .cmp(&other.rank)
            .then_with(kinds)
            .then_with(|| id_text(&self.id).cmp(id_text(&other.id)))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}

/// `GROUP_VERSION_KIND`, as bytes to compare.
fn gvk_text(gvk: &Gvk) -> impl Iterator<Item = u8> {
    let group = or(&gvk.group, "~G");
    let parts = [group, "_", or(&gvk.version, "~V"), "_", or(&gvk.kind, "~K")];
    parts.into_iter().flat_map(str::bytes)
}

/// `KIND.VERSION.GROUP|NAMESPACE|NAME`, as bytes to compare.
fn id_text(id: &Id) -> impl Iterator<Item = u8> {
    let kind = or(&id.gvk.kind, "*");
    let dotted = [&id.gvk.version, &id.gvk.group].into_iter();
    let dotted = dotted.filter(|part| !part.is_empty());
    let name = ["|", or(&id.namespace, "~X"), "|", or(&id.name, "~N")];
    kind.bytes()
        .chain(dotted.flat_map(|part| ".".bytes().chain(part.bytes())))
        .chain(name.into_iter().flat_map(str::bytes))
}
