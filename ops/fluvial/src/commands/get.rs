//! `fluvial get`: the tables that `flux get` prints.

mod columns;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fluvial_api::kinds::Kind;
use fluvial_cluster::{Cause, Cluster, Selector, Watched};
use futures::StreamExt as _;
use futures::stream::SelectAll;
use serde_json::{Value, json};

use crate::connect::Globals;
use crate::objects::{self, Named};
use crate::output::{self, Format};
use crate::table::Table;
use crate::{json as read, say};
use columns::Columns;

/// Print the state of Flux objects
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of flux")]
#[command(after_help = "Examples:
  fluvial get kustomizations
  fluvial get ks app -n apps -o yaml
  fluvial get sources git -A --watch
  fluvial get sources all
  fluvial get alerts
  fluvial get all -A --status-selector ready=false")]
pub(crate) struct GetArgs {
    /// A kind and names: `kustomizations`, `ks app`, `sources git`, `sources all`, `all`
    #[arg(required = true, value_name = "KIND [NAME]")]
    words: Vec<String>,
    /// The objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Leave out the header
    #[arg(long)]
    no_header: bool,
    /// Print objects again when they change, until interrupted
    #[arg(short, long)]
    watch: bool,
    /// Only objects with this condition, such as ready=false, ready!=true
    #[arg(long, value_name = "TYPE=STATUS")]
    status_selector: Option<String>,
    /// Only objects with these labels
    #[arg(short = 'l', long, default_value = "")]
    label_selector: String,
    /// Show the source of Kustomizations
    #[arg(long)]
    show_source: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
}

pub(crate) async fn run(globals: &Globals, args: &GetArgs) -> Result<ExitCode> {
    let named = objects::parse(&args.words)?;
    let filter = args.status_selector.as_deref().map(Condition::parse);
    let query = Query {
        cluster: globals.cluster().await?,
        columns: Columns {
            namespace: args.all_namespaces,
            kind: named.kinds.len() > 1,
            source: args.show_source,
            wide: args.output == Some(Format::Wide),
        },
        selector: Selector {
            namespace: if args.all_namespaces {
                String::new()
            } else {
                globals.namespace.clone()
            },
            labels: args.label_selector.clone(),
            fields: String::new(),
        },
        filter: filter.transpose()?,
        named,
        args,
    };
    if args.watch {
        query.watch().await
    } else {
        query.once().await
    }
}

/// What was asked.
struct Query<'a> {
    cluster: Cluster,
    named: Named,
    selector: Selector,
    filter: Option<Condition>,
    columns: Columns,
    args: &'a GetArgs,
}

