//! One kustomization: what it gathers, and what it does to that, in kustomize's order.

mod fields;

use std::sync::Arc;

use fluvial_manifest::yaml;

use crate::chart;
use crate::config::Config;
use crate::crds;
use crate::error::{Error, Result};
use crate::generate;
use crate::kustomization::{self, Kustomization};
use crate::loader::Loader;
use crate::nameref;
use crate::origin::Origin;
use crate::parse;
use crate::plugin;
use crate::resource::Resource;
use crate::resources::Resources;
use crate::schema::{InForce, Schema};
use crate::transform::Transformer;
use crate::vars::Vars;

/// Kustomizations inside each other.
const DEPTH_MAX: usize = 64;

/// Kustomizations in one build, each counted as often as it is used.
const COUNT_MAX: usize = 10_000;

/// What a whole build shares.
pub(crate) struct Build {
    /// The OpenAPI in force: the first that a kustomization asks for, outermost first.
    schema: InForce,
    schema_is_set: bool,
    /// Whether an object was read while the built-in OpenAPI was in force.
    builtin_used: bool,
    /// Whether origins and transformations are noted.
    track: bool,
    depth: usize,
    count: usize,
}

/// What a kustomization has gathered so far.
#[derive(Default)]
struct Accumulated {
    resources: Resources,
    config: Option<Arc<Config>>,
    vars: Vars,
}

impl Accumulated {
    fn merge_config(&mut self, config: &Arc<Config>) -> Result<()> {
        self.config = Some(match &self.config {
            Some(own) => Config::merged(own, config)?,
            None if Arc::ptr_eq(config, &Config::default_specs()) => config.clone(),
            None => Config::merged(&Arc::default(), config)?,
        });
        Ok(())
    }

    fn config(&self) -> Arc<Config> {
        self.config.clone().unwrap_or_else(Config::default_specs)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.resources.append(other.resources.into_list())?;
        if let Some(config) = &other.config {
            self.merge_config(config)?;
        }
        self.vars.merge(&other.vars)
    }
}

/// A kustomization and where it is.
pub(crate) struct Target<'a> {
    loader: Loader<'a>,
    file: String,
    file_name: String,
    /// The text of the kustomization, for the lines of errors.
    text: &'a str,
    kustomization: Kustomization,
    origin: Option<Origin>,
    /// The namespace that a kustomization around this one sets.
    outer_namespace: String,
}

impl<'a> Target<'a> {
    /// Reads the kustomization of a directory.
    pub(crate) fn load(loader: Loader<'a>) -> Result<Self> {
        let Some((name, text)) = kustomization::find(&loader)? else {
            return Err(Error::new(format!(
                "there is no {} in this directory; add one, or list its files",
                kustomization::FILE_NAMES.join(", ")
            ))
            .in_file(loader.root()));
        };
        let file = loader.path(name);
        let kustomization = Kustomization::read(&file, text)?;
        Ok(Self {
            text,
            ..Self::of(loader, name, kustomization)
        })
    }

