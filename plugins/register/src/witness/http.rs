// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending over HTTP and HTTPS.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig},
};

use super::{Answer, Cosigned, SubmitError, submit_through};
use crate::{cosignature::WitnessVerifier, files::MAX_CHECKPOINT, key::VerifierKey};

/// [`submit_through`] over HTTP: `url` is the submission prefix of the witness, before `/add-checkpoint`, and all
/// requests together take no longer than `timeout`. Proxies are those of the environment (`HTTPS_PROXY` …).
///
/// # Errors
///
/// Those of [`submit_through`], [`SubmitError::Url`] and [`SubmitError::Unreachable`].
pub fn submit(
    url: &str,
    dir: &Path,
    key: &VerifierKey,
    witness: &WitnessVerifier,
    timeout: Duration,
) -> Result<Cosigned, SubmitError> {
    let target = target(url)?;
    let begun = Instant::now();
    // Named here, because what ureq would choose is not compiled in.
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        // An answer, not an error: its status and text say what to do.
        .http_status_as_error(false)
        // A checkpoint goes where it was addressed.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("gst-privacy-register/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let post = |body: &[u8]| {
        let unreachable = |why: String| SubmitError::Unreachable {
            witness: witness.name().into(),
            why,
        };
        let left = timeout.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(unreachable(format!("no answer within {timeout:?}")));
        }
        let mut response = agent
            .post(&target)
            .config()
            .timeout_global(Some(left))
            .build()
            .content_type("text/plain; charset=utf-8")
            .send(body)
            .map_err(|e| unreachable(e.to_string()))?;
        let content_type = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_CHECKPOINT)
            .read_to_vec()
            .map_err(|e| unreachable(e.to_string()))?;
        Ok(Answer {
            status: response.status().as_u16(),
            content_type,
            body,
        })
    };
    submit_through(post, dir, key, witness)
}

/// The address of `add-checkpoint` below a submission prefix.
fn target(url: &str) -> Result<String, SubmitError> {
    let bad = |why: &str| SubmitError::Url {
        url: url.into(),
        why: why.into(),
    };
    let uri: ureq::http::Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) => return Err(bad("neither http nor https")),
        None => return Err(bad("it does not begin with http:// or https://")),
    }
    if uri.query().is_some() || url.contains('#') {
        return Err(bad("a prefix has no ? and no #"));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(bad("no host"));
    }
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        // It would end up in logs.
        return Err(bad("no user name or password belongs in it"));
    }
    let prefix = url.trim_end_matches('/');
    let prefix = prefix.strip_suffix("/add-checkpoint").unwrap_or(prefix);
    Ok(format!("{prefix}/add-checkpoint"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_leads_to_its_endpoint() {
        for (url, wanted) in [
            (
                "http://w.example:8080",
                "http://w.example:8080/add-checkpoint",
            ),
            ("https://w.example/a/", "https://w.example/a/add-checkpoint"),
            (
                "http://[::1]:80/add-checkpoint",
                "http://[::1]:80/add-checkpoint",
            ),
        ] {
            assert_eq!(target(url).unwrap(), wanted);
        }
        for url in [
            "",
            "w.example",
            "ftp://w.example",
            "http://",
            "http://w.example/?a",
            "http://a:b@w.example",
            "http://w example",
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{url}\"")), "{error}");
        }
    }
}
