//! A talk as a scenario file. Pure.
//!
//! The file says exactly what was said: every user message, the persona, the facts and the history, whatever stands in them. What
//! a model replied is a comment, since a run asks it anew; only canned replies stay. A check is proposed where the talk showed that
//! it holds and where the scenario lets it hold again: under the setting that the whole scenario is played in.

use std::borrow::Cow;

use crate::check::admits_not_knowing;
use crate::model::{Fact, MatchKind, Outcome, Params, Role, Visibility, Window};
use crate::run::talk::{Said, Setting, Standing, Talk};
use crate::scenario::import::window_yaml;
use crate::scenario::import::yaml_text::{Part, Yaml, document};
use crate::text::normalise::{contains_word, fold};

/// The name of a persona that has no other.
pub const DEFAULT_PERSONA: &str = "default";

/// What a scenario has beside what was said.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'f> {
    /// Its name.
    pub name: &'f str,
    /// Sampling parameters.
    pub params: &'f Params,
    /// Whether its replies are streamed.
    pub stream: bool,
}

/// The scenario file of a talk in which something was said.
#[must_use]
pub fn scenario(talk: &Talk, frame: Frame<'_>) -> String {
    let setting = &talk.setting;
    let mut parts = Vec::new();
    let mut add = |key: &str, value: Yaml| parts.push(Part::Entry(key.to_owned(), value));
    add("name", word(frame.name));
    add("tags", Yaml::List(vec![word("talk")]));
    if setting.persona != DEFAULT_PERSONA {
        let persona = [("name", Yaml::Template(setting.persona.clone())), ("system", Yaml::text(&*setting.system))];
        add("personas", Yaml::List(vec![Yaml::map(persona)]));
    } else if !setting.system.is_empty() {
        add("persona", Yaml::text(&*setting.system));
    }
    add("model", Yaml::Template(setting.model.clone()));
    if setting.window != Window::FULL {
        add("window", window_yaml(setting.window));
    }
    let params = params(frame.params);
    if !params.is_empty() {
        add("params", Yaml::map(params));
    }
    if frame.stream {
        add("stream", Yaml::Bare("true".to_owned()));
    }
    if !talk.facts().is_empty() {
        add("facts", Yaml::map(talk.facts().iter().map(|fact| (fact.name.clone(), fact_yaml(fact)))));
    }
    if !talk.before().is_empty() {
        let message = |message: &crate::model::Message| {
            let role = if message.role == Role::User { "user" } else { "assistant" };
            Yaml::map([("role", word(role)), ("content", Yaml::text(&*message.content))])
        };
        add("history", Yaml::List(talk.before().iter().map(message).collect()));
    }
    let turns: Vec<(Yaml, bool)> = talk.said().iter().map(|said| turn(said, talk)).collect();
    let has_checks = turns.iter().any(|(_, has_checks)| *has_checks);
    add("turns", Yaml::List(turns.into_iter().map(|(turn, _)| turn).collect()));
    document(head(has_checks), &parts)
}

fn head(has_checks: bool) -> &'static str {
    if has_checks {
        "Made by `chat-eval chat` from a talk by hand.\n\
         Next: read the checks below `expect:`, which are proposed, and play it with `chat-eval run`."
    } else {
        "Made by `chat-eval chat` from a talk by hand.\n\
         Next: add `expect:` to the turns whose replies matter, and play it with `chat-eval run`."
    }
}

fn word(word: &str) -> Yaml {
    Yaml::Template(word.to_owned())
}

