//! `fluvial create secret`: credentials as the objects that refer to them read them.
//! flux: `create_secret_*.go`, `pkg/manifestgen/sourcesecret`.

mod ssh;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use fluvial_cluster::Apply;
use fluvial_manifest::yaml;
use serde_json::{Map, Value, json};

use super::super::reconcile::MANAGER;
use super::{Identity, metadata};
use crate::connect::Globals;
use crate::{output, say};

pub(super) const EXAMPLES: &str = "Examples:
  fluvial create secret git app --url https://host/app --username me --password TOKEN
  fluvial create secret git app --url ssh://git@host/app
  fluvial create secret oci ghcr --url ghcr.io --username me --password TOKEN
  fluvial create secret tls certs --ca-crt-file ca.crt --export > certs.yaml";

#[derive(Args, Debug)]
pub(super) struct SecretArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// For a GitRepository: a key and the host's keys for ssh, a password or a token for https
    #[command(after_help = "Examples:
  fluvial create secret git app --url https://host/app --username me --password TOKEN
  fluvial create secret git app --url ssh://git@host/app --private-key-file id_ed25519
  fluvial create secret git app --url ssh://git@host/app --export > app.yaml    a new key; its public half is in it")]
    Git(Box<GitArgs>),
    /// For a HelmRepository: a user and a password, and certificates
    #[command(after_help = "Examples:
  fluvial create secret helm charts --username me --password TOKEN")]
    Helm(HelmArgs),
    /// For an OCIRepository or a HelmRepository of type oci: the login of a registry
    #[command(after_help = "Examples:
  fluvial create secret oci ghcr --url ghcr.io --username me --password TOKEN")]
    Oci(OciArgs),
    /// For a source behind an HTTP proxy
    #[command(after_help = "Examples:
  fluvial create secret proxy proxy --address https://proxy.example.org --username me --password TOKEN")]
    Proxy(ProxyArgs),
    /// Certificates, for spec.certSecretRef
    #[command(after_help = "Examples:
  fluvial create secret tls certs --tls-crt-file client.crt --tls-key-file client.key --ca-crt-file ca.crt")]
    Tls(TlsArgs),
}

#[derive(Args, Debug)]
struct GitArgs {
    #[command(flatten)]
    identity: Identity,
    /// Where the repository is: https://…, http://… or ssh://…
    #[arg(long)]
    url: String,
    #[command(flatten)]
    login: Login,
    /// The token, in place of a user and a password
    #[arg(long, conflicts_with_all = ["username", "password"])]
    bearer_token: Option<String>,
    /// The certificates of authorities to trust, in PEM
    #[arg(long, value_name = "FILE", alias = "ca-file")]
    ca_crt_file: Option<PathBuf>,
    #[command(flatten)]
    key: ssh::KeyArgs,
}

#[derive(Args, Debug)]
struct HelmArgs {
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    login: Login,
    #[command(flatten)]
    certificates: Certificates,
}

#[derive(Args, Debug)]
struct OciArgs {
    #[command(flatten)]
    identity: Identity,
    /// The registry, such as ghcr.io; what follows the host says nothing
    #[arg(long)]
    url: String,
    #[command(flatten)]
    login: Login,
}

#[derive(Args, Debug)]
struct ProxyArgs {
    #[command(flatten)]
    identity: Identity,
    /// The proxy's URL
    #[arg(long)]
    address: String,
    #[command(flatten)]
    login: Login,
}

#[derive(Args, Debug)]
struct TlsArgs {
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    certificates: Certificates,
}

#[derive(Args, Debug)]
struct Login {
    /// The user
    #[arg(long, short = 'u')]
    username: Option<String>,
    /// The password, or the passphrase of the private key
    #[arg(long, short = 'p')]
    password: Option<String>,
}

impl Login {
    /// The user and the password, where both are given; one alone is of no use to anybody.
    fn both(&self) -> Result<Option<(&str, &str)>> {
        match (given(self.username.as_ref()), given(self.password.as_ref())) {
            (Some(username), Some(password)) => Ok(Some((username, password))),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("a user alone is no login: say --password, too"),
            (None, Some(_)) => bail!("a password alone is no login: say --username, too"),
        }
    }
}

#[derive(Args, Debug)]
struct Certificates {
    /// The certificate to show, in PEM
    #[arg(
        long = "tls-crt-file",
        value_name = "FILE",
        alias = "cert-file",
        requires = "key"
    )]
    certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(
        long = "tls-key-file",
        value_name = "FILE",
        alias = "key-file",
        requires = "certificate"
    )]
    key: Option<PathBuf>,
    /// The certificates of authorities to trust, in PEM
    #[arg(long = "ca-crt-file", value_name = "FILE", alias = "ca-file")]
    authorities: Option<PathBuf>,
}

