//! `fluvial events`: the Kubernetes Events of Flux objects, as `flux events` prints them.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use fluvial_api::kinds::{self, Kind};
use fluvial_cluster::{Cluster, Resource, Selector, Watched};
use fluvial_event::Timestamp;
use futures::StreamExt as _;
use futures::stream::SelectAll;
use serde_json::Value;

use crate::connect::Globals;
use crate::json as read;
use crate::objects::reference;
use crate::output::{self, Plain};
use crate::table::Table;
use crate::{age, say};

/// Print the Kubernetes Events of Flux objects, oldest first
///
/// Kubernetes forgets them after an hour; `fluvial logs` and `fluvial log tail` have all of them, from the log.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial events
  fluvial events -A --types Warning
  fluvial events --for Kustomization/app
  fluvial events --for HelmRelease -n apps --watch")]
pub(crate) struct EventsArgs {
    /// The Events of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only of this kind, or of this object and of what it refers to
    #[arg(long = "for", value_name = "KIND[/NAME]")]
    about: Option<String>,
    /// Only these types
    #[arg(long, value_name = "TYPE", value_delimiter = ',', ignore_case = true)]
    types: Vec<Type>,
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    watch: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
}

/// What Kubernetes calls good news and bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    /// Good news
    Normal,
    /// Bad news
    Warning,
}

