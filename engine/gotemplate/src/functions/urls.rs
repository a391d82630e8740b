//! URLs as Go's `net/url` takes them apart and puts them together.

use super::{Function, Outcome, map, str};
use crate::Execution;
use crate::error::Error;
use crate::format::quoted;
use crate::value::{Map, Type, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("urlJoin", &[Type::Map], join),
    Function::new("urlParse", &[Type::Text], parse),
];

/// A URL in its parts, without escapes.
#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    user: Option<(String, Option<String>)>,
    host: String,
    path: String,
    /// The path as it was written, where it is not the one way to write it.
    raw_path: String,
    query: String,
    fragment: String,
    raw_fragment: String,
}

/// Where in a URL a text stands: what it may hold unescaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    User,
    Query,
    Fragment,
}

fn parse(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let text = str(&values[0]);
    let url = Url::parse(&text).map_err(|error| {
        let said = quoted(text.as_bytes());
        Error::plain(format!("unable to parse url: parse {said}: {error}"))
    })?;
    let hostname = url.hostname().to_owned();
    let userinfo = url.user.as_ref().map_or_else(String::new, user_text);
    let parts = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", hostname),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", userinfo),
    ];
    let map: Map = parts
        .into_iter()
        .map(|(key, value)| (key, Value::text(value)))
        .collect();
    Ok(Value::Map(map))
}

fn join(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let parts = map(&values[0]);
    let part = |key: &str| match parts.get(key) {
        None => Ok(String::new()),
        Some(Value::Text(text)) => Ok(text.to_str().into_owned()),
        Some(Value::Nil) => Err(Error::plain(super::NIL_POINTER)),
        Some(other) => Err(Error::plain(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind_name()
        ))),
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        ..Url::default()
    };
    let userinfo = part("userinfo")?;
    if !userinfo.is_empty() {
        let text = format!("proto://{userinfo}@host");
        let parsed = Url::parse(&text).map_err(|error| {
            let said = quoted(text.as_bytes());
            Error::plain(format!(
                "unable to parse userinfo in dict: parse {said}: {error}"
            ))
        })?;
        url.user = parsed.user;
    }
    Ok(Value::text(url.text()))
}

impl Url {
    fn parse(text: &str) -> Result<Self, String> {
        let (rest, fragment) = match text.split_once('#') {
            Some((rest, fragment)) => (rest, fragment),
            None => (text, ""),
        };
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        let mut rest = rest;
        if rest == "*" {
            "*".clone_into(&mut url.path);
            return Ok(url);
        }
        if let Some((scheme, after)) = scheme(rest)? {
            url.scheme = scheme.to_ascii_lowercase();
            rest = after;
        }
        if let Some((before, query)) = rest.split_once('?') {
            query.clone_into(&mut url.query);
            rest = before;
        }
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                url.set_fragment(fragment)?;
                return Ok(url);
            }
            let first = rest.split('/').next().unwrap_or_default();
            if first.contains(':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let rooted = !url.scheme.is_empty() || !rest.starts_with("///");
        if rooted && let Some(after) = rest.strip_prefix("//") {
            let end = after.find('/').unwrap_or(after.len());
            url.set_authority(&after[..end])?;
            rest = &after[end..];
        }
        url.path = unescaped(rest, Part::Path)?;
        if escaped(&url.path, Part::Path) != rest {
            rest.clone_into(&mut url.raw_path);
        }
        url.set_fragment(fragment)?;
        Ok(url)
    }

    fn set_fragment(&mut self, fragment: &str) -> Result<(), String> {
        self.fragment = unescaped(fragment, Part::Fragment)?;
        if escaped(&self.fragment, Part::Fragment) != fragment {
            fragment.clone_into(&mut self.raw_fragment);
        }
        Ok(())
    }

