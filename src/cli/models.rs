//! From the names of models to providers, with their keys from the environment.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::bots;
use super::config::{Config, KeyConfig, ModelConfig, ProviderConfig};
use super::judges::Judges;
use super::vendors::Vendor;
use crate::diagnostic::{Code, Diagnostic};
use crate::provider::cassette::Uncalled;
use crate::provider::openai::OpenAi;
use crate::provider::{
    Anthropic, ApiSettings, Budget, Builtin, ChatModel, Gate, Gemini, Purse, Rates, RetryPolicy, SettingsError,
    http_client, plain_http_client,
};
use crate::run::plan::Plan;
use crate::run::{Model, Models};
use crate::scenario::decode::list_words;
use crate::text::nearest::nearest;
use crate::text::tokens::Tokenizer;

const OPENAI: &str = "https://api.openai.com/v1";

const WAY_OUT: &str = "`--model builtin` plays the scenarios on the embedded model, `--offline` replays what is recorded: \
                       neither takes a key";

/// How calls are made.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// For one attempt; of a stream, between two pieces.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// For each provider and model.
    pub rates: Rates,
    /// What calls are paid from, where there is a limit to it.
    pub budget: Option<Arc<Budget>>,
    /// Where bots run that are programs: the folder of the config.
    pub folder: PathBuf,
}

/// What the models of a run share.
#[derive(Default)]
struct Shared {
    /// The client for addresses that may want TLS.
    http: Option<reqwest::Client>,
    /// The client for those that do not.
    plain_http: Option<reqwest::Client>,
    /// By base URL, name of the model there, and name of the key: two names in the config may stand for one model.
    gates: HashMap<(String, String, Option<String>), Arc<Gate>>,
}

impl Shared {
    /// The client that all use who may want TLS.
    fn http(&mut self) -> Result<&reqwest::Client, SettingsError> {
        match &mut self.http {
            Some(client) => Ok(client),
            none => Ok(none.insert(http_client()?)),
        }
    }

    /// The client for a base URL.
    fn http_at(&mut self, base_url: &str) -> Result<&reqwest::Client, SettingsError> {
        if !base_url.starts_with("http://") {
            return self.http();
        }
        match &mut self.plain_http {
            Some(client) => Ok(client),
            none => Ok(none.insert(plain_http_client()?)),
        }
    }
}

/// What the config says of a model, where it may be used.
///
/// # Errors
/// When it is no model that may be used here.
pub fn resolve(config: &Config, name: &str) -> Result<ModelConfig, Diagnostic> {
    if let Some(kind) = Builtin::kind_of(name) {
        return Ok(ModelConfig {
            provider: ProviderConfig::Builtin(kind),
            price: None,
            tokenizer: Tokenizer::default(),
            span: None,
        });
    }
    let unknown = |known: Vec<&str>, help: &str| {
        let near = nearest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Diagnostic::error(Code::UnknownModel, format!("`{name}` is no model of this project{near}")).help(help)
    };
    if name.starts_with("builtin:") {
        let known = Builtin::MODELS.to_vec();
        return Err(unknown(
            known,
            "the embedded model is `builtin`, `builtin:echo`, `builtin:amnesiac` or `builtin:omniscient`",
        ));
    }
    match &config.models {
        Some(models) => models.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = models.keys().map(String::as_str).chain(["builtin"]).collect();
            let help = format!(
                "the config lists its models under `models:`, and only those may be used: {}",
                list_words(&known)
            );
            unknown(models.keys().map(String::as_str).chain(Builtin::MODELS).collect(), &help)
        }),
        None => Ok(ModelConfig {
            provider: ProviderConfig::OpenAi {
                model: name.to_owned(),
                base_url: None,
                key: KeyConfig::Env("OPENAI_API_KEY".to_owned()),
            },
            price: None,
            tokenizer: Tokenizer::default(),
            span: None,
        }),
    }
}

/// What is said of a model, at the place where the first scenario that names it does so. A model of the command line or
/// of the config has none.
pub fn placed(diagnostic: Diagnostic, plan: &Plan, model: &str) -> Diagnostic {
    let mut places = plan.scenarios.iter().filter_map(|scenario| Some((scenario, scenario.place_of_model(model)?)));
    match places.next() {
        Some((scenario, span)) => diagnostic.at(&scenario.source, span, ""),
        None => diagnostic,
    }
}

/// What each model's name of a plan stands for, so that a run does not go on with another model under its name. Where it is does
/// not belong to that: the same model is behind many addresses, and a server on this machine comes up again at another.
pub fn identities(config: &Config, plan: &Plan) -> BTreeMap<String, String> {
    let identity = |name: &&str| {
        let model = resolve(config, name).ok()?;
        let what = match &model.provider {
            ProviderConfig::Builtin(kind) => format!("builtin {kind:?}").to_lowercase(),
            ProviderConfig::OpenAi { model, .. } => format!("openai {model}"),
            ProviderConfig::Http(_) => "http".to_owned(),
            ProviderConfig::Command(bot) => format!("command {}", bot.program.join(" ")),
            ProviderConfig::Vendor(vendor) => vendor.identity(),
        };
        let tokenizer = Tokenizer::ALL.iter().find(|(_, tokenizer)| *tokenizer == model.tokenizer);
        let tokenizer = tokenizer.map_or("", |(name, _)| *name);
        Some(((*name).to_owned(), format!("{what}, tokenizer {tokenizer}")))
    };
    plan.models().iter().filter_map(identity).collect()
}

