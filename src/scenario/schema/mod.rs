//! The JSON Schema of the scenario file: what an editor knows of it.
//!
//! The decoder beside it is written by hand, and so are these types: they are never read into, only described. `tests/it/schema.rs`
//! holds the two together: same keys, same files taken and refused, as far as a schema can tell. What hangs on two places of a file (a
//! fact that is declared, a turn that is there) is the decoder's alone.

#![expect(dead_code, reason = "the types are described and never made")]

mod check;
mod window;
mod words;

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use check::{Check, Checks, EachReply, Role, TranscriptCheck};
use window::Window;
use words::{Anything, Either, Flag, OpenWhole, OrTemplate, TEMPLATE, exactly_one, exclusive, tidy};
pub use words::{Filled, OneOrMany, OneOrSome, Text, Whole, not_null};

// Validators read patterns with the regular expressions of their language: Python's know no `\p{L}`, and those of ECMA-262 only in
// some modes. So patterns say which ASCII characters are none of a name; of the others the decoder knows which are letters.
/// What names of variables have.
const VARIABLE: &str = r"^[^\x00-@\[-\^`{-\x7f][^\x00-/:-@\[-\^`{-\x7f]*$";
/// What names of facts have.
const FACT: &str = r"^[^\x00-,./:-@\[-\^`{-\x7f]+$";

/// The JSON Schema of the scenario file.
#[must_use]
pub fn schema() -> Value {
    root::<Scenario>()
}

/// The schema of a type, as a document of its own.
#[must_use]
pub fn root<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with_transform(RecursiveTransform(tidy));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // What a reader looks for first stands first.
    let first = ["$schema", "title", "description"].map(|key| (key.to_owned(), schema.remove(key)));
    let rest = std::mem::take(schema.ensure_object());
    let first = first.into_iter().filter_map(|(key, value)| Some((key, value?)));
    Value::Object(first.chain(rest).collect())
}

/// # A scenario of chat-eval
///
/// One script for one conversation, and what must hold in it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = one_form, rename = "scenario")]
struct Scenario {
    /// What it is called; unique in a run. Default: the file's name without its ending.
    #[schemars(extend("pattern" = "^[a-z0-9._-]{1,100}$", "examples" = ["whats-my-name"]))]
    name: Option<Text>,
    /// What it is about, for people.
    description: Option<Text>,
    /// Words that `run --tag` selects by.
    #[schemars(extend("examples" = [["memory", "smoke"]]))]
    tags: Option<OneOrMany<Filled>>,
    /// The system prompt, sent first and once in every request. Or a map with its checks.
    #[schemars(extend("examples" = ["You are a helpful assistant."]))]
    persona: Option<Either<Text, OnlyPersona>>,
    /// Several system prompts, to compare side by side.
    personas: Option<List<Persona>>,
    /// The model, by its name in the config. Default: the config's, else `builtin`, which is no language model.
    #[schemars(extend("examples" = ["builtin"]))]
    model: Option<OneOrSome<Filled>>,
    /// Several models, to compare side by side.
    #[schemars(extend("uniqueItems" = true))]
    models: Option<OneOrSome<Filled>>,
    /// Which part of the history goes along with each request. A number is so many exchanges. Default: `full`.
    #[schemars(extend("examples" = ["full", "none", 2]))]
    window: Option<Window>,
    /// Several windows, to compare side by side.
    #[schemars(extend("uniqueItems" = true, "examples" = [[1, 2, "full"]]))]
    windows: Option<List<Window>>,
    /// Sampling parameters. Default: the provider's.
    params: Option<Params>,
    /// Whether replies are streamed; the time to the first token is measured then. Default: `false`.
    stream: Option<Flag>,
    /// How often every variant is repeated. Default: 1.
    trials: Option<Whole<1, 10_000>>,
    /// In which share of its decided trials a check must pass, from 0 to 1. Default: 1.
    #[schemars(range(min = 0, max = 1))]
    pass_rate: Option<f64>,
    /// How much of the conversation its snapshots keep. Default: `full`.
    snapshot: Option<SnapshotMode>,
    /// What is replaced in its snapshots before anything is compared.
    #[schemars(length(max = 50))]
    snapshot_redact: Option<Vec<Redaction>>,
    /// What the script plants and later asks for, by name.
    facts: Option<Facts>,
    /// The script: user messages, in their order.
    turns: List<Turn>,
    /// Questions behind the last turn, each on its own branch of the history; or a file with one JSON object a line.
    probes: Option<Either<Filled, List<Probe>>>,
    /// Messages that stand before turn 1.
    history: Option<Vec<Message>>,
    /// Variables: `{{ name }}` in system prompts, turns, facts and checks stands for the value.
    #[schemars(extend("examples" = [{"city": "Lisbon"}]))]
    vars: Option<Variables>,
    /// Variables with several values: every combination is a variant.
    #[schemars(extend("examples" = [{"gap": [0, 1, 2]}]))]
    matrix: Option<Matrix>,
    /// One conversation for each row, its columns as variables: a `.csv` or `.jsonl` file, or a list of maps.
    #[schemars(extend("examples" = ["cases.csv"]))]
    cases: Option<Either<Filled, List<Variables>>>,
    /// Checks on every live reply.
    each_reply: Option<Checks<EachReply>>,
    /// Checks on the whole transcript. Those on one reply stand on its turn.
    expect: Option<Checks<TranscriptCheck>>,
    /// Warnings of the memory lint that are meant.
    allow: Option<OneOrSome<Warning>>,
}

