//! Where a repository is, and where nobody may be sent.
//!
//! Only `http`, `https` and `ssh` URLs are read. Addresses that serve a cloud's instance metadata, or
//! that belong to no host in particular, are refused wherever they turn up: written in the URL, in a
//! redirect, or as the answer to a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use crate::{Error, Secret};

/// How the repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// The `ssh` program.
    Ssh,
}

/// A checked URL, its user and password apart from it.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) scheme: Scheme,
    /// Without user name and password; the only form that is shown.
    pub(crate) url: Url,
    pub(crate) host: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl Address {
    /// The path as the server will see it in an SSH command.
    pub(crate) fn ssh_path(&self) -> Option<String> {
        let path = percent_decode(self.url.path())?;
        // `ssh://host/~user/repository` is relative to a home directory, as git has it.
        Some(match path.strip_prefix('/') {
            Some(home) if home.starts_with('~') => home.to_owned(),
            _ => path,
        })
    }
}

/// Reads `text`, or says why nothing may be fetched from there.
pub(crate) fn parse(text: &str) -> Result<Address, Error> {
    let refuse = |why: &str| Error::Url {
        url: redact(text),
        why: why.to_owned(),
    };
    // The parser below would drop line breaks and tabs without a word.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(refuse(
            "it has a space, line break or control character in it",
        ));
    }
    // Nowhere is a query part of where a repository is: git would ask for `…?query/info/refs`.
    if text.contains('?') {
        return Err(refuse(
            "it has a query, which no git server reads; put credentials in the Secret of spec.secretRef",
        ));
    }
    let mut url = Url::parse(text).map_err(|error| {
        refuse(&format!(
            "{error}; write https://host/path or ssh://user@host/path"
        ))
    })?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "ssh" => Scheme::Ssh,
        other => return Err(refuse(&format!("'{other}' is not one of http, https, ssh"))),
    };
    let host = match url.host_str() {
        Some(host) if !host.is_empty() => host.to_owned(),
        _ => return Err(refuse("it names no host")),
    };
    let username = decoded(url.username()).map_err(|()| refuse("its user name is malformed"))?;
    let password = decoded(url.password().unwrap_or_default())
        .map_err(|()| refuse("its password is malformed"))?;
    if host.starts_with('-') || username.as_ref().is_some_and(|user| user.starts_with('-')) {
        return Err(refuse("its host or user could be taken for an option"));
    }
    if scheme == Scheme::Ssh && !host.bytes().all(is_host_byte) {
        return Err(refuse("its host has a character that no host name has"));
    }
    if username
        .as_ref()
        .is_some_and(|user| user.chars().any(char::is_control))
    {
        return Err(refuse("its user name has a control character in it"));
    }
    check_literal(&host).map_err(|why| refuse(&why))?;
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return Err(refuse("it cannot carry a user name"));
    }
    url.set_fragment(None);
    let address = Address {
        scheme,
        url,
        host,
        username,
        password: password.map(Secret::new),
    };
    if scheme == Scheme::Ssh {
        match address.ssh_path() {
            Some(path) if path.starts_with('-') || path.chars().any(char::is_control) => {
                return Err(refuse("its path could be taken for an option"));
            }
            Some(path) if path.is_empty() || path == "/" => {
                return Err(refuse("it names no repository; write ssh://user@host/path"));
            }
            Some(_) => {}
            None => return Err(refuse("its path is malformed")),
        }
    }
    Ok(address)
}

/// `text` without what may be a user name, password or token, for messages about URLs that are refused.
pub(crate) fn redact(text: &str) -> String {
    let printable: String = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    let (scheme, rest) = match printable.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), printable.as_str()),
    };
    // A password may itself hold '/' or '@': everything up to the last '@' goes.
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    // So may a query, and a password may hold a '?': which of them it is cannot be told.
    if login.contains(['?', '#']) {
        return format!("{scheme}***");
    }
    match place.find(['?', '#']) {
        Some(at) => format!("{scheme}{}***", &place[..=at]),
        None => format!("{scheme}{place}"),
    }
}

