//! What a record is on Kafka: a CloudEvent in binary mode, its attributes in headers.
//!
//! CloudEvents 1.0.2, Kafka Protocol Binding 3.2.3; extensions: correlation, partitioning.

use fluvial_event::{Event, ObjectRef, Record};
use fluvial_view::status::Status;
use serde_json::{Value, json};

/// How the values of messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Values {
    /// JSON.
    #[default]
    Json,
    /// Protobuf, as in the log, by the messages in `schemas/event/proto`; a status is JSON all the same.
    Protobuf,
}

/// A topic, by what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Every record.
    Events,
    /// What was decided.
    Decisions,
    /// What came of what was done.
    Outcomes,
    /// What was changed by others than its owner, and put back.
    Drift,
    /// How objects are.
    Health,
    /// The status of every Flux object as it is; compacted.
    State,
}

impl Topic {
    pub(crate) const ALL: [Self; 6] = [
        Self::Events,
        Self::Decisions,
        Self::Outcomes,
        Self::Drift,
        Self::Health,
        Self::State,
    ];

    pub(crate) fn name(self, prefix: &str) -> String {
        let name = match self {
            Self::Events => "events",
            Self::Decisions => "decisions",
            Self::Outcomes => "outcomes",
            Self::Drift => "drift",
            Self::Health => "health",
            Self::State => "state",
        };
        format!("{prefix}.{name}")
    }

    /// Whether only the newest message of each key matters.
    pub(crate) fn is_compacted(self) -> bool {
        self == Self::State
    }

    /// Where a record belongs, besides the topic of all.
    fn of(event: &Event) -> &'static [Self] {
        match event {
            Event::ObjectObserved(it) if !it.changed.is_empty() => &[Self::Drift, Self::Health],
            Event::ObjectObserved(_) => &[Self::Health],
            Event::ObjectGone(_) => &[Self::Drift, Self::Health],
            Event::Concluded(it) if it.repair => &[Self::Decisions, Self::Drift, Self::Health],
            Event::Concluded(_) => &[Self::Decisions, Self::Health],
            Event::CommandIssued(_) | Event::Waited(_) | Event::HoldEnded(_) => &[Self::Decisions],
            Event::ArtifactFetched(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::ManifestsBuilt(_)
            | Event::BuildFailed(_)
            | Event::ObjectsApplied(_)
            | Event::ObjectsPruned(_)
            | Event::ManifestsRecalled(_)
            | Event::RecallFailed(_)
            | Event::FinalizerSet(_)
            | Event::CommandFailed(_)
            | Event::ChartDeclared(_)
            | Event::ReleaseInspected(_)
            | Event::ReleaseFailed(_)
            | Event::ReleaseRendered(_)
            | Event::ReleaseStored(_)
            | Event::HookRan(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_) => &[Self::Outcomes],
            Event::ResourceObserved(_)
            | Event::ResourceDeleted(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::WatchGap(_) => &[],
        }
    }
}

/// A message for one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) key: String,
    /// None where the object of the key is gone.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Since 1970, in milliseconds.
    pub(crate) time_ms: i64,
}

/// Makes messages of the records of one log.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    prefix: String,
    /// The log, as the source of events.
    source: String,
    values: Values,
}

impl Encoder {
    /// For the log whose first record has the hash `first`; empty where there is none yet.
    pub(crate) fn new(prefix: &str, first: &str, values: Values) -> Self {
        Self {
            prefix: prefix.to_owned(),
            source: source(first),
            values,
        }
    }

    /// Learns the name of the log from its first record.
    pub(crate) fn begin(&mut self, record: &Record) {
        if self.source.is_empty() {
            self.source = source(&record.hash.to_string());
        }
    }

