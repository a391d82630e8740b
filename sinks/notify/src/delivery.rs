//! What is to be sent, and what an answer means.

use crate::Secret;

/// What the door has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A POST.
    Http(Request),
    /// A mail.
    Mail(Mail),
}

/// A POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where to; it may hold a credential.
    pub url: Secret,
    /// Names and values, each fit to be sent.
    pub headers: Vec<(String, Secret)>,
    /// What.
    pub body: Vec<u8>,
}

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The server's name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// How the connection is kept private.
    pub security: Security,
    /// User and password.
    pub login: Option<(String, Secret)>,
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Headers and text as they go over the wire, lines ending with CR LF.
    pub message: String,
}

/// How a connection to a mail server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, or no mail.
    StartTls,
    /// Plain, because that was asked for; nobody logs in over it.
    Plain,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is told; in a few words.
    Taken(String),
    /// Trying again may help; why.
    Again(String),
    /// Trying again cannot help; why.
    Never(String),
}

impl Verdict {
    /// By the status alone.
    pub fn of_status(status: u16) -> Self {
        let said = format!("the server answered {status}");
        match status {
            200..=299 => Self::Taken(status.to_string()),
            300..=399 => Self::Never(format!(
                "{said}: redirects are not followed; set the address that it names"
            )),
            401 | 403 => Self::Never(format!(
                "{said}: check the credentials in the Provider's Secret"
            )),
            404 | 410 => Self::Never(format!("{said}: check the Provider's address")),
            408 | 425 | 429 => Self::Again(said),
            400..=499 => Self::Never(said),
            _ => Self::Again(said),
        }
    }
}
