//! From what `gix` and `ssh` say to an error that tells what to do.

use super::context::Context;
use crate::Error;
use crate::address::Address;

/// How much of a server's words a message repeats.
const CHARS_MAX: usize = 500;

/// The most telling of: what a transport left behind, the time running out, what `ssh` printed, the text.
pub(super) fn explain(
    context: &Context,
    address: &Address,
    error: &gix::Error,
    secrets: &[&str],
) -> Error {
    let printed = clean(&context.take_stderr(), secrets);
    if let Some(failure) = context.take_failure() {
        return failure;
    }
    if context.remaining().is_none() {
        return context.timed_out();
    }
    ssh(&context.url, &address.host, &printed)
        .unwrap_or_else(|| unknown(&context.url, error, secrets))
}

/// What is left when nothing better is known.
pub(super) fn unknown(url: &str, error: &gix::Error, secrets: &[&str]) -> Error {
    let url = url.to_owned();
    let why = clean(&chain(error), secrets);
    if why.contains("not our ref") {
        return Error::Remote {
            url,
            why: format!("the server has no such commit: {why}"),
        };
    }
    Error::Remote { url, why }
}

/// What is wrong when a connection over SSH ends.
#[derive(Clone, Copy)]
enum Complaint {
    ChangedHostKey,
    UnknownHostKey,
    Key,
    Refused,
    NoRepository,
    Network,
}

/// What OpenSSH, or the server through it, prints; the first that fits counts.
const COMPLAINTS: &[(Complaint, &[&str])] = &[
    (
        Complaint::ChangedHostKey,
        &["REMOTE HOST IDENTIFICATION HAS CHANGED"],
    ),
    (
        Complaint::UnknownHostKey,
        &["Host key verification failed", "host key is known for"],
    ),
    (
        Complaint::Key,
        &[
            "error in libcrypto",
            "invalid format",
            "incorrect passphrase",
            "Load key",
        ],
    ),
    (
        Complaint::Refused,
        &["Permission denied", "Too many authentication failures"],
    ),
    (
        Complaint::NoRepository,
        &[
            "epository not found",
            "does not appear to be a git repository",
            "not found",
            "No such",
        ],
    ),
    (
        Complaint::Network,
        &[
            "Connection refused",
            "Could not resolve",
            "timed out",
            "No route to host",
            "Network is unreachable",
            "Connection closed",
            "Connection reset",
            "kex_exchange_identification",
        ],
    ),
];

/// Reads what the `ssh` program printed before it gave up.
fn ssh(url: &str, host: &str, printed: &str) -> Option<Error> {
    if printed.trim().is_empty() {
        return None;
    }
    let url = url.to_owned();
    let complaint = COMPLAINTS
        .iter()
        .find(|(_, needles)| needles.iter().any(|needle| printed.contains(needle)))
        .map(|(complaint, _)| *complaint);
    Some(match complaint {
        Some(Complaint::ChangedHostKey) => Error::Trust {
            url,
            why: format!(
                "the host key of {host} is not the one in 'known_hosts'; find out why it changed, \
                 and only then put the new key into the Secret"
            ),
        },
        Some(Complaint::UnknownHostKey) => Error::Trust {
            url,
            why: format!(
                "the host key of {host} is not in 'known_hosts'; add what `ssh-keyscan {host}` \
                 prints to the Secret, after comparing it with what the host's owner publishes"
            ),
        },
        Some(Complaint::Key) => Error::Credentials {
            why:
                "'identity' cannot be read as a private key; check that it is whole and, if it is \
                  encrypted, that 'password' is its passphrase"
                    .to_owned(),
        },
        Some(Complaint::Refused) => Error::Authentication {
            url,
            why: "the server does not accept the key in 'identity'; add its public half to the \
                  repository as a deploy key and, if the key is encrypted, check that 'password' is \
                  its passphrase"
                .to_owned(),
        },
        Some(Complaint::NoRepository) => Error::RepositoryNotFound {
            url,
            why: format!(
                "the server says: {printed}; check spec.url, and that the key may read it"
            ),
        },
        Some(Complaint::Network) => Error::Unreachable {
            url,
            why: printed.to_owned(),
        },
        None => Error::Remote {
            url,
            why: printed.to_owned(),
        },
    })
}

/// An error with its causes, each said once.
fn chain(error: &gix::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.iter_errors() {
        let text = cause.to_string();
        if !text.is_empty() && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// One line, without secrets, control characters or more words than anyone reads.
fn clean(text: &str, secrets: &[&str]) -> String {
    let hidden = secrets
        .iter()
        .fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
    let words: Vec<&str> = hidden
        .split(|c: char| c.is_control() || c == ' ')
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_prints_becomes_what_to_do() {
        let table = [
            (
                "No ED25519 host key is known for h and you have requested strict checking.",
                "Trust",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @",
                "Trust",
            ),
            ("git@h: Permission denied (publickey).", "Authentication"),
            ("Load key \"/x\": error in libcrypto", "Credentials"),
            ("ERROR: Repository not found.", "RepositoryNotFound"),
            (
                "ssh: connect to host h port 22: Connection refused",
                "Unreachable",
            ),
            (
                "ssh: Could not resolve hostname h: Name or service not known",
                "Unreachable",
            ),
            ("something else", "Remote"),
        ];
        for (printed, variant) in table {
            let error = ssh("ssh://h/x", "h", printed).unwrap();
            assert!(
                format!("{error:?}").starts_with(variant),
                "{printed}: {error:?}"
            );
        }
        assert!(ssh("ssh://h/x", "h", " \n").is_none());
    }

    #[test]
    fn words_of_a_server_are_made_harmless() {
        assert_eq!(
            clean("a\x1b[31m\r\nb s3cr3t c", &["s3cr3t"]),
            "a [31m b *** c"
        );
        assert_eq!(
            clean(&"x".repeat(CHARS_MAX), &[]).chars().count(),
            CHARS_MAX
        );
        assert_eq!(
            clean(&"x".repeat(CHARS_MAX + 1), &[]).chars().count(),
            CHARS_MAX + 1
        );
    }
}
