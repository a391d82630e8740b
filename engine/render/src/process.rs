//! One worker as its parent sees it: started, asked, and buried.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use crate::breach::Breach;
use crate::confine::Confinement;
use crate::frame::{self, Broken, Frame, Kind};
use crate::limits::Limits;
use crate::pool::{Error, Fetch};
use crate::worker;

/// How long a worker may take to confine itself.
const HELLO_TIME_MAX: Duration = Duration::from_secs(20);
const HELLO_BYTES_MAX: u64 = 64 << 10;
/// How long a worker that has broken off may take to die.
const DEATH_TIME_MAX: Duration = Duration::from_secs(5);
/// What a worker says before it dies is read up to here.
const LAST_WORDS_BYTES_MAX: u64 = 4 << 10;

/// A running worker. Killed on drop.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    /// How long it has worked.
    busy: Duration,
    limits: Limits,
}

impl Process {
    /// Starts this same program as a worker, and waits until it is confined.
    pub(crate) async fn start(limits: Limits) -> Result<(Self, Confinement), Error> {
        let failed = |why: String| Error::Start(why);
        let mut child = Command::new("/proc/self/exe")
            .arg0(worker::NAME)
            .arg(limits.memory_bytes_max.to_string())
            .arg(limits.cpu_seconds_max().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("/proc/self/exe: {error}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed("it has no standard streams".into()));
        };
        let busy = Duration::ZERO;
        let mut process = Self {
            child,
            stdin,
            stdout,
            stderr,
            busy,
            limits,
        };
        let hello = timeout(
            HELLO_TIME_MAX,
            frame::receive(&mut process.stdout, HELLO_BYTES_MAX),
        );
        let hello = match hello.await {
            Ok(Ok(Frame {
                kind: Kind::Hello,
                body,
            })) => body,
            Ok(_) => return Err(failed(process.bury().await.to_string())),
            Err(_) => {
                return Err(failed(format!(
                    "it was not ready within {HELLO_TIME_MAX:?}"
                )));
            }
        };
        let confinement =
            serde_json::from_slice(&hello).map_err(|error| failed(error.to_string()))?;
        Ok((process, confinement))
    }

    /// Whether it has worked before.
    pub(crate) fn is_used(&self) -> bool {
        !self.busy.is_zero()
    }

    /// Whether it has worked for so long that a fresh one takes over.
    pub(crate) fn is_old(&self) -> bool {
        self.busy >= self.limits.busy_max()
    }

    /// Asks one question. After any error the worker is dead.
    pub(crate) async fn ask(
        &mut self,
        request: &[u8],
        attachment: Fetch<'_>,
    ) -> Result<Vec<u8>, Error> {
        let start = Instant::now();
        let conversation = timeout(self.limits.time_max, self.converse(request, attachment));
        let answer = match conversation.await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Breach(Breach::Time(self.limits.time_max))),
        };
        self.busy += start.elapsed();
        match answer {
            Ok(answer) => Ok(answer),
            Err(Trouble::Gone) => Err(Error::Breach(self.bury().await)),
            Err(Trouble::Breach(breach)) => {
                self.kill().await;
                Err(Error::Breach(breach))
            }
            Err(Trouble::Attachment(error)) => {
                self.kill().await;
                Err(Error::Attachment(error))
            }
        }
    }

    async fn converse(
        &mut self,
        request: &[u8],
        attachment: Fetch<'_>,
    ) -> Result<Vec<u8>, Trouble> {
        self.send(Kind::Request, request).await?;
        let mut frame = self.receive().await?;
        if frame.kind == Kind::Wanting {
            let attached = attachment().await.map_err(Trouble::Attachment)?;
            self.send(Kind::Attachment, &attached).await?;
            drop(attached);
            frame = self.receive().await?;
        }
        match frame.kind {
            Kind::Answer => Ok(frame.body),
            kind @ (Kind::Hello | Kind::Request | Kind::Wanting | Kind::Attachment) => Err(
                Trouble::Breach(Breach::Crash(format!("it said {kind:?} out of turn"))),
            ),
        }
    }

    async fn send(&mut self, kind: Kind, body: &[u8]) -> Result<(), Trouble> {
        let gone = |_: io::Error| Trouble::Gone;
        let header = frame::header(kind, body.len());
        self.stdin.write_all(&header).await.map_err(gone)?;
        self.stdin.write_all(body).await.map_err(gone)?;
        self.stdin.flush().await.map_err(gone)
    }

    async fn receive(&mut self) -> Result<Frame, Trouble> {
        let bytes_max = self.limits.output_bytes_max;
        frame::receive(&mut self.stdout, bytes_max)
            .await
            .map_err(|broken| match broken {
                Broken::TooLarge => Trouble::Breach(Breach::Output(bytes_max)),
                Broken::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                    Trouble::Breach(Breach::Crash("it wrote what is no answer".into()))
                }
                Broken::Io(_) => Trouble::Gone,
            })
    }

    async fn kill(&mut self) {
        // One that is dead already is only reaped.
        self.child.kill().await.unwrap_or_default();
    }

    /// Says what a worker died of that has closed its end.
    async fn bury(&mut self) -> Breach {
        let died = timeout(DEATH_TIME_MAX, self.child.wait()).await;
        let status = match died {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Breach::Crash(error.to_string()),
            Err(_) => {
                self.kill().await;
                return Breach::Crash("it closed its output and went on".into());
            }
        };
        let mut words = Vec::new();
        let mut last = (&mut self.stderr).take(LAST_WORDS_BYTES_MAX);
        match timeout(DEATH_TIME_MAX, last.read_to_end(&mut words)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => words.clear(),
        }
        verdict(status, &String::from_utf8_lossy(&words), &self.limits)
    }
}

/// Why a conversation ended.
enum Trouble {
    /// The worker closed its end, and is dead or dying.
    Gone,
    /// The worker is to be killed for this.
    Breach(Breach),
    /// What it wanted cannot be had; that is not its fault.
    Attachment(io::Error),
}

fn verdict(status: ExitStatus, words: &str, limits: &Limits) -> Breach {
    /// A process's signals, by number on every Linux that Fluvial runs on.
    const ABORT: i32 = 6;
    const KILL: i32 = 9;
    const CPU: i32 = 24;
    const SYSTEM_CALL: i32 = 31;
    let said = |start: &str| {
        words
            .lines()
            .find_map(|line| line.trim().strip_prefix(start))
    };
    match status.signal() {
        Some(SYSTEM_CALL) => Breach::SystemCall,
        Some(CPU) => Breach::Cpu,
        Some(ABORT) if said(worker::NO_MEMORY).is_some() => Breach::Memory(limits.memory_bytes_max),
        Some(ABORT) if words.contains("has overflowed its stack") => Breach::Stack,
        Some(KILL) => Breach::Crash(
            "it was killed, as the system does when memory runs out: give the engine more".into(),
        ),
        Some(_) => Breach::Crash(status.to_string()),
        None => match said(worker::PANIC) {
            Some(place) => Breach::Panic(format!(" at {place}")),
            None => Breach::Crash(status.to_string()),
        },
    }
}
