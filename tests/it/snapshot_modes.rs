//! What a scenario says of its snapshots: how much they keep, what is replaced in them, and that a script that moved is
//! told from a bot that answers otherwise.

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const TURNS: &str = "facts: {name: Priya}\nturns:\n  - user: My name is Priya.\n  - {user: Thanks., reply: It was on 2026-01-02.}\n  - {user: What's my name?, expect: [{recalls: name}, {max_words: 9, name: stays short}]}\n";
const ACCEPTED: &str = "s/snapshots/one@default.bot.full.snap";
const PENDING: &str = "s/snapshots/one@default.bot.full.snap.new";

/// A scenario for the model `bot`, accepted as the server answers.
fn accepted(server: &Server, scenario: &str) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", scenario);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    sandbox
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text), "`{text}` is not in:\n{}", ran.stdout);
}

#[test]
fn the_structure_alone_matches_whatever_the_words_are_and_fails_with_an_outcome() {
    let server = Server::saying("Your name is Priya.");
    let sandbox = accepted(&server, &format!("snapshot: structure\n{TURNS}"));
    let body = "\
# one · default · bot · window full
replies · left out

turn 1 · sent: u1
user
  My name is Priya.

turn 2 · canned
user
  Thanks.
assistant
  It was on 2026-01-02.

turn 3 · sent: u1, a1, u2, a2, u3
user
  What's my name?
checks
  ✓ recalls name · retained
  ✓ max_words 9 (stays short)
";
    let text = sandbox.read(ACCEPTED);
    assert!(text.ends_with(body), "{text}");

    // Other words, a mention of the fact more, another reason to end: nothing to say, nothing that waits.
    let other = Server::start(|request| match request.last_user().as_str() {
        "What's my name?" => Answer::reply(request, "Priya!"),
        _ => Answer::reply(request, "Hello Priya. Nice to meet you, Priya."),
    });
    sandbox.point_bot_at(&other.base_url());
    let ran = sandbox.run(&["run", "s"]).expect(0);
    assert!(!ran.stdout.contains("snap"), "{}", ran.stdout);
    assert!(!sandbox.has(PENDING));

    let forgetful = Server::saying("I don't know.");
    sandbox.point_bot_at(&forgetful.base_url());
    let ran = sandbox.run(&["run", "s"]).expect(1);
    says(&ran, &format!("{ACCEPTED}: differs: turn 3: recalls name ✓ retained → ✗ missed\n"));
    let failed = sandbox.read(PENDING);
    assert!(!failed.contains("know"), "{failed}");
}

#[test]
fn a_scenario_without_snapshots_writes_and_compares_none() {
    let server = Server::saying("Hi.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "snapshot: off\nturns: [{user: Hello}]\n");
    sandbox.write("s/two.yaml", "turns: [{user: Hello}]\n");
    for mode in ["new", "always"] {
        sandbox.run(&["run", "s", "--snapshots", mode]).expect(0);
        assert!(sandbox.files("s/snapshots").iter().all(|file| file.starts_with("two@")), "{mode}");
    }
    // A missing one fails under CI, and this one is not missing.
    let ci = Sandbox::with_bot(&server.base_url()).env("CI", "true");
    ci.write("s/one.yaml", "snapshot: off\nturns: [{user: Hello}]\n");
    ci.run(&["run", "s"]).expect(0);
    // What lies there is not even read.
    ci.write(ACCEPTED, b"\xff");
    ci.run(&["run", "s"]).expect(0);
}

#[test]
fn what_varies_is_replaced_before_it_is_compared_and_in_the_snapshot_alone() {
    let redact = r#"snapshot_redact:
  - {match: '\d{4}-\d{2}-\d{2}', with: "[date]"}
  - {match: 'ticket \d+', with: "ticket [n]"}
"#;
    let server = Server::saying("2026-11-25: ticket 4711 of one.");
    let script = format!(
        "persona: Today is 2026-11-25.\n{redact}turns: [{{user: Since 2026-11-01?, expect: [{{contains: '2026-11-25'}}]}}]\n"
    );
    let sandbox = accepted(&server, &script);
    let text = sandbox.read(ACCEPTED);
    for line in ["  Today is [date].", "  Since [date]?", "  [date]: ticket [n] of one.", "  ✓ contains \"2026-11-25\""]
    {
        assert!(text.contains(&format!("{line}\n")), "{line} is not in:\n{text}");
    }
    // The tables have what was really said.
    assert_eq!(sandbox.rows("transcripts.csv")[0]["reply"], "2026-11-25: ticket 4711 of one.");

    sandbox.write("s/one.yaml", script.replace("2026-11-25.", "2027-01-01."));
    let other = Server::saying("2026-11-25: ticket 99 of one.");
    sandbox.point_bot_at(&other.base_url());
    let ran = sandbox.run(&["run", "s"]).expect(0);
    assert!(!ran.stdout.contains("snap"), "{}", ran.stdout);
    // What the journal holds is enough: `report` and `merge` have no scenario to ask.
    let journal = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    let begin = journal.lines().find(|line| line.starts_with("{\"event\":\"begin\"")).unwrap();
    let begin: serde_json::Value = serde_json::from_str(begin).unwrap();
    assert_eq!(begin["snapshot"]["redact"][1], serde_json::json!({"match": r"ticket \d+", "with": "ticket [n]"}));
}

#[test]
fn merged_parts_are_compared_as_their_scenarios_asked() {
    let server = Server::saying("Your name is Priya.");
    let sandbox = accepted(
        &server,
        &format!("snapshot: structure\nsnapshot_redact: [{{match: Thanks, with: '[thanks]'}}]\n{TURNS}"),
    );
    let other = Server::saying("Priya.");
    sandbox.point_bot_at(&other.base_url());
    for part in ["1/2", "2/2"] {
        let out = format!("parts/{}", &part[..1]);
        sandbox.run(&["run", "s", "--shard", part, "--out", &out, "--snapshots", "off"]).expect(0);
    }
    let ran = sandbox.run(&["merge", "parts/1", "parts/2", "-o", "results/merged", "--snapshots", "new"]).expect(0);
    assert!(!ran.stdout.contains("snap"), "{}", ran.stdout);
}

#[test]
fn a_journal_says_nothing_of_snapshots_where_the_scenario_does_not() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", "snapshot: full\nsnapshot_redact: []\nturns: [{user: Hello}]\n");
    sandbox.run(&["run", "s"]).expect(0);
    let journal = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    assert!(journal.contains("\"event\":\"begin\"") && !journal.contains("\"snapshot\""), "{journal}");
}

