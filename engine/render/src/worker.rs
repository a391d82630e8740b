//! The child: confined before its first byte, then one question after the other until there are no more.

use std::ffi::OsStr;
use std::io;
use std::panic;
use std::process::ExitCode;

use crate::builder::Builder;
use crate::confine;
use crate::frame::{self, Frame, Kind};

/// What a worker process is called: its zeroth argument.
pub(crate) const NAME: &str = "fluvial-render";
/// How a worker begins what it says of memory that it does not get; the standard library says the same.
pub(crate) const NO_MEMORY: &str = "memory allocation";
/// How a worker begins what it says of a panic.
pub(crate) const PANIC: &str = "panic at ";

/// What answers questions in a worker.
pub trait Handler {
    /// Answers one question, or says that it needs the attachment that belongs to it. Given that, it
    /// answers.
    fn answer(&mut self, request: &[u8], attachment: Option<&[u8]>) -> Reply;
}

/// What a handler has to say.
#[derive(Debug)]
pub enum Reply {
    /// The answer.
    Answer(Vec<u8>),
    /// The attachment is wanted first.
    Wanting,
}

/// Whether this process was started to be a worker. Ask it first, before there is a second thread.
pub fn is_worker() -> bool {
    std::env::args_os().next().as_deref() == Some(OsStr::new(NAME))
}

/// Builds Kustomizations and renders charts until the engine has no more of them.
pub fn work() -> ExitCode {
    serve(Builder::default())
}

/// Gives up every right, says how far that went, and lets `handler` answer until standard input ends.
///
/// The limits are its arguments: bytes of memory, seconds of CPU time.
pub fn serve(mut handler: impl Handler) -> ExitCode {
    let mut limits = std::env::args().skip(1).map(|limit| limit.parse::<u64>());
    let (Some(Ok(memory)), Some(Ok(cpu))) = (limits.next(), limits.next()) else {
        eprintln!("{NAME} is started by `fluvial run`, and by nobody else");
        return ExitCode::FAILURE;
    };
    // The message of a panic can hold what is being rendered, and so a secret; its place cannot.
    panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => eprintln!("{PANIC}{place}"),
        None => eprintln!("{PANIC}an unknown place"),
    }));
    fluvial_helm::measure_stack();
    let confinement = confine::confine(memory, cpu);
    let served = serde_json::to_vec(&confinement)
        .map_err(io::Error::other)
        .and_then(|hello| frame::write(io::stdout(), Kind::Hello, &hello))
        .and_then(|()| converse(&mut handler));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.kind() == io::ErrorKind::OutOfMemory {
                eprintln!("{NO_MEMORY} failed");
                std::process::abort();
            }
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn converse(handler: &mut impl Handler) -> io::Result<()> {
    while let Some(Frame { kind, body }) = frame::read(io::stdin())? {
        expect(kind, Kind::Request)?;
        let answer = match handler.answer(&body, None) {
            Reply::Answer(answer) => answer,
            Reply::Wanting => {
                frame::write(io::stdout(), Kind::Wanting, b"")?;
                let Some(attached) = frame::read(io::stdin())? else {
                    return Ok(());
                };
                expect(attached.kind, Kind::Attachment)?;
                match handler.answer(&body, Some(&attached.body)) {
                    Reply::Answer(answer) => answer,
                    Reply::Wanting => {
                        return Err(io::Error::other("a handler wants what it was given"));
                    }
                }
            }
        };
        frame::write(io::stdout(), Kind::Answer, &answer)?;
    }
    Ok(())
}

fn expect(kind: Kind, wanted: Kind) -> io::Result<()> {
    if kind == wanted {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{kind:?} where {wanted:?} belongs"
    )))
}
