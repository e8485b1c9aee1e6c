//! Where requests go and with which key: checks both once, builds the headers, and keeps the key out of every text.
//!
//! A key has no `Display`; it leaves this file only inside a header that is marked sensitive.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::SettingsError;
use crate::provider::secrets::Secrets;

/// In which header a service takes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provider) enum KeyHeader {
    /// `Authorization: Bearer …`
    Bearer,
    /// One of its own, in which the key stands as it is. The name is in lower case.
    Named(&'static str),
}

/// A checked base URL with its key.
pub(in crate::provider) struct Endpoint {
    base: String,
    query: Vec<(String, String)>,
    key: SecretString,
    secrets: Secrets,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Endpoint {
    /// Checks the URL and the key.
    ///
    /// # Errors
    /// When the URL is none that requests can go to, when the key cannot stand in a header, or when it would travel
    /// readable through a network.
    pub(in crate::provider) fn new(
        base_url: &str,
        key: Option<&SecretString>,
        header: KeyHeader,
    ) -> Result<Self, SettingsError> {
        let url = parse(base_url)?;
        let key = key.filter(|key| !key.expose_secret().is_empty());
        if key.is_some() && url.scheme() != "https" && !is_loopback(&url) {
            return Err(SettingsError::KeyInTheClear { base_url: base_url.to_owned() });
        }
        let header = key.map(|key| carried(key, header)).transpose()?;
        let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let base = bare(&url);
        let secrets = Secrets::new(key);
        Ok(Self { base, query, key: key.cloned().unwrap_or_default(), secrets, header })
    }

    /// The base URL as it is shown: without a query.
    pub(in crate::provider) fn base(&self) -> &str {
        &self.base
    }

    /// The header with the key, where there is one.
    pub(in crate::provider) fn headers(&self) -> HeaderMap {
        self.header.iter().cloned().collect()
    }

    /// The URL of a path.
    pub(in crate::provider) fn url(&self, path: &str) -> String {
        [&self.base, path].concat()
    }

    /// The query that goes along with every request.
    pub(in crate::provider) fn query(&self) -> Vec<(&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The key.
    pub(in crate::provider) const fn key(&self) -> &SecretString {
        &self.key
    }

    /// What no text may show.
    pub(in crate::provider) const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The text with `***` wherever the key stood, as it is or as some format spells it.
    pub(in crate::provider) fn mask(&self, text: String) -> String {
        self.secrets.mask(text)
    }
}

fn parse(base_url: &str) -> Result<Url, SettingsError> {
    let invalid = |reason: &str| SettingsError::BaseUrl { base_url: base_url.to_owned(), reason: reason.to_owned() };
    let url = Url::parse(base_url).map_err(|error| invalid(&error.to_string()))?;
    // Asked before anything else, because the other errors show the URL.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SettingsError::PasswordInUrl);
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it must begin with http:// or https://"));
    }
    Ok(url)
}

/// The URL without query and fragment and without a slash at its end, so that a path can be put behind it.
fn bare(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// A key of other letters than ASCII's could be sent, but is one that was pasted wrongly: no provider gives such keys.
fn carried(key: &SecretString, header: KeyHeader) -> Result<(HeaderName, HeaderValue), SettingsError> {
    let key = key.expose_secret();
    let (name, value) = match header {
        KeyHeader::Bearer => (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))),
        KeyHeader::Named(name) => (HeaderName::from_static(name), HeaderValue::from_str(key)),
    };
    let mut value = value.ok().filter(|_| key.is_ascii()).ok_or(SettingsError::UnsendableKey)?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base_url: &str, key: Option<&str>) -> Result<Endpoint, SettingsError> {
        Endpoint::new(base_url, key.map(SecretString::from).as_ref(), KeyHeader::Bearer)
    }

    fn error(base_url: &str, key: Option<&str>) -> String {
        endpoint(base_url, key).err().unwrap().to_string()
    }

    #[test]
    fn a_key_goes_to_https_and_to_this_machine_only() {
        for base_url in [
            "https://api.openai.com/v1",
            "http://127.0.0.1:8089/v1",
            "http://127.9.9.9",
            "http://[::1]:1/",
            "http://localhost:1/v1",
        ] {
            assert!(endpoint(base_url, Some("sk-secret")).is_ok(), "{base_url}");
        }
        for base_url in
            ["http://example.com/v1", "http://10.0.0.1/v1", "http://localhost.example.com", "http://0.0.0.0:1"]
        {
            let error = error(base_url, Some("sk-secret"));
            assert!(error.contains("only to https and to loopback"), "{error}");
            assert!(!error.contains("sk-secret"));
            assert!(endpoint(base_url, None).is_ok(), "no key, nothing to protect");
        }
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_an_error_and_is_not_shown() {
        for key in ["sk-secret\n", "sk\r\nX: y", "sk-\u{0}", "schlüssel"] {
            assert_eq!(error("https://example.com", Some(key)), "key contains characters that no header can carry");
        }
    }

    #[test]
    fn an_empty_key_is_no_key() {
        assert!(endpoint("http://example.com", Some("")).unwrap().headers().is_empty());
    }

    #[test]
    fn the_header_is_marked_sensitive() {
        let headers = endpoint("https://example.com", Some("sk-secret")).unwrap().headers();
        assert!(headers[AUTHORIZATION].is_sensitive());
        assert!(!format!("{headers:?}").contains("sk-secret"));
    }

    #[test]
    fn a_header_of_its_own_has_the_key_as_it_is_and_is_sensitive_too() {
        let key = SecretString::from("sk-secret");
        let endpoint = Endpoint::new("https://example.com", Some(&key), KeyHeader::Named("x-api-key")).unwrap();
        let headers = endpoint.headers();
        assert_eq!((headers.len(), headers["x-api-key"].to_str().unwrap()), (1, "sk-secret"));
        assert!(headers["x-api-key"].is_sensitive());
    }

    #[test]
    fn a_url_that_is_none_or_has_a_password_is_refused() {
        assert_eq!(error("127.0.0.1:80", None), "base URL `127.0.0.1:80` cannot be used: relative URL without a base");
        assert!(error("ftp://example.com", None).contains("http:// or https://"));
        let error = error("https://user:hunter2@example.com", None);
        assert!(error.contains("user name or password") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_slash_at_the_end_a_query_and_a_fragment_do_not_disturb_the_path() {
        let endpoint = endpoint("https://example.com/openai/?api-version=2026-01#x", None).unwrap();
        assert_eq!(endpoint.url("/chat/completions"), "https://example.com/openai/chat/completions");
        assert_eq!(endpoint.query(), [("api-version", "2026-01")]);
    }

    #[test]
    fn a_key_is_blotted_out_as_it_is_and_as_json_spells_it() {
        let endpoint = endpoint("https://example.com", Some(r#"sk-"quoted""#)).unwrap();
        assert_eq!(endpoint.mask(r#"a sk-"quoted" b"#.to_owned()), "a *** b");
        assert_eq!(endpoint.mask(r#"{"key": "sk-\"quoted\""}"#.to_owned()), r#"{"key": "***"}"#);
    }
}