    /// A record, on every topic where it belongs.
    pub(crate) fn record(&self, record: &Record) -> Vec<Message> {
        let event = &record.event;
        let (value, content) = match self.values {
            Values::Json => {
                let event = serde_json::to_value(event).unwrap_or_default();
                (event["data"].to_string().into_bytes(), "application/json")
            }
            Values::Protobuf => (event.payload(), "application/protobuf"),
        };
        let (_, version) = event.schema();
        let mut headers = self.headers(record, &format!("dev.fluvial.{}.v{version}", event.name()));
        headers.push(("content-type", content.to_owned()));
        let topics = [Topic::Events].iter().chain(Topic::of(event));
        let message = |topic: &Topic| Message {
            topic: topic.name(&self.prefix),
            key: record.stream.clone(),
            value: Some(value.clone()),
            headers: headers.clone(),
            time_ms: record.time.0 / 1_000_000,
        };
        topics.map(message).collect()
    }

    /// What an object is after a record; nothing where it is gone.
    pub(crate) fn status(
        &self,
        record: &Record,
        object: &ObjectRef,
        status: Option<&Status>,
    ) -> Message {
        let mut headers = self.headers(record, "dev.fluvial.Status.v1");
        headers.push(("content-type", "application/json".to_owned()));
        Message {
            topic: Topic::State.name(&self.prefix),
            key: object.stream(),
            value: status.map(|it| as_object(it).to_string().into_bytes()),
            headers,
            time_ms: record.time.0 / 1_000_000,
        }
    }

    fn headers(&self, record: &Record, name: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", record.id.to_string()),
            ("ce_source", self.source.clone()),
            ("ce_type", name.to_owned()),
            ("ce_subject", record.stream.clone()),
            ("ce_time", record.time.to_string()),
            ("ce_partitionkey", record.stream.clone()),
            ("ce_correlationid", record.correlation.to_string()),
            ("ce_fluvialoffset", record.offset.to_string()),
            ("ce_fluvialepoch", record.epoch.to_string()),
            ("ce_fluvialhash", record.hash.to_string()),
        ];
        if !record.cause.is_none() {
            headers.push(("ce_causationid", record.cause.to_string()));
        }
        if !record.actor.is_empty() {
            headers.push(("ce_fluvialactor", record.actor.clone()));
        }
        headers
    }
}

fn source(first: &str) -> String {
    if first.is_empty() {
        return String::new();
    }
    format!("urn:fluvial:log:{first}")
}

/// A status as the object that has it.
fn as_object(status: &Status) -> Value {
    let ObjectRef {
        group,
        version,
        kind,
        namespace,
        name,
    } = &status.object;
    let api_version = if group.is_empty() {
        version.clone()
    } else {
        format!("{group}/{version}")
    };
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name, "uid": status.uid},
        "status": status.value,
    })
}

#[cfg(test)]
mod tests {
    use fluvial_event::{
        Chain, Concluded, Draft, Head, Id, ObjectObserved, SourceUnchanged, TermStarted, Timestamp,
    };

    use super::*;

    fn object() -> ObjectRef {
        ObjectRef {
            group: "source.toolkit.fluxcd.io".into(),
            version: "v1".into(),
            kind: "GitRepository".into(),
            namespace: "apps".into(),
            name: "app".into(),
        }
    }

    fn sealed(draft: Draft) -> Record {
        let mut chain = Chain::new(Head::default(), 1);
        chain.seal(draft, Id::NONE, Timestamp(1_500_000_000))
    }

    fn unchanged() -> Event {
        SourceUnchanged {
            object: Some(object()),
            revision: "main@sha1:0123".into(),
            ..SourceUnchanged::default()
        }
        .into()
    }

