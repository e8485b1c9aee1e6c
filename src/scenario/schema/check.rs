//! Checks: on one reply, on each reply of a stretch, inside of another check, on the whole transcript.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::words::{
    Anything, Either, Filled, OneOrMany, OneOrSome, OpenFlag, OpenNumber, OpenWhole, OrTemplate, Text, no_nulls,
    not_null,
};

/// The checks on one reply.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = no_nulls)]
pub struct CheckKeys {
    /// The reply has this text, or all of these. Case does not matter; `{text: X, case: true}` asks for the exact case.
    #[schemars(extend("examples" = ["Priya", ["Lisbon", "June"]]))]
    contains: Option<Texts>,
    /// The reply has at least one of these texts.
    #[schemars(extend("examples" = [["Lisbon", "Porto"]]))]
    contains_any: Option<Texts>,
    /// The reply has not this text, or not all of these.
    not_contains: Option<Texts>,
    /// The reply has none of these texts.
    not_contains_any: Option<Texts>,
    /// The reply is this text, white space around it aside. Case matters, unless `{text: X, case: false}`.
    equals: Option<CasedText>,
    /// The reply starts with this text, white space aside. Case matters, unless `{text: X, case: false}`.
    starts_with: Option<CasedText>,
    /// The reply ends with this text, white space aside. Case matters, unless `{text: X, case: false}`.
    ends_with: Option<CasedText>,
    /// The regular expression matches somewhere in the reply; Rust's `regex` syntax, no look-around.
    #[schemars(extend("examples" = ["(?i)order \\d{4}"]))]
    matches: Option<Filled>,
    /// The regular expression matches nowhere in the reply.
    not_matches: Option<Filled>,
    /// The reply has at least so many words.
    min_words: Option<Count>,
    /// The reply has at most so many words.
    #[schemars(extend("examples" = [150]))]
    max_words: Option<Count>,
    /// The reply has at most so many characters.
    max_chars: Option<Count>,
    /// The reply has at most so many sentences.
    max_sentences: Option<Count>,
    /// `true`: the reply asks at least one question. `false`: it asks none.
    asks: Option<OpenFlag>,
    /// `true`: the reply is JSON; a fence around it is allowed. `false`: it is none.
    json: Option<OpenFlag>,
    /// The reply is JSON that is valid against this schema: a JSON Schema, or the file of one. Nothing is fetched.
    #[schemars(extend("examples" = ["answer.schema.json"]))]
    json_schema: Option<Either<Filled, AnySchema>>,
    /// What a path finds in the reply, which is JSON, equals a value.
    json_path: Option<JsonPath>,
    /// The reply is like a text, by a measure from 0 to 1.
    similar: Option<Similar>,
    /// The call took at most so many milliseconds. Skipped where the reply is replayed.
    max_latency_ms: Option<Count>,
    /// The first token came within so many milliseconds; needs `stream: true`. Skipped where the reply is replayed.
    max_ttft_ms: Option<Count>,
    /// At most so many tokens were sent for this turn.
    max_tokens_sent: Option<Count>,
    /// The call cost at most so much, in USD; needs the model's `price` in the config.
    max_cost_usd: Option<OpenNumber<1_000_000>>,
    /// The request that was really sent is so.
    sent: Option<Sent>,
    /// Why the reply ended, as the provider says: `stop`, `length`, `content_filter`, …
    #[schemars(extend("examples" = ["stop", "length"]))]
    finish_reason: Option<Filled>,
    /// The fact is in the request, and in the reply: its outcome is `retained`.
    #[schemars(extend("examples" = ["name"]))]
    recalls: Option<Either<Filled, FactValue>>,
    /// The fact is neither in the request nor in the reply: its outcome is `forgotten`.
    #[schemars(extend("examples" = ["name"]))]
    forgets: Option<Either<Filled, Forgets>>,
    /// The reply has the fact exactly where the request has it: its outcome is `retained` or `forgotten`.
    #[schemars(extend("examples" = ["name"]))]
    retains_iff_visible: Option<Either<Filled, FactValue>>,
    /// A model is asked whether the reply meets this criterion. The config says which (`judge:`).
    #[schemars(extend("examples" = ["The reply is polite."]))]
    judge: Option<Either<Filled, Judge>>,
    /// A program of your own judges the reply: its words, or `{program, timeout_s}`. Only with `run --allow-run`.
    #[schemars(extend("examples" = [["./check.sh", "--strict"]]))]
    run: Option<Either<ProgramWords, Program>>,
    /// The one check inside does not hold.
    not: Option<InnerCheck>,
}

