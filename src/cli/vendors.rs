//! Models at services that are reached in a way of their own: Anthropic, Gemini, Azure OpenAI. What the config says of them, where
//! they are, and what of a plan they would refuse.

use std::collections::HashSet;

use super::config::{Config, KeyConfig, ProviderConfig};
use super::judges::Judges;
use super::models::{resolve, variable};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::Params;
use crate::provider::{DEFAULT_MAX_TOKENS, Unsupported, unsupported_by_anthropic, unsupported_by_gemini};
use crate::run::plan::Plan;
use crate::run::unsendable;
use crate::scenario::decode::{Fields, Findings};
use crate::text::tokens::Tokenizer;

/// Their providers' names.
pub const VENDORS: [&str; 3] = ["anthropic", "gemini", "azure"];

/// A model at one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorConfig {
    /// Which.
    pub vendor: Vendor,
    /// The model's name there; at Azure that of the deployment.
    pub model: String,
    /// Where it is; `None` for the environment's, else the vendor's own.
    pub base_url: Option<String>,
    /// Which key it needs.
    pub key: KeyConfig,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vendor {
    /// Anthropic's Messages API.
    Anthropic {
        /// The longest reply, in tokens, where a scenario sets none: the API wants one.
        max_tokens: u32,
    },
    /// Google's Gemini API.
    Gemini,
    /// Azure OpenAI.
    Azure {
        /// The version of the API by deployments; `None` for the API at `/openai/v1`, which has none.
        api_version: Option<String>,
    },
}

impl Vendor {
    /// The provider's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Anthropic { .. } => VENDORS[0],
            Self::Gemini => VENDORS[1],
            Self::Azure { .. } => VENDORS[2],
        }
    }

    /// Whether it counts with a tokenizer that nobody else has.
    #[must_use]
    pub const fn counts_otherwise(&self) -> bool {
        matches!(self, Self::Anthropic { .. } | Self::Gemini)
    }

    /// Whether it takes only lists of messages that alternate.
    const fn must_alternate(&self) -> bool {
        matches!(self, Self::Anthropic { .. } | Self::Gemini)
    }

    /// What of these parameters it does not take.
    fn unsupported(&self, params: &Params) -> Vec<Unsupported> {
        match self {
            Self::Anthropic { .. } => unsupported_by_anthropic(params),
            Self::Gemini => unsupported_by_gemini(params),
            Self::Azure { .. } => Vec::new(),
        }
    }
}

impl VendorConfig {
    /// The keys of a model of this provider in the config, and no others; `None` for other providers.
    #[must_use]
    pub fn keys(provider: &str) -> Option<&'static [&'static str]> {
        match provider {
            "anthropic" => Some(&["provider", "model", "base_url", "api_key_env", "price", "tokenizer", "max_tokens"]),
            "gemini" => Some(&["provider", "model", "base_url", "api_key_env", "price", "tokenizer"]),
            "azure" => {
                Some(&["provider", "deployment", "api_version", "base_url", "api_key_env", "price", "tokenizer"])
            }
            _ => None,
        }
    }

    /// Reads a model that is called `name` here; `None` for other providers.
    pub fn read(findings: &mut Findings, name: &str, provider: &str, fields: &Fields<'_>) -> Option<Self> {
        let mut text = |key: &str| fields.get(key).and_then(|node| findings.filled_text(node, key));
        let named = if provider == "azure" { "deployment" } else { "model" };
        let model = text(named).unwrap_or_else(|| name.to_owned());
        let base_url = text("base_url");
        let key = text("api_key_env");
        let (vendor, variable) = match provider {
            "anthropic" => {
                let max_tokens = fields
                    .get("max_tokens")
                    .and_then(|node| findings.whole(node, "max_tokens", 1..=1_000_000_000))
                    .and_then(|tokens| u32::try_from(tokens).ok());
                (Vendor::Anthropic { max_tokens: max_tokens.unwrap_or(DEFAULT_MAX_TOKENS) }, "ANTHROPIC_API_KEY")
            }
            "gemini" => (Vendor::Gemini, "GEMINI_API_KEY"),
            "azure" => (Vendor::Azure { api_version: text("api_version") }, "AZURE_OPENAI_API_KEY"),
            _ => return None,
        };
        let key = match key.as_deref() {
            Some("none") => KeyConfig::None,
            named => KeyConfig::Env(named.unwrap_or(variable).to_owned()),
        };
        Some(Self { vendor, model, base_url, key })
    }

    /// The base URL of its requests.
    ///
    /// # Errors
    /// When nothing says where it is.
    pub fn base_url(&self) -> Result<String, String> {
        let said = |named: &str| self.base_url.clone().or_else(|| variable(named));
        match &self.vendor {
            Vendor::Anthropic { .. } => {
                Ok(said("ANTHROPIC_BASE_URL").unwrap_or_else(|| "https://api.anthropic.com".to_owned()))
            }
            Vendor::Gemini => {
                let own = "https://generativelanguage.googleapis.com/v1beta";
                Ok(said("GEMINI_BASE_URL").unwrap_or_else(|| own.to_owned()))
            }
            Vendor::Azure { api_version } => {
                let resource = said("AZURE_OPENAI_ENDPOINT").ok_or(
                    "neither `base_url` nor the environment variable `AZURE_OPENAI_ENDPOINT` says where it is",
                )?;
                Ok(azure_url(&resource, &self.model, api_version.as_deref()))
            }
        }
    }

    /// What it is, whatever its name here and wherever it is.
    #[must_use]
    pub fn identity(&self) -> String {
        let is_bounded = self.longest_reply().map(|tokens| format!(", at most {tokens} tokens unless said"));
        format!("{} {}{}", self.vendor.name(), self.model, is_bounded.unwrap_or_default())
    }

    /// The longest reply where a scenario sets none.
    #[must_use]
    pub const fn longest_reply(&self) -> Option<u32> {
        match self.vendor {
            Vendor::Anthropic { max_tokens } => Some(max_tokens),
            _ => None,
        }
    }
}

