//! The API: what is answered to a request, by the objects of one moment.

#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use fluvial_event::Offset;
use fluvial_view::past::GAP;
use serde_json::{Value, json};

use crate::discovery::{self, VERBS};
use crate::page::{self, Token};
use crate::path::{self, Place, Target};
use crate::resource::Resource;
use crate::select::Selector;
use crate::status::{not_found, refuse};
use crate::table::{self, Include};
use crate::watch::Watch;
use crate::world::World;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// The parts of the path, decoded.
    pub path: Vec<String>,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The header `Accept`.
    pub accept: String,
    /// What was sent along.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Of HTTP.
    pub code: u16,
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// The texts of headers `Warning`.
    pub warnings: Vec<String>,
    /// What is sent.
    pub body: Value,
    /// What is told instead, for as long as the client listens.
    pub watch: Option<Box<Watch>>,
}

/// How a client would have objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Partial,
    Table(Include),
}

const JSON: &str = "application/json";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

impl Answer {
    pub(crate) fn json(code: u16, body: Value) -> Self {
        Self {
            code,
            content_type: JSON,
            warnings: Vec::new(),
            body,
            watch: None,
        }
    }
}

impl Request {
    fn query(&self, name: &str) -> &str {
        let found = self.query.iter().find(|it| it.0 == name);
        found.map_or("", |it| it.1.as_str())
    }

    fn is_on(&self, name: &str) -> bool {
        matches!(self.query(name), "true" | "1")
    }

    /// Whether the client would have this form (`as=Table`), of this group.
    fn accepts(&self, form: &str) -> bool {
        let mut forms = self.accept.split(',');
        forms.any(|it| {
            it.split(';')
                .any(|part| part.trim().strip_prefix("as=") == Some(form))
        })
    }
}

/// Answers a request, from memory.
pub fn answer(world: &World, request: &Request) -> Answer {
    let path: Vec<_> = request.path.iter().map(String::as_str).collect();
    let target = path::read(&path);
    if target == Target::Review && request.method == "POST" {
        return review(&request.body);
    }
    if request.method != "GET" {
        return refuse(
            405,
            "MethodNotAllowed",
            &format!(
                "this is the past, as of offset {} ({}): it is read-only; leave `fluvial at` to change the present",
                world.offset(),
                world.time()
            ),
        );
    }
    let resources = world.resources();
    let or_none = |found: Option<Value>| {
        found.map_or_else(
            || not_found("the server could not find the requested resource"),
            |it| Answer::json(200, it),
        )
    };
    let is_aggregated =
        request.accepts("APIGroupDiscoveryList") && request.accept.contains("v=v2;");
    let aggregated = |is_core| Answer {
        content_type: AGGREGATED,
        ..Answer::json(200, discovery::aggregated(resources, is_core))
    };
    match target {
        Target::Version => Answer::json(200, version(world)),
        Target::Healthy => Answer::json(200, json!("ok")),
        Target::Core if is_aggregated => aggregated(true),
        Target::Groups if is_aggregated => aggregated(false),
        Target::Core => Answer::json(200, discovery::core()),
        Target::Groups => Answer::json(200, discovery::groups(resources)),
        Target::Group(name) => or_none(discovery::group(resources, &name)),
        Target::Resources { group, version } => {
            or_none(discovery::resources(resources, &group, &version))
        }
        Target::List(place) => with_resource(world, &place, |it| list(world, it, &place, request)),
        Target::Object { place, name } => {
            with_resource(world, &place, |it| get(world, it, &place, &name, request))
        }
        Target::Review | Target::Nothing => or_none(None),
    }
}

fn version(world: &World) -> Value {
    json!({
        "major": "1",
        "minor": "37",
        "gitVersion": format!("v1.37.0+fluvial.{}", world.offset()),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": world.time().to_string(),
        "goVersion": "none",
        "compiler": "none",
        "platform": "fluvial/past",
    })
}

/// Everything may be read, and nothing else may be done.
fn review(body: &[u8]) -> Answer {
    let Ok(mut review) = serde_json::from_slice::<Value>(body) else {
        return refuse(400, "BadRequest", "cannot read the review: send it as JSON");
    };
    let verb = review["spec"]["resourceAttributes"]["verb"].as_str();
    let is_allowed = verb.is_none_or(|it| VERBS.contains(&it));
    let reason = if is_allowed {
        ""
    } else {
        "the past is read-only"
    };
    review["status"] = json!({"allowed": is_allowed, "reason": reason});
    Answer::json(201, review)
}

fn with_resource(world: &World, place: &Place, with: impl FnOnce(&Resource) -> Answer) -> Answer {
    let is_it = |it: &&Resource| {
        it.group == place.group && it.plural == place.plural && it.versions.contains(&place.version)
    };
    match world.resources().iter().find(is_it) {
        Some(resource) => with(resource),
        None => not_found("the server could not find the requested resource"),
    }
}

/// An object in the version that is asked for.
fn versioned(object: &Value, resource: &Resource, place: &Place) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = json!(resource.api_version(&place.version));
    object
}

impl Form {
    fn of(request: &Request) -> Self {
        if request.accepts("Table") {
            Self::Table(match request.query("includeObject") {
                "None" => Include::None,
                "Object" => Include::Object,
                _ => Include::Metadata,
            })
        } else if request.accepts("PartialObjectMetadata")
            || request.accepts("PartialObjectMetadataList")
        {
            Self::Partial
        } else {
            Self::Whole
        }
    }

