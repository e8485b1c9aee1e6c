//! From the files of four published data sets to scenarios: BFCL's memory track, MT-Bench, `GoodAI`'s long-term-memory scripts,
//! `DeepEval`'s goldens. The data stays where it is; what is made of it goes into a folder of its own.

use std::error::Error;
use std::fs;
use std::path::Path;

use chat_eval::model::MatchKind;
use chat_eval::scenario::import::yaml_text::{Part, Yaml, document};
use chat_eval::window::FactMatcher;
use serde_json::{Value as Json, json};

/// Why nothing was made.
pub type Failure = Box<dyn Error>;

/// The windows of the sweep over BFCL's conversations, in exchanges.
pub const WINDOWS: [usize; 5] = [5, 10, 20, 50, 120];
/// How many turns of the customer's conversation are played live.
pub const LIVE: usize = 10;
const NEUTRAL: &str = "Noted.";

/// Makes all scenarios below `out`; gives what of the data is not in them, a line each.
///
/// # Errors
/// When a file cannot be read or written, or is not what it is taken for.
pub fn all(data: &Path, out: &Path) -> Result<Vec<String>, Failure> {
    let mut left_out = Vec::new();
    for who in ["customer", "notetaker"] {
        left_out.extend(bfcl(data, out, who)?);
    }
    mt_bench(data, out)?;
    goodai(data, out)?;
    deepeval(data, out)?;
    Ok(left_out)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn write(out: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = out.join(name);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn lines(path: &Path) -> Result<Vec<Json>, Failure> {
    read(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Json) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// A scenario of `entries`; of texts in it nothing is filled in.
fn scenario(comment: &str, entries: Vec<(&str, Yaml)>) -> String {
    let parts: Vec<Part> = entries.into_iter().map(|(key, value)| Part::Entry(key.to_owned(), value)).collect();
    document(comment, &parts)
}

/// JSON whose texts mean themselves.
fn verbatim(json: Json) -> Yaml {
    match json {
        Json::String(text) => Yaml::Text(text),
        Json::Array(items) => Yaml::List(items.into_iter().map(verbatim).collect()),
        Json::Object(fields) => Yaml::map(fields.into_iter().map(|(key, value)| (key, verbatim(value)))),
        bare => Yaml::from(bare),
    }
}

fn canned(user: &str) -> Json {
    json!({"user": user, "reply": NEUTRAL})
}

/// A question that is asked behind the conversation, with the answers that count.
#[derive(Debug, Clone)]
pub struct Question {
    /// The name of its fact.
    pub fact: String,
    /// The question.
    pub text: String,
    /// What it may be answered with, the first of them the one that is named.
    pub answers: Vec<String>,
}

/// A conversation of BFCL's memory track: what the user says, and what is asked afterwards.
///
/// # Errors
/// When the files are not there, or are something else.
pub fn bfcl_data(data: &Path, who: &str) -> Result<(Vec<String>, Vec<Question>), Failure> {
    let folder = data.join("bfcl-v4-memory");
    let sessions = lines(&folder.join(format!("memory_{who}.json")))?;
    let messages = sessions.iter().flat_map(|session| session["question"].as_array().into_iter().flatten());
    let turns = messages.flat_map(|turn| turn.as_array().into_iter().flatten()).map(|said| text(&said["content"]));
    let accepted = lines(&folder.join("possible_answer_BFCL_v4_memory.json"))?;
    let mut questions = Vec::new();
    for row in lines(&folder.join("BFCL_v4_memory.json"))?.iter().filter(|row| row["scenario"] == who) {
        let answer = accepted.iter().find(|answer| answer["id"] == row["id"]).ok_or("a question without an answer")?;
        questions.push(Question {
            fact: format!("q{}", text(&row["id"]).rsplit('-').next().unwrap_or_default()),
            text: text(&row["question"][0][0]["content"]),
            answers: texts(&answer["ground_truth"]),
        });
    }
    Ok((turns.collect(), questions))
}

/// `corner dent` is meant where the text says `corner dents`; a number or a single word must stand alone.
fn is_phrase(question: &Question) -> bool {
    question.answers.iter().all(|answer| answer.contains(' ') && !answer.contains(char::is_numeric))
}

/// Whether the answer stands in one of these texts.
fn stands(question: &Question, texts: &[String]) -> bool {
    let matching = if is_phrase(question) { MatchKind::Text } else { MatchKind::Word };
    let matcher = FactMatcher::new(question.answers.iter().map(String::as_str), matching, None);
    texts.iter().any(|text| matcher.is_in(text))
}

fn fact(question: &Question) -> (String, Json) {
    let mut fact = json!({"value": question.answers[0], "asks": [question.text]});
    if question.answers.len() > 1 {
        fact["aliases"] = json!(question.answers[1..]);
    }
    if is_phrase(question) {
        fact["match"] = json!("text");
    }
    (question.fact.clone(), fact)
}

fn probe(question: &Question) -> Json {
    let mut check = json!({"retains_iff_visible": question.fact});
    // `Name one of …` is a question to people and language models, and none to `builtin`.
    if !question.text.contains('?') {
        check["needs_model"] = json!(true);
    }
    json!({"user": question.text, "expect": [check]})
}

fn bfcl(data: &Path, out: &Path, who: &str) -> Result<Vec<String>, Failure> {
    let (turns, questions) = bfcl_data(data, who)?;
    let (known, unknown): (Vec<_>, Vec<_>) = questions.into_iter().partition(|question| stands(question, &turns));
    let comment = format!(
        "BFCL v4, memory track: what the {who} says, each answered with `{NEUTRAL}`, then the questions.\n\
         A perfect reader retains what its window shows it, and nothing else."
    );
    let facts = |known: &[Question]| Json::Object(known.iter().map(fact).collect());
    let entries = vec![
        ("name", verbatim(json!(format!("bfcl-{who}")))),
        ("tags", verbatim(json!(["bfcl", "memory"]))),
        ("windows", verbatim(json!(WINDOWS))),
        ("snapshot", verbatim(json!("off"))),
        ("facts", verbatim(facts(&known))),
        ("turns", verbatim(turns.iter().map(|turn| canned(turn)).collect())),
        ("probes", verbatim(known.iter().map(probe).collect())),
    ];
    write(out, &format!("bfcl/{who}.yaml"), &scenario(&comment, entries))?;
    if who == "customer" {
        let beginning = &turns[..LIVE.min(turns.len())];
        let early: Vec<Question> = known.iter().filter(|question| stands(question, beginning)).cloned().collect();
        for name in ["live", "canned"] {
            let said = beginning.iter().map(|turn| if name == "live" { json!({"user": turn}) } else { canned(turn) });
            let comment = format!(
                "The customer's first {LIVE} turns, the replies {name}: a reader that answers on the way keeps facts in sight\n\
                 with its own words. For a language model."
            );
            let entries = vec![
                ("name", verbatim(json!(format!("bfcl-customer-{name}")))),
                ("tags", verbatim(json!(["bfcl-words"]))),
                ("window", verbatim(json!(5))),
                ("params", verbatim(json!({"temperature": 0, "max_tokens": 40}))),
                ("snapshot", verbatim(json!("off"))),
                ("facts", verbatim(facts(&early))),
                ("turns", verbatim(said.collect())),
                ("probes", verbatim(early.iter().map(probe).collect())),
            ];
            write(out, &format!("bfcl-words/customer-{name}.yaml"), &scenario(&comment, entries))?;
        }
    }
    let line = |question: Question| {
        format!("bfcl {who}: {:?}: no turn has the answer {:?} word for word", question.text, question.answers)
    };
    Ok(unknown.into_iter().map(line).collect())
}

fn mt_bench(data: &Path, out: &Path) -> Result<(), Failure> {
    write(out, "mt-bench/question.jsonl", &read(&data.join("mt-bench/question.jsonl"))?)?;
    write(out, "mt-bench/mt-bench.yaml", include_str!("mt-bench.yaml"))
}

/// What `GoodAI`'s scripts are made of.
struct Script {
    said: Vec<String>,
    asked: Vec<String>,
    expected: Vec<String>,
}

fn goodai_script(path: &Path) -> Result<Script, Failure> {
    let json: Json = serde_json::from_str(&read(path)?)?;
    let is_question = json["is_question"].as_array().cloned().unwrap_or_default();
    let script = texts(&json["script"]);
    let (asked, said): (Vec<_>, Vec<_>) =
        script.into_iter().zip(is_question).partition(|(_, is_asked)| *is_asked == true);
    let words = |pairs: Vec<(String, Json)>| pairs.into_iter().map(|(text, _)| text).collect();
    Ok(Script { said: words(said), asked: words(asked), expected: texts(&json["expected_responses"]) })
}

fn goodai(data: &Path, out: &Path) -> Result<(), Failure> {
    let folder = data.join("goodai-ltm/definitions");
    for number in 0..3 {
        let of = |kind: &str| goodai_script(&folder.join(kind).join(format!("{number}.def.json")));
        write(out, &format!("goodai/colours-{number}.yaml"), &colours(number, &of("Colours")?))?;
        write(out, &format!("goodai/names-{number}.yaml"), &names(number, &of("NameList")?))?;
        write(out, &format!("goodai/trigger-{number}.yaml"), &trigger(number, &of("Trigger Response")?)?)?;
    }
    Ok(())
}

/// Statements, each followed by small talk, then what is asked.
fn turns(script: &Script, asked: Vec<Json>) -> Json {
    let said = script.said.iter().flat_map(|said| [canned(said), json!({"filler": 2})]);
    said.chain(asked).collect()
}

/// A fact that changes: what was said last holds.
fn colours(number: usize, script: &Script) -> String {
    let colour = |said: &String| {
        let mut words = said.split(|c: char| !c.is_alphabetic());
        let is_colour = |word: &&str| word.starts_with(char::is_uppercase) && !["My", "The"].contains(word);
        words.rfind(is_colour).unwrap_or_default().to_owned()
    };
    let said: Vec<String> = script.said.iter().map(colour).collect();
    let present = script.expected[0].clone();
    let mut outdated: Vec<&String> = Vec::new();
    for colour in said.iter().filter(|colour| **colour != present) {
        if !outdated.contains(&colour) {
            outdated.push(colour);
        }
    }
    // Which value holds is told from where each is first stated: one that was left and comes back has to be named.
    let comes_back =
        said.iter().position(|colour| *colour == present) < said.iter().rposition(|colour| *colour != present);
    let check = if comes_back {
        json!({"retains_iff_visible": {"fact": "favourite_colour", "value": present}, "needs_model": true})
    } else {
        json!({"retains_iff_visible": "favourite_colour"})
    };
    let question = json!({"user": script.asked[0], "expect": [check]});
    let entries = vec![
        ("name", verbatim(json!(format!("goodai-colours-{number}")))),
        ("tags", verbatim(json!(["goodai", "memory"]))),
        ("windows", verbatim(json!(["full", 9, 2]))),
        ("snapshot", verbatim(json!("off"))),
        ("facts", verbatim(json!({"favourite_colour": {"value": present, "outdated": outdated}}))),
        ("turns", verbatim(turns(script, vec![question]))),
    ];
    scenario("GoodAI LTM, Colours: a fact that changes. An earlier colour in the reply is `stale`.", entries)
}

/// A list that is told piece by piece, and asked for as a whole.
fn names(number: usize, script: &Script) -> String {
    let name = |at: usize| format!("name_{}", at + 1);
    let fact = |(at, value): (usize, &String)| (name(at), json!({"value": value, "asks": ["all of the names"]}));
    let facts = Json::Object(script.expected.iter().enumerate().map(fact).collect());
    let checks: Vec<Json> = (0..script.expected.len()).map(|at| json!({"retains_iff_visible": name(at)})).collect();
    let question = json!({"user": script.asked[0], "expect": checks});
    let entries = vec![
        ("name", verbatim(json!(format!("goodai-names-{number}")))),
        ("tags", verbatim(json!(["goodai", "memory"]))),
        ("windows", verbatim(json!(["full", 9, 2]))),
        ("snapshot", verbatim(json!("off"))),
        ("facts", verbatim(facts)),
        ("turns", verbatim(turns(script, vec![question]))),
    ];
    scenario("GoodAI LTM, NameList: five names, asked for together. A window shows the last of them.", entries)
}

/// A standing instruction, and what sets it off.
fn trigger(number: usize, script: &Script) -> Result<String, Failure> {
    let phrase = script.expected[0].split('\'').nth(1).ok_or("an answer without a phrase in it")?.to_owned();
    let check = json!({"retains_iff_visible": "phrase", "needs_model": true});
    let asked = script.asked.iter().map(|asked| json!({"user": asked, "expect": [check]}));
    let entries = vec![
        ("name", verbatim(json!(format!("goodai-trigger-{number}")))),
        ("tags", verbatim(json!(["goodai", "instructions"]))),
        ("windows", verbatim(json!(["full", 2]))),
        ("snapshot", verbatim(json!("off"))),
        ("facts", verbatim(json!({"phrase": {"value": phrase, "match": "text"}}))),
        ("turns", verbatim(turns(script, asked.collect()))),
    ];
    let comment = "GoodAI LTM, Trigger Response: a standing instruction. For a language model: `builtin` follows none.";
    Ok(scenario(comment, entries))
}

/// The turns of a golden: a list, or JSON in a text.
fn golden_turns(golden: &Json) -> Result<Vec<Json>, Failure> {
    match &golden["turns"] {
        Json::Array(turns) => Ok(turns.clone()),
        Json::String(text) => Ok(serde_json::from_str(text)?),
        _ => Ok(Vec::new()),
    }
}

fn deepeval(data: &Path, out: &Path) -> Result<(), Failure> {
    let folder = data.join("deepeval-goldens");
    let goldens: Vec<Json> = serde_json::from_str(&read(&folder.join("convo_goldens.json"))?)?;
    let mut rows = String::new();
    for golden in &goldens {
        let row = json!({"name": golden["scenario"], "messages": golden_turns(golden)?});
        rows.push_str(&row.to_string());
        rows.push('\n');
    }
    // These are for `import`.
    write(out, "deepeval/goldens.jsonl", &rows)?;
    let goldens: Vec<Json> = serde_json::from_str(&read(&folder.join("goldens_multi_turn.json"))?)?;
    for (at, golden) in goldens.iter().enumerate() {
        let turns = golden_turns(golden)?;
        let last = turns.iter().rposition(|turn| turn["role"] == "user").ok_or("a golden without a user")?;
        let message = |turn: &Json| json!({"role": turn["role"], "content": turn["content"]});
        let comment = format!(
            "DeepEval: the last user message of a golden, behind all that was said before.\nWanted: {}",
            text(&golden["expected_outcome"])
        );
        let mut entries = vec![
            ("name", verbatim(json!(format!("deepeval-{}", at + 1)))),
            ("description", Yaml::Template(text(&golden["scenario"]))),
            ("tags", verbatim(json!(["deepeval"]))),
            ("snapshot", verbatim(json!("off"))),
        ];
        if last > 0 {
            entries.push(("history", verbatim(turns[..last].iter().map(message).collect())));
        }
        let check = json!({"sent": {"max_messages": last + 1}});
        entries.push(("turns", verbatim(json!([{"user": turns[last]["content"], "expect": [check]}]))));
        write(out, &format!("deepeval/golden-{}.yaml", at + 1), &scenario(&comment, entries))?;
    }
    Ok(())
}
