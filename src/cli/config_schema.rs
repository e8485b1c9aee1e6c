//! The JSON Schema of the config file: what an editor knows of it.
//!
//! The types are described, and never read into: `config.rs` reads by hand. `tests/it/schema.rs` holds the two together. A new
//! provider is one more variant of [`Model`], with the keys that its models take.

#![expect(dead_code, reason = "the types are described and never made")]
#![expect(clippy::zero_sized_map_values, reason = "so are the maps of them")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::provider::Builtin;
use crate::scenario::schema::{Filled, Params, Text, Whole, root};
use crate::text::tokens::Tokenizer;

/// The JSON Schema of the config file.
#[must_use]
pub fn schema() -> Value {
    root::<Config>()
}

/// # The config of chat-eval
///
/// `chat-eval.yaml`: which models there are, where they are, and which keys they need. It is trusted like code.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "config")]
struct Config {
    /// The model of scenarios that name none. Default: `builtin`, which is no language model.
    model: Option<Filled>,
    /// Conversations in flight. Default: 16.
    concurrency: Option<Whole<1, 100_000>>,
    /// What may be sent in a minute, and what a run may spend.
    limits: Option<Limits>,
    /// The models, by the names that scenarios have for them. Where any are listed, scenarios may use only these, and `builtin`.
    models: Option<Models>,
    /// Who says whether a `judge:` check holds.
    judge: Option<Judge>,
    /// Who turns texts into numbers, for `similar: {by: embedding}`.
    embedding: Option<Embedding>,
}

/// What may be sent in a minute, and what a run may spend.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Limits {
    /// Requests a minute, for each provider and model.
    rpm: Option<Whole<1, 1_000_000_000>>,
    /// Tokens a minute, for each provider and model.
    tpm: Option<Whole<1, 1_000_000_000>>,
    /// The most that a run may spend, in USD. Live models need a `price` then, and scenarios `params: {max_tokens}`.
    #[schemars(range(min = 0, max = 1_000_000))]
    max_cost_usd: Option<f64>,
}

/// Who judges, where a check does not say it itself.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Judge {
    /// A language model, by its name under `models:`.
    model: Option<Filled>,
    /// How often it is asked; the majority counts. Default: 1.
    votes: Option<Whole<1, 99>>,
    /// Sampling parameters of what it is asked.
    params: Option<Params>,
}

/// Who turns texts into numbers.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Embedding {
    /// A model that makes embeddings, by its name under `models:`.
    model: Filled,
}

/// Models by name.
struct Models;

impl JsonSchema for Models {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Models".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": {"not": {"enum": Builtin::MODELS}},
            "additionalProperties": generator.subschema_for::<Model>(),
        })
    }
}

