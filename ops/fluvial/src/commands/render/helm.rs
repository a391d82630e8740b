//! `fluvial render helm`: what `helm template` prints.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fluvial_helm::manifests::{Hook, split};
use fluvial_helm::{
    Capabilities, KubeVersion, Options, Rendered, Values, check_installable, document, glob,
    release_name, render,
};

use super::chart;
use crate::connect::Globals;
use crate::output;

const NAMESPACE: &str = "default";

#[derive(Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each flag of helm template"
)]
pub(super) struct HelmArgs {
    /// The name of the release, and the directory of the chart or the packaged chart
    #[arg(required = true, num_args = 1..=2, value_names = ["NAME", "CHART"])]
    name_and_chart: Vec<String>,
    /// The namespace of the release
    #[arg(short, long, default_value = NAMESPACE)]
    namespace: String,
    #[command(flatten)]
    values: ValueArgs,
    /// Print the CRDs of the chart as well
    #[arg(long)]
    include_crds: bool,
    /// Leave the CRDs out, whatever else is said
    #[arg(long)]
    skip_crds: bool,
    /// Leave hooks out
    #[arg(long)]
    no_hooks: bool,
    /// Leave tests out
    #[arg(long)]
    skip_tests: bool,
    /// Print only what comes from these templates, such as templates/deployment.yaml
    #[arg(short, long, value_name = "TEMPLATE")]
    show_only: Vec<String>,
    /// Write files below this directory instead
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Write them below the name of the release
    #[arg(long)]
    release_name: bool,
    /// Make the name of the release from this template
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// Make up a name for the release
    #[arg(short, long)]
    generate_name: bool,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long)]
    is_upgrade: bool,
    /// The version of Kubernetes that the chart sees
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// More API versions that the chart sees
    #[arg(short, long, value_name = "VERSION", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Do not check the values against the chart's schema
    #[arg(long)]
    skip_schema_validation: bool,
    #[command(flatten)]
    refused: Refused,
    #[command(flatten)]
    accepted: Accepted,
}

/// Where values come from; each goes over those before it, in this order.
#[derive(Args, Debug)]
struct ValueArgs {
    /// Values in a YAML file, or - for standard input
    #[arg(
        short = 'f',
        long = "values",
        value_name = "FILE",
        value_delimiter = ','
    )]
    files: Vec<String>,
    /// A value as JSON: key=json, or one JSON object
    #[arg(long = "set-json", value_name = "KEY=JSON")]
    json: Vec<String>,
    /// A value: key=value,…
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A value that stays a text
    #[arg(long = "set-string", value_name = "KEY=TEXT")]
    text: Vec<String>,
    /// A value from a file: key=path,…
    #[arg(long = "set-file", value_name = "KEY=FILE")]
    file: Vec<String>,
    /// A value that is taken as it is, commas and all
    #[arg(long = "set-literal", value_name = "KEY=TEXT")]
    literal: Vec<String>,
}

/// Flags of `helm template` that need what is not here.
#[derive(Args, Debug)]
#[command(next_help_heading = "Refused: nothing is fetched, executed or asked of a cluster")]
struct Refused {
    /// Needs a cluster: apply with `kubectl apply --dry-run=server` what is printed
    #[arg(long)]
    validate: bool,
    /// `client` is what happens anyway; `server` needs a cluster
    #[arg(long, value_name = "WHERE", num_args = 0..=1, default_missing_value = "client", require_equals = true)]
    dry_run: Option<String>,
    /// Nothing is executed: pipe what is printed into the program
    #[arg(long, value_name = "PROGRAM")]
    post_renderer: Option<String>,
    /// Nothing is fetched: run `helm dependency update CHART` first
    #[arg(long)]
    dependency_update: bool,
    /// Nothing is fetched: run `helm pull` first
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
}

