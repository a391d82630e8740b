//! The index of a repository: asked for, read as it arrives, and what is needed of it kept.

use std::io::{self, Read};

use fluvial_helm::repository::{Index, IndexError};
use reqwest::StatusCode;
use reqwest::Url;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use sha2::{Digest, Sha256};

use super::{Error, Limits, Repository};
use crate::hex;
use crate::web::{Confidants, Place, Web};

/// What a server said of its answer, to be asked with next time; empty where it said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: String,
    /// `Last-Modified`.
    pub last_modified: String,
}

/// One question for an index.
#[derive(Clone, Debug)]
pub struct IndexRequest {
    /// Where, and with what right.
    pub repository: Repository,
    /// The revision that is already at hand.
    pub observed: Option<String>,
    /// What the server said of it.
    pub validators: Validators,
    /// What may be taken in.
    pub limits: Limits,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchedIndex {
    /// It is the one at hand.
    Unchanged {
        /// Its revision.
        revision: String,
        /// What the server says of it now.
        validators: Validators,
    },
    /// It is another.
    New {
        /// `sha256:…` of what the server sent, as in Flux.
        revision: String,
        /// What is kept of it, as JSON in Helm's own form.
        index: Vec<u8>,
        /// What the server says of it.
        validators: Validators,
    },
}

/// Asks a repository for its index. An index that is at hand already costs one question.
pub fn fetch_index(request: &IndexRequest) -> Result<FetchedIndex, Error> {
    if request.repository.is_registry() {
        return Err(Error::lasting(
            "URLInvalid",
            "invalid Helm repository URL: 'oci' URL scheme cannot be used with 'default' HelmRepository type; set \
             spec.type to oci",
        ));
    }
    let on_the_way = |error| Error::on_the_way("Failed", &error);
    let place = Place::parse(&request.repository.url).map_err(on_the_way)?;
    let web = open(&request.repository, &place)?;
    let url = index_url(&place.url);
    let response = web.get(&url, &conditions(request)).map_err(on_the_way)?;
    let validators = said(response.headers());
    if response.status() == StatusCode::NOT_MODIFIED
        && let Some(revision) = request.observed.clone()
    {
        // A server need not repeat what still holds.
        let or = |new: String, old: &str| if new.is_empty() { old.to_owned() } else { new };
        return Ok(FetchedIndex::Unchanged {
            revision,
            validators: Validators {
                etag: or(validators.etag, &request.validators.etag),
                last_modified: or(validators.last_modified, &request.validators.last_modified),
            },
        });
    }
    let response = web.accept(response).map_err(on_the_way)?;
    let body = web.body(response, request.limits.index_bytes_max);
    let breach = body.breach();
    let mut body = Hashed {
        inner: body,
        hash: Sha256::new(),
    };
    let index = Index::read(&mut body, request.limits.index_kept_bytes_max)
        // What follows the first document counts for the revision, too.
        .and_then(|index| match io::copy(&mut body, &mut io::sink()) {
            Ok(_bytes) => Ok(index),
            Err(error) => Err(IndexError::Form(error.to_string())),
        });
    let index = match index {
        Ok(index) => index,
        Err(error) if breach.is_broken() => return Err(on_the_way(web.broken(&breach, &error))),
        Err(error) => {
            return Err(Error::passing(
                "IndexationFailed",
                format!("failed to load Helm repository from index YAML: {error}"),
            ));
        }
    };
    let revision = format!("sha256:{}", hex::encode(&body.hash.finalize()));
    if request.observed.as_ref() == Some(&revision) {
        return Ok(FetchedIndex::Unchanged {
            revision,
            validators,
        });
    }
    let index = index
        .to_json()
        .map_err(|error| Error::passing("IndexationFailed", error.to_string()))?;
    Ok(FetchedIndex::New {
        revision,
        index,
        validators,
    })
}

/// A client for a repository.
pub(super) fn open(repository: &Repository, place: &Place) -> Result<Web, Error> {
    let confidants = if repository.pass_credentials {
        Confidants::Named
    } else {
        Confidants::Home
    };
    Web::new(
        place,
        &repository.credentials,
        &repository.tls,
        None,
        confidants,
        repository.timeout,
    )
    .map_err(|error| Error::on_the_way("Failed", &error))
}

/// Where the index of a repository is. helm: `IndexFile` beside the charts, the query kept.
fn index_url(repository: &Url) -> Url {
    let mut url = repository.clone();
    let path = format!("{}/index.yaml", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn conditions(request: &IndexRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if request.observed.is_none() {
        return headers;
    }
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    };
    set(IF_NONE_MATCH, &request.validators.etag);
    set(IF_MODIFIED_SINCE, &request.validators.last_modified);
    headers
}

/// What a server says of its answer; what is too long to be believed is left out.
fn said(headers: &HeaderMap) -> Validators {
    const BYTES_MAX: usize = 1024;
    let text = |name| {
        let value = headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok());
        value
            .filter(|it| it.len() <= BYTES_MAX)
            .unwrap_or_default()
            .to_owned()
    };
    Validators {
        etag: text(ETAG),
        last_modified: text(LAST_MODIFIED),
    }
}

/// A reader that knows the hash of what passed.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_beside_the_charts() {
        for (repository, index) in [
            ("https://host", "https://host/index.yaml"),
            ("https://host/charts/", "https://host/charts/index.yaml"),
            (
                "https://host/charts?sig=a",
                "https://host/charts/index.yaml?sig=a",
            ),
        ] {
            let url = index_url(&Url::parse(repository).unwrap());
            assert_eq!(url.as_str(), index);
        }
    }
}
