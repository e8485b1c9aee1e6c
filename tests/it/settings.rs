//! Flags, environment and config file of a run: what each does, and which one wins.

use std::collections::BTreeSet;

use crate::support::answer::{Answer, Gate};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

/// Two scenarios with every kind of name.
fn grid() -> Sandbox {
    let sandbox = Sandbox::new();
    let alpha = "\
tags: [smoke, slow]
personas: [{name: tutor, system: Teach.}, {name: critic, system: Judge.}]
windows: [1, full]
cases: [{id: left}, {id: right}]
turns: [{user: Hi}]
";
    sandbox.write("s/alpha.yaml", alpha);
    sandbox.write("s/beta.yaml", "tags: [smoke]\nturns: [{user: Hi}]");
    sandbox
}

/// Which conversations are played, as `scenario/case/persona/model/window`, each once.
fn played(sandbox: &Sandbox, arguments: &[&str]) -> BTreeSet<String> {
    sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat()).expect(0);
    let columns = ["scenario", "case", "persona", "model", "window"];
    let rows = sandbox.rows("summary.csv");
    let names: BTreeSet<String> = rows.iter().map(|row| columns.map(|column| row[column].clone()).join("/")).collect();
    assert_eq!(names.len(), rows.len(), "none is played twice");
    names
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn filters_choose_by_every_name_and_leave_out() {
    let sandbox = grid();
    assert_eq!(played(&sandbox, &[]).len(), 9);
    assert_eq!(played(&sandbox, &["-k", "bet*"]), set(["beta//default/builtin/full"]));
    let left = set(["alpha/left/tutor/builtin/1", "alpha/left/tutor/builtin/full"]);
    assert_eq!(played(&sandbox, &["-k", "persona=tutor", "-k", "case=l*"]), left);
    let one = ["--filter", "window=1", "--filter", "!persona=critic", "--filter", "!case=left"];
    assert_eq!(played(&sandbox, &one), set(["alpha/right/tutor/builtin/1"]));
    assert_eq!(played(&sandbox, &["-k", "!alpha", "-k", "model=built*"]), set(["beta//default/builtin/full"]));
    assert_eq!(played(&sandbox, &["-k", "alpha", "-k", "beta"]).len(), 9);
    let ran = sandbox.run(&["run", "s", "-k", "colour=red"]).expect(2);
    assert!(ran.stderr.contains("`colour=` filters nothing"), "{}", ran.stderr);
}

#[test]
fn a_persona_or_tag_that_no_file_has_is_told_beside_a_good_one() {
    let sandbox = grid();
    let ran = sandbox.run(&["run", "s", "--snapshots", "off", "--persona", "critic", "--persona", "tuttor"]).expect(0);
    assert!(
        ran.stderr.contains("warning: no scenario has the persona `tuttor`; did you mean `tutor`?"),
        "{}",
        ran.stderr
    );
    let ran = sandbox.run(&["run", "s", "--snapshots", "off", "--persona", "critic"]).expect(0);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let ran = sandbox.run(&["run", "s", "--tag", "smok"]).expect(4);
    assert!(ran.stderr.contains("no scenario has the tag `smok`"), "{}", ran.stderr);
}

#[test]
fn tags_personas_models_and_windows_choose_or_replace() {
    let sandbox = grid();
    assert_eq!(played(&sandbox, &["--tag", "slow"]).len(), 8);
    assert_eq!(played(&sandbox, &["--tag", "slow", "--tag", "smoke"]).len(), 9);
    assert_eq!(played(&sandbox, &["--persona", "critic"]).len(), 4);
    let models = ["-k", "beta", "--model", "builtin", "--model", "builtin:echo", "--model", "builtin"];
    assert_eq!(
        played(&sandbox, &models),
        set(["beta//default/builtin/full", "beta//default/builtin:echo/full"]),
        "a model given twice is one"
    );
    let windows = ["-k", "beta", "--window", "2-drop", "--window", "past-1", "--window", "messages-3-pin-1"];
    assert_eq!(
        played(&sandbox, &windows),
        set(
            ["beta//default/builtin/2-drop", "beta//default/builtin/messages-3-pin-1", "beta//default/builtin/past-1",]
        )
    );
    let ran = sandbox.run(&["run", "s", "--window", "0"]).expect(2);
    assert!(ran.stderr.contains("none"), "0 names the way out:\n{}", ran.stderr);
}

#[test]
fn streaming_of_the_command_line_wins_over_the_file() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/a-plain.yaml", "turns: [{user: Hi}]");
    sandbox.write("s/b-streamed.yaml", "stream: true\nturns: [{user: Hi}]");
    for arguments in
        [&[][..], &["--stream"], &["--no-stream"], &["--no-stream", "--stream"], &["--stream", "--no-stream"]]
    {
        sandbox.run(&[&["run", "s", "-j", "1", "--snapshots", "off"], arguments].concat()).expect(0);
    }
    let streams: Vec<bool> = server.requests().iter().map(Request::wants_stream).collect();
    let each = [[false, true], [true, true], [false, false], [true, true], [false, false]];
    assert_eq!(streams, each.concat(), "of two flags the last one counts");
}

