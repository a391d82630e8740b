//! One file behind a URL, for who names it so: kustomize does of a resource.

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::web::{Confidants, Place, Web};
use crate::{Credentials, Error, Limits, Tls};

/// The file that a server has at an `http://` or `https://` URL, asked for by nobody in particular.
pub fn fetch_file(url: &str, timeout: Duration, limits: &Limits) -> Result<Vec<u8>, Error> {
    let place = Place::parse(url)?;
    let web = Web::new(
        &place,
        &Credentials::Anonymous,
        &Tls::default(),
        None,
        Confidants::Home,
        timeout,
    )?;
    let response = web.get(&place.url, &HeaderMap::new())?;
    web.bytes(web.accept(response)?, limits.file_bytes_max)
}
