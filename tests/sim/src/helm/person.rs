//! What people do with Helm's own program, behind the engine's back.

use fluvial_helm::release::Record;
use serde_json::{Map, Value};

use super::charts::Chart;
use super::execute::{objects_of, record_of};
use super::{HELM, RELEASE, TARGET};
use crate::cluster::records::Writer;
use crate::simulation::Simulation;
use crate::users::NAMESPACE;

impl Simulation {
    /// `helm upgrade --install NAME CHART`.
    pub fn helm_upgrade(&mut self, name: &str, chart: &Chart, values: &Map<String, Value>) {
        let at = self.now.to_string();
        let version = self.helm_next(name);
        let record = record_of(chart, (TARGET, name), version, values, &at);
        let record = record.expect("a story's chart renders");
        self.say(|| format!("helm upgrade {name}: v{version}"));
        self.helm_release(record);
    }

    /// `helm rollback NAME VERSION`.
    pub fn helm_rollback(&mut self, name: &str, version: i64) {
        let all = self.cluster.records(NAMESPACE, name).all();
        let target = all.iter().find(|it| it.version == version);
        // Storage keeps only so many.
        let Some(mut record) = target.and_then(|it| it.record().ok()) else {
            return;
        };
        record.info.rollback_revision = version;
        record.info.last_deployed = Some(self.now.to_string());
        record.version = self.helm_next(name);
        self.say(|| format!("helm rollback {name} {version}"));
        self.helm_release(record);
    }

    /// `helm upgrade` is killed right after it began.
    pub fn helm_dies(&mut self, name: &str) {
        let all = self.cluster.records(NAMESPACE, name).all();
        let Some(mut record) = all.last().and_then(|it| it.record().ok()) else {
            return;
        };
        record.version = self.helm_next(name);
        "pending-upgrade".clone_into(&mut record.info.status);
        let writes = self.cluster.writes;
        let done = self
            .cluster
            .create_record(NAMESPACE, &record, Writer::Person);
        done.expect("nobody writes in between");
        self.cluster.writes = writes;
    }

    fn helm_next(&self, name: &str) -> i64 {
        let all = self.cluster.records(NAMESPACE, name).all();
        all.last().map_or(1, |it| it.version + 1)
    }

    fn helm_release(&mut self, mut record: Record) {
        let writes = self.cluster.writes;
        "deployed".clone_into(&mut record.info.status);
        let owner = format!("{}/{}", record.namespace, record.name);
        let before = self.cluster.records(NAMESPACE, &record.name);
        let mut kept: Vec<_> = objects_of(&record);
        let mut gone = Vec::new();
        for old in before.all().iter().filter(|it| it.status == "deployed") {
            let Ok(mut old) = old.record() else { continue };
            gone.extend(objects_of(&old));
            "superseded".clone_into(&mut old.info.status);
            let done = self
                .cluster
                .update_record(NAMESPACE, &old, &before, Writer::Person);
            done.expect("nobody writes in between");
        }
        for manifest in &mut kept {
            let released = manifest.clone().with(RELEASE, &owner);
            let done = self.cluster.apply_as(&released, true, HELM);
            done.expect("a story's chart can be applied");
        }
        gone.retain(|it| kept.iter().all(|kept| kept.object() != it.object()));
        for manifest in gone {
            self.cluster
                .delete(&manifest.object(), "")
                .unwrap_or_default();
        }
        let done = self
            .cluster
            .create_record(NAMESPACE, &record, Writer::Person);
        done.expect("nobody writes in between");
        self.cluster.writes = writes;
    }
}