#[test]
fn show_prints_each_piece_as_it_comes() {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |_| Answer::stream(["One, ", "two, ", "three."]).hold_event(2, &of_server));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns: [{user: Count., expect: [{contains: three}]}]");
    let mut running = sandbox.start(&["run", "s", "--show", "--stream", "--snapshots", "off"]);
    // The second piece is not sent before the first one was read here.
    running.until_said("  assistant\n  │ One, ");
    gate.open();
    let ran = running.finish().expect(0);
    let shown = "one · default · bot · window full\n  turn 1 · user\n  │ Count.\n  assistant\n  │ One, two, three.\n  ✓ contains \"three\"\n";
    assert!(ran.stdout.starts_with(shown), "{}", ran.stdout);
}

#[test]
fn show_takes_one_conversation_at_a_time_whatever_the_environment_says() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url()).env("CHAT_EVAL_CONCURRENCY", "8");
    sandbox.write("s/one.yaml", "trials: 4\nturns: [{user: Hi, reply: Good day.}, {user: How are you?}]");
    let ran = sandbox.run(&["run", "s", "--show", "--snapshots", "off"]).expect(0);
    assert_eq!(server.most_in_flight(), 1);
    let trial = |number: u32| {
        format!(
            "one · default · bot · window full · trial {number}\n  turn 1 · user\n  │ Hi\n  assistant\n  │ Good day.\n  \
             turn 2 · user\n  │ How are you?\n  assistant\n  │ Hello!\n"
        )
    };
    let expected: Vec<String> = (1..=4).map(trial).collect();
    assert!(ran.stdout.starts_with(&expected.join("\n")), "{}", ran.stdout);
}

#[test]
fn the_nearest_config_counts_and_another_can_be_named() {
    let sandbox = Sandbox::new();
    sandbox.write("chat-eval.yaml", "model: builtin:echo\n");
    sandbox.write("near/chat-eval.yaml", "model: builtin:amnesiac\n");
    sandbox.write("named.yaml", "model: builtin:omniscient\n");
    sandbox.write("near/far/below/one.yaml", "turns: [{user: Hi}]");
    let model = |folder: &str, arguments: &[&str]| {
        let out = sandbox.path().join("results");
        let fixed = ["run", "one.yaml", "--snapshots", "off", "--out", out.to_str().unwrap()];
        let mut command = sandbox.command(&[&fixed, arguments].concat());
        command.current_dir(sandbox.path().join(folder));
        Ran::from(command.output().unwrap()).expect(0);
        sandbox.rows("summary.csv")[0]["model"].clone()
    };
    assert_eq!(model("near/far/below", &[]), "builtin:amnesiac");
    assert_eq!(model("near/far/below", &["--config", "../../../named.yaml"]), "builtin:omniscient");
    sandbox.write("other/one.yaml", "turns: [{user: Hi}]");
    assert_eq!(model("other", &[]), "builtin:echo");
    let ran = sandbox.run(&["run", "other", "--config", "absent.yaml"]).expect(2);
    assert!(ran.stderr.contains("`absent.yaml` does not exist"), "{}", ran.stderr);
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_scenario_over_the_config() {
    let scenario = "models: [\"builtin:echo\"]\nturns: [{user: Hi}]";
    let model = |environment: &str, arguments: &[&str], scenario: &str| {
        let sandbox = Sandbox::new().env("CHAT_EVAL_MODEL", environment);
        sandbox.write("chat-eval.yaml", "model: builtin:omniscient\n");
        sandbox.write("s/one.yaml", scenario);
        sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat()).expect(0);
        let rows = sandbox.rows("summary.csv");
        assert_eq!(rows.len(), 1);
        rows[0]["model"].clone()
    };
    assert_eq!(model("builtin:amnesiac", &["--model", "builtin"], scenario), "builtin");
    assert_eq!(model("builtin:amnesiac", &[], scenario), "builtin:amnesiac");
    assert_eq!(model("", &[], scenario), "builtin:echo", "a variable that is empty says nothing");
    assert_eq!(model("", &[], "turns: [{user: Hi}]"), "builtin:omniscient");
}