fn params(params: &Params) -> Vec<(&'static str, Yaml)> {
    let number = |number: f64| Yaml::Bare(serde_json::Value::from(number).to_string());
    let whole = |number: i64| Yaml::Bare(number.to_string());
    let stop = (!params.stop.is_empty()).then(|| Yaml::List(params.stop.iter().map(|stop| word(stop)).collect()));
    let extra = (!params.extra.is_empty()).then(|| Yaml::from(serde_json::Value::Object(params.extra.clone())));
    [
        ("temperature", params.temperature.map(number)),
        ("top_p", params.top_p.map(number)),
        ("max_tokens", params.max_tokens.map(|tokens| whole(tokens.into()))),
        ("seed", params.seed.map(whole)),
        ("stop", stop),
        ("presence_penalty", params.presence_penalty.map(number)),
        ("frequency_penalty", params.frequency_penalty.map(number)),
        ("extra", extra),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect()
}

fn fact_yaml(fact: &Fact) -> Yaml {
    let list = |texts: &[String]| Yaml::List(texts.iter().map(Yaml::text).collect());
    let mut entries = vec![("value", Yaml::text(&fact.value))];
    let lists = [("aliases", &fact.aliases), ("asks", &fact.asks), ("outdated", &fact.outdated)];
    entries.extend(lists.into_iter().filter(|(_, texts)| !texts.is_empty()).map(|(key, texts)| (key, list(texts))));
    match (fact.matching, &fact.regex) {
        (MatchKind::Word, _) => {}
        (MatchKind::Text, _) => entries.push(("match", word("text"))),
        (MatchKind::Regex, regex) => {
            entries.push(("match", word("regex")));
            entries.extend(regex.iter().map(|regex| ("regex", Yaml::text(regex.to_string()))));
        }
    }
    match <[_; 1]>::try_from(entries) {
        Ok([(_, value)]) => value,
        Err(entries) => Yaml::map(entries),
    }
}

/// A turn, and whether it has checks.
fn turn(said: &Said, talk: &Talk) -> (Yaml, bool) {
    let mut parts = vec![Part::Entry("user".to_owned(), Yaml::text(&*said.user))];
    if said.is_canned {
        parts.push(Part::Entry("reply".to_owned(), Yaml::text(&said.reply.text)));
        return (Yaml::Map(parts), false);
    }
    if let Some(other) = other_setting(&said.setting, &talk.setting) {
        parts.push(Part::Comment(other));
    }
    let lines: Vec<String> = said.reply.text.lines().map(|line| format!("  {line}")).collect();
    parts.push(Part::Comment(format!("the reply in the talk:\n{}", lines.join("\n"))));
    let checks = if said.setting == talk.setting { checks(said, talk.facts()) } else { Vec::new() };
    let has_checks = !checks.is_empty();
    if has_checks {
        parts.push(Part::Entry("expect".to_owned(), Yaml::List(checks)));
    }
    (Yaml::Map(parts), has_checks)
}

/// That a reply was given in another setting than the scenario is played in.
fn other_setting(then: &Setting, now: &Setting) -> Option<String> {
    let mut other = Vec::new();
    if (&then.persona, &then.system) != (&now.persona, &now.system) {
        other.push("another persona".to_owned());
    }
    if then.model != now.model {
        other.push(format!("the model {}", then.model));
    }
    if then.window != now.window {
        other.push(format!("the window {}", then.window));
    }
    (!other.is_empty()).then(|| format!("in the talk it was asked under {}", other.join(" and ")))
}

/// The checks that the talk showed to hold, and that rest on what the script itself says.
fn checks(said: &Said, facts: &[Fact]) -> Vec<Yaml> {
    let admits = admits_not_knowing(&said.reply.text);
    let check = |standing: &Standing| {
        let fact = facts.iter().find(|fact| fact.name == standing.fact)?;
        let is_present = fact.value == standing.value;
        // Of a bot that keeps its history itself it is not known what it saw. That it forgets what it was told is no rule for it.
        let key = match (standing.outcome?, standing.told) {
            (Outcome::Retained, Visibility::User | Visibility::System) => "recalls",
            (Outcome::Forgotten, told) if !told.is_visible() && admits && is_asked(fact, &said.user) => "forgets",
            _ => return None,
        };
        is_present.then(|| Yaml::map([(key, Yaml::Template(standing.fact.clone()))]))
    };
    said.standings.iter().filter_map(check).collect()
}

/// Whether a question asks for a fact, as the embedded model would take it.
fn is_asked(fact: &Fact, question: &str) -> bool {
    let question = fold(question);
    let name = fact.name.replace(['_', '-'], " ");
    let phrases = fact.asks.iter().map(|ask| Cow::Borrowed(ask.as_str()));
    [Cow::Owned(name)].into_iter().chain(phrases).any(|phrase| contains_word(&question, &fold(&phrase)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::cli::sources;
    use crate::diagnostic::SourceFile;
    use crate::model::{Pattern, Reply, Script};
    use crate::scenario::{Scenario, load};
    use crate::text::tokens::Tokenizer;

    fn setting(system: &str, window: &str) -> Setting {
        let (persona, model) = (DEFAULT_PERSONA.to_owned(), "builtin".to_owned());
        Setting { persona, system: system.into(), model, window: window.parse().unwrap() }
    }

    fn say(talk: &mut Talk, user: &str, reply: &str, is_canned: bool) {
        let request = talk.request(user, Tokenizer::default()).unwrap();
        let reply = Reply { text: reply.to_owned(), finish_reason: None };
        let standings = talk.standings(&request, &reply);
        let (user, setting) = (user.into(), talk.setting.clone());
        talk.join(Said { user, reply, setting, is_canned, scripted: None, standings });
    }

    fn saved(talk: &Talk, params: &Params) -> String {
        scenario(talk, Frame { name: "talk", params, stream: false })
    }

    fn read(text: &str) -> (Scenario, Arc<Script>) {
        let source = Arc::new(SourceFile { path: "talk.yaml".to_owned(), text: text.to_owned() });
        let (scenario, wrong) = load(&source, "talk", &sources::beside(Path::new("")));
        assert!(wrong.is_empty(), "{wrong:?}\n{text}");
        let scenario = scenario.unwrap();
        let script = scenario.script(0, 0).unwrap();
        (scenario, script)
    }

    #[test]
    fn a_talk_is_a_scenario_that_people_like_to_read() {
        let mut talk = Talk::new(setting("You are kind.", "2"), Vec::new(), &[]);
        talk.state("name", "Priya");
        say(&mut talk, "My name is Priya.", "Noted.\nAnything else?", false);
        say(&mut talk, "What's my name?", "Your name is Priya.", false);
        say(&mut talk, "Tell me of tea.", "It is a leaf.", true);
        say(&mut talk, "Do you know my name?", "I don't know.", false);
        insta::assert_snapshot!(saved(&talk, &Params { temperature: Some(0.5), ..Params::default() }));
    }

    #[test]
    fn what_was_asked_in_another_setting_is_said_and_not_checked() {
        let mut talk = Talk::new(setting("", "full"), Vec::new(), &[]);
        talk.state("name", "Priya");
        say(&mut talk, "My name is Priya.", "Noted.", false);
        say(&mut talk, "What's my name?", "Priya.", false);
        talk.setting = Setting { persona: "cook".to_owned(), ..setting("You cook.", "none") };
        say(&mut talk, "What's my name?", "I don't know.", false);
        let text = saved(&talk, &Params::default());
        assert_eq!(text.matches("# in the talk it was asked under another persona and the window full\n").count(), 2);
        assert_eq!((text.matches("recalls").count(), text.matches("- forgets: name").count()), (0, 1), "{text}");
        let (scenario, script) = read(&text);
        assert_eq!((scenario.windows[0].to_string().as_str(), &*script.personas[0].name), ("none", "cook"));
    }

    #[test]
    fn facts_and_params_are_those_of_the_talk() {
        let fact = |name: &str, matching, regex: Option<&str>| Fact {
            name: name.to_owned(),
            value: "T-12 {{ x }}".to_owned(),
            aliases: vec!["# twelve".to_owned()],
            matching,
            regex: regex.map(|regex| Pattern::new(regex).unwrap()),
            asks: vec!["which ticket: this?".to_owned()],
            outdated: vec!["T-7".to_owned()],
        };
        let facts = vec![
            fact("ticket", MatchKind::Regex, Some(r"T-\d+ \{\{")),
            fact("true", MatchKind::Text, None),
            fact("1", MatchKind::Word, None),
        ];
        let mut talk = Talk::new(setting("", "full"), facts.clone(), &[(Role::Assistant, "Hello {{ you }}!".into())]);
        say(&mut talk, "Hi", "Hi", false);
        let params = Params {
            temperature: Some(0.25),
            top_p: Some(1.0),
            max_tokens: Some(9),
            seed: Some(-3),
            stop: vec!["\n#".to_owned()],
            presence_penalty: Some(-1.5),
            frequency_penalty: None,
            extra: serde_json::from_str(r#"{"top_k": 40, "a": {"b": ["c: d", null]}}"#).unwrap(),
        };
        let (scenario, script) = read(&saved(&talk, &params));
        assert_eq!(scenario.params, params);
        assert_eq!(script.facts, facts);
        assert_eq!(&*script.history[0].1, "Hello {{ you }}!");
    }

    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "\\PC{0,8}",
            prop::sample::select(vec![
                "{{ x }}",
                "{%",
                "{#",
                "endraw",
                ": ",
                " #",
                "- ",
                "'",
                "\"",
                "\\",
                "|",
                "---\n",
                "...\n",
                "&a",
                "*a",
                "!t",
                "null",
                "1.10",
                "\u{1b}[31m",
                "\0",
                "\u{85}",
                "\u{2028}",
                "\u{feff}",
                "\u{202e}",
                "\r\n",
                "\r",
                "\n\n",
                "\n ",
                "\t\n",
                "/save x",
                "\"\"\"",
                "日本",
                "👩\u{200d}💻",
                "word",
                "Two words. ",
            ])
            .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        let pieces = prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
        pieces.prop_map(|text| if text.trim().is_empty() { format!("{text}x") } else { text })
    }

    proptest! {
        #[test]
        fn whatever_was_said_the_file_says_exactly_that(
            system in text(), value in text(), turns in prop::collection::vec((text(), text(), any::<bool>()), 1..4)
        ) {
            let mut talk = Talk::new(setting(&system, "full"), Vec::new(), &[(Role::User, value.as_str().into())]);
            talk.state("fact", value.trim());
            for (user, reply, is_canned) in &turns {
                say(&mut talk, user, reply, *is_canned);
            }
            let file = saved(&talk, &Params::default());
            let (_, script) = read(&file);
            // Of every persona white space at the end is cut.
            prop_assert_eq!(&*script.personas[0].system, system.trim_end(), "{}", file);
            prop_assert_eq!(&*script.history[0].1, value.as_str(), "{}", file);
            prop_assert_eq!(&script.facts[0].value, value.trim(), "{}", file);
            let said = turns.iter().map(|(user, reply, is_canned)| (user.as_str(), is_canned.then_some(reply.as_str())));
            let read: Vec<_> = script.turns.iter().map(|turn| (&*turn.user, turn.reply.as_deref())).collect();
            prop_assert_eq!(read, said.collect::<Vec<_>>(), "{}", file);
        }
    }
}
