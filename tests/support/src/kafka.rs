//! A real Kafka on loopback, of one broker that speaks TLS alone, and Kafka's own consumer to read along with.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::process::Process;
use crate::{Authority, tools, wait};

const START_MAX: Duration = Duration::from_mins(1);
/// A reader that hears of nothing for so long has read all.
const SILENCE_MS: &str = "3000";
/// Between two headers; no header of ours has one.
const SEPARATOR: &str = "|";
const MEMORY: &str = "-Xmx384m";

/// A broker. Killed on drop.
#[derive(Debug)]
pub struct Kafka {
    /// Dropped before the directory is.
    process: Option<Process>,
    directory: TempDir,
    port: u16,
}

/// A message as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// The partition.
    pub partition: u32,
    /// Its place there.
    pub offset: u64,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its key.
    pub key: String,
    /// Its value; none in a tombstone.
    pub value: Option<String>,
}

impl Kafka {
    /// Starts an empty broker with a certificate of `authority`, which makes no topic by itself.
    pub fn start(authority: &Authority) -> Result<Self> {
        let directory = TempDir::with_prefix("kafka-").context("cannot make a directory")?;
        let (port, controller) = (free_port()?, free_port()?);
        let server = authority.server(&[])?;
        let at = directory.path().display().to_string();
        let write = |file: &str, text: &str| {
            fs::write(directory.path().join(file), text)
                .with_context(|| format!("cannot write {file}"))
        };
        write("ca.pem", authority.certificate())?;
        write("server.pem", &server.pem())?;
        write(
            "client.properties",
            &format!(
                "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={at}/ca.pem\n"
            ),
        )?;
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             listener.security.protocol.map=SSL:SSL,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=SSL\n\
             ssl.keystore.type=PEM\nssl.keystore.location={at}/server.pem\n\
             ssl.truststore.type=PEM\nssl.truststore.location={at}/ca.pem\n\
             controller.listener.names=CONTROLLER\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             log.dirs={}\nauto.create.topics.enable=false\ndefault.replication.factor=1\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             group.initial.rebalance.delay.ms=0\n",
            directory.path().join("data").display()
        );
        write("server.properties", &properties)?;
        let mut kafka = Self {
            process: None,
            directory,
            port,
        };
        let at = kafka.properties();
        Self::run(&[
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            "MkU3OEVBNTcwNTJENDM2Qg",
            "--config",
            &at,
        ])?;
        kafka.up()?;
        Ok(kafka)
    }

    /// `127.0.0.1` and its port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills the broker, wherever it is.
    pub fn down(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same data.
    pub fn up(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "Kafka runs already");
        let program = tools::program("kafka")?;
        let args = ["kafka.Kafka", &self.properties()];
        let log = self.directory.path().join("kafka.log");
        let environment = [("KAFKA_JVM_OPTS", Path::new(MEMORY))];
        let mut process = Process::start_with("kafka", &program, args, &log, environment)?;
        wait("Kafka to listen", START_MAX, || {
            process.check().map_err(|error| error.to_string())?;
            TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())
        });
        self.process = Some(process);
        Ok(())
    }

    /// Every message of a topic, in the order of each partition.
    pub fn read(&self, topic: &str) -> Result<Vec<Consumed>> {
        let separator = format!("headers.separator={SEPARATOR}");
        let mut args = vec!["org.apache.kafka.tools.consumer.ConsoleConsumer"];
        let host = self.host();
        args.extend(["--bootstrap-server", &host, "--topic", topic]);
        args.extend(["--from-beginning", "--timeout-ms", SILENCE_MS]);
        let client = self.directory.path().join("client.properties");
        let client = client.display().to_string();
        args.extend(["--consumer.config", &client]);
        for property in [
            "print.partition=true",
            "print.offset=true",
            "print.headers=true",
            "print.key=true",
            &separator,
        ] {
            args.extend(["--property", property]);
        }
        let printed = Self::run(&args)?;
        printed.lines().map(consumed).collect()
    }

    /// Runs one of Kafka's own tools.
    fn run(args: &[&str]) -> Result<String> {
        let output = Command::new(tools::program("kafka")?)
            .args(args)
            .env("KAFKA_JVM_OPTS", MEMORY)
            .output()
            .context("cannot start Kafka's tools")?;
        ensure!(
            output.status.success(),
            "{args:?} failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).context("cannot read what Kafka's tool printed")
    }

    fn properties(&self) -> String {
        let file = self.directory.path().join("server.properties");
        file.display().to_string()
    }
}

/// `Partition:0 <tab> Offset:7 <tab> name:value|name:value <tab> key <tab> value`
fn consumed(line: &str) -> Result<Consumed> {
    let fields: Vec<_> = line.splitn(5, '\t').collect();
    let [partition, offset, headers, key, value] = fields.as_slice() else {
        bail!("cannot read {line:?} as a message");
    };
    let number = |field: &str, name: &str| -> Result<u64> {
        let digits = field.strip_prefix(name).and_then(|it| it.parse().ok());
        digits.with_context(|| format!("cannot read {field:?} as {name}NUMBER"))
    };
    let headers = headers.split(SEPARATOR).filter_map(|it| it.split_once(':'));
    Ok(Consumed {
        partition: u32::try_from(number(partition, "Partition:")?)?,
        offset: number(offset, "Offset:")?,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        key: (*key).to_owned(),
        value: (*value != "null").then(|| (*value).to_owned()),
    })
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot find a free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_consumer_is_a_message() {
        let line = "Partition:3\tOffset:7\tce_id:ab|ce_time:10:16\tks/app\t{\"a\": \"b\tc\"}";
        let read = consumed(line).unwrap();
        assert_eq!((read.partition, read.offset), (3, 7));
        assert_eq!(read.headers["ce_time"], "10:16");
        assert_eq!(read.value.as_deref(), Some("{\"a\": \"b\tc\"}"));
        let gone = consumed("Partition:0\tOffset:0\t\tks/app\tnull").unwrap();
        assert_eq!((gone.value, gone.headers.len()), (None, 0));
        assert!(consumed("what?").is_err());
    }
}