/// What every check may carry beside its key.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Modifiers {
    /// What the check is called in reports, instead of its key and value.
    name: Option<Filled>,
    /// Only for models that match one of these globs; skipped for others.
    #[schemars(extend("examples" = ["gpt-*"]))]
    models: Option<OneOrSome<Filled>>,
    /// Why the check is expected to fail: it fails no run, is listed as known, and fails the run when it passes.
    known_failure: Option<Either<Filled, KnownFailure>>,
    /// `true`: skipped on `builtin`, which is no language model. Always so for `judge` and `similar`.
    needs_model: Option<OpenFlag>,
}

/// From which turn to which a check holds.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Stretch {
    /// From this turn on: its number, or its `id`. Default: the first.
    from: Option<TurnName>,
    /// Up to this turn, itself included: its number, or its `id`. Default: the last, and probes.
    until: Option<TurnName>,
}

/// The checks on the whole transcript.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = no_nulls)]
pub struct TranscriptKeys {
    /// Every live reply passes the one check inside. A failure names the first turn that broke it.
    always: Option<InnerCheck>,
    /// No live reply passes the one check inside.
    never: Option<InnerCheck>,
    /// At least one live reply passes the one check inside.
    eventually: Option<InnerCheck>,
    /// The replies have these texts, each behind the one before, in the same reply or a later one.
    contains_in_order: Option<Texts>,
    /// `true`: no two replies are the same but for case and white space. `false`: two are.
    no_repeated_reply: Option<OpenFlag>,
    /// The calls of all turns cost at most so much together, in USD.
    max_total_cost_usd: Option<OpenNumber<1_000_000>>,
    /// A model is asked whether the whole transcript meets this criterion.
    #[schemars(extend("properties" = {"sees": {"not": {"enum": ["reply", "turn"]}}}))]
    judge: Option<Either<Filled, Judge>>,
    /// A program of your own judges the transcript: its words, or `{program, timeout_s}`. Only with `run --allow-run`.
    run: Option<Either<ProgramWords, Program>>,
    /// The one check on the transcript inside does not hold.
    not: Option<InnerTranscriptCheck>,
}

/// A text, a list of texts, or texts with their case.
type Texts = OneOrSome<CasedText>;
/// How many, up to a billion.
type Count = OpenWhole<0, 1_000_000_000>;

/// A text, or with its case.
type CasedText = Either<Filled, TextCase>;

/// A text, and whether its case matters.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TextCase {
    /// The text.
    text: Filled,
    /// Whether upper and lower case must be as written.
    case: Option<OpenFlag>,
}

/// A JSON Schema for the reply, in the scenario itself.
struct AnySchema;

impl JsonSchema for AnySchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AnySchema".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object"})
    }
}

/// What a path finds, and what it must be.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct JsonPath {
    /// A path of RFC 9535.
    #[schemars(extend("examples" = ["$.items[0].price"]))]
    path: Filled,
    /// The value that it must find.
    equals: Anything,
}

/// How like a text the reply must be.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Similar {
    /// The text.
    to: Filled,
    /// The least likeness, from 0 to 1.
    min: OpenNumber<1>,
    /// How likeness is measured.
    by: OrTemplate<Measure>,
}

/// How likeness is measured.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
enum Measure {
    /// The longest common sequence of words.
    RougeL,
    /// Characters to insert, remove or replace.
    Levenshtein,
    /// The cosine of what the config's embedding model makes of both.
    Embedding,
}

/// What holds of the request that was sent; at least one of these.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
struct Sent {
    /// Its messages have all these texts.
    contains: Option<Texts>,
    /// Its messages have none of these texts.
    not_contains: Option<Texts>,
    /// It has at most so many messages, the system message included.
    max_messages: Option<Count>,
    /// It has at most so many tokens.
    max_tokens: Option<Count>,
    /// Whose message comes first, the system message aside.
    first_role: Option<OrTemplate<Role>>,
    /// Whether it begins with a system message.
    system_first: Option<OpenFlag>,
}

/// Who speaks.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
pub enum Role {
    /// The user.
    User,
    /// The bot.
    Assistant,
}

/// A fact, or one value of a fact that changes.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FactValue {
    /// The fact's name under `facts:`.
    fact: Filled,
    /// One of its values, instead of the one that is present at this turn.
    value: Option<Filled>,
}

/// A fact that is to be forgotten.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Forgets {
    /// The fact's name under `facts:`.
    fact: Filled,
    /// One of its values, instead of the one that is present at this turn.
    value: Option<Filled>,
    /// `true`: and the reply admits that it does not know. A regular expression says in which words.
    admits: Option<Filled>,
}

