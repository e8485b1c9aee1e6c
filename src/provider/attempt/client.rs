//! The HTTP client that all providers share: TLS, certificates, proxies, connecting.
//!
//! It has no total time-out, since a stream may go on for long; the provider bounds each wait itself. Redirects are not
//! followed, because a key would travel to a place that nobody named.

use std::env;
use std::fs;
use std::time::Duration;

use reqwest::{Certificate, Client, NoProxy, Proxy, redirect};

use super::{SettingsError, failure};

/// Hosts that no proxy stands before, whatever the environment says: a key for a server on this machine must not leave it.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// How long a connection that nobody needs is kept. While many connect at once the library opens more than there are calls in
/// flight (a call takes the first connection that comes free, and the one that it was opening stays), each with its buffers;
/// and servers close what is idle (some after 5 s), which a call may notice too late.
const IDLE: Duration = Duration::from_secs(4);

/// Makes the client. It trusts the certificates of the operating system, or those of the file that `SSL_CERT_FILE` names,
/// and goes through the proxies that `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` (or their lower-case
/// spellings) say, but never to a loopback address.
///
/// # Errors
/// When `SSL_CERT_FILE` has no certificate that can be read, or a proxy is no URL.
pub fn http_client() -> Result<Client, SettingsError> {
    // Another installed provider is as good: an error says only that there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = extra_certificates()?;
    let proxies = proxies(&|name| env::var(name).ok())?;
    // A container without any certificate still reaches servers on its own machine.
    builder(&proxies)
        .tls_certs_merge(certificates)
        .build()
        .or_else(|_| builder(&proxies).tls_certs_only(None).build())
        .map_err(|error| SettingsError::Client(failure::innermost(&error)))
}

/// The client for addresses of which none begins with `https`. Redirects are not followed, so it meets no certificate and reads
/// none: there are some hundred on a system, which takes longer than a start on a model of this machine may. Where there is a
/// proxy, which may want TLS itself, it is [`http_client`].
///
/// # Errors
/// As of [`http_client`].
pub fn plain_http_client() -> Result<Client, SettingsError> {
    let proxies = proxies(&|name| env::var(name).ok())?;
    if !proxies.is_empty() {
        return http_client();
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = builder(&proxies).tls_certs_only(None).build();
    client.map_err(|error| SettingsError::Client(failure::innermost(&error)))
}

fn builder(proxies: &[Proxy]) -> reqwest::ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!("chat-eval/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(failure::CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE)
        .redirect(redirect::Policy::none())
        .no_proxy();
    proxies.iter().cloned().fold(builder, reqwest::ClientBuilder::proxy)
}

/// The certificates of `SSL_CERT_FILE`. On Linux the platform's verifier reads the file itself, without a word where it
/// cannot; so it is read here on every system, and merged where the verifier does not look at it.
fn extra_certificates() -> Result<Vec<Certificate>, SettingsError> {
    let Some(path) = env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else { return Ok(Vec::new()) };
    let unusable = |reason: String| SettingsError::Certificates { path: path.to_string_lossy().into_owned(), reason };
    let pem = fs::read(&path).map_err(|error| unusable(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(failure::innermost(&error)))?;
    if certificates.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    let verifier_reads_it = cfg!(unix) && !cfg!(target_vendor = "apple");
    Ok(if verifier_reads_it { Vec::new() } else { certificates })
}

/// The proxies of the environment. They are read here and not by the HTTP library, which has no way to leave out more
/// hosts than `NO_PROXY` does.
fn proxies(variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Proxy>, SettingsError> {
    let named = |name: &str| {
        let lower = name.to_ascii_lowercase();
        // Under CGI a request's `Proxy:` header arrives as HTTP_PROXY.
        let is_forged = name == "HTTP_PROXY" && variable("REQUEST_METHOD").is_some();
        variable(name).filter(|_| !is_forged).or_else(|| variable(&lower)).filter(|url| !url.trim().is_empty())
    };
    let listed = named("NO_PROXY").unwrap_or_default();
    let without = NoProxy::from_string(&format!("{listed},{LOOPBACK}"));
    let made = [
        ("HTTP_PROXY", named("HTTP_PROXY").map(Proxy::http)),
        ("HTTPS_PROXY", named("HTTPS_PROXY").map(Proxy::https)),
        ("ALL_PROXY", named("ALL_PROXY").map(Proxy::all)),
    ];
    let usable = |(variable, proxy): (&'static str, Option<reqwest::Result<Proxy>>)| {
        let proxy = proxy?.map(|proxy| proxy.no_proxy(without.clone()));
        Some(proxy.map_err(|_| SettingsError::Proxy { variable }))
    };
    made.into_iter().filter_map(usable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Vec<Proxy>, SettingsError> {
        proxies(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn proxies_come_from_either_spelling_and_blank_ones_are_none() {
        assert!(from(&[]).unwrap().is_empty());
        assert!(from(&[("HTTPS_PROXY", " "), ("NO_PROXY", "*")]).unwrap().is_empty());
        assert_eq!(from(&[("https_proxy", "http://proxy:3128"), ("ALL_PROXY", "http://proxy:1")]).unwrap().len(), 2);
    }

    #[test]
    fn a_proxy_that_a_request_could_have_named_is_not_believed() {
        let cgi = [("HTTP_PROXY", "http://evil:1"), ("REQUEST_METHOD", "GET")];
        assert!(from(&cgi).unwrap().is_empty());
    }

    #[test]
    fn a_proxy_that_is_no_url_is_named_by_its_variable_and_not_shown() {
        let error = from(&[("HTTPS_PROXY", "http://user:hunter2@:bad:")]).unwrap_err().to_string();
        assert_eq!(error, "`HTTPS_PROXY` is no URL of a proxy");
    }

    #[test]
    fn loopback_is_left_out_whatever_no_proxy_says() {
        for no_proxy in ["", "example.com"] {
            let shown = format!("{:?}", from(&[("ALL_PROXY", "http://proxy:1"), ("NO_PROXY", no_proxy)]).unwrap());
            assert!(shown.contains(&format!("{no_proxy},localhost,127.0.0.0/8,::1")), "{shown}");
        }
    }
}
