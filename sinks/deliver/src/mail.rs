//! Sends a mail: the one place that names `lettre`.

use std::error::Error as _;

use fluvial_notify::{Mail, Security, Verdict};
use fluvial_source::outbound;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Identity, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport as _, Tokio1Executor};

use crate::address::Place;

pub(crate) async fn send(place: &Place, mail: Mail) -> Verdict {
    match attempt(place, mail).await {
        Ok(verdict) | Err(verdict) => verdict,
    }
}

async fn attempt(place: &Place, mail: Mail) -> Result<Verdict, Verdict> {
    if place.proxy.is_some() {
        return Err(Verdict::Again(
            "a mail goes through no proxy: remove spec.proxySecretRef of the Provider".to_owned(),
        ));
    }
    let envelope = envelope(&mail)?;
    let addresses = outbound::addresses(&mail.host, mail.port)
        .await
        .map_err(Verdict::Again)?;
    let mut last = Verdict::Again(format!("{} has no address", mail.host));
    for address in addresses {
        let transport = transport(place, &mail, &address.to_string())?;
        match transport.send_raw(&envelope, mail.message.as_bytes()).await {
            Ok(answer) => {
                let said: Vec<_> = answer.message().collect();
                return Ok(Verdict::Taken(
                    format!("{} {}", answer.code(), said.join(" "))
                        .trim()
                        .to_owned(),
                ));
            }
            // What it answered, it answered; only who cannot be reached has another address.
            Err(error) if error.status().is_some() => return Ok(judge(&mail, &error)),
            Err(error) => last = judge(&mail, &error),
        }
    }
    Ok(last)
}

fn envelope(mail: &Mail) -> Result<Envelope, Verdict> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|error| Verdict::Never(format!("'{text}' is no mail address: {error}")))
    };
    let to = mail.to.iter().map(parse).collect::<Result<_, _>>()?;
    Envelope::new(Some(parse(&mail.from)?), to).map_err(|error| Verdict::Never(error.to_string()))
}

fn transport(
    place: &Place,
    mail: &Mail,
    address: &str,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Verdict> {
    let tls = match mail.security {
        Security::Plain => Tls::None,
        Security::StartTls => Tls::Required(parameters(place, mail)?),
        Security::Tls => Tls::Wrapper(parameters(place, mail)?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address)
        .port(mail.port)
        .tls(tls)
        .hello_name(ClientId::Domain("fluvial".to_owned()))
        .timeout(Some(place.timeout));
    if let Some((user, password)) = &mail.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

fn parameters(place: &Place, mail: &Mail) -> Result<TlsParameters, Verdict> {
    let refuse = |key: &str| {
        Verdict::Again(format!(
            "{key} of the Secret that spec.certSecretRef names cannot be used: write it in PEM"
        ))
    };
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(ca) = &place.tls.ca {
        let certificate =
            Certificate::from_pem(ca.as_bytes()).map_err(|_odd| refuse("'ca.crt'"))?;
        builder = builder.add_root_certificate(certificate);
    }
    if let Some(client) = &place.tls.client {
        let key = client.key.expose().as_bytes();
        let identity = Identity::from_pem(client.certificate.as_bytes(), key)
            .map_err(|_odd| refuse("'tls.crt' or 'tls.key'"))?;
        builder = builder.identify_with(identity);
    }
    builder
        .build_rustls()
        .map_err(|error| Verdict::Again(format!("TLS cannot be set up: {error}")))
}

fn judge(mail: &Mail, error: &Error) -> Verdict {
    let host = &mail.host;
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let todo = if cause.contains("certificate") || cause.contains("UnknownIssuer") {
        "; if its authority is your own, put its certificate into 'ca.crt' of the Secret that spec.certSecretRef names"
    } else if error.is_client() {
        "; see whether the server offers STARTTLS and a login"
    } else {
        ""
    };
    let why = if cause.is_empty() {
        error.to_string()
    } else {
        cause
    };
    match error.status() {
        Some(code) if error.is_permanent() => {
            Verdict::Never(format!("{host} refused the mail ({code}): {why}"))
        }
        Some(code) => Verdict::Again(format!("{host} does not take the mail now ({code}): {why}")),
        None => Verdict::Again(format!("cannot send through {host}: {why}{todo}")),
    }
}
