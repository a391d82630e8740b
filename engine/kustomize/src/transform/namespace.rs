//! namespace: of all objects that have one, of the subjects of role bindings, and where field specs lead.

use fluvial_manifest::{Value, object};

use crate::chart;
use crate::error::{Error, Result};
use crate::fieldspec::{Create, FieldSpec};
use crate::resource::{Gvk, Resource, is_quoted, scalar_text};
use crate::resources::Resources;
use crate::schema::Schema;
use crate::transform::set_scalar;

/// Which subjects of role bindings get the namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those named `default`.
    #[default]
    Default,
    /// All service accounts.
    All,
    None,
}

/// The namespace to set.
pub(crate) struct NamespaceTransformer {
    pub(crate) namespace: String,
    pub(crate) specs: Vec<FieldSpec>,
    /// Only where no namespace is set.
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

impl NamespaceTransformer {
    pub(crate) fn apply(&self, resources: &mut Resources, schema: &Schema) -> Result<()> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let own = FieldSpec::new(Gvk::default(), "metadata/namespace", true);
        for resource in resources.list_mut() {
            if chart::is_generated(&resource.value) {
                continue;
            }
            resource.remember();
            self.set_all(resource, &own, schema)
                .map_err(|error| error.of(&resource.id()))?;
        }
        resources.check_ids().map_err(|error| {
            Error::new(format!("with the namespace set, {}", error.reason)).in_field("namespace")
        })
    }

    fn set_all(&self, resource: &mut Resource, own: &FieldSpec, schema: &Schema) -> Result<()> {
        let gvk = Gvk::of(&resource.value);
        let core = object::api_version(&resource.value) == "v1";
        let mut set = |value: &mut Value| self.set(value);
        if !schema.is_cluster_scoped(&gvk) {
            own.apply(&mut resource.value, Create::Scalar, &mut set)?;
        }
        let binding = matches!(gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if binding {
            resource.plain_subjects |= self.set_subjects(&mut resource.value)?;
        }
        for spec in &self.specs {
            let of_metadata =
                *spec.path == *"metadata/namespace" || (*spec.path == *"metadata/name" && !core);
            let of_subjects = binding
                && *spec.path == *"subjects/namespace"
                && matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
            if !of_metadata && !of_subjects {
                spec.apply(&mut resource.value, Create::Scalar, &mut set)?;
            }
        }
        Ok(())
    }

    /// Says whether one of them had a namespace that stood without quotes, or none.
    fn set_subjects(&self, value: &mut Value) -> Result<bool> {
        let wanted = match self.subjects {
            Subjects::None => return Ok(false),
            Subjects::Default => ("name", "default"),
            Subjects::All => ("kind", "ServiceAccount"),
        };
        let subjects = match value.get_mut("subjects") {
            None | Some(Value::Null) => return Ok(false),
            Some(Value::Array(subjects)) => subjects,
            Some(_) => return Err(Error::new("the subjects of a role binding must be a list")),
        };
        let mut plain = false;
        for subject in subjects {
            let Some(subject) = subject.as_object_mut() else {
                return Err(Error::new("a subject of a role binding must be a map"));
            };
            let found = subject.get(wanted.0).and_then(Value::as_str);
            if found == Some(wanted.1) {
                let namespace = subject.entry("namespace").or_insert(Value::Null);
                plain |= !is_quoted(namespace);
                self.set(namespace)?;
            }
        }
        Ok(plain)
    }

    fn set(&self, value: &mut Value) -> Result<()> {
        if self.unset_only && scalar_text(value).is_some_and(|text| !text.is_empty()) {
            return Ok(());
        }
        set_scalar(value, Value::String(self.namespace.clone()))
    }
}