fn one_form(schema: &mut Schema) {
    exclusive(schema, &[["persona", "personas"], ["model", "models"], ["window", "windows"]]);
}

/// A list with something in it.
pub struct List<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "array", "items": generator.subschema_for::<T>(), "minItems": 1})
    }
}

/// A system prompt with its checks.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = one_prompt)]
struct OnlyPersona {
    /// What it is called in reports. Default: `default`.
    #[schemars(extend("pattern" = "\\S"), length(max = 100))]
    name: Option<Text>,
    /// The system prompt. None is sent where it is empty.
    system: Option<Text>,
    /// A file with the system prompt, relative to the scenario.
    system_file: Option<Filled>,
    /// Checks on every live reply under this persona.
    expect: Option<Checks<EachReply>>,
}

/// One of several system prompts.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = one_prompt)]
struct Persona {
    /// What it is called in reports.
    #[schemars(length(max = 100))]
    name: Filled,
    /// The system prompt. None is sent where it is empty.
    system: Option<Text>,
    /// A file with the system prompt, relative to the scenario.
    #[schemars(extend("examples" = ["personas/tutor.md"]))]
    system_file: Option<Filled>,
    /// Checks on every live reply under this persona.
    #[schemars(extend("examples" = [[{"max_words": 150}]]))]
    expect: Option<Checks<EachReply>>,
}

fn one_prompt(schema: &mut Schema) {
    exclusive(schema, &[["system", "system_file"]]);
}

/// Sampling parameters.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Params {
    /// How far the choice of words may wander; 0 is the least.
    #[schemars(range(min = 0, max = 2))]
    temperature: Option<f64>,
    /// The share of likely words that is chosen from.
    #[schemars(range(min = 0, max = 1))]
    top_p: Option<f64>,
    /// The most tokens of a reply. `run --max-cost` needs it.
    max_tokens: Option<Whole<1, 1_000_000_000>>,
    /// What the provider draws its chances from, where it can.
    seed: Option<i64>,
    /// Texts at which a reply ends.
    stop: Option<OneOrMany<Filled>>,
    /// Above 0, words that are there already become less likely.
    #[schemars(range(min = -2, max = 2))]
    presence_penalty: Option<f64>,
    /// Above 0, words become less likely the more often they are there.
    #[schemars(range(min = -2, max = 2))]
    frequency_penalty: Option<f64>,
    /// What a vendor adds: it goes into the request as it stands here.
    extra: Option<Extra>,
}

/// Parameters of a vendor, by any name that is not ours.
struct Extra;

impl JsonSchema for Extra {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Extra".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let own = super::read_params::KEYS.iter().chain(super::read_params::RESERVED);
        let own: Vec<&str> = own.copied().collect();
        schemars::json_schema!({"type": "object", "propertyNames": {"not": {"enum": own}}})
    }
}

/// How much a snapshot keeps.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
enum SnapshotMode {
    /// The whole transcript.
    Full,
    /// What was sent, verdicts and outcomes; nothing of how replies are worded.
    Structure,
    /// There is no snapshot.
    Off,
}

/// What is replaced in snapshots.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Redaction {
    /// A regular expression of Rust's `regex` crate.
    #[schemars(extend("examples" = ["\\d{4}-\\d{2}-\\d{2}"]))]
    r#match: Filled,
    /// What stands there instead, as it is written.
    #[schemars(length(max = 200))]
    with: Text,
}

/// Facts by name.
struct Facts;

/// Variables by name.
struct Variables;

/// Variables by name, each with its values.
struct Matrix;

/// What is captured, by name.
struct Captures;

/// A map from names to values of one kind.
fn named(pattern: &str, values: Schema) -> Schema {
    schemars::json_schema!({
        "type": "object", "propertyNames": {"pattern": pattern}, "additionalProperties": values.to_value(),
    })
}

macro_rules! maps {
    ($($name:ident: $pattern:ident => $value:ty;)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                named($pattern, generator.subschema_for::<$value>())
            }
        }
    )*};
}

maps! {
    Facts: FACT => FactEntry;
    Variables: VARIABLE => Anything;
    Matrix: VARIABLE => List<Anything>;
    Captures: VARIABLE => Filled;
}

/// A fact: its value, or more about it.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum FactEntry {
    /// Its value.
    Value(Filled),
    /// A value that nobody guesses.
    Canary(Canary),
    /// Its value and how it is told in a text.
    Fact(Fact),
}

