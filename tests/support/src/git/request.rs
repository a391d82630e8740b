//! HTTP/1.1 as far as git's clients speak it: one request read, one response written, then closed.

use std::io::{BufRead, BufReader, Read, Write};

use anyhow::{Context, Result, anyhow, ensure};

/// No header line of a git client is longer.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// No request body of a test is longer.
const BODY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A request with its whole body.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads one request; `None` when the client closed without one.
    pub(super) fn read<S: Read + Write>(stream: &mut S) -> Result<Option<Self>> {
        let mut reader = BufReader::new(stream);
        let first = line(&mut reader)?;
        if first.is_empty() {
            return Ok(None);
        }
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(anyhow!("cannot read the request line {first:?}"));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let header = line(&mut reader)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').context("a header without a colon")?;
            request
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            reader.get_mut().flush()?;
        }
        request.body = request.read_body(&mut reader)?;
        Ok(Some(request))
    }

    /// A header's value, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(each, _)| each == name)
            .map(|(_, value)| value.as_str())
    }

    fn read_body(&self, reader: &mut impl BufRead) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if self
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            loop {
                let size = line(reader)?;
                let size = u64::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)
                    .with_context(|| format!("cannot read the chunk size {size:?}"))?;
                append(reader, size, &mut body)?;
                ensure!(
                    line(reader)?.is_empty(),
                    "a chunk does not end where it says"
                );
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        if let Some(length) = self.header("content-length") {
            let length = length
                .parse()
                .with_context(|| format!("a length of {length:?}"))?;
            append(reader, length, &mut body)?;
        }
        Ok(body)
    }
}

/// Writes a response and says that the connection ends with it.
pub(super) fn respond(
    stream: &mut impl Write,
    status: &str,
    headers: &str,
    body: &[u8],
) -> Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(body)?;
    stream.flush().context("cannot send a response")
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    reader
        .take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .context("cannot read a request")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn append(reader: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> Result<()> {
    ensure!(
        length <= BODY_BYTES_MAX,
        "a body of more than {BODY_BYTES_MAX} bytes"
    );
    let read = reader
        .take(length)
        .read_to_end(body)
        .context("cannot read a body")?;
    ensure!(
        u64::try_from(read) == Ok(length),
        "a body that ends too early"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn body(request: &str) -> String {
        let mut stream = Cursor::new(request.as_bytes().to_vec());
        match Request::read(&mut stream) {
            Ok(Some(request)) => String::from_utf8(request.body).unwrap(),
            Ok(None) => "closed".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn bodies_are_read_whole_however_they_are_framed() {
        for (request, expected) in [
            ("", "closed"),
            ("GET / HTTP/1.1\r\n\r\n", ""),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcd", "abc"),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcd",
                "a body that ends too early",
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n",
                "abcd",
            ),
        ] {
            assert_eq!(body(request), expected, "{request:?}");
        }
    }
}