    /// One object in this form.
    pub(crate) fn one(
        self,
        world: &World,
        resource: &Resource,
        place: &Place,
        object: &Value,
    ) -> Value {
        let object = versioned(object, resource, place);
        match self {
            Self::Whole => object,
            Self::Partial => table::partial(&object),
            Self::Table(include) => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                table::table(resource, &[object], world.time(), include, &metadata)
            }
        }
    }
}

fn get(world: &World, resource: &Resource, place: &Place, name: &str, request: &Request) -> Answer {
    let key = (place.namespace.clone().unwrap_or_default(), name.to_owned());
    let found = world.objects(resource).and_then(|it| it.get(&key));
    let Some(object) = found else {
        let full = resource.full_name();
        let mut answer = not_found(&format!("{full} {name:?} not found"));
        answer.body["details"] =
            json!({"name": name, "group": resource.group, "kind": resource.plural});
        answer.warnings = world.warnings(resource);
        return answer;
    };
    let mut warnings = world.warnings(resource);
    warnings.extend(gaps(std::slice::from_ref(&**object)));
    Answer {
        warnings,
        ..Answer::json(200, Form::of(request).one(world, resource, place, object))
    }
}

/// That something of these objects is not known.
fn gaps(objects: &[Value]) -> Option<String> {
    let gap = |it: &Value| Some(it["metadata"]["annotations"][GAP].as_str()?.to_owned());
    let mut gaps: Vec<_> = objects.iter().filter_map(gap).collect();
    gaps.sort_unstable();
    match gaps.as_slice() {
        [] => None,
        [one] => Some(format!("1 object is not wholly known: {one}")),
        [first, .., last] if first == last => Some(format!(
            "{} objects are not wholly known: {first}",
            gaps.len()
        )),
        [_, ..] => Some(format!(
            "{} objects are not wholly known: the annotation {GAP} of each says why",
            gaps.len()
        )),
    }
}

/// Where a watch goes on from, and what it tells.
fn watch(
    world: &World,
    resource: &Resource,
    place: &Place,
    request: &Request,
    selector: Selector,
) -> Answer {
    let since = match request.query("resourceVersion") {
        "" | "0" => None,
        _ if request.is_on("sendInitialEvents") => None,
        text => match text.parse().map(Offset) {
            Ok(since) if since >= world.offset() => Some(since),
            Ok(_) => {
                let message = format!("too old: this is the past as of offset {}", world.offset());
                return refuse(410, "Expired", &message);
            }
            Err(_) => return refuse(400, "BadRequest", "invalid resource version"),
        },
    };
    let timeout = request.query("timeoutSeconds").parse().ok();
    let timeout = timeout.filter(|it| *it > 0);
    let watch = Watch {
        resource: resource.clone(),
        place: place.clone(),
        selector,
        form: Form::of(request),
        since,
        with_bookmarks: request.is_on("allowWatchBookmarks"),
        timeout: timeout.map(Duration::from_secs),
    };
    Answer {
        warnings: world.warnings(resource),
        watch: Some(Box::new(watch)),
        ..Answer::json(200, Value::Null)
    }
}

fn list(world: &World, resource: &Resource, place: &Place, request: &Request) -> Answer {
    let selector = match Selector::read(
        request.query("labelSelector"),
        request.query("fieldSelector"),
    ) {
        Ok(selector) => selector,
        Err(message) => return refuse(400, "BadRequest", &message),
    };
    if request.is_on("watch") {
        return watch(world, resource, place, request, selector);
    }
    let after = match request.query("continue") {
        "" => None,
        text => match Token::read(text).filter(|it| it.offset == world.offset()) {
            Some(token) => Some(token.last),
            None => {
                return refuse(
                    410,
                    "Expired",
                    "this list was begun at another offset: begin it again",
                );
            }
        },
    };
    let is_there = |namespace: &str| place.namespace.as_ref().is_none_or(|it| it == namespace);
    let all = world.objects(resource).into_iter().flatten();
    let left = all
        .filter(|(name, object)| {
            is_there(&name.0)
                && after.as_ref().is_none_or(|after| *name > after)
                && selector.matches(object)
        })
        .collect::<Vec<_>>();
    let limit = request.query("limit").parse().unwrap_or_default();
    let (page, behind) = page::cut(left, limit);
    let mut metadata = json!({"resourceVersion": world.offset().to_string()});
    if let Some((last, _)) = page.last().filter(|_| behind > 0) {
        let last = (*last).clone();
        let offset = world.offset();
        metadata["continue"] = json!(Token { offset, last }.write());
        if selector.is_empty() {
            metadata["remainingItemCount"] = json!(behind);
        }
    }
    let objects: Vec<_> = page
        .iter()
        .map(|(_, it)| versioned(it, resource, place))
        .collect();
    let mut warnings = world.warnings(resource);
    warnings.extend(gaps(&objects));
    Answer {
        warnings,
        ..Answer::json(
            200,
            listed(world, resource, place, request, &objects, &metadata),
        )
    }
}

fn listed(
    world: &World,
    resource: &Resource,
    place: &Place,
    request: &Request,
    objects: &[Value],
    metadata: &Value,
) -> Value {
    let (kind, api_version, items) = match Form::of(request) {
        Form::Table(include) => {
            return table::table(resource, objects, world.time(), include, metadata);
        }
        Form::Partial => {
            let items = objects.iter().map(table::partial).collect();
            let kind = "PartialObjectMetadata".to_owned();
            (kind, "meta.k8s.io/v1".to_owned(), items)
        }
        Form::Whole => {
            let version = resource.api_version(&place.version);
            (resource.kind.clone(), version, objects.to_vec())
        }
    };
    json!({
        "kind": format!("{kind}List"),
        "apiVersion": api_version,
        "metadata": metadata,
        "items": Value::Array(items),
    })
}