/// What a model is asked about the reply.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("dependentRequired" = {"scale": ["min"], "min": ["scale"]}))]
struct Judge {
    /// What must hold, in a sentence.
    criterion: Filled,
    /// Who judges, instead of the config's `judge: {model}`.
    model: Option<Filled>,
    /// How often it is asked; the majority counts. Default: the config's, else 1.
    votes: Option<OpenWhole<1, 99>>,
    /// The judge gives 1 to this many, instead of yes or no.
    #[schemars(transform = not_null)]
    scale: Option<OpenWhole<2, 100>>,
    /// The lowest score that passes; goes with `scale`.
    #[schemars(range(min = 1, max = 100), transform = not_null)]
    min: Option<f64>,
    /// What is shown to the judge. Default: `reply`.
    sees: Option<OrTemplate<Sees>>,
}

/// What is shown to a judge.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
enum Sees {
    /// The reply alone.
    Reply,
    /// The user message and the reply.
    Turn,
    /// The whole conversation up to this reply.
    Transcript,
}

/// A program and its arguments; no shell takes a line apart.
struct ProgramWords;

impl JsonSchema for ProgramWords {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ProgramWords".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (first, rest) = (generator.subschema_for::<Filled>(), generator.subschema_for::<Text>());
        json_schema!({"type": "array", "minItems": 1, "prefixItems": [first], "items": rest})
    }
}

/// A program with its time.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Program {
    /// The program and its arguments.
    program: ProgramWords,
    /// Seconds until it is ended. Default: 30.
    timeout_s: Option<OpenWhole<1, 3_600>>,
}

/// Why a check is expected to fail, and for which models.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct KnownFailure {
    /// Why, in a sentence.
    why: Filled,
    /// Only for models that match one of these globs; others are held to the check.
    models: Option<OneOrSome<Filled>>,
}

/// A turn's number or its `id`.
struct TurnName;

impl JsonSchema for TurnName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TurnName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["integer", "string"], "minimum": 1, "maximum": 10_000, "pattern": r"\S"})
    }
}

/// A check on one reply: a map with one check key.
pub struct Check;

/// A check on each live reply.
pub struct EachReply;

/// A check with its key alone, inside of another.
pub struct InnerCheck;

/// A check on the whole transcript.
pub struct TranscriptCheck;

/// The same with its key alone, inside of `not`.
pub struct InnerTranscriptCheck;

/// Refers to the keys of a map that stands among the definitions.
fn keys<T: JsonSchema>(generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
    generator.subschema_for::<T>();
    let map = T::json_schema(generator);
    let names = map.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    let refer =
        |name: &String| (name.clone(), json!({"$ref": format!("#/$defs/{}/properties/{name}", T::schema_name())}));
    names.map(refer).collect()
}

/// A check: exactly one of the first keys, beside what the others say.
fn check(description: &str, kinds: Vec<(String, Value)>, beside: Vec<(String, Value)>) -> Schema {
    let one: Vec<Value> = kinds.iter().map(|(key, _)| json!({"required": [key]})).collect();
    let properties: Map<String, Value> = kinds.into_iter().chain(beside).collect();
    json_schema!({
        "description": description,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "oneOf": one,
    })
}

/// What belongs to checks on a stretch of the transcript stands beside no others.
fn only_on_stretches(mut schema: Schema) -> Schema {
    let stretches = json!({"anyOf": [{"required": ["always"]}, {"required": ["never"]}, {"required": ["eventually"]}]});
    schema.insert("dependentSchemas".to_owned(), json!({"from": stretches, "until": stretches}));
    schema
}

macro_rules! checks {
    ($($name:ident: $make:expr;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let make: fn(&mut SchemaGenerator) -> Schema = $make;
                make(generator)
            }
        }
    )*};
}

checks! {
    Check: |generator| {
        let beside = keys::<Modifiers>(generator);
        check("A check on one reply: a map with one check key.", keys::<CheckKeys>(generator), beside)
    };
    EachReply: |generator| {
        let beside = [keys::<Modifiers>(generator), keys::<Stretch>(generator)].concat();
        let what = "A check on each live reply: a map with one check key; `from` and `until` where it holds for some turns only.";
        check(what, keys::<CheckKeys>(generator), beside)
    };
    InnerCheck: |generator| {
        check("One check on a reply, with its key alone.", keys::<CheckKeys>(generator), Vec::new())
    };
    TranscriptCheck: |generator| {
        let beside = [keys::<Modifiers>(generator), keys::<Stretch>(generator)].concat();
        let what = "A check on the whole transcript: a map with one check key.";
        only_on_stretches(check(what, keys::<TranscriptKeys>(generator), beside))
    };
    InnerTranscriptCheck: |generator| {
        let what = "One check on the whole transcript, with its key alone.";
        let beside = keys::<Stretch>(generator);
        only_on_stretches(check(what, keys::<TranscriptKeys>(generator), beside))
    };
}

/// Checks: a list of them, or one alone.
pub type Checks<C> = OneOrMany<C>;
