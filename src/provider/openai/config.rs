//! What async-openai asks of a checked place: its URL, its query, its headers.

use async_openai::config::Config;
use http::header::HeaderMap;
use secrecy::SecretString;

use super::super::attempt::Endpoint;

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        Self::headers(self)
    }

    fn url(&self, path: &str) -> String {
        Self::url(self, path)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Self::query(self)
    }

    fn api_base(&self) -> &str {
        self.base()
    }

    fn api_key(&self) -> &SecretString {
        self.key()
    }
}