/// A model: who answers, and where.
#[derive(JsonSchema)]
#[schemars(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
enum Model {
    /// A server that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, LM Studio, OpenRouter, …
    OpenAi {
        /// What the server calls the model. Default: the name here.
        model: Option<Filled>,
        /// Where the server is. Default: `OPENAI_BASE_URL`, else OpenAI itself.
        #[schemars(extend("examples" = ["http://127.0.0.1:8080/v1"]))]
        base_url: Option<Filled>,
        /// The environment variable that has the key; `none` for a server that wants none. Default: `OPENAI_API_KEY`.
        #[schemars(extend("examples" = ["OPENAI_API_KEY", "none"]))]
        api_key_env: Option<Filled>,
        /// What it costs: `plan` and reports say it then, and `--max-cost` caps it.
        price: Option<Price>,
        /// What token windows count with. Default: `o200k_base`.
        tokenizer: Option<TokenizerName>,
    },
    /// Anthropic's Messages API. Messages must alternate there.
    Anthropic {
        /// What the service calls the model. Default: the name here.
        model: Option<Filled>,
        /// Where the service is. Default: `ANTHROPIC_BASE_URL`, else Anthropic's own.
        #[schemars(extend("examples" = ["http://127.0.0.1:8080"]))]
        base_url: Option<Filled>,
        /// The environment variable that has the key; `none` for a server that wants none. Default: `ANTHROPIC_API_KEY`.
        #[schemars(extend("examples" = ["ANTHROPIC_API_KEY", "none"]))]
        api_key_env: Option<Filled>,
        /// The longest reply, in tokens, where a scenario's `params` set none: the service wants a number. Default: 4096.
        max_tokens: Option<Whole<1, 1_000_000_000>>,
        /// What it costs: `plan` and reports say it then, and `--max-cost` caps it.
        price: Option<Price>,
        /// What token windows count with. Default: `o200k_base`.
        tokenizer: Option<TokenizerName>,
    },
    /// Google's Gemini API. Messages must alternate there.
    Gemini {
        /// What the service calls the model. Default: the name here.
        model: Option<Filled>,
        /// Where the service is. Default: `GEMINI_BASE_URL`, else Google's own.
        #[schemars(extend("examples" = ["http://127.0.0.1:8080/v1beta"]))]
        base_url: Option<Filled>,
        /// The environment variable that has the key; `none` for a server that wants none. Default: `GEMINI_API_KEY`.
        #[schemars(extend("examples" = ["GEMINI_API_KEY", "none"]))]
        api_key_env: Option<Filled>,
        /// What it costs: `plan` and reports say it then, and `--max-cost` caps it.
        price: Option<Price>,
        /// What token windows count with. Default: `o200k_base`.
        tokenizer: Option<TokenizerName>,
    },
    /// OpenAI's models on Azure.
    Azure {
        /// The deployment. Default: the name here.
        deployment: Option<Filled>,
        /// The version of the API, for resources that speak the dated one. Default: the API that needs none.
        #[schemars(extend("examples" = ["2024-10-21"]))]
        api_version: Option<Filled>,
        /// The resource. Default: `AZURE_OPENAI_ENDPOINT`.
        #[schemars(extend("examples" = ["https://NAME.openai.azure.com"]))]
        base_url: Option<Filled>,
        /// The environment variable that has the key; `none` for a server that wants none. Default: `AZURE_OPENAI_API_KEY`.
        #[schemars(extend("examples" = ["AZURE_OPENAI_API_KEY", "none"]))]
        api_key_env: Option<Filled>,
        /// What it costs: `plan` and reports say it then, and `--max-cost` caps it.
        price: Option<Price>,
        /// What token windows count with. Default: `o200k_base`.
        tokenizer: Option<TokenizerName>,
    },
    /// A bot behind a URL that keeps its history itself. `{{ message }}`, `{{ session }}`, `{{ turn }}` and `{{ system }}` stand for what is
    /// sent.
    Http {
        /// Where it is told a message.
        #[schemars(extend("examples" = ["http://127.0.0.1:3000/chat"]))]
        url: Filled,
        /// The method. Default: `POST`.
        method: Option<Filled>,
        /// Headers; `${NAME}` stands for an environment variable.
        #[schemars(extend("examples" = [{"Authorization": "Bearer ${MY_BOT_KEY}"}]))]
        headers: Option<BTreeMap<String, Filled>>,
        /// The body, as a tree or as JSON text. Default: `{message: "{{ message }}", session: "{{ session }}"}`.
        body: Option<Body>,
        /// A JSON path to the reply's text, or `text` where the whole body is it. Default: `$.reply`.
        reply: Option<Filled>,
        /// Where the first answer has the session's id, where the bot makes it.
        session: Option<BotSession>,
        /// How the pieces of a reply come, where it is streamed.
        stream: Option<BotStream>,
        /// A JSON path to why the reply ended.
        finish_reason: Option<Filled>,
        /// JSON paths to the counts of tokens.
        usage: Option<BotUsage>,
        /// What it costs: `plan` and reports say it then, and `--max-cost` caps it.
        price: Option<Price>,
        /// What token windows count with. Default: `o200k_base`.
        tokenizer: Option<TokenizerName>,
    },
    /// A program that keeps its history itself: one process a conversation, JSON lines in and out. It takes `--allow-run`.
    Command {
        /// The program and its arguments.
        #[schemars(extend("examples" = [["python3", "bot.py"]]))]
        command: Program,
        /// Variables that it gets beside the few that every program gets; `${NAME}` stands for one of ours.
        env: Option<BTreeMap<String, Text>>,
        /// What it costs: `plan` and reports say it then, and `--max-cost` caps it.
        price: Option<Price>,
        /// What token windows count with. Default: `o200k_base`.
        tokenizer: Option<TokenizerName>,
    },
    /// The embedded model: a measuring instrument for windows and scripts, and no language model.
    Builtin {
        /// Which kind of it. Default: the one that reads.
        model: Option<BuiltinName>,
        /// What it is said to cost.
        price: Option<Price>,
        /// What token windows count with. Default: `o200k_base`.
        tokenizer: Option<TokenizerName>,
    },
}

/// A program and its arguments, which may be empty.
struct Program;

impl JsonSchema for Program {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Program".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "minItems": 1,
            "prefixItems": [generator.subschema_for::<Filled>()],
            "items": generator.subschema_for::<Text>(),
        })
    }
}

/// What is sent to a bot.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Body {
    /// JSON text.
    Text(Filled),
    /// A tree.
    Map(BTreeMap<String, Value>),
    /// A list.
    List(Vec<Value>),
}

/// Where a bot's first answer has the id of the session.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct BotSession {
    /// A JSON path.
    path: Option<Filled>,
    /// A header.
    header: Option<Filled>,
    /// What stands for the id in the first request. Default: `null`.
    first: Option<Value>,
}

/// How the pieces of a bot's reply come.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum BotStream {
    /// The body is the text, and comes bit by bit.
    Text(TextWord),
    /// Server-sent events.
    Events(BotEvents),
}

/// Server-sent events.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct BotEvents {
    /// A JSON path to an event's piece, or `data` where all of its data is it.
    events: Filled,
    /// What the last event is told by.
    done: Option<BotDone>,
}

/// What the last event of a bot's reply is told by.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum BotDone {
    /// Its data.
    Data(Filled),
    /// A value in its data.
    At(BotDoneAt),
}

/// A value in an event's data.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct BotDoneAt {
    /// A JSON path.
    path: Filled,
    /// The value.
    equals: Value,
}

/// JSON paths to the counts of a bot's tokens.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct BotUsage {
    /// Of what it was told.
    sent: Filled,
    /// Of its reply.
    reply: Filled,
}

/// USD for a million tokens.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Price {
    /// Of those that are sent.
    #[schemars(range(min = 0, max = 1_000_000))]
    input: f64,
    /// Of those that come back.
    #[schemars(range(min = 0, max = 1_000_000))]
    output: f64,
}

/// One of a list of words that another room has.
macro_rules! words {
    ($($name:ident: $words:expr;)*) => {$(
        struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "enum": $words})
            }
        }
    )*};
}

words! {
    TokenizerName: Tokenizer::ALL.map(|(name, _)| name);
    BuiltinName: Builtin::MODELS;
    TextWord: ["text"];
}