/// Makes the providers of all models of a plan, those that judge among them. Those of `uncalled` need none: their replies are recorded.
///
/// # Errors
/// Everything that keeps one of them from being called: nothing may be sent then.
pub fn connect(
    config: &Config,
    (plan, judges): (&Plan, &Judges),
    settings: &CallSettings,
    uncalled: &HashSet<&str>,
) -> Result<Models, Vec<Diagnostic>> {
    let mut models = Models::new();
    let mut wrong = Vec::new();
    let mut shared = Shared::default();
    let own = plan.models();
    for name in own.iter().copied().chain(judges.names().filter(|name| !own.contains(name))) {
        let made = resolve(config, name).and_then(|model| {
            let chat: Arc<dyn ChatModel> = if uncalled.contains(name) {
                Arc::new(Uncalled::UNRECORDED)
            } else {
                provider(name, &model, settings, &mut shared)?
            };
            let longest_reply = model.longest_reply();
            Ok(Model { chat, price: model.price, tokenizer: model.tokenizer, longest_reply })
        });
        match made {
            Ok(model) => drop(models.insert(name.to_owned(), model)),
            Err(diagnostic) if own.contains(&name) => wrong.push(placed(diagnostic, plan, name)),
            Err(diagnostic) => wrong.push(judges.placed(diagnostic, plan, name)),
        }
    }
    if wrong.is_empty() { Ok(models) } else { Err(wrong) }
}

/// Makes the provider of one model on its own.
///
/// # Errors
/// What keeps it from being called.
pub fn connect_one(config: &Config, name: &str, settings: &CallSettings) -> Result<Model, Diagnostic> {
    let model = resolve(config, name)?;
    let chat = provider(name, &model, settings, &mut Shared::default())?;
    let longest_reply = model.longest_reply();
    Ok(Model { chat, price: model.price, tokenizer: model.tokenizer, longest_reply })
}

fn provider(
    name: &str,
    config: &ModelConfig,
    settings: &CallSettings,
    shared: &mut Shared,
) -> Result<Arc<dyn ChatModel>, Diagnostic> {
    let unusable = |error: &dyn std::fmt::Display| {
        Diagnostic::error(Code::UnusableModel, format!("the model `{name}` cannot be called: {error}"))
    };
    let (vendor, model, base_url, key) = match &config.provider {
        ProviderConfig::Builtin(kind) => return Ok(Arc::new(Builtin::new(*kind))),
        ProviderConfig::Http(bot) => return bots::http(name, bot, settings, shared.http_at(bot.url.as_str())),
        ProviderConfig::Command(bot) => return bots::command(name, bot, settings),
        ProviderConfig::OpenAi { model, base_url, key } => {
            let base_url = base_url.clone().or_else(|| variable("OPENAI_BASE_URL"));
            (None, model, base_url.unwrap_or_else(|| OPENAI.to_owned()), key)
        }
        ProviderConfig::Vendor(vendor) => {
            let base_url = vendor.base_url().map_err(|error| {
                unusable(&error).help("`base_url: \"https://NAME.openai.azure.com\"` in the config names the resource")
            })?;
            (Some(&vendor.vendor), &vendor.model, base_url, &vendor.key)
        }
    };
    let api_key = match key {
        KeyConfig::None => None,
        KeyConfig::Env(name_of_key) => Some(variable(name_of_key).map(SecretString::from).ok_or_else(|| {
            Diagnostic::error(
                Code::MissingApiKey,
                format!("the model `{name}` needs the environment variable `{name_of_key}`"),
            )
            .help(WAY_OUT)
        })?),
    };
    let key_name = if let KeyConfig::Env(name) = key { Some(name.clone()) } else { None };
    let gate = shared.gates.entry((base_url.clone(), model.clone(), key_name));
    let gate = Arc::clone(gate.or_insert_with(|| Arc::new(Gate::new(settings.rates))));
    let client = shared.http_at(&base_url).map_err(|error| unusable(&error))?;
    let purse = settings.budget.clone().zip(config.price).map(|(budget, price)| Purse { budget, price });
    let retry = RetryPolicy { retries: settings.retries, ..RetryPolicy::default() };
    let timeout = settings.timeout;
    let settings = ApiSettings { base_url, model: model.clone(), api_key, timeout, retry, gate, purse };
    let made: Result<Arc<dyn ChatModel>, SettingsError> = match vendor {
        None => OpenAi::new(settings, client).map(|model| Arc::new(model) as _),
        Some(Vendor::Azure { .. }) => OpenAi::azure(settings, client).map(|model| Arc::new(model) as _),
        Some(Vendor::Anthropic { .. }) => Anthropic::new(settings, client).map(|model| Arc::new(model) as _),
        Some(Vendor::Gemini) => Gemini::new(settings, client).map(|model| Arc::new(model) as _),
    };
    made.map_err(|error| match error {
        SettingsError::BaseUrl { .. } => {
            unusable(&error).help("`base_url` is written in full, like `http://127.0.0.1:8080/v1`")
        }
        _ => unusable(&error),
    })
}

/// An environment variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
