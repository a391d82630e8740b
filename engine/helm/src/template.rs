//! `helm template` as one call: what it is told, and what it prints.

use fluvial_manifest::Tree;

use crate::render::{Options, check_installable, release_name, render};
use crate::{Capabilities, Chart, Error, KubeVersion, Values};

/// What `helm template` is told of a chart in a directory.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_field_names,
    reason = "the flag is called --name-template"
)]
pub struct Template {
    /// The name of the release; empty where a template makes one, or it is made up (`--generate-name`).
    pub name: String,
    /// `--name-template`
    pub name_template: String,
    /// `--namespace`; empty for the default one.
    pub namespace: String,
    /// YAML texts of values, each over those before it.
    pub values: Vec<Vec<u8>>,
    /// `--api-versions`
    pub api_versions: Vec<String>,
    /// `--kube-version`; empty for helm's own.
    pub kube_version: String,
    /// `--include-crds`
    pub include_crds: bool,
    /// `--no-hooks`
    pub skip_hooks: bool,
    /// `--skip-tests`
    pub skip_tests: bool,
    /// What passwords, keys and identifiers are drawn from.
    pub seed: [u8; 32],
    /// Seconds since 1970, and nanoseconds.
    pub now: (i64, u32),
}

impl Template {
    /// What is printed for the chart in the directory `path` of `tree`.
    pub fn print(&self, tree: &Tree, path: &str) -> Result<String, Error> {
        let mut values = Values::new();
        for text in &self.values {
            values.add_yaml(text)?;
        }
        let mut options = Options {
            name: self.release_name(path)?,
            capabilities: self.capabilities()?,
            seed: self.seed,
            now: self.now,
            ..Options::default()
        };
        if !self.namespace.is_empty() {
            options.namespace.clone_from(&self.namespace);
        }
        let chart = Chart::from_tree(tree, path)?;
        check_installable(&chart)?;
        let rendered = render(chart, &values, &options)?;
        Ok(rendered.template(self.include_crds, |hook| {
            !(self.skip_hooks || (self.skip_tests && hook.is_test()))
        }))
    }

    fn capabilities(&self) -> Result<Capabilities, Error> {
        let mut capabilities = Capabilities::default();
        if !self.kube_version.is_empty() {
            capabilities.kube_version = KubeVersion::parse(&self.kube_version)?;
        }
        let more = self.api_versions.iter().cloned();
        capabilities.api_versions.extend(more);
        Ok(capabilities)
    }

    /// A name that is given, made by a template, or made up of the directory's and the time.
    fn release_name(&self, path: &str) -> Result<String, Error> {
        match (self.name.as_str(), self.name_template.as_str()) {
            ("", "") => {
                let base = path.rsplit('/').next().unwrap_or_default();
                let base = base.split('.').next().unwrap_or_default();
                let base = if base.is_empty() { "chart" } else { base };
                Ok(format!("{base}-{}", self.now.0))
            }
            ("", template) => release_name(template, self.seed, self.now),
            (name, "") => Ok(name.to_owned()),
            (_, _) => Err(Error::Values(
                "the release is named twice; keep the name or the template for it".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_the_name_that_is_given_or_made() {
        let name = |name: &str, template: &str| {
            let told = Template {
                name: name.to_owned(),
                name_template: template.to_owned(),
                now: (1_700_000_000, 0),
                ..Template::default()
            };
            told.release_name("charts/web.v1").ok()
        };
        for (given, template, want) in [
            ("app", "", Some("app")),
            ("", "made-{{ 1 }}", Some("made-1")),
            ("", "", Some("web-1700000000")),
            ("app", "made", None),
        ] {
            assert_eq!(
                name(given, template).as_deref(),
                want,
                "{given:?} {template:?}"
            );
        }
    }
}
