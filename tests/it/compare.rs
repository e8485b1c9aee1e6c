//! `compare`: what got worse between two runs, or between the variants of one, in each format.

use regex::Regex;
use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// Five scenarios: what happens to each is told by the bot's replies alone.
const SCENARIOS: [(&str, &str); 5] = [
    (
        "name",
        "turns:\n  - user: My name is Priya.\n  - user: What's my name?\n    expect: [{recalls: name}, {max_words: 9}]\nfacts: {name: Priya}\n",
    ),
    ("polite", "turns: [{user: Be polite, expect: [{contains: please, name: says please}]}]\n"),
    ("greeting", "turns: [{user: Hi, expect: [{min_words: 1}]}]\n"),
    ("steady", "turns: [{user: Steady, expect: [{contains: rock}]}]\n"),
    ("gone", "turns: [{user: Gone, expect: [{min_words: 1}]}]\n"),
];

/// A bot that answers each user message by its table, and everything else with `Noted.`
fn bot(replies: &'static [(&'static str, &'static str)]) -> Server {
    Server::start(move |request| {
        let user = request.last_user();
        let found = replies.iter().find(|(asked, _)| *asked == user);
        found.map_or_else(|| Answer::text("Noted."), |(_, reply)| Answer::text(reply))
    })
}

const BASE: &[(&str, &str)] =
    &[("What's my name?", "Your name is Priya."), ("Be polite", "No."), ("Hi", "Hello!"), ("Steady", "A rock.")];
const NEW: &[(&str, &str)] = &[
    ("What's my name?", "I am afraid that I do not know it."),
    ("Be polite", "Yes, please."),
    ("Hi", "Good day to you!"),
    ("Steady", "A rock."),
];

fn play(sandbox: &Sandbox, arguments: &[&str], code: i32) {
    sandbox.run(&[&["run", "s", "--snapshots", "off", "-q"], arguments].concat()).expect(code);
}

/// A sandbox with two runs of those scenarios, the second without the last of them, and the bot of the second.
fn two_runs() -> (Sandbox, Server) {
    let base = bot(BASE);
    let sandbox = Sandbox::with_bot(&base.base_url());
    for (name, text) in SCENARIOS {
        sandbox.write(&format!("s/{name}.yaml"), text);
    }
    play(&sandbox, &[], 1);
    let new = bot(NEW);
    sandbox.point_bot_at(&new.base_url());
    std::fs::remove_file(sandbox.path().join("s/gone.yaml")).unwrap();
    play(&sandbox, &[], 1);
    (sandbox, new)
}

