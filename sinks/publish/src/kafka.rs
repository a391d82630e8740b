//! The door to Kafka: librdkafka, through rdkafka.

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;

use crate::Error;
use crate::message::{Message, Topic};
use crate::target::Target;

/// How many partitions a topic gets that is not there yet.
const PARTITIONS: i32 = 12;
/// How many replicas: as the broker says, `default.replication.factor`.
const REPLICAS_DEFAULT: i32 = -1;
/// How long a topic may take to be made.
const MAKE_MAX: Duration = Duration::from_secs(30);

/// What is promised depends on these.
const PROMISED: [(&str, &str); 3] = [
    // sorted
    ("acks", "all"),
    ("client.id", "fluvial"),
    ("enable.idempotence", "true"),
];

/// Good to have, and a user's to change.
const DEFAULTS: [(&str, &str); 4] = [
    // sorted
    ("compression.type", "lz4"),
    ("linger.ms", "5"),
    ("message.max.bytes", "10000000"), // before compression; the broker's limit is for what comes of it
    ("partitioner", "murmur2_random"), // as Kafka's own clients have it, so that topics can be joined
];

/// A connection.
pub(crate) struct Kafka {
    producer: FutureProducer,
    admin: AdminClient<DefaultClientContext>,
    prefix: String,
}

impl Kafka {
    /// Connects in the background: a broker that is down shows when something is sent.
    pub(crate) fn new(target: &Target) -> Result<Self, Error> {
        let mut config = ClientConfig::new();
        for (name, value) in DEFAULTS {
            config.set(name, value);
        }
        for (name, value) in &target.properties {
            config.set(name, value);
        }
        for (name, value) in PROMISED {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &target.brokers);
        let refused = |error: KafkaError| Error::Configuration(words(&error));
        Ok(Self {
            producer: config.create().map_err(refused)?,
            admin: config.create().map_err(refused)?,
            prefix: target.prefix.clone(),
        })
    }

    /// Makes the topics that are not there. Those that are stay as they are.
    pub(crate) async fn make_topics(&self) -> Result<(), String> {
        let names = Topic::ALL.map(|it| (it.name(&self.prefix), it.is_compacted()));
        let topics = names.iter().map(|(name, is_compacted)| {
            let replicas = TopicReplication::Fixed(REPLICAS_DEFAULT);
            let policy = if *is_compacted { "compact" } else { "delete" };
            NewTopic::new(name, PARTITIONS, replicas).set("cleanup.policy", policy)
        });
        let topics: Vec<_> = topics.collect();
        let options = AdminOptions::new().request_timeout(Some(MAKE_MAX));
        let made = self.admin.create_topics(&topics, &options).await;
        for made in made.map_err(|error| words(&error))? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                // Who may not make topics may have them made by somebody else.
                Err((name, code)) if !self.has(&name).await? => {
                    return Err(format!(
                        "cannot make the topic {name}: {code}; make it, or let this client do so"
                    ));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Whether a topic is there, for this client.
    async fn has(&self, topic: &str) -> Result<bool, String> {
        let (producer, topic) = (self.producer.clone(), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let known = producer.client().fetch_metadata(Some(&topic), MAKE_MAX)?;
            let mut topics = known.topics().iter();
            Ok(topics.any(|it| it.name() == topic && it.error().is_none()))
        });
        let known: Result<bool, KafkaError> = asked.await.map_err(|error| error.to_string())?;
        known.map_err(|error| words(&error))
    }

    /// Sends all, in their order, and waits until all replicas have all.
    pub(crate) async fn send(&self, messages: &[Message]) -> Result<(), String> {
        let mut under_way = VecDeque::new();
        for message in messages {
            let mut record = record(message);
            loop {
                match self.producer.send_result(record) {
                    Ok(sent) => {
                        under_way.push_back(sent);
                        break;
                    }
                    // There is room again once the oldest has arrived.
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                        if !under_way.is_empty() =>
                    {
                        arrive(&mut under_way, 1).await?;
                        record = back;
                    }
                    Err((error, _)) => return Err(words(&error)),
                }
            }
        }
        let all = under_way.len();
        arrive(&mut under_way, all).await
    }
}

/// Waits for the oldest so many.
async fn arrive(under_way: &mut VecDeque<DeliveryFuture>, count: usize) -> Result<(), String> {
    for sent in under_way.drain(..count) {
        match sent.await {
            Ok(Ok(_)) => {}
            Ok(Err((error, _))) => return Err(words(&error)),
            Err(_) => return Err("the producer was closed".to_owned()),
        }
    }
    Ok(())
}

fn record(message: &Message) -> FutureRecord<'_, str, [u8]> {
    let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
    for (key, value) in &message.headers {
        headers = headers.insert(Header {
            key,
            value: Some(value.as_bytes()),
        });
    }
    let record = FutureRecord::to(&message.topic)
        .key(message.key.as_str())
        .timestamp(message.time_ms)
        .headers(headers);
    match &message.value {
        Some(value) => record.payload(value.as_slice()),
        None => record,
    }
}

/// What went wrong, without the value of a property, which may be a credential.
fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, why, name, _) => format!("{name}: {why}"),
        KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => {
            format!(
                "{error}; raise message.max.bytes of the broker or max.message.bytes of the topic"
            )
        }
        other => other.to_string(),
    }
}