impl Query<'_> {
    async fn once(&self) -> Result<ExitCode> {
        let mut groups = Vec::new();
        for kind in &self.named.kinds {
            groups.push((*kind, self.list(kind).await?));
        }
        groups.retain(|(_, objects)| !objects.is_empty());
        if let Some(missing) = self.missing(&groups) {
            bail!("cannot find {missing}; see `fluvial get all -A`");
        }
        if groups.is_empty() && !matches!(self.args.output, Some(Format::Json | Format::Yaml)) {
            say::failure(&match self.selector.namespace.as_str() {
                "" => "no objects found".to_owned(),
                namespace => format!("no objects found in \"{namespace}\" namespace"),
            });
            return Ok(ExitCode::SUCCESS);
        }
        self.print(groups)?;
        Ok(ExitCode::SUCCESS)
    }

    fn missing(&self, groups: &[(&'static Kind, Vec<Value>)]) -> Option<String> {
        let found = |name: &String| {
            let mut objects = groups.iter().flat_map(|(_, objects)| objects);
            objects.any(|object| read::name(object) == name)
        };
        let name = self.named.names.iter().find(|name| !found(name))?;
        let kind = self.named.kinds.first().map_or("object", |kind| kind.kind);
        Some(match self.selector.namespace.as_str() {
            "" => format!("{kind}/{name}"),
            namespace => format!("{kind}/{name} in namespace {namespace}"),
        })
    }

    /// The objects of a kind; none where the cluster does not know it and it was not asked for by name.
    async fn list(&self, kind: &Kind) -> Result<Vec<Value>> {
        let resource = match self.cluster.preferred(kind.group, kind.kind).await {
            Ok(resource) => resource,
            Err(error) if self.columns.kind && is_unknown(error.cause()) => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).context("is Fluvial installed? Run `fluvial install`");
            }
        };
        let mut objects = self.cluster.list_all(&resource, &self.selector).await?;
        objects.retain(|object| self.is_wanted(object));
        objects.sort_by(|a, b| place(a).cmp(&place(b)));
        for object in &mut objects {
            // The server leaves them out of listings.
            object["apiVersion"] = json!(resource.api_version());
            object["kind"] = json!(resource.kind);
            // As kubectl prints objects: who wrote which field is another question.
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
        }
        Ok(objects)
    }

    fn is_wanted(&self, object: &Value) -> bool {
        let names = &self.named.names;
        let is_named = names.is_empty() || names.iter().any(|name| name == read::name(object));
        is_named
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.holds(object))
    }

    fn print(&self, groups: Vec<(&'static Kind, Vec<Value>)>) -> Result<()> {
        match self.args.output {
            Some(Format::Json) => output::json(&self.list_object(groups)),
            Some(Format::Yaml) => output::yaml(&self.list_object(groups)),
            Some(Format::Name) => {
                let names = groups.iter().flat_map(|(kind, objects)| {
                    let resource = format!("{}.{}", kind.kind.to_lowercase(), kind.group);
                    let line = move |object| format!("{resource}/{}\n", read::name(object));
                    objects.iter().map(line)
                });
                let text: String = names.collect();
                output::print(&text)
            }
            None | Some(Format::Wide) => {
                let tables = groups.iter().map(|(kind, objects)| {
                    let mut table = Table::new(self.columns.header(kind));
                    for object in objects {
                        table.row(self.columns.row(kind, object));
                    }
                    table.text(!self.args.no_header)
                });
                output::print(&tables.collect::<Vec<_>>().join("\n"))
            }
        }
    }

    /// One object where one was asked for by name, else a List, as kubectl prints it.
    fn list_object(&self, groups: Vec<(&'static Kind, Vec<Value>)>) -> Value {
        let mut items: Vec<Value> = groups
            .into_iter()
            .flat_map(|(_, objects)| objects)
            .collect();
        if self.named.names.len() == 1 && items.len() == 1 {
            return items.remove(0);
        }
        json!({"apiVersion": "v1", "kind": "List", "items": items})
    }

    /// Prints a line for each object, and one for each change after that.
    async fn watch(&self) -> Result<ExitCode> {
        let mut news = SelectAll::new();
        for kind in self.named.kinds.iter().copied() {
            let resource = match self.cluster.preferred(kind.group, kind.kind).await {
                Ok(resource) => resource,
                Err(error) if self.columns.kind && is_unknown(error.cause()) => continue,
                Err(error) => return Err(error.into()),
            };
            let watch = self.cluster.watch(&resource, &self.selector);
            news.push(watch.map(move |news| (kind, news)));
        }
        let mut with_header = !self.args.no_header;
        while let Some((kind, news)) = news.next().await {
            match news {
                Watched::Listed(object) | Watched::Applied(object) => {
                    if self.is_wanted(&object) {
                        self.print_one(kind, &object, with_header)?;
                        with_header = false;
                    }
                }
                Watched::Failed(error) => say::failure(&error.to_string()),
                Watched::ListStarted
                | Watched::ListEnded { .. }
                | Watched::Deleted(_)
                | Watched::Bookmark { .. }
                | Watched::Gap { .. } => {}
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print_one(&self, kind: &Kind, object: &Value, with_header: bool) -> Result<()> {
        match self.args.output {
            Some(Format::Json) => output::json_line(object),
            Some(Format::Yaml) => {
                output::print("---\n")?;
                output::yaml(object)
            }
            Some(Format::Name) => output::print(&format!("{}\n", read::name(object))),
            None | Some(Format::Wide) => {
                let mut table = Table::new(self.columns.header(kind));
                table.row(self.columns.row(kind, object));
                output::print(&table.text(with_header))
            }
        }
    }
}

fn is_unknown(cause: &Cause) -> bool {
    matches!(cause, Cause::UnknownKind { .. } | Cause::NotServed { .. })
}

fn place(object: &Value) -> (&str, &str) {
    (read::namespace(object), read::name(object))
}

/// `ready=false`, `ready!=true`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    aspect: String,
    status: String,
    is_equal: bool,
}

impl Condition {
    fn parse(text: &str) -> Result<Self> {
        let (aspect, status, is_equal) = match (text.split_once("!="), text.split_once('=')) {
            (Some((aspect, status)), _) => (aspect, status, false),
            (None, Some((aspect, status))) => (aspect, status, true),
            (None, None) => bail!("cannot read --status-selector {text}: say ready=false"),
        };
        Ok(Self {
            aspect: aspect.to_owned(),
            status: status.to_owned(),
            is_equal,
        })
    }

    /// An object without the condition is neither equal nor different, as with flux.
    fn holds(&self, object: &Value) -> bool {
        let conditions = object
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let found = conditions
            .into_iter()
            .flatten()
            .find(|it| read::text(it, "/type").eq_ignore_ascii_case(&self.aspect));
        let equal = found.map(|it| read::text(it, "/status").eq_ignore_ascii_case(&self.status));
        equal == Some(self.is_equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_selector_compares_without_case() {
        let object = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        for (selector, holds) in [
            ("ready=false", true),
            ("Ready=True", false),
            ("ready!=true", true),
            ("healthy=true", false),
            ("healthy!=true", false),
        ] {
            let condition = Condition::parse(selector).unwrap();
            assert_eq!(condition.holds(&object), holds, "{selector}");
        }
        assert!(Condition::parse("ready").is_err());
    }
}