/// Flags of `helm template` that change nothing in what is printed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Accepted and of no effect")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each flag of helm template"
)]
struct Accepted {
    /// Of no effect
    #[arg(long)]
    atomic: bool,
    /// Of no effect
    #[arg(long)]
    create_namespace: bool,
    /// Of no effect
    #[arg(long)]
    debug: bool,
    /// Of no effect
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Of no effect
    #[arg(long)]
    devel: bool,
    /// Of no effect
    #[arg(long)]
    disable_openapi_validation: bool,
    /// Of no effect: getHostByName answers nothing
    #[arg(long)]
    enable_dns: bool,
    /// Of no effect
    #[arg(long)]
    force: bool,
    /// Of no effect
    #[arg(long)]
    force_conflicts: bool,
    /// Of no effect
    #[arg(long)]
    force_replace: bool,
    /// Of no effect
    #[arg(long)]
    hide_notes: bool,
    /// Of no effect
    #[arg(short, long, value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Of no effect
    #[arg(long)]
    render_subchart_notes: bool,
    /// Of no effect
    #[arg(long)]
    replace: bool,
    /// Of no effect
    #[arg(long)]
    rollback_on_failure: bool,
    /// Of no effect
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    server_side: Option<String>,
    /// Of no effect
    #[arg(long)]
    take_ownership: bool,
    /// Of no effect: the chart is the one that is named
    #[arg(long, value_name = "RANGE")]
    version: Option<String>,
    /// Of no effect
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "watcher")]
    wait: Option<String>,
    /// Of no effect
    #[arg(long)]
    wait_for_jobs: bool,
}

pub(super) fn run(globals: &Globals, args: &HelmArgs) -> Result<ExitCode> {
    args.refused.check()?;
    let (name, path) = args.name_and_chart()?;
    let mut capabilities = Capabilities::default();
    if let Some(version) = &args.kube_version {
        capabilities.kube_version = KubeVersion::parse(version)?;
    }
    capabilities
        .api_versions
        .extend(args.api_versions.iter().cloned());
    let values = args.values.read()?;
    let chart = chart::read(path)?;
    check_installable(&chart)?;
    let now = now();
    let rendered = render(
        chart,
        &values,
        &Options {
            name,
            namespace: args.namespace(globals).to_owned(),
            is_upgrade: args.is_upgrade,
            capabilities,
            skip_schema: args.skip_schema_validation,
            seed: seed()?,
            now,
            ..Options::default()
        },
    )?;
    match &args.output_dir {
        Some(directory) => args.write(directory, &rendered)?,
        None => output::print(&args.text(&rendered)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn now() -> (i64, u32) {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    (seconds, since.subsec_nanos())
}

/// Passwords that nobody can foresee; the engine draws its seed itself, and records it.
pub(crate) fn seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut seed))
        .context("cannot draw a seed for random values from /dev/urandom")?;
    Ok(seed)
}

impl HelmArgs {
    /// Only what was typed: $FLUX_SYSTEM_NAMESPACE is where Flux's objects are, and no release's.
    fn namespace(&self, globals: &Globals) -> &str {
        if globals.is_namespace_typed {
            &self.namespace
        } else {
            NAMESPACE
        }
    }

    fn name_and_chart(&self) -> Result<(String, &Path)> {
        match self.name_and_chart.as_slice() {
            [name, chart] => {
                if self.generate_name || self.name_template.is_some() {
                    bail!(
                        "cannot name the release twice: leave NAME, --generate-name or --name-template away"
                    );
                }
                Ok((name.clone(), Path::new(chart)))
            }
            [chart] => {
                let path = Path::new(chart);
                let name = match &self.name_template {
                    Some(template) => release_name(template, seed()?, now())?,
                    None if self.generate_name => generated(path),
                    None => "release-name".to_owned(),
                };
                Ok((name, path))
            }
            _ => bail!("cannot tell what to render: say NAME and CHART"),
        }
    }

    /// What `helm template` prints.
    fn text(&self, rendered: &Rendered) -> Result<String> {
        let include_crds = self.include_crds && !self.skip_crds;
        let text = rendered.template(include_crds, |hook| self.shows(hook));
        if self.show_only.is_empty() {
            return Ok(text);
        }
        let mut shown = String::new();
        for wanted in &self.show_only {
            let matching: Vec<&str> = split(&text)
                .into_iter()
                .filter(|document| {
                    source(document)
                        .is_some_and(|own| glob::path_matches(wanted, own) == Some(true))
                })
                .collect();
            if matching.is_empty() {
                bail!("cannot show {wanted}: no such template in the chart made anything");
            }
            for document in matching {
                shown.push_str("---\n");
                shown.push_str(document);
                shown.push('\n');
            }
        }
        Ok(shown)
    }

    fn shows(&self, hook: &Hook) -> bool {
        !(self.no_hooks || (self.skip_tests && hook.is_test()))
    }