#[test]
fn a_script_that_moved_is_told_from_a_bot_that_did_and_must_be_accepted() {
    let server = Server::saying("Your name is Priya.");
    let script = format!(
        "persona: Be kind.\nhistory: [{{role: user, content: Hi}}, {{role: assistant, content: Hello}}]\n{TURNS}"
    );
    for (from, to, moved) in [
        ("Be kind.", "Be curt.", "the persona's text changed"),
        ("content: Hello", "content: Hey", "message 2 of the history changed"),
        ("user: My name is Priya.", "user: I am Priya.", "turn 1's user message changed"),
        ("It was on 2026", "It was in 2026", "turn 2's canned reply changed"),
        (
            "turns:\n",
            "turns:\n  - {user: First., reply: Yes.}\n",
            "turn 1's user message changed, turn 1's canned reply changed, ",
        ),
        ("persona: Be kind.\n", "persona: Be kind.\nsnapshot: structure\n", "`snapshot:` changed"),
    ] {
        let sandbox = accepted(&server, &script);
        sandbox.write("s/one.yaml", script.replacen(from, to, 1));
        // Words of a live reply alone would fail nothing.
        let other = Server::saying("Priya it is.");
        sandbox.point_bot_at(&other.base_url());
        let ran = sandbox.run(&["run", "s"]).expect(1);
        says(&ran, &format!("{ACCEPTED}: outdated-script: {moved}"));
        says(&ran, "(the script moved; `chat-eval review` to accept that)");
        says(&ran, "1 snapshot failed");
        says(&sandbox.run(&["review", "s", "--list"]).expect(0), &format!("  outdated-script: {moved}"));
        sandbox.run(&["review", "s", "--accept"]).expect(0);
        sandbox.run(&["run", "s"]).expect(0);
    }
    // Where nothing waits, what makes it wait is said.
    let sandbox = accepted(&server, &script);
    sandbox.write("s/one.yaml", script.replace("kind", "curt"));
    let ran = sandbox.run(&["run", "s", "--snapshots", "no"]).expect(1);
    says(&ran, "(the script moved; `run --snapshots new` and `chat-eval review` to accept that)");
    assert!(!sandbox.has(PENDING));
}

#[test]
fn other_redactions_are_told_from_a_script_that_moved() {
    let script = |redact: &str| {
        format!("persona: Today is 2026-11-25.\n{redact}turns: [{{user: 'Since 2026-11-01, I am here.'}}]\n")
    };
    let [none, date, day] = ["", "[date]", "[day]"].map(|with| match with {
        "" => String::new(),
        with => format!("snapshot_redact: [{{match: '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}', with: '{with}'}}]\n"),
    });
    for (from, to) in [(&none, &date), (&date, &none), (&date, &day)] {
        let sandbox = Sandbox::new();
        sandbox.write("s/one.yaml", script(from));
        sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
        sandbox.write("s/one.yaml", script(to));
        let ran = sandbox.run(&["run", "s"]).expect(1);
        says(&ran, "outdated-script: `snapshot_redact:` changed (the script moved; ");
        says(&sandbox.run(&["review", "s", "--list"]).expect(0), "  outdated-script: `snapshot_redact:` changed\n");
        sandbox.run(&["review", "s", "--accept"]).expect(0);
        let ran = sandbox.run(&["run", "s"]).expect(0);
        assert!(!ran.stdout.contains("snap"), "{}", ran.stdout);
        // Under the same redactions what moved is the script.
        sandbox.write("s/one.yaml", script(to).replace("Today is", "It is"));
        says(&sandbox.run(&["run", "s"]).expect(1), "outdated-script: the persona's text changed (");
    }
    // One that finds nothing changes nothing.
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", script(&date));
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    sandbox.write("s/one.yaml", script(&date.replace("}]", "}, {match: nowhere, with: ''}]")));
    let ran = sandbox.run(&["run", "s"]).expect(0);
    assert!(!ran.stdout.contains("snap"), "{}", ran.stdout);
}
