//! The config file: which models there are, where they are, which keys they need. Trusted like code.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::config_bots;
use super::judges::{no_judge, no_judging_bot};
use super::models::resolve;
use super::sources::{CONFIG_FILE, read_text};
use super::vendors::{VENDORS, VendorConfig};
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::model::{Params, Price};
use crate::provider::http_bot::{HttpBotConfig, Template};
use crate::provider::{Builtin, BuiltinKind, Rates};
use crate::scenario::decode::{Fields, Findings};
use crate::scenario::yaml::{self, Node, Value};
use crate::scenario::{read_outside, read_params};
use crate::text::tokens::Tokenizer;

const KEYS: &[&str] = &["model", "concurrency", "limits", "models", "judge", "embedding"];
const JUDGE_KEYS: &[&str] = &["model", "votes", "params"];
const LIMIT_KEYS: &[&str] = &["rpm", "tpm", "max_cost_usd"];
const MODEL_KEYS: &[&str] = &["provider", "model", "base_url", "api_key_env", "price", "tokenizer"];
const PROVIDERS: &[&str] = &["builtin", "openai", VENDORS[0], VENDORS[1], VENDORS[2], "http", "command"];

/// What the config file says; empty where there is none.
#[derive(Debug, Default)]
pub struct Config {
    /// The file.
    pub path: Option<PathBuf>,
    /// The model of scenarios that name none.
    pub model: Option<String>,
    /// Conversations in flight.
    pub concurrency: Option<usize>,
    /// The models, where it lists any: scenarios may use only these then.
    pub models: Option<IndexMap<String, ModelConfig>>,
    /// Limits of a run.
    pub limits: Limits,
    /// Who judges.
    pub judge: JudgeConfig,
    /// The model that makes embeddings.
    pub embedding: Option<String>,
    source: Option<Arc<SourceFile>>,
}

/// Limits of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// What may be sent to each provider and model in a minute.
    pub rates: Rates,
    /// What it may spend, in USD.
    pub max_cost_usd: Option<f64>,
}

/// Who judges criteria, where a check does not say it itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JudgeConfig {
    /// The model.
    pub model: Option<String>,
    /// How often it is asked.
    pub votes: Option<u32>,
    /// What goes along with the questions to any judge.
    pub params: Params,
    /// Where that stands in the config.
    pub span: Option<Range<usize>>,
}

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Who answers.
    pub provider: ProviderConfig,
    /// Its price, where it is known.
    pub price: Option<Price>,
    /// What token windows count with.
    pub tokenizer: Tokenizer,
    /// Where its name stands in the config.
    pub span: Option<Range<usize>>,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq)]
pub enum ProviderConfig {
    /// The embedded model.
    Builtin(BuiltinKind),
    /// A server that speaks `OpenAI`'s chat completions.
    OpenAi {
        /// The model's name there.
        model: String,
        /// Where it is; `None` for `OPENAI_BASE_URL`, else `OpenAI` itself.
        base_url: Option<String>,
        /// Which key it needs.
        key: KeyConfig,
    },
    /// A service that is reached in a way of its own.
    Vendor(VendorConfig),
    /// A bot behind a URL that keeps its history itself.
    Http(Box<HttpBotConfig>),
    /// A program that does.
    Command(CommandConfig),
}

/// A bot that is a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandConfig {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// The variables that it gets beside the few that every program gets.
    pub env: Vec<(String, Template)>,
}

impl ProviderConfig {
    /// Whether it is a bot that keeps its history itself.
    #[must_use]
    pub const fn keeps_history(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Command(_))
    }

    /// Whether its service counts with a tokenizer that nobody else has.
    #[must_use]
    pub const fn counts_otherwise(&self) -> bool {
        matches!(self, Self::Vendor(VendorConfig { vendor, .. }) if vendor.counts_otherwise())
    }
}

impl ModelConfig {
    /// The longest reply, in tokens, that is asked for where a scenario sets none.
    #[must_use]
    pub const fn longest_reply(&self) -> Option<u32> {
        if let ProviderConfig::Vendor(vendor) = &self.provider { vendor.longest_reply() } else { None }
    }
}

/// Which key a model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyConfig {
    /// None.
    None,
    /// The one in this environment variable.
    Env(String),
}

impl Config {
    /// The folder of the config file.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.path.as_deref().and_then(Path::parent)
    }

    /// Where the config names a model.
    #[must_use]
    pub fn place_of_model(&self, name: &str) -> Option<(&Arc<SourceFile>, Range<usize>)> {
        Some((self.source.as_ref()?, self.models.as_ref()?.get(name)?.span.clone()?))
    }

    /// Where the config says who judges.
    #[must_use]
    pub fn place_of_judge(&self) -> Option<(&Arc<SourceFile>, Range<usize>)> {
        Some((self.source.as_ref()?, self.judge.span.clone()?))
    }
}