    fn set_authority(&mut self, authority: &str) -> Result<(), String> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = host_of(host)?;
        if let Some(user) = user {
            let fine =
                |each: char| each.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(each);
            if !user.chars().all(fine) {
                return Err("net/url: invalid userinfo".to_owned());
            }
            let (name, password) = match user.split_once(':') {
                Some((name, password)) => (name, Some(unescaped(password, Part::User)?)),
                None => (user, None),
            };
            self.user = Some((unescaped(name, Part::User)?, password));
        }
        Ok(())
    }

    fn hostname(&self) -> &str {
        if let Some(rest) = self.host.strip_prefix('[') {
            return rest.split(']').next().unwrap_or_default();
        }
        match self.host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.host,
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            if !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some() {
                if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                    out.push_str("//");
                }
                if let Some(user) = &self.user {
                    out.push_str(&user_text(user));
                    out.push('@');
                }
                out.push_str(&escaped(&self.host, Part::Host));
            }
            let path = escaped(&self.path, Part::Path);
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty() && path.split('/').next().unwrap_or_default().contains(':') {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escaped(&self.fragment, Part::Fragment));
        }
        out
    }
}

fn user_text((name, password): &(String, Option<String>)) -> String {
    let name = escaped(name, Part::User);
    match password {
        Some(password) => format!("{name}:{}", escaped(password, Part::User)),
        None => name,
    }
}

fn scheme(text: &str) -> Result<Option<(&str, &str)>, String> {
    for (at, each) in text.char_indices() {
        match each {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok(Some((&text[..at], &text[at + 1..]))),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn host_of(host: &str) -> Result<String, String> {
    let port_at = if host.starts_with('[') {
        let Some(end) = host.rfind(']') else {
            return Err("missing ']' in host".to_owned());
        };
        &host[end + 1..]
    } else {
        host.find(':').map_or("", |at| &host[at..])
    };
    let digits = port_at.strip_prefix(':');
    let fine = digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !port_at.is_empty() && !fine {
        let port = quoted(port_at.as_bytes());
        return Err(format!("invalid port {port} after host"));
    }
    unescaped(host, Part::Host)
}

fn unescaped(text: &str, part: Part) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                let digits = text.get(at + 1..at + 3);
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(byte) = byte.filter(|_| !text[at + 1..].starts_with('+')) else {
                    let end = (at + 3).min(text.len());
                    let shown = quoted(&bytes[at..end]);
                    return Err(format!("invalid URL escape {shown}"));
                };
                if part == Part::Host && byte < 0x80 && byte != b'%' {
                    let shown = quoted(&bytes[at..at + 3]);
                    return Err(format!("invalid URL escape {shown}"));
                }
                out.push(byte);
                at += 3;
            }
            b'+' if part == Part::Query => {
                out.push(b' ');
                at += 1;
            }
            byte if part == Part::Host && byte < 0x80 && must_escape(byte, part) => {
                let shown = quoted(&bytes[at..=at]);
                return Err(format!("invalid character {shown} in host name"));
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn escaped(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte == b' ' && part == Part::Query {
            out.push('+');
        } else if must_escape(byte, part) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

fn must_escape(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return false;
    }
    !matches!(
        (part, byte),
        (
            Part::Host,
            b'!' | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'['
                | b']'
                | b'<'
                | b'>'
                | b'"',
        ) | (
            Part::Path,
            b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@'
        ) | (Part::User, b'$' | b'&' | b'+' | b',' | b';' | b'=')
            | (
                Part::Fragment,
                b'$' | b'&'
                    | b'+'
                    | b','
                    | b'/'
                    | b':'
                    | b';'
                    | b'='
                    | b'?'
                    | b'@'
                    | b'!'
                    | b'('
                    | b')'
                    | b'*',
            )
    )
}

/// `url.QueryEscape`
pub(super) fn query_escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' ' => out.push('+'),
            byte if must_escape(byte, Part::Query) => out.push_str(&format!("%{byte:02X}")),
            byte => out.push(char::from(byte)),
        }
    }
    out
}
