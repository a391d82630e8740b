//! Where to, and with which credentials: a Provider's spec and the Secret that it names.

use std::collections::BTreeMap;
use std::fmt;

use fluvial_api::ProviderSpec;

use crate::Refusal;

/// Text that is shown as `***` wherever it is printed, and that no serializer accepts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where to, and with which credentials.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// The name of the Secret, for messages; empty where there is none.
    pub secret_name: String,
    /// The endpoint, which may hold a credential.
    pub endpoint: Secret,
    /// Channel, room or recipients.
    pub channel: String,
    /// `spec.username`: the name to send under.
    pub sender: String,
    /// The Secret's `username`.
    pub username: String,
    /// The Secret's `password`.
    pub password: Option<Secret>,
    /// The Secret's `token`.
    pub token: Option<Secret>,
    /// The Secret's `headers`, a YAML map.
    pub headers: Option<Secret>,
}

impl Address {
    /// Reads a Provider and the data of the Secret that its `secretRef` names.
    pub fn read(
        spec: &ProviderSpec,
        secret: Option<&BTreeMap<String, Vec<u8>>>,
    ) -> Result<Self, Refusal> {
        let secret_name = spec.secret_ref.as_ref().map(|it| it.name.clone());
        let secret_name = secret_name.unwrap_or_default();
        let key = |key: &str| -> Result<Option<String>, Refusal> {
            let Some(bytes) = secret.and_then(|data| data.get(key)) else {
                return Ok(None);
            };
            let text = String::from_utf8(bytes.clone()).map_err(|_not_text| {
                Refusal(format!(
                    "the key '{key}' of the Secret {secret_name} is not UTF-8 text"
                ))
            })?;
            // An editor ends a file with a line break; no credential does.
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()).filter(|it| !it.is_empty()))
        };
        let endpoint = match key("address")? {
            Some(address) => address,
            None => spec.address.clone().unwrap_or_default(),
        };
        Ok(Self {
            endpoint: Secret::new(endpoint.trim()),
            channel: spec.channel.clone().unwrap_or_default(),
            sender: spec.username.clone().unwrap_or_default(),
            username: key("username")?.unwrap_or_default(),
            password: key("password")?.map(Secret::new),
            token: key("token")?.map(Secret::new),
            headers: key("headers")?.map(Secret::new),
            secret_name,
        })
    }

    /// The endpoint, which must be an http or https URL.
    pub(crate) fn web(&self) -> Result<Secret, Refusal> {
        let endpoint = self.endpoint.expose();
        if endpoint.is_empty() {
            return Err(Refusal(
                "the Provider has no address: set spec.address, or the key 'address' of its Secret"
                    .to_owned(),
            ));
        }
        let is_web = ["http://", "https://"]
            .iter()
            .any(|scheme| endpoint.starts_with(scheme));
        if !is_web
            || endpoint
                .chars()
                .any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(Refusal(
                "the Provider's address is no URL: write http://host/path or https://host/path"
                    .to_owned(),
            ));
        }
        Ok(self.endpoint.clone())
    }

    /// The token, which must be there.
    pub(crate) fn required_token(&self) -> Result<&Secret, Refusal> {
        self.token.as_ref().ok_or_else(|| self.missing("token"))
    }

    /// That a key of the Secret is missing.
    pub(crate) fn missing(&self, key: &str) -> Refusal {
        Refusal(if self.secret_name.is_empty() {
            format!("the Provider names no Secret: set spec.secretRef to one with the key '{key}'")
        } else {
            format!("the Secret {} has no key '{key}': add it", self.secret_name)
        })
    }
}