    /// A directory with a kustomization that was made for it.
    pub(crate) fn of(loader: Loader<'a>, file_name: &str, kustomization: Kustomization) -> Self {
        Self {
            file: loader.path(file_name),
            file_name: file_name.to_owned(),
            text: "",
            origin: None,
            outer_namespace: String::new(),
            loader,
            kustomization,
        }
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn kustomization(&self) -> &Kustomization {
        &self.kustomization
    }

    /// Builds everything: gathers, transforms, then what is done once, at the end.
    pub(crate) fn build(mut self) -> Result<Resources> {
        let track = !self.kustomization.build_metadata.is_empty();
        let mut build = Build {
            schema: InForce::default(),
            schema_is_set: false,
            builtin_used: false,
            track,
            depth: 0,
            count: 0,
        };
        if track {
            self.origin = Some(Origin::default());
        }
        self.set_schema(&mut build)?;
        let mut accumulated = self.accumulate(Accumulated::default(), &mut build)?;
        let config = accumulated.config();
        let resources = &mut accumulated.resources;
        Transformer::Hash.apply(resources, &build.schema)?;
        nameref::fix(resources, &config).map_err(|error| self.error(error))?;
        accumulated
            .vars
            .resolve(resources, &config.var_reference)
            .map_err(|error| self.error(error))?;
        let mut kept = resources.list().iter();
        kept.try_for_each(Resource::check_kept)
            .map_err(|error| self.error(error))?;
        resources.list_mut().retain(|resource| !is_local(resource));
        Ok(accumulated.resources)
    }

    /// Gathers into `into`, which is empty for a kustomization and the parent's for a component.
    fn accumulate(&self, mut into: Accumulated, build: &mut Build) -> Result<Accumulated> {
        build.depth += 1;
        if build.depth > DEPTH_MAX {
            return Err(self.error(Error::new(format!(
                "kustomizations are nested more than {DEPTH_MAX} deep"
            ))));
        }
        build.count += 1;
        if build.count > COUNT_MAX {
            return Err(self.error(Error::new(format!(
                "more than {COUNT_MAX} kustomizations in one build"
            ))));
        }
        let own = &self.kustomization;
        self.loader
            .ask_for(own.resources.iter().chain(&own.components));
        self.add_resources(&mut into, "resources", &own.resources, build)?;
        self.add_config(&mut into)
            .map_err(|error| self.error(error))?;
        self.run_generators(&mut into, build)
            .map_err(|error| self.error(error))?;
        for (index, path) in self.kustomization.components.iter().enumerate() {
            let field = format!("components[{index}]");
            let child = self
                .enter(path)
                .map_err(|error| self.error(error.in_field(&field)))?;
            if !child.kustomization.component {
                let reason = format!("{path:?} is no Component; list it under `resources`");
                return Err(self.error(Error::new(reason).in_field(&field)));
            }
            child.set_schema(build)?;
            let gathered = child.accumulate(into, build)?;
            into = Accumulated::default();
            into.merge(gathered).map_err(|error| self.error(error))?;
        }
        self.run_transformers(&mut into, build)
            .map_err(|error| self.error(error))?;
        self.run_validators(&mut into, build)
            .map_err(|error| self.error(error))?;
        into.vars
            .declare(&self.kustomization.vars, &mut into.resources)
            .map_err(|error| self.error(error.in_field("vars")))?;
        build.depth -= 1;
        Ok(into)
    }

    /// About this file, unless it is about another; with the line of the field.
    fn error(&self, error: Error) -> Error {
        error.in_file(&self.file).at_line_of(&self.file, self.text)
    }

    /// The kustomization of another directory.
    fn enter(&self, path: &str) -> Result<Self> {
        let mut child = Self::load(self.loader.enter(path)?)?;
        child.origin = self.origin.as_ref().map(|origin| origin.append(path));
        child.outer_namespace.clone_from(self.chart_namespace());
        Ok(child)
    }

    /// Brings the OpenAPI of this kustomization into force, unless one is already.
    fn set_schema(&self, build: &mut Build) -> Result<()> {
        let openapi = &self.kustomization.openapi;
        if build.schema_is_set || openapi.is_empty() {
            return Ok(());
        }
        build.schema_is_set = true;
        let about = |error: Error| self.error(error.in_field("openapi"));
        let Some(path) = openapi.get("path") else {
            return match openapi.get("version").map(String::as_str) {
                None | Some("v1.21.2") => Ok(()),
                Some(_) => Err(about(Error::new("the only built-in version is v1.21.2"))),
            };
        };
        let text = self.loader.text(path).map_err(about)?;
        if openapi.contains_key("version") {
            return Err(about(Error::new("give `path` or `version`, not both")));
        }
        let file = self.loader.path(path);
        let documents = yaml::documents(text).map_err(|error| Error::yaml(&file, error))?;
        let document = documents
            .first()
            .ok_or_else(|| Error::new("the OpenAPI file is empty").in_file(&file))?;
        // As in kustomize, a custom OpenAPI replaces the built-in one that nobody has used yet.
        let base = if build.builtin_used {
            Schema::builtin().clone()
        } else {
            Schema::default()
        };
        let schema = base
            .with_openapi(document)
            .map_err(|error| error.in_file(&file))?;
        build.schema.replace(schema);
        Ok(())
    }

    fn add_resources(
        &self,
        into: &mut Accumulated,
        field: &str,
        paths: &[String],
        build: &mut Build,
    ) -> Result<()> {
        for (index, path) in paths.iter().enumerate() {
            let about = |error: Error| self.error(error.in_field(&format!("{field}[{index}]")));
            if !self.loader.is_dir(path) {
                let resources = self.read_file(path).map_err(about)?;
                build.builtin_used |= !build.schema_is_set;
                into.resources.append(resources).map_err(about)?;
                continue;
            }
            let child = self.enter(path).map_err(about)?;
            if child.kustomization.component {
                let reason = format!("{path:?} is a Component; list it under `components`");
                return Err(about(Error::new(reason)));
            }
            child.set_schema(build)?;
            let gathered = child.accumulate(Accumulated::default(), build)?;
            into.merge(gathered).map_err(about)?;
        }
        Ok(())
    }

    fn read_file(&self, path: &str) -> Result<Vec<Resource>> {
        let text = self.loader.text(path)?;
        let mut resources = parse::resources(&self.loader.path(path), text)?;
        if let Some(origin) = &self.origin {
            let origin = origin.append(path);
            for resource in &mut resources {
                resource.origin = Some(origin.clone());
            }
        }
        Ok(resources)
    }

    fn add_config(&self, into: &mut Accumulated) -> Result<()> {
        let mut config = Config::default_specs();
        for path in &self.kustomization.configurations {
            let text = self
                .loader
                .text(path)
                .map_err(|error| error.in_field("configurations"))?;
            let custom = Config::read(&self.loader.path(path), text)?;
            config = Config::merged(&config, &Arc::new(custom))?;
        }
        into.merge_config(&config)?;
        for path in &self.kustomization.crds {
            let text = self
                .loader
                .text(path)
                .map_err(|error| error.in_field("crds"))?;
            let custom = crds::read(&self.loader.path(path), text)?;
            into.merge_config(&Arc::new(custom))?;
        }
        Ok(())
    }

    fn run_generators(&self, into: &mut Accumulated, build: &mut Build) -> Result<()> {
        let options = self.kustomization.generator_options.as_ref();
        let builtin = |kind: &str| {
            self.origin
                .as_ref()
                .map(|origin| origin.builtin(&self.file_name, kind))
        };
        for (index, args) in self.kustomization.config_maps.iter().enumerate() {
            let about = |error: Error| error.below(&format!("configMapGenerator[{index}]"));
            let mut generated = generate::config_map(&self.loader, args, options).map_err(about)?;
            generated.origin = builtin("ConfigMapGenerator");
            into.resources.absorb(generated).map_err(about)?;
        }
        for (index, args) in self.kustomization.secrets.iter().enumerate() {
            let about = |error: Error| error.below(&format!("secretGenerator[{index}]"));
            let mut generated = generate::secret(&self.loader, args, options).map_err(about)?;
            generated.origin = builtin("SecretGenerator");
            into.resources.absorb(generated).map_err(about)?;
        }
        self.inflate_charts(into, builtin("HelmChartInflationGenerator").as_ref())?;
        for configured in self.plugins("generators", &self.kustomization.generators, build)? {
            let generated = plugin::generate(&self.loader, &configured)
                .map_err(|error| error.of_plugin(&configured.id()).in_field("generators"))?;
            for mut generated in generated {
                generated.origin = Origin::of_plugin(&configured);
                into.resources.absorb(generated)?;
            }
        }
        Ok(())
    }

    fn inflate_charts(&self, into: &mut Accumulated, origin: Option<&Origin>) -> Result<()> {
        for (index, args) in self.kustomization.charts.iter().enumerate() {
            let about = |error: Error| error.below(&format!("helmCharts[{index}]"));
            let mut args = args.clone();
            if args.chart.namespace.is_empty() {
                args.chart.namespace.clone_from(self.chart_namespace());
            }
            let globals = &self.kustomization.helm_globals;
            let generated = chart::generate(&self.loader, globals, &args).map_err(about)?;
            for mut generated in generated {
                generated.origin = origin.cloned();
                into.resources.absorb(generated).map_err(about)?;
            }
        }
        Ok(())
    }

    /// The namespace of charts that have none: this kustomization's, else that of the next one around it.
    fn chart_namespace(&self) -> &String {
        let own = &self.kustomization.namespace;
        if own.is_empty() {
            &self.outer_namespace
        } else {
            own
        }
    }

    /// The objects that configure plugins: given inline, as files, or as kustomizations.
    fn plugins(&self, field: &str, entries: &[String], build: &mut Build) -> Result<Vec<Resource>> {
        let mut gathered = Accumulated::default();
        let mut paths = Vec::new();
        for entry in entries {
            match parse::resources("", entry) {
                Ok(mut inline) => {
                    for resource in &mut inline {
                        resource.origin = self
                            .origin
                            .as_ref()
                            .map(|origin| origin.append(&self.file_name));
                    }
                    gathered.resources.append(inline)?;
                }
                Err(_) => paths.push(entry.clone()),
            }
        }
        self.add_resources(&mut gathered, field, &paths, build)?;
        Ok(gathered.resources.into_list())
    }

    fn run_transformers(&self, into: &mut Accumulated, build: &mut Build) -> Result<()> {
        let config = into.config();
        let mut transformers = Vec::new();
        self.builtin_transformers(&config, &mut |field, kind, transformer| {
            let origin = self
                .origin
                .as_ref()
                .map(|origin| origin.builtin(&self.file_name, kind));
            transformers.push((field, transformer, origin));
        })?;
        for configured in self.plugins("transformers", &self.kustomization.transformers, build)? {
            let made = plugin::transformers(&self.loader, &configured)
                .map_err(|error| error.of_plugin(&configured.id()).in_field("transformers"))?;
            let origin = Origin::of_plugin(&configured);
            let last = made.len().saturating_sub(1);
            transformers.extend(made.into_iter().enumerate().map(|(index, transformer)| {
                let origin = origin.clone().filter(|_| index == last);
                ("transformers".to_owned(), transformer, origin)
            }));
        }
        for (field, transformer, origin) in transformers {
            transformer
                .apply(&mut into.resources, &build.schema)
                .map_err(|error| error.in_field(&field))?;
            let Some(origin) = origin.filter(|_| build.track) else {
                continue;
            };
            for resource in into.resources.list_mut() {
                match resource.origin {
                    Some(_) => resource.transformations.push(origin.clone()),
                    None => resource.origin = Some(origin.clone()),
                }
            }
        }
        Ok(())
    }

    /// Validators are transformers that may add the label `validated-by` and change nothing else.
    fn run_validators(&self, into: &mut Accumulated, build: &mut Build) -> Result<()> {
        for configured in self.plugins("validators", &self.kustomization.validators, build)? {
            let made = plugin::transformers(&self.loader, &configured)
                .map_err(|error| error.of_plugin(&configured.id()).in_field("validators"))?;
            let before: Vec<_> = into
                .resources
                .list()
                .iter()
                .map(|resource| resource.value.clone())
                .collect();
            for transformer in made {
                transformer
                    .apply(&mut into.resources, &build.schema)
                    .map_err(|error| error.in_field("validators"))?;
            }
            let unchanged = into
                .resources
                .list()
                .iter()
                .map(|resource| &resource.value)
                .eq(before.iter());
            if !unchanged {
                return Err(
                    Error::new("a validator must not change objects").in_field("validators")
                );
            }
        }
        Ok(())
    }
}

/// Whether an object is configuration for tools and not for the cluster.
fn is_local(resource: &Resource) -> bool {
    let annotation =
        fluvial_manifest::object::annotation(&resource.value, "config.kubernetes.io/local-config");
    annotation.is_some_and(|value| value != "false")
}