/// Without what varies from run to run: ids and times.
fn steady(text: &str) -> String {
    let text = Regex::new(r"\d{8}T\d{6}Z-[0-9a-f]{4}").unwrap().replace_all(text, "20261122T101500Z-3f9a");
    let text = Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap().replace_all(&text, "2026-11-22T10:15:00Z");
    let text = Regex::new(r"(?m) +(latency|(\d+ ms|\d+\.\d s)( [+-]\d+%)?)$").unwrap().replace_all(&text, "  latency");
    let text = Regex::new(r"\| (\d+ ms|\d+\.\d s)( [+-]\d+%)? \|").unwrap().replace_all(&text, "| N ms |");
    Regex::new(r#"("latency_ms": \{\s*"base": )[\d.]+(,\s*"new": )[\d.]+"#)
        .unwrap()
        .replace_all(&text, "${1}1.5${2}1.5")
        .into_owned()
}

#[test]
fn two_runs_on_a_terminal() {
    let ran = two_runs().0.run(&["compare"]).expect(0);
    assert_eq!(ran.stderr, "");
    insta::assert_snapshot!(steady(&ran.stdout), @r#"
    compare · base 20261122T101500Z-3f9a · new 20261122T101500Z-3f9a

    of 4 variants, 1 worse, 1 better, 1 changed only in words, 1 the same

    worse (1)
    ✗ name · default · bot · turn 2 · recalls name
        pass → fail; missed; visible in message 1 of 3 (user, turn 1), but "Priya" is not in the reply

    better (1)
    ✓ polite · default · bot · turn 1 · says please
        fail → pass; it was: the reply does not have "please"

    changed only in words (1)
      greeting · default · bot

            passed  rate  95 % interval  difference  95 % interval     p
      base     3/4  75 %     30 to 95 %
      new      3/4  75 %     30 to 95 %    0 points     -75 to +75  1.00
      of 4 pairs, 1 passed in base alone and 1 in new alone
      too few changes to tell from luck (p = 1.00)
      the interval of the difference is drawn from 4 scenarios: with so few it is too narrow

            words/reply  turn tokens sent  turn tokens reply  latency
      base          1.8                35                 15  latency
      new     3.6 +100%                35                 15  latency

      scenario  base  new  base alone  new alone  p (Holm)
      name       1/1  0/1           1          0      1.00
      polite     0/1  1/1           0          1      1.00
      and 2 in which nothing changed

    only in base (1)
      gone · default · bot

    of 4 variants, 1 worse, 1 better, 1 changed only in words, 1 the same
    "#);
}

#[test]
fn two_runs_as_markdown() {
    let ran = two_runs().0.run(&["compare", "previous", "latest", "--format", "markdown"]).expect(0);
    insta::assert_snapshot!(steady(&ran.stdout), @r#"
    <!-- chat-eval compare -->

    ### ✗ chat-eval compare: of 4 variants, 1 worse, 1 better, 1 changed only in words, 1 the same

    base `20261122T101500Z-3f9a` · new `20261122T101500Z-3f9a`

    |  | passed | rate | 95 % interval | difference | 95 % interval | p |
    | --- | --: | --: | --: | --: | --: | --: |
    | `base` | 3/4 | 75 % | 30 to 95 % | – | – | – |
    | `new` | 3/4 | 75 % | 30 to 95 % | 0 points | -75 to +75 | 1.00 |

    of 4 pairs, 1 passed in `base` alone and 1 in `new` alone: **too few changes to tell from luck (p = 1.00)**  
    the interval of the difference is drawn from 4 scenarios: with so few it is too narrow

    #### Worse (1)

    - ✗ `name · default · bot`: turn 2, `recalls name`: pass → fail  
      `missed; visible in message 1 of 3 (user, turn 1), but "Priya" is not in the reply`

    #### Better (1)

    - ✓ `polite · default · bot`: turn 1, `says please`: fail → pass  
      it was: `the reply does not have "please"`

    <details><summary>changed only in words (1)</summary>

    - `greeting · default · bot`

    </details>

    |  | words/reply | turn tokens sent | turn tokens reply | latency |
    | --- | --: | --: | --: | --: |
    | `base` | 1.8 | 35 | 15 | N ms |
    | `new` | 3.6 +100% | 35 | 15 | N ms |

    <details><summary>2 scenarios with changes</summary>

    | scenario | base | new | base alone | new alone | p (Holm) |
    | --- | --: | --: | --: | --: | --: |
    | `name` | 1/1 | 0/1 | 1 | 0 | 1.00 |
    | `polite` | 0/1 | 1/1 | 0 | 1 | 1.00 |

    </details>

    #### Only in `base` (1)

    - `gone · default · bot`
    "#);
}

#[test]
fn two_runs_as_json() {
    let ran = two_runs().0.run(&["compare", "previous", "--format", "json"]).expect(0);
    // In a file of its own: it is long.
    insta::assert_snapshot!(steady(&ran.stdout));
}

#[test]
fn the_same_runs_give_the_same_bytes_and_nothing_is_written() {
    let (sandbox, _bot) = two_runs();
    let files = sandbox.files(".");
    let said = |format: &str| sandbox.run(&["compare", "--format", format]).expect(0).stdout;
    for format in ["plain", "markdown", "json"] {
        assert_eq!(said(format), said(format));
    }
    assert_eq!(sandbox.files("."), files);
}

#[test]
fn what_passed_and_fails_now_exits_1_where_that_is_asked() {
    let (sandbox, _bot) = two_runs();
    sandbox.run(&["compare", "previous", "latest", "--fail-on", "worse"]).expect(1);
    sandbox.run(&["compare", "previous", "latest"]).expect(0);
    // The other way round "polite" got worse.
    let ran = sandbox.run(&["compare", "latest", "previous", "--fail-on", "worse"]).expect(1);
    assert!(ran.stdout.contains("✗ polite · default · bot · turn 1 · says please"), "{}", ran.stdout);
    // A run like the one before: nothing got worse, whatever fails in both.
    play(&sandbox, &["-k", "name"], 1);
    play(&sandbox, &["-k", "name"], 1);
    sandbox.run(&["compare", "previous", "latest", "--fail-on", "worse"]).expect(0);
}

#[test]
fn what_was_not_carried_through_is_left_out_and_is_no_all_clear() {
    let good = bot(BASE);
    let sandbox = Sandbox::with_bot(&good.base_url());
    sandbox.write("s/steady.yaml", SCENARIOS[3].1);
    play(&sandbox, &[], 0);
    sandbox.point_bot_at(&Server::start(|_| Answer::error(400, "bad", "no")).base_url());
    play(&sandbox, &["--retries", "0"], 3);
    let ran = sandbox.run(&["compare"]).expect(0);
    for told in [
        "of 1 variant, 1 without a verdict on one side",
        "no conversation was carried through on both sides: there are no rates",
        "left out: no verdict on one side (1)\n  steady · default · bot: passed → errored",
    ] {
        assert!(ran.stdout.contains(told), "{}", ran.stdout);
    }
    let ran = sandbox.run(&["compare", "--fail-on", "worse"]).expect(3);
    assert!(ran.stderr.contains("nothing can be said of what got worse"), "{}", ran.stderr);
}

#[test]
fn a_run_that_was_not_finished_is_compared_on_what_it_holds() {
    let (sandbox, _bot) = two_runs();
    let folder = sandbox.run_folder();
    let journal = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    // As if it had been killed before its last conversation.
    let is_left = |line: &&str| !line.contains("\"plan\":3,") && !line.contains("\"event\":\"stop\"");
    let lines: Vec<&str> = journal.split_inclusive('\n').filter(is_left).collect();
    std::fs::write(folder.join("journal.jsonl"), lines.concat()).unwrap();
    let ran = sandbox.run(&["compare"]).expect(0);
    assert!(ran.stdout.contains("was not played to its end: 3 of 4 conversations are compared"), "{}", ran.stdout);
    assert!(ran.stdout.contains("of 3 variants"), "{}", ran.stdout);
}

#[test]
fn runs_that_changed_in_between_say_so() {
    let (sandbox, _bot) = two_runs();
    sandbox.write("s/steady.yaml", SCENARIOS[3].1.replace("rock", "stone"));
    sandbox.write("chat-eval.yaml", sandbox.read("chat-eval.yaml").replace("test-model", "other-model"));
    play(&sandbox, &[], 1);
    let said = sandbox.run(&["compare"]).expect(0).stdout.replace('\n', " ");
    assert!(said.contains("! the model `bot` is `openai test-model"), "{said}");
    assert!(said.contains("! between the runs the files of these scenarios changed: `steady`"), "{said}");
    assert!(said.contains("steady · default · bot · turn 1 · contains \"stone\"     not asked → fail"), "{said}");
}

fn refused(ran: Ran, code: i32, told: &str, help: &str) {
    let ran = ran.expect(code);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains(told) && ran.stderr.contains(help), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_compared_is_refused_with_a_way_out() {
    let (sandbox, _bot) = two_runs();
    refused(
        sandbox.run(&["compare", "latest", "latest"]),
        2,
        "both sides are the same run",
        "--by persona|model|window RUN",
    );
    refused(sandbox.run(&["compare", "nowhere", "latest"]), 2, "there is no run `nowhere`", "named by its folder");
    refused(
        sandbox.run(&["compare", "--by", "persona"]),
        2,
        "the run has one persona only, `default`",
        "compare BASE NEW --by persona",
    );
    refused(sandbox.run(&["compare", "a", "b", "c"]), 2, "unexpected value 'c'", "");
    refused(sandbox.run(&["compare", "--base", "x"]), 2, "--by <WHAT>", "");
    refused(
        sandbox.run(&["compare", "previous", "latest", "--by", "model", "--base", "x"]),
        2,
        "`--base` names a variant of one run",
        "",
    );
    sandbox.write("other/other.yaml", SCENARIOS[3].1);
    sandbox.run(&["run", "other", "--snapshots", "off", "-q"]).expect(0);
    let told = "the runs share no conversation: the first plays";
    refused(sandbox.run(&["compare"]), 4, told, "help: conversations are paired by scenario");
    sandbox.run(&["run", "other", "--snapshots", "off", "-q", "--model", "builtin:echo"]).expect(1);
    let told = "the model is `bot` in the first, and `builtin:echo` in the second";
    refused(sandbox.run(&["compare"]), 4, told, "help: `chat-eval compare BASE NEW --by model` pairs");
    let ran = sandbox.run(&["compare", "previous", "latest", "--by", "model"]).expect(0);
    assert!(ran.stdout.starts_with("compare by model · base "), "{}", ran.stdout);
    assert!(ran.stdout.contains("✗ other · default · turn 1 · contains \"rock\"\n    pass → fail"), "{}", ran.stdout);
}

#[test]
fn windows_that_both_do_right_are_told_by_what_they_remember() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", WINDOWS.replace("recalls", "retains_iff_visible"));
    play(&sandbox, &["--model", "builtin"], 0);
    let ran = sandbox.run(&["compare", "--by", "window", "--fail-on", "worse"]).expect(0);
    let told = "window 1 against window full: of 1 variant, 1 changed in what was remembered\n\n\
                changed in what was remembered (1)\n  one · default · builtin\n    \
                turn 3 · retains_iff_visible name: retained → forgotten\n";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    let page = sandbox.run(&["compare", "--by", "window", "--format", "markdown"]).expect(0).stdout;
    let told = "#### `window 2` against `window full`\n\nof 1 variant, 1 changed in what was remembered\n";
    assert!(page.contains(told), "{page}");
}

const WINDOWS: &str = "windows: [full, 1, 2]\nfacts: {name: Priya}\nturns:\n  - user: My name is Priya.\n  - user: I work here.\n  \
                       - user: What's my name?\n    expect: [{recalls: name}]\n";

#[test]
fn the_variants_of_one_run_side_by_side() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", WINDOWS);
    sandbox.write("s/alone.yaml", "turns: [{user: Hi, expect: [{min_words: 1}]}]\n");
    play(&sandbox, &["--model", "builtin"], 1);
    let ran = sandbox.run(&["compare", "--by", "window"]).expect(0);
    insta::assert_snapshot!(steady(&ran.stdout), @r#"
    compare by window · 20261122T101500Z-3f9a

      window  passed   rate  95 % interval   difference  p (Holm)
      full       1/1  100 %    21 to 100 %
      1          0/1    0 %      0 to 79 %  -100 points      1.00
      2          0/1    0 %      0 to 79 %  -100 points      1.00
      no interval of the difference: it takes several scenarios, and there is 1 scenario

      window  words/reply  turn tokens sent  turn tokens reply
      full            2.0                67                  9
      1          3.0 +50%           36 -46%            13 +44%
      2          3.0 +50%           58 -13%            13 +44%

    window 1 against window full: of 1 variant, 1 worse

    worse (1)
    ✗ one · default · builtin · turn 3 · recalls name
        pass → fail; forgotten; none of the 2 messages sent has "Priya"

      of 1 pair, 1 passed in window full alone and 0 in window 1 alone
      too few changes to tell from luck (p = 1.00)

    window 2 against window full: of 1 variant, 1 worse

    worse (1)
    ✗ one · default · builtin · turn 3 · recalls name
        pass → fail; forgotten; none of the 4 messages sent has "Priya"

      of 1 pair, 1 passed in window full alone and 0 in window 2 alone
      too few changes to tell from luck (p = 1.00)

    with no other window to compare with (1)
      alone · default · builtin

    window 1 against window full: of 1 variant, 1 worse
    window 2 against window full: of 1 variant, 1 worse
    "#);
    let ran = sandbox.run(&["compare", "--by", "window", "--base", "1", "latest", "--fail-on", "worse"]).expect(0);
    assert!(ran.stdout.contains("window full against window 1: of 1 variant, 1 better"), "{}", ran.stdout);
    sandbox.run(&["compare", "--by", "window", "--fail-on", "worse"]).expect(1);
}

/// Replies and names that want to be something else in each format.
#[test]
fn strangers_texts_are_escaped_by_each_format() {
    let evil = "<b>::error::x</b>\u{1b}[31m|`@someone`\u{202e}";
    let scenario = |wanted: &str| {
        let check = serde_json::json!({"contains": wanted, "name": evil});
        let persona = serde_json::json!({"name": "::error::| `@someone`", "system": "Hi"});
        format!("personas: [{persona}]\nturns: [{{user: Hi, expect: [{check}]}}]\n")
    };
    let sandbox = Sandbox::with_bot(&bot(BASE).base_url());
    sandbox.write("s/one.yaml", scenario("Hello"));
    let first = bot(BASE);
    sandbox.point_bot_at(&first.base_url());
    play(&sandbox, &[], 0);
    sandbox.write("s/one.yaml", scenario("Goodbye"));
    play(&sandbox, &[], 1);
    for format in ["plain", "markdown", "json"] {
        let said = sandbox.run(&["compare", "--format", format]).expect(0).stdout;
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{format}: {said}");
        assert!(!said.lines().any(|line| line.trim_start().starts_with("::")), "{format}: {said}");
    }
    let markdown = sandbox.run(&["compare", "--format", "markdown"]).expect(0).stdout;
    for event in pulldown_cmark::TextMergeStream::new(pulldown_cmark::Parser::new_ext(
        &markdown,
        pulldown_cmark::Options::ENABLE_TABLES,
    )) {
        use pulldown_cmark::Event;
        match event {
            Event::Text(text) => assert!(!text.contains("someone"), "bare: {text}"),
            Event::Html(html) | Event::InlineHtml(html) => assert!(html.starts_with("<!-- chat-eval"), "{html}"),
            _ => {}
        }
    }
    let json: Value = serde_json::from_str(&sandbox.run(&["compare", "--format", "json"]).expect(0).stdout).unwrap();
    assert_eq!(json["contrasts"][0]["worse"][0]["checks"][0]["title"], evil, "JSON says it as it is");
}

#[test]
fn a_run_names_its_flaky_checks_and_compare_those_of_both_sides() {
    let server = Server::start(|request| Answer::text(if request.number % 4 == 0 { "Bye." } else { "Hello!" }));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 4\npass_rate: 0.5\nturns: [{user: Hi, expect: [{contains: hello}]}]\n");
    let run = || sandbox.run(&["run", "s", "--snapshots", "off", "-q", "-j", "1"]).expect(0).stdout;
    let said = run();
    assert!(
        said.contains("flaky: passed in some trials and failed in others\n  one · default · bot · turn 1 · contains \"hello\": 3 of 4 passed\n"),
        "{said}"
    );
    assert!(said.contains("trials: pass@1 75 % · pass@4 100 % (at least one of 4) · pass^4 0 % (all 4)\n"), "{said}");
    let page = std::fs::read_to_string(sandbox.run_folder().join("summary.md")).unwrap();
    assert!(page.contains("#### Flaky: passed in some trials and failed in others\n\n- `one`"), "{page}");
    assert!(page.contains("trials: pass@1 75 %"), "{page}");
    run();
    let said = sandbox.run(&["compare", "--fail-on", "worse"]).expect(0).stdout;
    for told in [
        "flaky in base (1)\n  one · default · bot · turn 1 · contains \"hello\": 3 of 4 passed",
        "flaky in new (1)",
        "  k  pass@k base  pass@k new  pass^k base  pass^k new  variants\n  1         75 %        75 %         75 %        75 %         1\n",
        "  4        100 %       100 %          0 %         0 %         1\n",
    ] {
        assert!(said.contains(told), "{told}\n{said}");
    }
}
