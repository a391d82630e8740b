//! What travels between the engine and a worker: a kind, a length, and so many bytes.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From a worker, first: how it is confined.
    Hello = 1,
    /// To a worker: what is asked of it.
    Request = 2,
    /// From a worker: it needs the attachment to answer.
    Wanting = 3,
    /// To a worker: what it wanted.
    Attachment = 4,
    /// From a worker: the answer.
    Answer = 5,
}

const HEADER_BYTES: usize = 9;

/// A kind and its bytes.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) body: Vec<u8>,
}

/// Why there is no frame.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The other side is gone, or what it says is no frame.
    Io(io::Error),
    /// It announces more than may be.
    TooLarge,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The bytes that go before a body.
pub(crate) fn header(kind: Kind, length: usize) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[0] = kind as u8;
    header[1..].copy_from_slice(&(length as u64).to_le_bytes());
    header
}

fn parse(header: [u8; HEADER_BYTES]) -> io::Result<(Kind, u64)> {
    let [kind, length @ ..] = header;
    let kind = match kind {
        1 => Kind::Hello,
        2 => Kind::Request,
        3 => Kind::Wanting,
        4 => Kind::Attachment,
        5 => Kind::Answer,
        _ => return Err(io::Error::from(io::ErrorKind::InvalidData)),
    };
    Ok((kind, u64::from_le_bytes(length)))
}

/// Writes a frame and sends it off.
pub(crate) fn write(mut to: impl Write, kind: Kind, body: &[u8]) -> io::Result<()> {
    to.write_all(&header(kind, body.len()))?;
    to.write_all(body)?;
    to.flush()
}

/// Reads a frame from a parent, who is trusted with its length; `None` where there are no more.
pub(crate) fn read(mut from: impl Read) -> io::Result<Option<Frame>> {
    let mut header = [0; HEADER_BYTES];
    match from.read(&mut header[..1])? {
        0 => return Ok(None),
        _ => from.read_exact(&mut header[1..])?,
    }
    let (kind, length) = parse(header)?;
    let mut body = Vec::new();
    if from.take(length).read_to_end(&mut body)? as u64 != length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(Some(Frame { kind, body }))
}

/// Reads a frame from a worker, who is trusted with nothing.
pub(crate) async fn receive(
    mut from: impl AsyncRead + Unpin,
    bytes_max: u64,
) -> Result<Frame, Broken> {
    let mut header = [0; HEADER_BYTES];
    from.read_exact(&mut header).await?;
    let (kind, length) = parse(header)?;
    if length > bytes_max {
        return Err(Broken::TooLarge);
    }
    // Grows with what really arrives.
    let mut body = Vec::new();
    if from.take(length).read_to_end(&mut body).await? as u64 != length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Frame { kind, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Request, b"one").unwrap();
        write(&mut bytes, Kind::Answer, b"").unwrap();
        let mut rest = bytes.as_slice();
        let first = read(&mut rest).unwrap().unwrap();
        assert_eq!(
            (first.kind, first.body.as_slice()),
            (Kind::Request, &b"one"[..])
        );
        assert_eq!(read(&mut rest).unwrap().unwrap().kind, Kind::Answer);
        assert!(read(rest).unwrap().is_none());
        for cut in 1..bytes.len() - HEADER_BYTES {
            assert!(read(&bytes[..cut]).is_err() || cut == 12, "{cut}");
        }
        assert!(read(&[9; 20][..]).is_err());
    }

    #[tokio::test]
    async fn a_length_is_believed_up_to_the_limit() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Answer, b"12345").unwrap();
        assert_eq!(receive(bytes.as_slice(), 5).await.unwrap().body, b"12345");
        assert!(matches!(
            receive(bytes.as_slice(), 4).await,
            Err(Broken::TooLarge)
        ));
        let lie = header(Kind::Answer, usize::MAX);
        assert!(matches!(
            receive(&lie[..], u64::MAX).await,
            Err(Broken::Io(_))
        ));
        assert!(matches!(receive(&b""[..], 5).await, Err(Broken::Io(_))));
    }
}