/// A fact with an improbable value of each conversation's own, so that recall cannot be luck. `{{ name }}` stands for it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Canary {
    /// What it looks like.
    canary: CanaryKind,
    /// Phrases with which `builtin` knows that a question asks for it.
    asks: Option<OneOrMany<Filled>>,
}

/// What a canary looks like.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
enum CanaryKind {
    /// A name of a person.
    Person,
    /// A name of a place.
    Place,
    /// One word.
    Word,
    /// Fifteen digits.
    Number,
    /// A code such as `K7QMZ-2XW9T`.
    Code,
}

/// A fact: its value and how it is told in a text.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = regex_together)]
struct Fact {
    /// What is planted and asked for.
    value: Filled,
    /// Other spellings of the value, which count as well.
    aliases: Option<OneOrMany<Filled>>,
    /// How the value is looked for. Default: `word`.
    r#match: Option<OrTemplate<MatchKind>>,
    /// The regular expression; goes with `match: regex`.
    #[schemars(transform = not_null)]
    regex: Option<Filled>,
    /// Phrases with which `builtin` knows that a question asks for it.
    asks: Option<OneOrMany<Filled>>,
    /// Values that it had earlier in the script. A reply with one of them, and without the present one, is `stale`.
    outdated: Option<OneOrMany<Filled>>,
}

fn regex_together(schema: &mut Schema) {
    let regex = json!({"anyOf": [{"const": "regex"}, {"type": "string", "pattern": TEMPLATE}]});
    let with_match = json!({"properties": {"match": regex}, "required": ["match"]});
    schema.insert("dependentSchemas".to_owned(), json!({"regex": with_match}));
    let is_regex = json!({"properties": {"match": {"const": "regex"}}, "required": ["match"]});
    schema.insert("if".to_owned(), is_regex);
    schema.insert("then".to_owned(), json!({"required": ["regex"]}));
}

/// How a fact is looked for.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
enum MatchKind {
    /// As a whole word.
    Word,
    /// Anywhere in the text.
    Text,
    /// By a regular expression.
    Regex,
}

/// One scripted user message and the reply to it; or a `filler`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = one_turn)]
struct Turn {
    /// What the user says.
    #[schemars(transform = not_null)]
    user: Option<Filled>,
    /// A canned reply: no call is made, and the exchange joins the history.
    reply: Option<Filled>,
    /// A name, so that `from`, `until` and reports can name the turn. No number.
    #[schemars(extend(
        "pattern" = r"^[^\x00-,/:-@\[-\^`{-\x7f]*[^\x00-,/-@\[-\^`{-\x7f][^\x00-,/:-@\[-\^`{-\x7f]*$|\{[{%#]",
        "not" = {"type": "integer", "minimum": 0}
    ))]
    id: Option<Text>,
    /// Checks on the reply.
    expect: Option<Checks<Check>>,
    /// Parts of the reply that are variables of later turns: the first group of each expression.
    #[schemars(extend("examples" = [{"ticket": "(T-\\d+)"}]))]
    capture: Option<Captures>,
    /// Warnings of the memory lint that are meant here.
    #[schemars(transform = not_null)]
    allow: Option<OneOrSome<TurnWarning>>,
    /// So many neutral canned exchanges, each a turn; instead of `user`.
    #[schemars(transform = not_null, extend("examples" = [6]))]
    filler: Option<Either<OpenWhole<0, 10_000>, Filler>>,
}

fn one_turn(schema: &mut Schema) {
    exactly_one(schema, ["user", "filler"]);
    let alone = ["reply", "id", "expect", "capture", "allow"].map(|key| ["filler", key]);
    exclusive(schema, &alone);
    exclusive(schema, &[["reply", "expect"], ["reply", "capture"]]);
}

/// Exchanges that fill the conversation up.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Filler {
    /// How many.
    count: OpenWhole<0, 10_000>,
    /// A file with a list of `{user, reply}`, relative to the scenario. Default: the built-in list.
    from: Option<Filled>,
}

/// A question behind the last turn, on its own branch of the history.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Probe {
    /// What the user asks.
    user: Filled,
    /// Checks on the reply.
    expect: Option<Checks<Check>>,
    /// Warnings of the memory lint that are meant here.
    #[schemars(transform = not_null)]
    allow: Option<OneOrSome<TurnWarning>>,
}

/// A message before turn 1.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Message {
    /// Who says it.
    role: OrTemplate<Role>,
    /// What is said.
    content: Filled,
}

/// A warning of the memory lint.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Warning {
    /// A check hangs on what a live reply may repeat.
    OnlyByReply,
    /// The question gives the answer away.
    AnswerInQuestion,
    /// A request begins with a reply whose question was cut.
    OrphanReply,
    /// No text of the script states a fact.
    NeverPlanted,
    /// No check asks for a fact.
    UnusedFact,
}

/// A warning of the memory lint that is about one turn.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum TurnWarning {
    /// A check hangs on what a live reply may repeat.
    OnlyByReply,
    /// The question gives the answer away.
    AnswerInQuestion,
    /// The request begins with a reply whose question was cut.
    OrphanReply,
}
