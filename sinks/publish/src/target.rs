//! Where it is published: `kafka://HOST:PORT[,HOST:PORT…][/PREFIX]`, and the properties of the connection.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::message::Values;

/// The topics begin with this, unless something else is said.
const PREFIX: &str = "fluvial";
/// As long as Kafka lets the name of a topic be, without what is put behind the prefix.
const PREFIX_CHARACTERS_MAX: usize = 200;

/// A Kafka, and how to speak with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT`, separated by commas.
    pub(crate) brokers: String,
    /// What the names of its topics begin with.
    pub(crate) prefix: String,
    /// How values are written.
    pub(crate) values: Values,
    /// Properties of the client, by librdkafka's names; they may be credentials.
    pub(crate) properties: BTreeMap<String, String>,
}

/// Why a text names no Kafka.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseTargetError(String);

impl Target {
    /// The same, with values written so.
    #[must_use]
    pub fn with_values(self, values: Values) -> Self {
        Self { values, ..self }
    }

    /// The same, with the properties of a file: a line for each, `name=value`, by librdkafka's names, which are
    /// mostly Kafka's own; `#` begins a comment.
    pub fn with_properties(mut self, text: &str) -> Result<Self, ParseTargetError> {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                return Err(ParseTargetError(format!(
                    "cannot read line {}: say name=value, such as security.protocol=SASL_SSL",
                    at + 1
                )));
            };
            let name = name.trim();
            if let Some((_, why)) = OURS.iter().find(|it| it.0 == name) {
                return Err(ParseTargetError(format!(
                    "cannot set {name} in line {}: {why}",
                    at + 1
                )));
            }
            let value = value.trim().to_owned();
            self.properties.insert(name.to_owned(), value);
        }
        Ok(self)
    }
}

/// What is not a user's to set: what is promised depends on it.
const OURS: [(&str, &str); 4] = [
    // sorted
    (
        "acks",
        "nothing counts as published before all replicas have it",
    ),
    ("bootstrap.servers", "the brokers are those of --publish"),
    ("enable.idempotence", "the order depends on it"),
    ("transactional.id", "records are published one by one"),
];

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let cannot = |why: &str| ParseTargetError(format!("cannot publish to {text:?}: {why}"));
        let Some(rest) = text.strip_prefix("kafka://") else {
            return Err(cannot("say kafka://HOST:PORT[,HOST:PORT…][/PREFIX]"));
        };
        if rest.contains(['@', '?', '#']) {
            // It may be a credential: it is not repeated.
            return Err(ParseTargetError(
                "cannot publish there: credentials and options do not belong in the address, but in the file of --publish-config".to_owned(),
            ));
        }
        let (brokers, prefix) = match rest.split_once('/') {
            Some((brokers, prefix)) => (brokers, prefix.trim_end_matches('/')),
            None => (rest, ""),
        };
        for broker in brokers.split(',') {
            let is_address = broker
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            if !is_address {
                return Err(cannot(&format!("{broker:?} is no HOST:PORT")));
            }
        }
        let is_legal = |it: char| it.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&it);
        if !prefix.chars().all(is_legal) || prefix.len() > PREFIX_CHARACTERS_MAX {
            return Err(cannot(
                "a prefix of topics is at most 200 letters, digits, dots, dashes and underscores",
            ));
        }
        Ok(Self {
            brokers: brokers.to_owned(),
            prefix: if prefix.is_empty() { PREFIX } else { prefix }.to_owned(),
            values: Values::default(),
            properties: BTreeMap::new(),
        })
    }
}

/// Without the properties.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}/{}", self.brokers, self.prefix)
    }
}

/// As it is displayed: a property may be a credential.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_brokers_and_what_topics_begin_with() {
        for (text, read) in [
            ("kafka://a:9092", "kafka://a:9092/fluvial"),
            ("kafka://a:9092/", "kafka://a:9092/fluvial"),
            (
                "kafka://a:9092,b:9093/prod.eu",
                "kafka://a:9092,b:9093/prod.eu",
            ),
            ("kafka://[::1]:9092/x", "kafka://[::1]:9092/x"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), read);
        }
        for (text, said) in [
            ("http://a:9092", "say kafka://"),
            ("kafka://a", "\"a\" is no HOST:PORT"),
            ("kafka://a:9092,:1", "\":1\" is no HOST:PORT"),
            ("kafka://a:9092/a b", "letters, digits"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let error = "kafka://me:s3cr3t@a:9092".parse::<Target>().unwrap_err();
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
    }

    #[test]
    fn properties_are_read_and_never_shown() {
        let target: Target = "kafka://a:9092".parse().unwrap();
        let text = "# to the broker\nsecurity.protocol = SASL_SSL\n\nsasl.password=a=b s3cr3t\n";
        let with = target.clone().with_properties(text).unwrap();
        assert_eq!(with.properties["security.protocol"], "SASL_SSL");
        assert_eq!(with.properties["sasl.password"], "a=b s3cr3t");
        assert!(!format!("{with} {with:?}").contains("s3cr3t"));
        for (text, said) in [
            ("sasl.password s3cr3t", "cannot read line 1"),
            ("x=y\nacks=1", "cannot set acks in line 2"),
        ] {
            let error = target
                .clone()
                .with_properties(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(said) && !error.contains("s3cr3t"), "{error}");
        }
    }
}