    /// A file for each template below a directory; documents of one template go into one file.
    fn write(&self, directory: &Path, rendered: &Rendered) -> Result<()> {
        let crds = rendered.crds.iter();
        let crds = crds.filter(|_| self.include_crds && !self.skip_crds);
        let crds = crds.map(|crd| {
            (
                directory.to_owned(),
                &crd.filename,
                String::from_utf8_lossy(&crd.data).into_owned(),
            )
        });
        let below = if self.release_name {
            directory.join(&self.name_and_chart()?.0)
        } else {
            directory.to_owned()
        };
        let manifests = rendered.manifests.iter();
        let manifests = manifests.map(|own| (below.clone(), &own.source, own.content.clone()));
        let hooks = rendered.hooks.iter().filter(|hook| self.shows(hook));
        let hooks = hooks.map(|own| (below.clone(), &own.path, own.manifest.clone()));
        let mut begun = BTreeSet::new();
        for (below, source, content) in crds.chain(manifests).chain(hooks) {
            let path = below.join(source);
            let shown = path.display();
            let mut text = String::new();
            document(&mut text, source, &content);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).with_context(|| format!("cannot make {shown}"))?;
            }
            let is_new = begun.insert(path.clone());
            let mut options = fs::OpenOptions::new();
            options
                .create(true)
                .write(true)
                .append(!is_new)
                .truncate(is_new);
            options
                .open(&path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .with_context(|| format!("cannot write {shown}"))?;
            output::print(&format!("wrote {shown}\n"))?;
        }
        Ok(())
    }
}

/// The template that a document came from, without the name of the chart.
fn source(document: &str) -> Option<&str> {
    let line = document
        .lines()
        .find_map(|line| line.split_once("# Source: "))?
        .1;
    line.split_once('/').map(|(_, path)| path)
}

/// helm's made-up name: that of the chart and the time.
fn generated(chart: &Path) -> String {
    let base = chart
        .file_name()
        .map_or("chart".into(), |name| name.to_string_lossy());
    let base = base.split('.').next().unwrap_or_default();
    format!("{base}-{}", now().0)
}

impl ValueArgs {
    fn read(&self) -> Result<Values> {
        let mut values = Values::new();
        for file in &self.files {
            let text = text(file)?;
            values
                .add_yaml(&text)
                .with_context(|| format!("cannot read {file}"))?;
        }
        for json in &self.json {
            values.set_json(json)?;
        }
        for set in &self.set {
            values.set(set)?;
        }
        for set in &self.text {
            values.set_text(set)?;
        }
        let mut read = |file: &str| {
            let text = text(file).map_err(|error| format!("{error:#}"))?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        for set in &self.file {
            values.set_file(set, &mut read)?;
        }
        for set in &self.literal {
            values.set_literal(set)?;
        }
        Ok(values)
    }
}

/// A file's bytes, or standard input's.
fn text(file: &str) -> Result<Vec<u8>> {
    if file.contains("://") {
        bail!("cannot read {file}: nothing is fetched; save it to a file first");
    }
    let mut text = Vec::new();
    if file.trim() == "-" {
        io::stdin()
            .read_to_end(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read(file).with_context(|| format!("cannot read {file}"))
}

impl Refused {
    fn check(&self) -> Result<()> {
        let on_server = self.dry_run.as_deref() == Some("server");
        if self.validate || on_server {
            bail!(
                "cannot validate against a cluster: none is asked; pipe the output into `kubectl apply --dry-run=server -f -`"
            );
        }
        if let Some(program) = &self.post_renderer {
            bail!("cannot run {program}: nothing is executed; pipe the output into it");
        }
        if self.dependency_update {
            bail!(
                "cannot update dependencies: nothing is fetched; run `helm dependency update CHART` first"
            );
        }
        if let Some(url) = &self.repo {
            bail!("cannot ask {url}: nothing is fetched; run `helm pull` first, and name the file");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Globals, HelmArgs};

    #[derive(Parser)]
    struct Everywhere {
        #[command(flatten)]
        globals: Globals,
    }

    #[derive(Parser)]
    struct Here {
        #[command(flatten)]
        args: HelmArgs,
    }

    #[test]
    fn a_release_is_in_the_namespace_that_was_typed_or_in_default() {
        let everywhere = |is_namespace_typed| Globals {
            is_namespace_typed,
            ..Everywhere::parse_from(["fluvial"]).globals
        };
        // What was not typed comes from the environment, as if somebody had set it here.
        let here = Here::parse_from(["helm", "redis", "./redis", "-n", "somewhere"]).args;
        assert_eq!(here.namespace(&everywhere(true)), "somewhere");
        assert_eq!(here.namespace(&everywhere(false)), "default");
    }
}
