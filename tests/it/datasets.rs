//! Published conversations play as `docs/datasets.md` says. The data is not in the repository: `CHAT_EVAL_DATA_DIR` names it.

#[path = "../../examples/datasets/make.rs"]
mod make;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::answer::Answer;
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

/// The folder of the data; `None`, and loudly so, where there is none.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("CHAT_EVAL_DATA_DIR").map(PathBuf::from);
    if folder.is_none() {
        let line = "\n!!! LEFT OUT: published conversations: CHAT_EVAL_DATA_DIR is not set\n";
        std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
    }
    folder
}

/// A folder with all that is made of the data, in `datasets`.
fn made(sandbox: &Sandbox, data: &Path) -> Vec<String> {
    make::all(data, &sandbox.path().join("datasets")).expect("scenarios")
}

/// Whether one of the answers is in a text, white space and case apart; a phrase anywhere, else as whole words.
fn is_in(text: &str, answers: &[String]) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let is_phrase = answers.iter().all(|answer| answer.contains(' ') && !answer.contains(char::is_numeric));
    answers.iter().any(|answer| {
        let answer: Vec<char> = answer.to_lowercase().chars().collect();
        (0..text.len().saturating_sub(answer.len() - 1)).any(|at| {
            let end = at + answer.len();
            let stands_alone = (at == 0 || !text[at - 1].is_alphanumeric())
                && text.get(end).is_none_or(|next| !next.is_alphanumeric());
            text[at..end] == answer[..] && (is_phrase || stands_alone)
        })
    })
}

#[test]
fn what_a_window_keeps_of_a_published_conversation_follows_from_the_text_alone() {
    let Some(data) = data() else { return };
    let sandbox = Sandbox::new();
    let left_out = made(&sandbox, &data);
    assert_eq!(left_out.len(), 4, "{left_out:#?}");
    sandbox.run(&["run", "datasets/bfcl"]).expect(0);
    let mut rows: BTreeMap<(String, String, String), BTreeMap<String, String>> = BTreeMap::new();
    for row in sandbox.rows("retention.csv") {
        rows.insert((row["scenario"].clone(), row["window"].clone(), row["fact"].clone()), row);
    }
    let (mut cells, mut outcomes, mut said_once) = (0, BTreeSet::new(), 0);
    for who in ["customer", "notetaker"] {
        let (turns, questions) = make::bfcl_data(&data, who).expect("the data");
        for question in &questions {
            let mentions: Vec<usize> = (0..turns.len()).filter(|at| is_in(&turns[*at], &question.answers)).collect();
            let Some(last) = mentions.last() else {
                assert!(left_out.iter().any(|line| line.contains(&format!("{:?}", question.text))), "{question:?}");
                continue;
            };
            if !question.text.contains('?') {
                assert_eq!(question.fact, "q6", "the only one that is no question to `builtin`");
                continue;
            }
            said_once += usize::from(mentions.len() == 1);
            assert!(!is_in(&question.text, &question.answers), "{question:?}");
            for window in make::WINDOWS {
                // The question is the last of the window's exchanges, so one fewer of the history is whole.
                let is_kept = last + window > turns.len();
                let row = &rows[&(format!("bfcl-{who}"), window.to_string(), question.fact.clone())];
                let expected = if is_kept { ("user", "retained") } else { ("no", "forgotten") };
                assert_eq!((row["visible"].as_str(), row["outcome"].as_str()), expected, "{window} {question:?}");
                assert_eq!(row["distance"], (turns.len() - 1 - last).to_string(), "{question:?}");
                assert_eq!(row["verdict"], "pass", "{window} {question:?}");
                cells += 1;
                outcomes.insert((who, window, expected.1));
            }
        }
    }
    assert_eq!((cells, rows.len(), said_once), (250, 250, 35));
    // The sweep tells windows apart: each but the largest forgets something of the longer conversation.
    assert!(outcomes.contains(&("customer", 50, "forgotten")) && !outcomes.contains(&("customer", 120, "forgotten")));
    // A reader that never knows fails wherever the window shows the answer.
    sandbox.run(&["run", "datasets/bfcl", "-k", "bfcl-notetaker", "--model", "builtin:amnesiac"]).expect(1);
    let missed = sandbox.rows("retention.csv").iter().filter(|row| row["outcome"] == "missed").count();
    let retained =
        rows.values().filter(|row| row["scenario"] == "bfcl-notetaker" && row["outcome"] == "retained").count();
    assert!(missed > 0 && missed == retained, "{missed} {retained}");
}