/// Reads the config: the file that is named, else the nearest `chat-eval.yaml`, else nothing.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(named: Option<&Path>) -> Result<Config, Vec<Diagnostic>> {
    let Some(path) = named.map(Path::to_owned).or_else(nearest_config) else { return Ok(Config::default()) };
    let text = read_text(&path).map_err(|diagnostic| vec![*diagnostic])?;
    let source = Arc::new(SourceFile { path: path.display().to_string(), text });
    let root = yaml::parse(&source).map_err(|diagnostic| vec![*diagnostic])?;
    let mut findings = Findings::new(Arc::clone(&source));
    let config = Config { source: Some(source), ..read(&mut findings, &root, path) };
    if findings.is_empty() { Ok(config) } else { Err(findings.into_diagnostics()) }
}

fn nearest_config() -> Option<PathBuf> {
    let folder = std::env::current_dir().ok()?;
    let found = folder.ancestors().map(|folder| folder.join(CONFIG_FILE)).find(|path| path.is_file())?;
    // In the working directory itself the short name is what people expect to read.
    Some(if found.parent() == Some(&folder) { PathBuf::from(CONFIG_FILE) } else { found })
}

fn read(findings: &mut Findings, root: &Node, path: PathBuf) -> Config {
    let mut config = Config { path: Some(path), ..Config::default() };
    if matches!(root.value, Value::Null) {
        return config;
    }
    let Some(fields) = findings.fields(root, "the config", KEYS) else { return config };
    config.model = fields.get("model").and_then(|node| findings.filled_text(node, "model"));
    config.concurrency = fields
        .get("concurrency")
        .and_then(|node| findings.whole(node, "concurrency", 1..=100_000))
        .and_then(|n| usize::try_from(n).ok());
    if let Some(models) = fields.get("models").and_then(|node| findings.open_fields(node, "`models`")) {
        let read = models.iter().filter_map(|(name, key, node)| {
            if Builtin::kind_of(name).is_some() {
                findings.error(Code::ReservedName, key, format!("`{name}` is the embedded model's own name"), "");
                return None;
            }
            let model = model(findings, name, node)?;
            Some((name.to_owned(), ModelConfig { span: Some(key.span.clone()), ..model }))
        });
        config.models = Some(read.collect());
    }
    config.limits = fields.get("limits").map_or_else(Limits::default, |node| limits(findings, node));
    known_default(findings, fields.get("model"), &config);
    if let Some((key, node)) = fields.pair("judge").filter(|(_, node)| !matches!(node.value, Value::Null)) {
        config.judge = judge(findings, node, &config);
        config.judge.span = Some(key.span.clone());
    }
    if let Some(fields) = fields.get("embedding").and_then(|node| findings.fields(node, "`embedding`", &["model"])) {
        let name = fields.require(findings, "model", "`embedding`");
        config.embedding = name.and_then(|node| other_model(findings, node, &config));
        makes_embeddings(findings, name, &config);
    }
    config
}

fn judge(findings: &mut Findings, node: &Node, config: &Config) -> JudgeConfig {
    let Some(fields) = findings.fields(node, "`judge`", JUDGE_KEYS) else { return JudgeConfig::default() };
    JudgeConfig {
        model: fields.get("model").and_then(|node| other_model(findings, node, config)),
        votes: fields.get("votes").and_then(|node| read_outside::votes(findings, node)),
        params: fields.get("params").and_then(|node| read_params::params(findings, node)).unwrap_or_default(),
        span: None,
    }
}

fn limits(findings: &mut Findings, node: &Node) -> Limits {
    let Some(fields) = findings.fields(node, "`limits`", LIMIT_KEYS) else { return Limits::default() };
    let mut rate = |key: &str| {
        let node = fields.get(key)?;
        u32::try_from(findings.whole(node, key, 1..=1_000_000_000)?).ok()
    };
    Limits {
        rates: Rates { rpm: rate("rpm"), tpm: rate("tpm") },
        max_cost_usd: fields.get("max_cost_usd").and_then(|node| findings.number(node, "max_cost_usd", 0.0..=1e6)),
    }
}

/// Reads the name of a language model that is asked beside the turns.
fn other_model(findings: &mut Findings, node: &Node, config: &Config) -> Option<String> {
    let name = findings.filled_text(node, "model")?;
    let wrong = match resolve(config, &name) {
        Ok(ModelConfig { provider: ProviderConfig::Builtin(_), .. }) => Some(no_judge(&name)),
        Ok(ModelConfig { provider, .. }) if provider.keeps_history() => Some(no_judging_bot(&name)),
        Ok(_) => None,
        Err(unknown) => Some(unknown),
    };
    if let Some(wrong) = wrong {
        findings.error_help(wrong.code, node, wrong.message, "", wrong.help.unwrap_or_default());
    }
    Some(name)
}