    fn header<'a>(message: &'a Message, name: &str) -> &'a str {
        let mut found = message.headers.iter().filter(|it| it.0 == name);
        let value = found.next().map_or("", |it| it.1.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }

    #[test]
    fn a_record_is_a_cloud_event_in_binary_mode() {
        let record = sealed(Draft::news(unchanged()).by("author:Jane"));
        let encoder = Encoder::new("fluvial", "sha256:ab", Values::Json);
        let messages = encoder.record(&record);
        let topics: Vec<_> = messages.iter().map(|it| it.topic.as_str()).collect();
        assert_eq!(topics, ["fluvial.events", "fluvial.outcomes"]);
        let message = &messages[0];
        assert_eq!(message.key, record.stream);
        assert_eq!(message.time_ms, 1500);
        for (name, value) in [
            ("ce_specversion", "1.0"),
            ("ce_id", &record.id.to_string()),
            ("ce_source", "urn:fluvial:log:sha256:ab"),
            ("ce_type", "dev.fluvial.SourceUnchanged.v1"),
            ("ce_subject", &record.stream),
            ("ce_partitionkey", &record.stream),
            ("ce_time", "1970-01-01T00:00:01.500Z"),
            ("ce_fluvialoffset", "1"),
            ("ce_fluvialepoch", "0"),
            ("ce_fluvialactor", "author:Jane"),
            ("ce_causationid", ""),
            ("content-type", "application/json"),
        ] {
            assert_eq!(header(message, name), value, "{name}");
        }
        let value: Value = serde_json::from_slice(message.value.as_ref().unwrap()).unwrap();
        assert_eq!(value["revision"], "main@sha1:0123", "{value}");
        assert_eq!(value["object"]["name"], "app", "{value}");
    }

    /// The names of attributes that CloudEvents allows: 20 small letters and digits.
    #[test]
    fn every_attribute_has_a_legal_name() {
        let record = sealed(Draft::outcome(Id([1; 16]), unchanged()).by("x"));
        let encoder = Encoder::new("fluvial", "", Values::Json);
        for (name, _) in encoder.headers(&record, "x") {
            let name = name.strip_prefix("ce_").unwrap();
            let is_legal = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
            assert!(name.len() <= 20 && name.chars().all(is_legal), "{name}");
        }
    }

    #[test]
    fn protobuf_is_what_the_log_has() {
        let record = sealed(Draft::news(unchanged()));
        let encoder = Encoder::new("fluvial", "sha256:ab", Values::Protobuf);
        let message = &encoder.record(&record)[0];
        assert_eq!(message.value, Some(record.event.payload()));
        assert_eq!(header(message, "content-type"), "application/protobuf");
    }

    #[test]
    fn every_record_is_among_the_events_and_some_are_elsewhere_too() {
        let observed = |changed: &[&str]| ObjectObserved {
            object: Some(object()),
            changed: changed.iter().map(|&it| it.to_owned()).collect(),
            ..ObjectObserved::default()
        };
        let concluded = |repair| Concluded {
            object: Some(object()),
            repair,
            ..Concluded::default()
        };
        let encoder = Encoder::new("x", "", Values::Json);
        for (event, topics) in [
            (Event::from(TermStarted::default()), ""),
            (observed(&[]).into(), " x.health"),
            (observed(&["spec.replicas"]).into(), " x.drift x.health"),
            (concluded(false).into(), " x.decisions x.health"),
            (concluded(true).into(), " x.decisions x.drift x.health"),
        ] {
            let messages = encoder.record(&sealed(Draft::news(event)));
            let found: Vec<_> = messages.iter().map(|it| it.topic.as_str()).collect();
            assert_eq!(found.join(" "), format!("x.events{topics}"));
        }
    }

    #[test]
    fn a_status_is_the_newest_of_its_object_and_nothing_when_that_is_gone() {
        let record = sealed(Draft::news(unchanged()));
        let encoder = Encoder::new("fluvial", "sha256:ab", Values::Protobuf);
        let object = object();
        let status = Status {
            object: object.clone(),
            uid: "u".into(),
            value: json!({"observedGeneration": 1}),
        };
        let message = encoder.status(&record, &object.identity(), Some(&status));
        assert_eq!(message.topic, "fluvial.state");
        assert_eq!(message.key, record.stream);
        assert_eq!(header(&message, "content-type"), "application/json");
        let value: Value = serde_json::from_slice(&message.value.unwrap()).unwrap();
        assert_eq!(value["apiVersion"], "source.toolkit.fluxcd.io/v1");
        assert_eq!(value["status"]["observedGeneration"], 1);
        let gone = encoder.status(&record, &object.identity(), None);
        assert_eq!(gone.value, None);
    }
}