#[test]
fn every_command_of_the_page_on_data_sets_does_what_it_says() {
    let Some(data) = data() else { return };
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/datasets.md")).expect("the page");
    let sandbox = Sandbox::new();
    made(&sandbox, &data);
    let block = Regex::new("(?s)```sh\n(.*?)```").unwrap();
    let lines: Vec<String> =
        block.captures_iter(&page).flat_map(|block| block[1].lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let commands = lines.iter().filter_map(|line| line.strip_prefix("chat-eval "));
    let mut ran = 0;
    for command in commands {
        let words: Vec<&str> = command.split(" #").next().unwrap_or_default().split_whitespace().collect();
        sandbox.run(&words).expect(0);
        ran += 1;
    }
    assert!(ran >= 6, "{lines:?}");
}

#[test]
fn mt_bench_plays_both_turns_of_every_question() {
    let Some(data) = data() else { return };
    let server = Server::saying("An answer.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    made(&sandbox, &data);
    sandbox.run(&["run", "datasets/mt-bench"]).expect(0);
    let questions = std::fs::read_to_string(data.join("mt-bench/question.jsonl")).expect("the questions");
    let asked: BTreeSet<String> = server.requests().iter().map(crate::support::server::Request::last_user).collect();
    for line in questions.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        for turn in row["turns"].as_array().expect("turns") {
            assert!(asked.contains(turn.as_str().expect("a text")), "{turn}");
        }
    }
    assert_eq!((server.requests().len(), asked.len()), (80, 80));
}

#[test]
fn mt_bench_is_judged_on_a_scale_as_the_page_has_it() {
    let Some(data) = data() else { return };
    // Of a first answer it thinks more than of a second one.
    let server = Server::start(|request| {
        let user = request.last_user();
        let Some(mark) = user.split("===== data ").nth(1).and_then(|rest| rest.split(' ').next()) else {
            return Answer::reply(request, "An answer.");
        };
        let score = if user.matches("\"role\":\"user\"").count() > 1 { 4 } else { 8 };
        Answer::text(&serde_json::json!({"mark": mark, "reason": "so so", "score": score}).to_string())
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    made(&sandbox, &data);
    let page = include_str!("../../docs/datasets.md");
    let check = page.lines().find(|line| line.starts_with("  - judge: ")).expect("the judge of the page");
    let own = sandbox.read("datasets/mt-bench/mt-bench.yaml");
    sandbox.write("datasets/mt-bench/mt-bench.yaml", format!("{own}{check}\n"));
    sandbox.write("chat-eval.yaml", sandbox.read("chat-eval.yaml") + "judge: {model: bot}\n");
    sandbox.run(&["run", "datasets/mt-bench"]).expect(1);
    let rows = sandbox.rows("checks.csv").into_iter().filter(|row| row["check"] == "judge");
    let mut votes: BTreeMap<(String, String), usize> = BTreeMap::new();
    rows.for_each(|row| *votes.entry((row["turn"].clone(), row["verdict"].clone())).or_default() += 1);
    let expected = [(("1".to_owned(), "pass".to_owned()), 40), (("2".to_owned(), "fail".to_owned()), 40)];
    assert_eq!(votes, BTreeMap::from(expected), "{}", server.requests().last().expect("one").last_user());
    assert_eq!(server.requests().len(), 160);
}

#[test]
fn a_changing_fact_a_list_and_a_standing_instruction_are_told_from_one_another() {
    let Some(data) = data() else { return };
    // It obeys an instruction that it is sent, and is silent about one that it is not.
    let server = Server::start(|request| {
        let messages = request.messages();
        let instruction = messages.iter().find(|(_, content)| content.starts_with("Whenever I"));
        let phrase = instruction.and_then(|(_, content)| content.split("&#x27;").nth(1));
        Answer::reply(request, phrase.unwrap_or("All right."))
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    made(&sandbox, &data);
    sandbox.run(&["run", "datasets/goodai", "-k", "goodai-trigger-*"]).expect(0);
    let outcomes = |window: &str| -> BTreeSet<String> {
        let rows = sandbox.rows("retention.csv").into_iter().filter(|row| row["window"] == window);
        rows.map(|row| row["outcome"].clone()).collect()
    };
    assert_eq!(outcomes("full"), BTreeSet::from(["retained".to_owned()]));
    assert_eq!(outcomes("2"), BTreeSet::from(["forgotten".to_owned()]));
    sandbox.run(&["run", "datasets/goodai", "--model", "builtin"]).expect(0);
    let rows = sandbox.rows("retention.csv");
    let names = |window: &str| {
        let rows = rows.iter().filter(|row| row["scenario"] == "goodai-names-0" && row["window"] == window);
        rows.filter(|row| row["outcome"] == "retained").map(|row| row["value"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("full"), ["Gary", "Mitchel", "Melvin", "Michael", "Conal"]);
    assert_eq!(names("9"), ["Michael", "Conal"]);
    assert_eq!(names("2"), Vec::<String>::new());
    let colour =
        rows.iter().find(|row| row["scenario"] == "goodai-colours-1" && row["window"] == "full").expect("a row");
    assert_eq!((colour["value"].as_str(), colour["outcome"].as_str()), ("Purple", "retained"));
    // A bot that names an earlier colour has what is out of date.
    let stale = Server::saying("It is Brown.");
    sandbox.point_bot_at(&stale.base_url());
    sandbox.run(&["run", "datasets/goodai", "-k", "goodai-colours-1"]).expect(1);
    assert!(sandbox.rows("retention.csv").iter().all(|row| row["outcome"] == "stale"));
}

#[test]
fn goldens_are_asked_behind_all_that_was_said() {
    let Some(data) = data() else { return };
    let server = Server::saying("An answer.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    made(&sandbox, &data);
    sandbox.run(&["run", "datasets/deepeval"]).expect(0);
    assert_eq!(server.requests().len(), 5);
    let longest = server.requests().iter().map(|request| request.messages().len()).max();
    assert_eq!(longest, Some(9));
    sandbox
        .run(&["import", "openai-chat", "datasets/deepeval/goldens.jsonl", "--replies", "canned", "-o", "goldens"])
        .expect(0);
    assert_eq!(sandbox.files("goldens").len(), 15);
    sandbox.run(&["run", "goldens"]).expect(0);
}