#[test]
fn concurrency_and_folder_come_from_the_environment_too() {
    let most = |environment: &str, arguments: &[&str], asked: usize| {
        let server = Server::start(move |_| Answer::text("Hello!").until_in_flight(asked));
        let sandbox = Sandbox::with_bot(&server.base_url())
            .env("CHAT_EVAL_CONCURRENCY", environment)
            .env("CHAT_EVAL_OUT", "elsewhere");
        let config = sandbox.read("chat-eval.yaml") + "concurrency: 2\n";
        sandbox.write("chat-eval.yaml", config);
        sandbox.write("s/one.yaml", "trials: 12\nturns: [{user: Hi}]");
        let ran = sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat()).expect(0);
        assert!(ran.stdout.lines().last().unwrap().starts_with("elsewhere/"), "{}", ran.stdout);
        assert!(sandbox.has("elsewhere/latest/run.json") && !sandbox.has("results"));
        sandbox.run(&["report"]).expect(0);
        server.most_in_flight()
    };
    assert_eq!(most("3", &["-j", "4"], 4), 4);
    assert_eq!(most("3", &[], 3), 3);
    assert_eq!(most("", &[], 2), 2);

    let sandbox = Sandbox::new().env("CHAT_EVAL_CONCURRENCY", "many").env("CHAT_EVAL_OUT", "elsewhere");
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    let ran = sandbox.run(&["run", "s"]).expect(2);
    assert!(ran.stderr.contains("`CHAT_EVAL_CONCURRENCY` must be a number"), "{}", ran.stderr);
    sandbox.run(&["run", "s", "-j", "2", "--out", "third"]).expect(0);
    assert!(sandbox.has("third/latest") && !sandbox.has("elsewhere"));
}

const KEY: &str = "sk-proj-0123456789abcdef";

#[test]
fn without_a_config_a_model_is_openais_and_its_key_is_written_nowhere() {
    let server = Server::start(|request| match request.number {
        1 => Answer::reply(request, "Hello!"),
        // Some proxies quote the key that they do not like.
        _ => Answer::error(400, "bad", &format!("Incorrect API key provided: {KEY}.")),
    });
    let sandbox =
        Sandbox::new().env("OPENAI_BASE_URL", &server.base_url()).env("OPENAI_API_KEY", KEY).env("RUST_BACKTRACE", "1");
    sandbox.write("s/one.yaml", "model: gpt-4o-mini\nturns: [{user: Hi}, {user: More, expect: [{asks: true}]}]");
    let ran = sandbox.run(&["run", "s", "--show"]).expect(3);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(request.body["model"], "gpt-4o-mini");
    }
    assert!(ran.stdout.contains("Incorrect API key provided: ***."), "{}", ran.stdout);
    assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY));
    for file in sandbox.files(".") {
        assert!(!sandbox.read(&file).contains(KEY), "{file}");
    }
}

#[test]
fn the_config_beside_the_scenarios_is_none_of_them() {
    let sandbox = Sandbox::new();
    sandbox.write("chat-eval.yaml", "model: builtin\n");
    sandbox.write("one.yaml", "turns:\n  - user: Hi\n");
    let ran = sandbox.run(&["check", "."]).expect(0);
    assert!(ran.stdout.starts_with("1 scenario, 1 conversation"), "{}", ran.stdout);
    sandbox.write("fillers.yaml", "- {user: Hi, reply: Hello}\n");
    let ran = sandbox.run(&["check", "."]).expect(2);
    assert!(ran.stderr.contains("passed over where its name begins with `_`"), "{}", ran.stderr);
}

#[test]
fn a_plan_that_is_too_large_hides_no_other_error_and_names_its_way_out() {
    let sandbox = Sandbox::new();
    sandbox.write("s/large.yaml", "trials: 20\nturns:\n  - user: Hi\n");
    sandbox.write("s/wrong.yaml", "turns:\n  - usr: Hi\n");
    let ran = sandbox.run(&["check", "s", "--max-conversations", "19"]).expect(2);
    for said in ["error[unknown-key]", "the plan has 20 conversations, and at most 19", "--max-conversations"] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    sandbox.run(&["check", "s/large.yaml", "--max-conversations", "20"]).expect(0);
    sandbox.run(&["run", "s/large.yaml", "--max-conversations", "19"]).expect(2);
}

#[cfg(unix)]
#[test]
fn no_more_calls_are_in_flight_than_the_system_has_open_files_for() {
    let server = Server::saying("Fine.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 300\nturns:\n  - user: Hi\n");
    // The soft limit is raised up to the hard one, which `ulimit -n` sets too.
    let script = "ulimit -n 96 && exec \"$0\" run s -j 200 --snapshots off";
    let command = sandbox.command(&[]);
    let binary = command.get_program().to_owned();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script]).arg(binary).current_dir(sandbox.path()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(std::process::Stdio::null());
    let ran = Ran::from(shell.output().expect("a shell")).expect(0);
    assert!(ran.stderr.contains("32 conversations at once, not 200"), "{}", ran.stderr);
    assert!(ran.stdout.contains("300 passed") || ran.stdout.contains("1 passed"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("retr"), "{}", ran.stdout);
}