impl Certificates {
    fn read_into(&self, data: &mut Map<String, Value>) -> Result<()> {
        for (key, file) in [
            ("tls.crt", &self.certificate),
            ("tls.key", &self.key),
            ("ca.crt", &self.authorities),
        ] {
            if let Some(file) = file {
                data.insert(key.to_owned(), json!(read(file)?));
            }
        }
        Ok(())
    }
}

pub(super) async fn run(globals: &Globals, args: &SecretArgs) -> Result<ExitCode> {
    let (word, identity) = match &args.what {
        What::Git(args) => ("git", &args.identity),
        What::Helm(args) => ("helm", &args.identity),
        What::Oci(args) => ("oci", &args.identity),
        What::Proxy(args) => ("proxy", &args.identity),
        What::Tls(args) => ("tls", &args.identity),
    };
    let secret = secret(globals, args)?;
    if identity.export {
        output::print(&yaml::to_multi(&[secret]))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(public) = secret["stringData"]["identity.pub"].as_str() {
        say::action(&format!("deploy key: {}", public.trim()));
    }
    let cluster = globals.cluster().await?;
    let apply = Apply {
        field_manager: MANAGER.to_owned(),
        ..Apply::flux()
    };
    cluster.apply(&encoded(secret), &apply).await?;
    let (name, namespace) = (&identity.name, &globals.namespace);
    say::success(&format!(
        "{word} secret '{name}' created in '{namespace}' namespace"
    ));
    Ok(ExitCode::SUCCESS)
}

/// The Secret that the flags describe, in clear.
fn secret(globals: &Globals, args: &SecretArgs) -> Result<Value> {
    let mut data = Map::new();
    let mut kind = "Opaque";
    let identity = match &args.what {
        What::Git(args) => {
            git(args, &mut data)?;
            &args.identity
        }
        What::Helm(args) => {
            login(args.login.both()?, &mut data);
            args.certificates.read_into(&mut data)?;
            ensure!(
                !data.is_empty(),
                "there is nothing to keep: say --username and --password"
            );
            &args.identity
        }
        What::Oci(args) => {
            let login = args.login.both()?;
            let login = login.context("cannot log in as nobody: say --username and --password")?;
            let config = docker_config(&args.url, login)?;
            data.insert(".dockerconfigjson".to_owned(), json!(config));
            kind = "kubernetes.io/dockerconfigjson";
            &args.identity
        }
        What::Proxy(args) => {
            data.insert("address".to_owned(), json!(args.address));
            login(args.login.both()?, &mut data);
            &args.identity
        }
        What::Tls(args) => {
            args.certificates.read_into(&mut data)?;
            ensure!(
                !data.is_empty(),
                "there is nothing to keep: say --ca-crt-file, or --tls-crt-file and --tls-key-file"
            );
            &args.identity
        }
    };
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(globals, identity)?,
        "type": kind,
        "stringData": data,
    }))
}

/// What a GitRepository reads, by the scheme of its URL.
fn git(args: &GitArgs, data: &mut Map<String, Value>) -> Result<()> {
    let (scheme, rest) = args.url.split_once("://").unwrap_or_default();
    match scheme {
        "ssh" => {
            ensure!(
                given(args.login.username.as_ref()).is_none() && args.bearer_token.is_none(),
                "ssh logs in by a key: leave --username and --bearer-token out"
            );
            let authority = rest.split('/').next().unwrap_or_default();
            let passphrase = given(args.login.password.as_ref());
            let keys = ssh::keys(&args.key, authority, passphrase)?;
            data.insert("identity".to_owned(), json!(keys.private));
            data.insert("identity.pub".to_owned(), json!(keys.public));
            data.insert("known_hosts".to_owned(), json!(keys.known_hosts));
            if let Some(passphrase) = passphrase {
                data.insert("password".to_owned(), json!(passphrase));
            }
        }
        "http" | "https" => {
            ensure!(
                !args.key.is_given(),
                "{scheme} logs in without a key: leave --private-key-file out, or write the URL as ssh://"
            );
            let user = args.login.both()?;
            ensure!(
                user.is_some() || args.bearer_token.is_some(),
                "{scheme} logs in by a password or a token: say --username and --password, or --bearer-token"
            );
            login(user, data);
            if let Some(token) = &args.bearer_token {
                data.insert("bearerToken".to_owned(), json!(token));
            }
            if let Some(file) = &args.ca_crt_file {
                data.insert("ca.crt".to_owned(), json!(read(file)?));
            }
        }
        _ => bail!("cannot tell how to log in to that URL: write https://…, http://… or ssh://…"),
    }
    Ok(())
}

fn login(login: Option<(&str, &str)>, data: &mut Map<String, Value>) {
    if let Some((username, password)) = login {
        data.insert("username".to_owned(), json!(username));
        data.insert("password".to_owned(), json!(password));
    }
}

