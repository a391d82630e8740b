//! Reading: one object, or a listing page by page.
//!
//! Following changes is `watch`'s work.

use futures::{Stream, TryStreamExt, stream};
use serde_json::Value;

use crate::{
    cluster::{Cluster, Outgoing},
    discovery::Resource,
    error::{Cause, Error},
    object::Reference,
    path,
    requests::Verb,
};

/// Which objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Only this namespace; empty for all.
    pub namespace: String,
    /// A label selector in Kubernetes' syntax; empty for all.
    pub labels: String,
    /// A field selector in Kubernetes' syntax; empty for all.
    pub fields: String,
}

impl Selector {
    /// Everything in `namespace`.
    pub fn namespace(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..Self::default()
        }
    }

    /// Everything, everywhere, with these labels.
    pub fn labels(labels: &str) -> Self {
        Self {
            labels: labels.to_owned(),
            ..Self::default()
        }
    }

    /// Only the object called `name`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.fields = format!("metadata.name={name}");
        self
    }
}

impl Cluster {
    /// The object as it is now, or `None` where the server says that it, its namespace or its kind is
    /// not there.
    pub async fn get(&self, reference: &Reference) -> Result<Option<Value>, Error> {
        match self.read(reference).await {
            Ok(object) => Ok(Some(object)),
            Err(Cause::NotFound { .. } | Cause::UnknownKind { .. }) => Ok(None),
            Err(cause) => Err(cause.during("get", reference, None)),
        }
    }

    /// Every object of `resource` that `selector` picks, in the order of namespace and name, as one
    /// state of the cluster. After an error the stream ends, and what came before it is no listing.
    pub fn list(
        &self,
        resource: &Resource,
        selector: &Selector,
    ) -> impl Stream<Item = Result<Value, Error>> + use<> {
        let (cluster, resource, selector) = (self.clone(), resource.clone(), selector.clone());
        let pages = stream::try_unfold(Some(String::new()), move |next| {
            let (cluster, resource, selector) =
                (cluster.clone(), resource.clone(), selector.clone());
            async move {
                let Some(token) = next else { return Ok(None) };
                let page = cluster.page(&resource, &selector, &token).await;
                let page =
                    page.map_err(|cause| Error::new(listing(&resource, &selector), cause))?;
                let objects = stream::iter(page.objects.into_iter().map(Ok));
                Ok::<_, Error>(Some((objects, page.next)))
            }
        });
        pages.try_flatten()
    }

    /// The same, all at once.
    pub async fn list_all(
        &self,
        resource: &Resource,
        selector: &Selector,
    ) -> Result<Vec<Value>, Error> {
        self.list(resource, selector).try_collect().await
    }

    pub(crate) async fn read(&self, reference: &Reference) -> Result<Value, Cause> {
        let resource = self.resource_of(reference).await?;
        let path = path::object(&resource, &reference.namespace, &reference.name)?;
        let answer = self.call(Verb::Get, Outgoing::get(path)).await;
        Ok(self.believe(reference, answer).await?.object)
    }

    /// Finds out what a 404 for a whole path means: the kind is gone, or this is no API server.
    pub(crate) async fn believe<T>(
        &self,
        reference: &Reference,
        answer: Result<T, Cause>,
    ) -> Result<T, Cause> {
        if let Err(Cause::NotServed { .. }) = &answer {
            self.resource_anew(reference).await?;
        }
        answer
    }

    /// The page of a listing that begins at `token`, or the first.
    pub(crate) async fn page(
        &self,
        resource: &Resource,
        selector: &Selector,
        token: &str,
    ) -> Result<Page, Cause> {
        let limit = PAGE_OBJECTS_MAX.to_string();
        let path = path::query(
            path::collection(resource, &selector.namespace)?,
            &[
                ("labelSelector", &selector.labels),
                ("fieldSelector", &selector.fields),
                ("limit", &limit),
                ("continue", token),
            ],
        );
        let mut list = self.call(Verb::List, Outgoing::get(path)).await?.object;
        let text = |pointer: &str| {
            list.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let (resource_version, next) = (
            text("/metadata/resourceVersion"),
            text("/metadata/continue"),
        );
        // Go writes an empty slice of a null pointer as null; anything else without items is no listing.
        let objects = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(objects)) => objects,
            Some(Value::Null) => Vec::new(),
            _ => {
                let message = "a listing without items".to_owned();
                return Err(Cause::Other { code: 200, message });
            }
        };
        let api_version = resource.api_version();
        let objects = objects
            .into_iter()
            .map(|object| complete(object, &api_version, &resource.kind));
        let next = (!next.is_empty()).then_some(next);
        Ok(Page {
            objects: objects.collect(),
            resource_version,
            next,
        })
    }
}

/// Part of a listing.
pub(crate) struct Page {
    pub(crate) objects: Vec<Value>,
    /// The state of the cluster that the whole listing shows.
    pub(crate) resource_version: String,
    /// Where the next page begins, unless this was the last.
    pub(crate) next: Option<String>,
}

/// What client-go asks for.
const PAGE_OBJECTS_MAX: u32 = 500;

/// The objects of a listing do not repeat what the list says of them all.
fn complete(mut object: Value, api_version: &str, kind: &str) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.entry("apiVersion")
            .or_insert_with(|| api_version.into());
        map.entry("kind").or_insert_with(|| kind.into());
    }
    object
}

pub(crate) fn listing(resource: &Resource, selector: &Selector) -> String {
    match selector.namespace.as_str() {
        "" => format!("list {}", resource.plural),
        namespace => format!("list {} of namespace {namespace}", resource.plural),
    }
}
