//! What an error says, without what it must not repeat.
//!
//! Libraries quote the input they cannot read, and here that is a kubeconfig or the output of a
//! credential plugin. What a server says about a Secret is the business of `mask`.

use std::error::Error as StdError;

use kube::{client::AuthError, config::KubeconfigError};

/// The error and what is behind it, outermost first, each thing said once.
pub(crate) fn words(error: &(dyn StdError + 'static)) -> String {
    let causes = || std::iter::successors(Some(error), |error| (*error).source());
    if let Some(careful) = causes().find_map(careful) {
        return careful;
    }
    let mut text = String::new();
    for words in causes().map(ToString::to_string) {
        if text.is_empty() {
            text = words;
        } else if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
    }
    text
}

/// Our own words for an error whose own ones quote credentials.
fn careful(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(KubeconfigError::Parse(error)) = error.downcast_ref() {
        let place = error
            .location()
            .map(|at| format!(" at line {} column {}", at.line(), at.column()));
        return Some(format!(
            "the kubeconfig is no valid YAML{}",
            place.unwrap_or_default()
        ));
    }
    match error.downcast_ref()? {
        AuthError::AuthExecRun { out, .. } => {
            // Standard error is what the plugin says to people; standard output is the credential.
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.trim();
            Some(format!(
                "the kubeconfig's credential plugin failed with {}: {said}",
                out.status
            ))
        }
        AuthError::AuthExecParse(_) | AuthError::AuthExecSerialize(_) => {
            Some("the output of the kubeconfig's credential plugin cannot be read".to_owned())
        }
        _ => None,
    }
}
