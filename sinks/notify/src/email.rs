//! `email`, also called `smtp`: a plain mail through a mail server. Flux has no such type.
//!
//! `address` is `smtp://host[:587]`, where STARTTLS is required unless it says `?starttls=never`, or
//! `smtps://host[:465]`; `channel` the recipients, separated by commas; `username` the sender. The Secret's
//! `username` and `password` log in.

use std::fmt::Write as _;

use fluvial_event::Timestamp;
use fluvial_view::alert::Note;

use crate::{Address, Delivery, Mail, Provider, Refusal, Security, object_name, plain};

/// A mail server.
pub(crate) struct Email;

const SUBJECT_CHARACTERS_MAX: usize = 200;
const MAILBOX_BYTES_MAX: usize = 254;
const RECIPIENTS_MAX: usize = 50;

impl Provider for Email {
    fn prepare(
        &self,
        note: &Note,
        address: &Address,
        _now: Timestamp,
    ) -> Result<Delivery, Refusal> {
        let (host, port, security) = server(address)?;
        let sender = if address.sender.is_empty() {
            &address.username
        } else {
            &address.sender
        };
        let from = mailbox(sender, "the sender, spec.username of the Provider,")?;
        let recipients: Vec<_> = address.channel.split(',').map(str::trim).collect();
        if recipients.len() > RECIPIENTS_MAX {
            return Err(Refusal(format!(
                "a mail goes to {RECIPIENTS_MAX} recipients at most: write to a list"
            )));
        }
        let to: Vec<String> = recipients
            .into_iter()
            .map(|each| mailbox(each, "a recipient in spec.channel of the Provider"))
            .collect::<Result<_, _>>()?;
        let login = match (&address.password, address.username.is_empty()) {
            (Some(password), false) => Some((address.username.clone(), password.clone())),
            (Some(_), true) => return Err(address.missing("username")),
            (None, _) => None,
        };
        if login.is_some() && security == Security::Plain {
            return Err(Refusal(
                "a password is not sent over a plain connection: leave out ?starttls=never, or the password"
                    .to_owned(),
            ));
        }
        let message = message(note, &from, &to);
        Ok(Delivery::Mail(Mail {
            host,
            port,
            security,
            login,
            from,
            to,
            message,
        }))
    }
}

fn server(address: &Address) -> Result<(String, u16, Security), Refusal> {
    let refuse = || {
        Refusal(
            "the Provider's address is no mail server: write smtp://host:587 or smtps://host:465, and the user in its Secret"
                .to_owned(),
        )
    };
    let text = address.endpoint.expose();
    let (security, port, rest) = if let Some(rest) = text.strip_prefix("smtps://") {
        (Security::Tls, 465, rest)
    } else if let Some(rest) = text.strip_prefix("smtp://") {
        (Security::StartTls, 587, rest)
    } else {
        return Err(refuse());
    };
    let (authority, security) = match (rest.split_once('?'), security) {
        (None, security) => (rest, security),
        (Some((authority, "starttls=never")), Security::StartTls) => (authority, Security::Plain),
        (Some(_), _) => return Err(refuse()),
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, digits)) if !digits.ends_with(']') => {
            (host, digits.parse().map_err(|_not_a_port| refuse())?)
        }
        _ => (authority, port),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return Err(refuse());
    }
    Ok((host.trim_matches(['[', ']']).to_owned(), port, security))
}

/// An address that can be nothing else: what could end a header or a command is refused, not escaped.
fn mailbox(text: &str, what: &str) -> Result<String, Refusal> {
    let is_good = |c: char| c.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(c);
    let parts = text.split_once('@');
    let is_mailbox = parts.is_some_and(|(user, domain)| {
        !user.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('-')
    });
    if is_mailbox && text.len() <= MAILBOX_BYTES_MAX && text.chars().all(is_good) {
        return Ok(text.to_owned());
    }
    Err(Refusal(format!("{what} is not of the form name@host")))
}

fn message(note: &Note, from: &str, to: &[String]) -> String {
    let object = object_name(note);
    let subject = format!("[{}] {object}: {}", note.severity(), note.reason);
    let subject: String = plain(&subject, false)
        .chars()
        .take(SUBJECT_CHARACTERS_MAX)
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect();
    let domain = from.rsplit('@').next().unwrap_or("fluvial.dev");
    let headers = [
        ("From", format!("Fluvial <{from}>")),
        ("To", to.join(", ")),
        ("Subject", subject),
        ("Date", date(Timestamp(note.time))),
        ("Message-ID", format!("<{}@{domain}>", note.id)),
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("Content-Transfer-Encoding", "quoted-printable".to_owned()),
    ];
    let mut text = String::new();
    for (name, value) in headers {
        // Recipients may need several lines; a comma is where one may end.
        let folded = value.replace(", ", ",\r\n ");
        let value = if name == "To" { folded } else { value };
        write!(text, "{name}: {value}\r\n").unwrap_or_default();
    }
    text.push_str("\r\n");
    let mut body = format!("{object}\n\n{}\n", note.message);
    for (key, value) in &note.metadata {
        writeln!(body, "\n{key}: {value}").unwrap_or_default();
    }
    text.push_str(&quoted_printable(&plain(&body, true)));
    text
}

/// RFC 2045, 6.7: lines of at most 76 characters, everything but plain ASCII in hex.
fn quoted_printable(text: &str) -> String {
    const LINE_CHARACTERS_MAX: usize = 75;
    let mut out = String::new();
    for line in text.lines() {
        let mut width = 0;
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let is_last = bytes.peek().is_none();
            let is_plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (byte == b' ' && !is_last);
            let piece = if is_plain {
                char::from(byte).to_string()
            } else {
                format!("={byte:02X}")
            };
            if width + piece.len() > LINE_CHARACTERS_MAX {
                out.push_str("=\r\n");
                width = 0;
            }
            width += piece.len();
            out.push_str(&piece);
        }
        out.push_str("\r\n");
    }
    out
}

/// `Mon, 23 Nov 2026 10:16:00 +0000`
fn date(time: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let day = usize::try_from(time.seconds().div_euclid(86_400).rem_euclid(7)).unwrap_or_default();
    let text = time.to_string();
    let field = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = field(5, 7).parse::<usize>().unwrap_or(1).clamp(1, 12);
    format!(
        "{}, {} {} {} {} +0000",
        DAYS[day],
        field(8, 10),
        MONTHS[month - 1],
        field(0, 4),
        field(11, 19)
    )
}