/// Where a deployment is asked: with a version by its own path, without one below `/openai/v1`.
fn azure_url(resource: &str, deployment: &str, api_version: Option<&str>) -> String {
    let (resource, query) = resource.split_once('?').unwrap_or((resource, ""));
    let resource = resource.trim_end_matches('/');
    let url = match api_version {
        // Both spellings of the endpoint are in use.
        None if resource.ends_with("/openai/v1") => resource.to_owned(),
        None => format!("{resource}/openai/v1"),
        Some(version) => {
            let resource = resource.trim_end_matches("/openai");
            let encoded = |text: &str| {
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
                    .replace("%2D", "-")
                    .replace("%2E", ".")
                    .replace("%5F", "_")
            };
            let (deployment, version) = (encoded(deployment), encoded(version));
            format!("{resource}/openai/deployments/{deployment}?api-version={version}")
        }
    };
    match query {
        "" => url,
        query if url.contains('?') => format!("{url}&{query}"),
        query => format!("{url}?{query}"),
    }
}

/// What a name stands for, where that is a model at a vendor.
fn vendor(config: &Config, name: &str) -> Option<(VendorConfig, Tokenizer)> {
    let model = resolve(config, name).ok()?;
    if let ProviderConfig::Vendor(vendor) = model.provider { Some((vendor, model.tokenizer)) } else { None }
}

/// What of these parameters the service of a model does not take.
#[must_use]
pub fn unsupported(config: &Config, name: &str, params: &Params) -> Vec<Diagnostic> {
    let Some((vendor, _)) = vendor(config, name) else { return Vec::new() };
    vendor.vendor.unsupported(params).iter().map(|found| said(found, name, &vendor)).collect()
}

/// Everything that a plan asks of models and judges that their services would refuse, as far as that is certain before anything
/// is sent.
#[must_use]
pub fn refused(plan: &Plan, config: &Config, judges: Option<&Judges>) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    let mut seen = HashSet::new();
    for planned in plan.conversations.iter() {
        let name = plan.model(&planned);
        if !seen.insert((planned.scenario, name)) {
            continue;
        }
        let scenario = plan.scenario(&planned);
        let found = unsupported(config, name, &scenario.params).into_iter();
        wrong.extend(found.map(|wrong| wrong.at(&scenario.source, scenario.place_of_params(), "")));
    }
    for name in judges.into_iter().flat_map(Judges::judges) {
        let found = unsupported(config, name, &config.judge.params).into_iter();
        wrong.extend(found.map(|wrong| match config.place_of_judge() {
            Some((source, place)) => wrong.at(source, place, ""),
            None => wrong,
        }));
    }
    wrong.extend(unsendable(plan, &|name| {
        let (vendor, tokenizer) = vendor(config, name)?;
        vendor.vendor.must_alternate().then(|| (vendor.vendor.name(), tokenizer))
    }));
    wrong
}

fn said(found: &Unsupported, name: &str, vendor: &VendorConfig) -> Diagnostic {
    let (param, why) = (&found.param, &found.why);
    let message = format!("`{name}` is a model of `{}`, and `{param}` {why}", vendor.vendor.name());
    Diagnostic::error(Code::UnsupportedParam, message).help(found.help.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_asked_by_its_path_or_below_v1() {
        for (resource, version, url) in [
            (
                "https://me.openai.azure.com/",
                Some("2024-10-21"),
                "https://me.openai.azure.com/openai/deployments/gpt%204?api-version=2024-10-21",
            ),
            (
                "https://me.openai.azure.com/openai?a=b",
                Some("2025-01-01-preview"),
                "https://me.openai.azure.com/openai/deployments/gpt%204?api-version=2025-01-01-preview&a=b",
            ),
            ("https://me.openai.azure.com", None, "https://me.openai.azure.com/openai/v1"),
            ("https://me.openai.azure.com/openai/v1/", None, "https://me.openai.azure.com/openai/v1"),
            (
                "https://me.openai.azure.com/openai/v1?api-version=preview",
                None,
                "https://me.openai.azure.com/openai/v1?api-version=preview",
            ),
        ] {
            assert_eq!(azure_url(resource, "gpt 4", version), url);
        }
    }
}
