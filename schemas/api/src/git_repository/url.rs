//! The URL of a repository as it may be shown and recorded: without credentials.

/// Stands where something is left out.
pub(crate) const WITHHELD: &str = "***";

/// `https://***@host/path?***` for `https://user:password@host/path?token=…`.
///
/// The user of an ssh URL stays: who logs in is decided by a key. That of an http URL may be a token.
/// Readers of URLs disagree about what is malformed, so where a password may begin, everything up to
/// the last `@` is taken for one, and where that may be in a query, nothing is shown.
pub fn shown(url: &str) -> String {
    let (scheme, rest) = match url.find("://") {
        Some(at) => url.split_at(at + "://".len()),
        None => ("", url),
    };
    let authority = rest.trim_start_matches(['/', '\\']);
    let authority = authority.split(['/', '\\', '?', '#']).next();
    let may_log_in = authority.is_some_and(|it| it.contains(['@', ':']));
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, _)) if may_log_in && login.contains(['?', '#']) => {
            return format!("{scheme}{WITHHELD}");
        }
        Some((login, place)) if may_log_in => (Some(login), place),
        _ => (None, rest),
    };
    let login = login.map(|login| match login.split_once(':') {
        None if scheme == "ssh://" => format!("{login}@"),
        Some((user, _)) if scheme == "ssh://" => format!("{user}:{WITHHELD}@"),
        _ => format!("{WITHHELD}@"),
    });
    let login = login.unwrap_or_default();
    match place.find(['?', '#']) {
        Some(at) => format!("{scheme}{login}{}{WITHHELD}", &place[..=at]),
        None => format!("{scheme}{login}{place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_holds_no_credential_stays() {
        for url in [
            "https://host/org/repo.git",
            "http://127.0.0.1:8080/repo",
            "https://[::1]:8443/repo",
            "https://host/@scope/repo",
            "ssh://git@host/org/repo.git",
            "ssh://git@host:2222/~me/repo",
            "ssh://host/repo",
        ] {
            assert_eq!(shown(url), url);
        }
    }

    #[test]
    fn credentials_do_not() {
        for (url, expected) in [
            ("https://me:s3cr3t@host/x", "https://***@host/x"),
            ("https://s3cr3t@host:8443/x", "https://***@host:8443/x"),
            ("https://:s3cr3t@host/x", "https://***@host/x"),
            ("https://me:s3/cr3t@host/x", "https://***@host/x"),
            ("https://me:12/s3cr3t@host/x", "https://***@host/x"),
            ("https://me:s3?cr3t@host/x", "https://***"),
            ("https://me:s3#cr3t@host/x", "https://***"),
            ("https://me:s3@cr3t@host/x", "https://***@host/x"),
            ("https://me@s3/cr3t@host/x", "https://***@host/x"),
            ("https:///me:s3cr3t@host/x", "https://***@host/x"),
            ("https://\\\\me:s3cr3t@host/x", "https://***@host/x"),
            ("ssh://git:s3cr3t@host/x", "ssh://git:***@host/x"),
            ("https://host/x?token=s3cr3t", "https://host/x?***"),
            ("https://host/x#s3cr3t", "https://host/x#***"),
            ("https://me:a@host/x?b=s3cr3t#c", "https://***@host/x?***"),
            ("https://host/x?token=s3@cr3t", "https://host/x?***"),
            ("https://host:1/x?token=s3@cr3t", "https://***"),
            ("me:s3cr3t@host/x", "***@host/x"),
            ("", ""),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }
}
