//! Reads a Provider and the Secrets that it names, at the moment they are used. Their values go no further
//! than the request.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_api::provider::TIMEOUT_DEFAULT;
use fluvial_api::reference::LocalReference;
use fluvial_api::{Provider, ProviderSpec, kinds};
use fluvial_cluster::{Cluster, Reference, Retry};
use fluvial_notify::{Address, Verdict, of_type};
use fluvial_source::{Proxy, Secret, Tls, proxy_from_secret_data, tls_from_secret_data};
use serde_json::Value;

/// A Provider, with all that it takes to get there.
pub(crate) struct Place {
    pub(crate) service: &'static dyn fluvial_notify::Provider,
    pub(crate) address: Address,
    pub(crate) tls: Tls,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) timeout: Duration,
}

type Data = BTreeMap<String, Vec<u8>>;

/// The Provider `name` in `namespace`, as it is now. What is missing may be added: it is worth another try.
pub(crate) async fn place(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Place, Verdict> {
    let spec = declared(cluster, namespace, name).await?;
    let refused = || Verdict::Never(spec.unsupported().unwrap_or_default());
    let service = of_type(&spec.r#type).ok_or_else(refused)?;
    let read = async |named: &Option<LocalReference>, field| {
        secret(cluster, namespace, named.as_ref(), field).await
    };
    let credentials = read(&spec.secret_ref, "spec.secretRef").await?;
    let certificates = read(&spec.cert_secret_ref, "spec.certSecretRef").await?;
    let proxies = read(&spec.proxy_secret_ref, "spec.proxySecretRef").await?;
    let of = |field: &str, error: &fluvial_source::Error| {
        Verdict::Again(format!(
            "{field} of the Provider {namespace}/{name}: {error}"
        ))
    };
    let address = Address::read(&spec, credentials.as_ref())
        .map_err(|refusal| Verdict::Again(refusal.to_string()))?;
    let tls = certificates.map(|data| tls_from_secret_data(&data));
    let tls = tls
        .transpose()
        .map_err(|error| of("spec.certSecretRef", &error))?;
    let proxy = proxies.map(|data| proxy_from_secret_data(&data));
    let proxy = proxy
        .transpose()
        .map_err(|error| of("spec.proxySecretRef", &error))?;
    Ok(Place {
        service,
        address,
        tls: tls.unwrap_or_default(),
        proxy: proxy.or_else(|| old_proxy(&spec, credentials.as_ref())),
        timeout: spec.timeout.unwrap_or(TIMEOUT_DEFAULT).as_std(),
    })
}

async fn declared(cluster: &Cluster, namespace: &str, name: &str) -> Result<ProviderSpec, Verdict> {
    let kind = &kinds::PROVIDER;
    let reference = Reference::new(&kind.api_version(), kind.kind, namespace, name);
    let found = cluster.get(&reference).await;
    let Some(found) = found.map_err(|error| trouble(&error))? else {
        return Err(Verdict::Again(format!(
            "the Provider {namespace}/{name} is not there: create it, or correct spec.providerRef"
        )));
    };
    let read = Provider::read(&found).map_err(|error| Verdict::Again(error.to_string()))?;
    if read.spec.suspend {
        return Err(Verdict::Again(format!(
            "the Provider {namespace}/{name} is suspended"
        )));
    }
    Ok(read.spec)
}

/// Older versions name it in the Secret, or in the spec.
fn old_proxy(spec: &ProviderSpec, credentials: Option<&Data>) -> Option<Proxy> {
    let in_secret = credentials.and_then(|data| data.get("proxy")).cloned();
    let in_secret = in_secret.and_then(|bytes| String::from_utf8(bytes).ok());
    let address = in_secret.or_else(|| spec.proxy.clone())?;
    Some(Proxy {
        address: address.trim().to_owned(),
        username: None,
        password: None,
    })
}

async fn secret(
    cluster: &Cluster,
    namespace: &str,
    named: Option<&LocalReference>,
    field: &str,
) -> Result<Option<Data>, Verdict> {
    let Some(LocalReference { name }) = named else {
        return Ok(None);
    };
    let reference = Reference::new("v1", "Secret", namespace, name);
    let found = cluster
        .get(&reference)
        .await
        .map_err(|error| trouble(&error))?;
    let found = found.ok_or_else(|| {
        Verdict::Again(format!("the Secret {namespace}/{name} is not there: create it, or correct {field} of the Provider"))
    })?;
    let data = found
        .get("data")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    // The API server admits valid base64 only.
    let decode = |(key, value): (&String, &Value)| {
        Some((key.clone(), STANDARD.decode(value.as_str()?).ok()?))
    };
    Ok(Some(data.filter_map(decode).collect()))
}

fn trouble(error: &fluvial_cluster::Error) -> Verdict {
    Verdict::Again(if error.retry() == Retry::Never {
        format!("{error}; look at the rights of the engine")
    } else {
        error.to_string()
    })
}

impl Place {
    /// `text` without the credentials, should an answer repeat them.
    pub(crate) fn masked(&self, text: &str) -> String {
        const CHARACTERS_MIN: usize = 4;
        let address = &self.address;
        let secrets = [
            Some(&address.endpoint),
            address.token.as_ref(),
            address.password.as_ref(),
        ];
        let proxy = self
            .proxy
            .as_ref()
            .and_then(|it| it.password.as_ref())
            .map(Secret::expose);
        let all = secrets
            .into_iter()
            .flatten()
            .map(fluvial_notify::Secret::expose)
            .chain(proxy);
        all.filter(|secret| secret.len() >= CHARACTERS_MIN)
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}