impl Type {
    fn word(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

pub(crate) async fn run(globals: &Globals, args: &EventsArgs) -> Result<ExitCode> {
    let query = Query::of(globals, args).await?;
    if args.watch {
        return query.watch().await;
    }
    let mut events = Vec::new();
    for selector in &query.selectors {
        let found = query.cluster.list_all(&query.resource, selector).await?;
        events.extend(found.into_iter().filter(|event| query.is_wanted(event)));
    }
    events.sort_by_key(seen);
    if let Some(format) = args.output {
        output::plain(format, &events)?;
    } else if events.is_empty() {
        say::failure(&if args.all_namespaces {
            "no events found".to_owned()
        } else {
            format!("no events found in \"{}\" namespace", globals.namespace)
        });
    } else {
        query.print(&events, true)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What was asked.
struct Query<'a> {
    cluster: Cluster,
    resource: Resource,
    selectors: Vec<Selector>,
    with_namespace: bool,
    args: &'a EventsArgs,
}

impl<'a> Query<'a> {
    async fn of(globals: &Globals, args: &'a EventsArgs) -> Result<Self> {
        let cluster = globals.cluster().await?;
        let namespace = if args.all_namespaces {
            ""
        } else {
            &globals.namespace
        };
        let mut selectors = vec![Selector::namespace(namespace)];
        if let Some(about) = &args.about {
            let (word, name) = about.split_once('/').unwrap_or((about, ""));
            let Some(kind) = kinds::named(word) else {
                bail!(
                    "cannot tell what --for {about} is: say a kind of Flux, such as Kustomization/app"
                );
            };
            selectors[0].fields = involved(kind.kind, name);
            if !name.is_empty() {
                let place = reference(kind, &globals.namespace, name);
                let object = cluster.get(&place).await?;
                let object = object
                    .with_context(|| format!("cannot find {place}: see `fluvial get all -A`"))?;
                selectors.extend(referred(kind, &object));
            }
        }
        let with_namespace = selectors
            .iter()
            .any(|it| it.namespace.is_empty() || it.namespace != namespace);
        let resource = cluster.resource("", "v1", "Event").await?;
        Ok(Self {
            resource: (*resource).clone(),
            cluster,
            selectors,
            with_namespace,
            args,
        })
    }

    fn is_wanted(&self, event: &Value) -> bool {
        let kind = read::text(event, "/involvedObject/kind");
        let types = &self.args.types;
        kinds::ALL.iter().any(|it| it.kind == kind)
            && (types.is_empty()
                || types
                    .iter()
                    .any(|it| it.word() == read::text(event, "/type")))
    }

    async fn watch(&self) -> Result<ExitCode> {
        let mut news = SelectAll::new();
        for selector in &self.selectors {
            news.push(self.cluster.watch(&self.resource, selector));
        }
        let mut with_header = true;
        while let Some(news) = news.next().await {
            match news {
                Watched::Listed(event) | Watched::Applied(event) if self.is_wanted(&event) => {
                    match self.args.output {
                        Some(Plain::Json) => output::json_line(&event)?,
                        Some(Plain::Yaml) => {
                            output::print("---\n")?;
                            output::yaml(&event)?;
                        }
                        None => self.print(&[event], with_header)?,
                    }
                    with_header = false;
                }
                Watched::Failed(error) => say::failure(&error.to_string()),
                Watched::Listed(_)
                | Watched::Applied(_)
                | Watched::ListStarted
                | Watched::ListEnded { .. }
                | Watched::Deleted(_)
                | Watched::Bookmark { .. }
                | Watched::Gap { .. } => {}
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, events: &[Value], with_header: bool) -> Result<()> {
        let columns = ["last seen", "type", "reason", "object", "message"];
        let namespace = self.with_namespace.then_some("namespace");
        let mut table = Table::new(namespace.into_iter().chain(columns));
        let now = fluvial_runtime::now();
        for event in events {
            let namespace = self
                .with_namespace
                .then(|| read::namespace(event).to_owned());
            table.row(namespace.into_iter().chain(row(event, now)));
        }
        output::print(&output::clean(&table.text(with_header)))
    }
}

/// The objects that this one refers to. flux: `fluxKindMap`, cmd/flux/events.go.
fn referred(kind: &Kind, object: &Value) -> Vec<Selector> {
    let home = read::namespace(object);
    let at = |pointer: &str, kind: &str| {
        let reference = object.pointer(pointer)?;
        let namespace = match read::text(reference, "/namespace") {
            "" => home,
            namespace => namespace,
        };
        let kind = match read::text(reference, "/kind") {
            "" => kind,
            kind => kind,
        };
        Some(Selector {
            fields: involved(kind, read::text(reference, "/name")),
            ..Selector::namespace(namespace)
        })
    };
    let mut all = Vec::new();
    if *kind == kinds::KUSTOMIZATION || *kind == kinds::HELM_CHART {
        all.extend(at("/spec/sourceRef", ""));
    } else if *kind == kinds::HELM_RELEASE {
        all.extend(at("/spec/chart/spec/sourceRef", ""));
        all.extend(at("/spec/chartRef", ""));
        if let Some((namespace, name)) = read::text(object, "/status/helmChart").split_once('/') {
            all.push(Selector {
                fields: involved(kinds::HELM_CHART.kind, name),
                ..Selector::namespace(namespace)
            });
        }
    } else if *kind == kinds::ALERT {
        all.extend(at("/spec/providerRef", kinds::PROVIDER.kind));
    } else if *kind == kinds::IMAGE_POLICY {
        all.extend(at("/spec/imageRepositoryRef", kinds::IMAGE_REPOSITORY.kind));
    }
    all
}

/// The field selector of the Events about an object, or about a kind.
fn involved(kind: &str, name: &str) -> String {
    let kind = format!("involvedObject.kind={kind}");
    if name.is_empty() {
        kind
    } else {
        format!("{kind},involvedObject.name={name}")
    }
}

/// When it was last said.
fn seen(event: &Value) -> Option<Timestamp> {
    time(event, "/series/lastObservedTime")
        .or_else(|| time(event, "/lastTimestamp"))
        .or_else(|| time(event, "/eventTime"))
}

fn time(event: &Value, pointer: &str) -> Option<Timestamp> {
    read::text(event, pointer).parse().ok()
}

fn row(event: &Value, now: Timestamp) -> [String; 5] {
    let object = format!(
        "{}/{}",
        read::text(event, "/involvedObject/kind"),
        read::text(event, "/involvedObject/name")
    );
    [
        last_seen(event, now),
        read::text(event, "/type").to_owned(),
        read::text(event, "/reason").to_owned(),
        object,
        read::text(event, "/message").to_owned(),
    ]
}

/// flux: `getLastSeen`.
fn last_seen(event: &Value, now: Timestamp) -> String {
    let ago = |time: Option<Timestamp>| {
        let Some(time) = time else {
            return "<unknown>".to_owned();
        };
        let nanos = now.0.saturating_sub(time.0);
        age::human(Duration::from_nanos(nanos.try_into().unwrap_or_default()))
    };
    let first = time(event, "/eventTime").or_else(|| time(event, "/firstTimestamp"));
    let count = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    if event.get("series").is_some_and(Value::is_object) {
        let last = time(event, "/series/lastObservedTime");
        let count = count("/series/count");
        format!("{} (x{count} over {})", ago(last), ago(first))
    } else if count("/count") > 1 {
        let last = time(event, "/lastTimestamp");
        format!("{} (x{} over {})", ago(last), count("/count"), ago(first))
    } else {
        ago(first)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_happened_often_says_how_often_and_since_when() {
        let now = "2026-11-23T10:10:00Z".parse().unwrap();
        for (event, text) in [
            (json!({"eventTime": "2026-11-23T10:09:30Z"}), "30s"),
            (
                json!({"firstTimestamp": "2026-11-23T10:05:00Z", "count": 1}),
                "5m",
            ),
            (
                json!({
                    "firstTimestamp": "2026-11-23T08:10:00Z",
                    "lastTimestamp": "2026-11-23T10:09:59Z",
                    "count": 7,
                }),
                "1s (x7 over 120m)",
            ),
            (
                json!({
                    "eventTime": "2026-11-23T10:00:00Z",
                    "series": {"count": 3, "lastObservedTime": "2026-11-23T10:09:00Z"},
                }),
                "60s (x3 over 10m)",
            ),
            (json!({}), "<unknown>"),
        ] {
            assert_eq!(last_seen(&event, now), text, "{event}");
        }
    }

    #[test]
    fn what_an_object_refers_to_is_asked_for_too() {
        let release = json!({
            "metadata": {"namespace": "apps", "name": "web"},
            "spec": {"chart": {"spec": {"sourceRef": {"kind": "HelmRepository", "name": "charts", "namespace": "sources"}}}},
            "status": {"helmChart": "sources/apps-web"},
        });
        let selectors = referred(&kinds::HELM_RELEASE, &release);
        let asked: Vec<_> = selectors
            .iter()
            .map(|it| format!("{} {}", it.namespace, it.fields))
            .collect();
        assert_eq!(
            asked,
            [
                "sources involvedObject.kind=HelmRepository,involvedObject.name=charts",
                "sources involvedObject.kind=HelmChart,involvedObject.name=apps-web",
            ]
        );
        let alert = json!({
            "metadata": {"namespace": "apps", "name": "on-call"},
            "spec": {"providerRef": {"name": "slack"}},
        });
        let selectors = referred(&kinds::ALERT, &alert);
        assert_eq!(
            selectors[0].fields,
            "involvedObject.kind=Provider,involvedObject.name=slack"
        );
    }
}
