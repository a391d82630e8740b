//! Credentials and certificates given as flags: the Secret that holds them, for an object to refer to.
//! flux: `create_source_helm.go`, `pkg/manifestgen/sourcesecret`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fluvial_manifest::Value;
use serde_json::{Map, json};

use super::Identity;
use crate::connect::Globals;

#[derive(Args, Debug)]
#[command(next_help_heading = "Credentials, kept in a Secret that is made for them")]
pub(super) struct CredentialArgs {
    /// The user
    #[arg(long, conflicts_with = "secret_ref", requires = "password")]
    username: Option<String>,
    /// The password
    #[arg(long, conflicts_with = "secret_ref", requires = "username")]
    password: Option<String>,
    /// The certificate to show, in PEM
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// The certificates of authorities to trust, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// Whether there are a user and a password.
    pub(super) fn has_user(&self) -> bool {
        self.username.is_some()
    }

    /// Whether there are certificates.
    pub(super) fn has_certificates(&self) -> bool {
        self.cert_file.is_some() || self.ca_file.is_some()
    }

    /// The name of the Secret for `object`.
    pub(super) fn secret_name(object: &str) -> String {
        format!("helm-{object}")
    }

    /// The Secret, if there is something to keep in one. It is never printed.
    pub(super) fn secret(&self, globals: &Globals, identity: &Identity) -> Result<Option<Value>> {
        let mut data = Map::new();
        for (key, value) in [("username", &self.username), ("password", &self.password)] {
            if let Some(value) = value {
                data.insert(key.to_owned(), json!(value));
            }
        }
        for (key, file) in [
            ("tls.crt", &self.cert_file),
            ("tls.key", &self.key_file),
            ("ca.crt", &self.ca_file),
        ] {
            if let Some(file) = file {
                let text = fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                data.insert(key.to_owned(), json!(text));
            }
        }
        if data.is_empty() {
            return Ok(None);
        }
        ensure!(
            !identity.export,
            "cannot print credentials: create a Secret, and name it with --secret-ref"
        );
        let name = Self::secret_name(&identity.name);
        Ok(Some(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": globals.namespace},
            "type": "Opaque",
            "stringData": data,
        })))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::helm::{RepositoryArgs, repository};
    use super::*;

    #[derive(Parser)]
    struct Source {
        #[command(flatten)]
        globals: Globals,
        #[command(flatten)]
        args: RepositoryArgs,
    }

    /// The spec and the Secret that a command line makes.
    fn made(line: &str) -> Result<(Value, Option<Value>)> {
        let line = format!("helm charts --url https://charts.example.org {line}");
        let Source { globals, args } = Source::try_parse_from(line.split_whitespace())?;
        let secret = args.credentials.secret(&globals, &args.common.identity)?;
        Ok((repository(&globals, &args, None)?["spec"].clone(), secret))
    }

    #[test]
    fn credentials_are_kept_in_a_secret_that_the_source_refers_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "PEM").unwrap();
        let file = file.path().display();
        let (spec, secret) = made(&format!(
            "--username me --password hush --ca-file {file} --pass-credentials"
        ))
        .unwrap();
        assert_eq!(spec["secretRef"]["name"], "helm-charts");
        assert_eq!(spec["certSecretRef"]["name"], "helm-charts");
        assert_eq!(spec["passCredentials"], true);
        let secret = secret.unwrap();
        assert_eq!(secret["metadata"]["name"], "helm-charts");
        let expected = json!({"username": "me", "password": "hush", "ca.crt": "PEM"});
        assert_eq!(secret["stringData"], expected);
        assert!(!spec.to_string().contains("hush"));
        let (spec, secret) = made("--secret-ref own").unwrap();
        assert_eq!((&spec["secretRef"]["name"], secret), (&json!("own"), None));
        assert_eq!(spec.get("certSecretRef"), None);
    }

    #[test]
    fn what_would_leak_or_cannot_be_used_is_refused() {
        for (line, why) in [
            ("--username me", "--password"),
            ("--cert-file a", "--key-file"),
            (
                "--username me --password hush --secret-ref own",
                "cannot be used with",
            ),
            (
                "--username me --password hush --export",
                "cannot print credentials",
            ),
            ("--pass-credentials", "cannot pass credentials on"),
            ("--ca-file /nowhere/ca.crt", "cannot read /nowhere/ca.crt"),
        ] {
            let error = made(line).unwrap_err().to_string();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