/// Only servers that speak `OpenAI`'s format are asked for embeddings.
fn makes_embeddings(findings: &mut Findings, node: Option<&Node>, config: &Config) {
    let (Some(node), Some(name)) = (node, &config.embedding) else { return };
    if let Ok(ModelConfig { provider: ProviderConfig::Vendor(model), .. }) = resolve(config, name)
        && model.vendor.name() != VENDORS[2]
    {
        let message = format!("`{name}` is a model of `{}`, which is asked for no embeddings", model.vendor.name());
        findings.error_help(
            Code::UnusableModel,
            node,
            message,
            "",
            "name a model of `openai` or `azure` that makes them",
        );
    }
}

/// The model of scenarios that name none must be one that they could name.
fn known_default(findings: &mut Findings, node: Option<&Node>, config: &Config) {
    let (Some(node), Some(name)) = (node, &config.model) else { return };
    if let Err(unknown) = resolve(config, name) {
        findings.error_help(Code::UnknownModel, node, unknown.message, "", unknown.help.unwrap_or_default());
    }
}

fn model(findings: &mut Findings, name: &str, node: &Node) -> Option<ModelConfig> {
    // Which keys it may have depends on one of them.
    let entries = if let Value::Map(entries) = &node.value { &entries[..] } else { &[] };
    let named = entries.iter().find(|(key, _)| key.scalar_text() == Some("provider"));
    let named = named.and_then(|(_, provider)| provider.scalar_text()).unwrap_or_default();
    let known = VendorConfig::keys(named).or_else(|| config_bots::keys(node)).unwrap_or(MODEL_KEYS);
    let fields = findings.fields(node, &format!("the model `{name}`"), known)?;
    let provider = fields.require(findings, "provider", &format!("the model `{name}`"))?;
    let word = findings.filled_text(provider, "provider")?;
    let text = |findings: &mut Findings, key: &str| fields.get(key).and_then(|node| findings.filled_text(node, key));
    let provider = match word.as_str() {
        "openai" => ProviderConfig::OpenAi {
            model: text(findings, "model").unwrap_or_else(|| name.to_owned()),
            base_url: text(findings, "base_url"),
            key: match text(findings, "api_key_env").as_deref() {
                Some("none") => KeyConfig::None,
                Some(variable) => KeyConfig::Env(variable.to_owned()),
                None => KeyConfig::Env("OPENAI_API_KEY".to_owned()),
            },
        },
        "builtin" => {
            let kind = match text(findings, "model") {
                Some(kind) => Builtin::kind_of(&kind),
                None => Some(BuiltinKind::Reader),
            };
            let Some(kind) = kind else {
                let message = format!("the model `{name}` is no kind of the embedded model");
                let at = fields.get("model").unwrap_or(node);
                let known: Vec<&str> = Builtin::MODELS.to_vec();
                let word = at.scalar_text().unwrap_or_default().to_owned();
                findings.unknown_word(Code::UnknownModel, at, message, &word, &known);
                return None;
            };
            ProviderConfig::Builtin(kind)
        }
        "http" => config_bots::http(findings, name, &fields, node)?,
        "command" => config_bots::command(findings, name, &fields)?,
        _ => {
            let Some(vendor) = VendorConfig::read(findings, name, &word, &fields) else {
                let message = format!("`{word}` is no provider");
                findings.unknown_word(Code::UnknownProvider, provider, message, &word, PROVIDERS);
                return None;
            };
            ProviderConfig::Vendor(vendor)
        }
    };
    let tokenizer = match fields.get("tokenizer") {
        Some(node) => tokenizer(findings, node)?,
        None => Tokenizer::default(),
    };
    let price = fields.get("price").and_then(|node| price(findings, node));
    Some(ModelConfig { provider, price, tokenizer, span: None })
}

fn price(findings: &mut Findings, node: &Node) -> Option<Price> {
    let fields: Fields<'_> = findings.fields(node, "`price`", &["input", "output"])?;
    let mut amount = |key: &str| {
        let node = fields.require(findings, key, "`price`")?;
        findings.number(node, key, 0.0..=1e6)
    };
    let (input, output) = (amount("input"), amount("output"));
    Some(Price { input: input?, output: output? })
}

fn tokenizer(findings: &mut Findings, node: &Node) -> Option<Tokenizer> {
    let word = findings.filled_text(node, "tokenizer")?;
    let found = Tokenizer::ALL.iter().find(|(name, _)| *name == word);
    if found.is_none() {
        let known: Vec<&str> = Tokenizer::ALL.iter().map(|(name, _)| *name).collect();
        findings.unknown_word(Code::UnknownTokenizer, node, format!("`{word}` is no tokenizer"), &word, &known);
    }
    found.map(|(_, tokenizer)| *tokenizer)
}