/// The login of one registry, as Docker keeps logins.
fn docker_config(url: &str, (username, password): (&str, &str)) -> Result<String> {
    let place = url.strip_prefix("oci://").unwrap_or(url);
    let host = place.split('/').next().unwrap_or_default();
    ensure!(
        !host.is_empty() && !place.contains("://"),
        "cannot read --url {url}: say the registry, such as ghcr.io"
    );
    let auth = STANDARD.encode(format!("{username}:{password}"));
    let config =
        json!({"auths": {host: {"username": username, "password": password, "auth": auth}}});
    Ok(config.to_string())
}

/// The Secret as it is stored. What is applied as `data` and left out the next time is gone then; what was
/// written as `stringData` would stay, and an old token might be used in place of a new password.
fn encoded(mut secret: Value) -> Value {
    let clear = secret["stringData"].take();
    let text = |value: &Value| STANDARD.encode(value.as_str().unwrap_or_default());
    let data: Map<_, _> = clear
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), json!(text(value))))
        .collect();
    if let Some(secret) = secret.as_object_mut() {
        secret.remove("stringData");
        secret.insert("data".to_owned(), Value::Object(data));
    }
    secret
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        globals: Globals,
        #[command(flatten)]
        args: SecretArgs,
    }

    fn made(line: &str) -> Result<Value> {
        let Line { globals, args } =
            Line::try_parse_from(format!("secret {line}").split_whitespace())?;
        secret(&globals, &args)
    }

    #[test]
    fn each_kind_has_the_keys_that_its_readers_look_for() {
        let pem = tempfile::NamedTempFile::new().unwrap();
        fs::write(&pem, "PEM").unwrap();
        let pem = pem.path().display();
        for (line, kind, data) in [
            (
                "git app --url https://host/app -u me -p hush".to_owned(),
                "Opaque",
                json!({"username": "me", "password": "hush"}),
            ),
            (
                format!("git app --url https://host/app --bearer-token t --ca-crt-file {pem}"),
                "Opaque",
                json!({"bearerToken": "t", "ca.crt": "PEM"}),
            ),
            (
                format!("helm app -u me -p hush --ca-file {pem}"),
                "Opaque",
                json!({"username": "me", "password": "hush", "ca.crt": "PEM"}),
            ),
            (
                "oci app --url oci://ghcr.io/org/app -u me -p hush".to_owned(),
                "kubernetes.io/dockerconfigjson",
                json!({".dockerconfigjson":
                    r#"{"auths":{"ghcr.io":{"auth":"bWU6aHVzaA==","password":"hush","username":"me"}}}"#}),
            ),
            (
                "proxy app --address http://proxy:3128".to_owned(),
                "Opaque",
                json!({"address": "http://proxy:3128"}),
            ),
            (
                format!("tls app --tls-crt-file {pem} --key-file {pem} --label a=b"),
                "Opaque",
                json!({"tls.crt": "PEM", "tls.key": "PEM"}),
            ),
        ] {
            let secret = made(&line).unwrap();
            assert_eq!(secret["type"], kind, "{line}");
            assert_eq!(secret["stringData"], data, "{line}");
            assert_eq!(secret["metadata"]["name"], "app", "{line}");
        }
        let labelled = made(&format!("tls app --ca-crt-file {pem} --label a=b")).unwrap();
        assert_eq!(labelled["metadata"]["labels"], json!({"a": "b"}));
    }

    #[test]
    fn what_is_applied_is_what_is_exported() {
        let clear = made("git app --url https://host/app -u me -p hush").unwrap();
        let encoded = encoded(clear.clone());
        assert_eq!(encoded["metadata"], clear["metadata"]);
        assert_eq!(encoded.get("stringData"), None);
        let data = json!({"username": "bWU=", "password": "aHVzaA=="});
        assert_eq!(encoded["data"], data);
    }

    #[test]
    fn what_nobody_could_log_in_with_is_refused_without_repeating_it() {
        for (line, why) in [
            ("git app --url https://host/app", "--bearer-token"),
            ("git app --url https://host/app -u me", "say --password"),
            ("git app --url https://host/app -p hush", "say --username"),
            (
                "git app --url https://host/app -u me -p hush --bearer-token t",
                "cannot be used with",
            ),
            (
                "git app --url https://host/app -u me -p hush --private-key-file k",
                "ssh://",
            ),
            ("git app --url ssh://git@host/app -u hush", "by a key"),
            (
                "git app --url ssh://git@host/app -p hush",
                "--private-key-file",
            ),
            ("git app --url git://hush@host/app -u me -p x", "https://…"),
            ("git app --url host -u me -p hush", "https://…"),
            ("helm app", "nothing to keep"),
            ("oci app --url ghcr.io", "as nobody"),
            ("oci app --url https://ghcr.io -u me -p hush", "ghcr.io"),
            ("tls app", "nothing to keep"),
            ("tls app --tls-crt-file a", "--tls-key-file"),
            (
                "tls app --ca-crt-file /nowhere/ca",
                "cannot read /nowhere/ca",
            ),
        ] {
            let error = format!("{:#}", made(line).unwrap_err());
            assert!(error.contains(why), "{line}: {error}");
            assert!(!error.contains("hush"), "{line}: {error}");
        }
    }
}