/// Refuses a host that is written as a forbidden address, in any notation that resolvers accept.
pub(crate) fn check_literal(host: &str) -> Result<(), String> {
    let address = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => Some(address),
        // `http:` hosts are normalized by the parser: decimal, octal and short forms too.
        Err(_) => Url::parse(&format!("http://{host}/"))
            .ok()
            .and_then(|url| url.host_str()?.trim_matches(['[', ']']).parse().ok()),
    };
    match address {
        Some(address) if !may_reach(address) => Err(format!("{address} {FORBIDDEN}")),
        _ => Ok(()),
    }
}

/// The end of the sentence that begins with a forbidden address.
pub(crate) const FORBIDDEN: &str =
    "is a link-local, metadata or unspecified address, which nothing is fetched from";

/// Whether a connection to `address` may be opened.
pub(crate) fn may_reach(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => may_reach_v4(address),
        IpAddr::V6(address) => {
            const EC2: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
            match address.to_ipv4_mapped() {
                Some(mapped) => may_reach_v4(mapped),
                None => {
                    !address.is_unspecified()
                        && !address.is_multicast()
                        && !address.is_unicast_link_local()
                        && address != EC2
                }
            }
        }
    }
}

fn may_reach_v4(address: Ipv4Addr) -> bool {
    const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    !address.is_link_local()
        && !address.is_multicast()
        && !address.is_broadcast()
        && address.octets()[0] != 0
        && address != ALIBABA
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
}

fn decoded(text: &str) -> Result<Option<String>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    percent_decode(text).map(Some).ok_or(())
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = tail;
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_urls_are_refused() {
        for url in [
            "ext::sh -c touch% /tmp/x",
            "file:///etc/passwd",
            "/etc/passwd",
            "git@github.com:org/repo",
            "git://host/repo",
            "-uhttp://host/repo",
            "ssh://-oProxyCommand=touch/repo",
            "ssh://-oX@host/repo",
            "ssh://host/-repo%0a",
            "ssh://git@host/a%0ab",
            "ssh://git@ho%0ast/repo",
            "ssh://git@host",
            "ssh://git@ho`id`st/repo",
            "https://host/re\npo",
            "https://ho\rst/repo",
            "http://169.254.169.254/latest",
            "http://2852039166/latest",
            "http://0xa9fea9fe/latest",
            "http://0251.0376.0251.0376/latest",
            "http://[::ffff:169.254.169.254]/latest",
            "http://[fd00:ec2::254]/latest",
            "http://0.0.0.0/repo",
            "http://[::]/repo",
            "ssh://git@2852039166/repo",
            "https://",
            "",
        ] {
            assert!(
                matches!(parse(url), Err(Error::Url { .. })),
                "{url:?} was accepted"
            );
        }
    }

    #[test]
    fn no_error_shows_a_password() {
        for url in [
            "ftp://me:s3cr3t@host/x",
            "https://me:s3cr3t@ho st/x",
            "https://me:s3/cr3t@/x",
            "https://host/x?token=s3cr3t",
            "https://me:a@host/x?token=s3cr3t#s3cr3t",
            "https://host/x?token=s3@cr3t",
        ] {
            let message = parse(url).expect_err(url).to_string();
            assert!(!message.contains("cr3t"), "{message}");
        }
    }

    #[test]
    fn user_and_password_leave_the_url() {
        let address = parse("https://me:p%40ss@host/repo.git#x").unwrap();
        assert_eq!(address.url.as_str(), "https://host/repo.git");
        assert_eq!(address.username.as_deref(), Some("me"));
        assert_eq!(address.password.unwrap().expose(), "p@ss");
    }

    #[test]
    fn ssh_paths_are_read_as_git_reads_them() {
        for (url, path) in [
            ("ssh://git@host/org/repo.git", "/org/repo.git"),
            ("ssh://git@host:22/~me/repo", "~me/repo"),
            ("ssh://git@host/a%20b", "/a b"),
            ("ssh://[::1]:2222/repo", "/repo"),
        ] {
            assert_eq!(
                parse(url).unwrap().ssh_path().as_deref(),
                Some(path),
                "{url}"
            );
        }
    }

    #[test]
    fn private_networks_stay_reachable() {
        for host in [
            "10.0.0.1",
            "127.0.0.1",
            "[::1]",
            "192.168.1.1",
            "git.example.com",
        ] {
            check_literal(host).unwrap();
        }
    }
}
