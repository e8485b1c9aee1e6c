//! `merge`: the parts of a plan become the run that was never split, or are refused by name.

use std::fs;

use regex::Regex;
use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// A server whose replies depend on nothing but the request, and that refuses some.
fn server() -> Server {
    Server::start(|request| match request.last_user().as_str() {
        "Hi c" => Answer::error(400, "bad", "not today"),
        "Hi b" => Answer::reply(request, ""),
        user => Answer::reply(request, &format!("{user}, after {} messages, Priya", request.messages().len())),
    })
}

/// A plan with everything: passes, failures, errors, cases, trials, windows, personas, a matrix, snapshots that match, differ
/// and are not there.
fn plan(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url()).env("CI", "true");
    let cases = "\
cases: [{id: a}, {id: b}, {id: c}, {id: d}, {id: e}]
personas: [{name: kind, system: Be kind.}, {name: curt, system: Be curt., expect: [{max_words: 4}]}]
windows: [1, full]
trials: 3
pass_rate: 0.6
facts: {name: Priya}
turns:
  - {user: 'Hi {{ id }}', expect: [{contains: messages}]}
  - {user: What's my name?, expect: [{recalls: name}]}
";
    sandbox.write("s/cases.yaml", cases);
    let grid = "\
model: builtin
matrix: {gap: [0, 2, 4]}
windows: [2, full]
facts: {name: Priya}
turns:
  - user: My name is Priya.
  - {filler: '{{ gap }}'}
  - {user: What's my name?, expect: [{retains_iff_visible: name}]}
";
    sandbox.write("s/grid.yaml", grid);
    for name in ["alpha", "beta", "gamma"] {
        sandbox.write(&format!("s/{name}.yaml"), "model: builtin\nturns: [{user: Hi, expect: [{max_words: 50}]}]");
    }
    sandbox.run(&["run", "s", "--snapshots", "always", "--out", "before"]).expect(1);
    fs::remove_file(sandbox.path().join("s/snapshots/beta@default.builtin.full.snap")).unwrap();
    sandbox.write("s/gamma.yaml", "model: builtin\nturns: [{user: Good day, expect: [{max_words: 50}]}]");
    sandbox
}

/// Plays the parts of the plan, each into a folder of its own: `shards/1` and so on.
fn play(sandbox: &Sandbox, of: u32, arguments: &[&str]) {
    for number in 1..=of {
        let (shard, out) = (format!("{number}/{of}"), format!("shards/{number}"));
        let ran = sandbox.run(&[&["run", "s", "-q", "--shard", &shard, "--out", &out], arguments].concat());
        assert!([0, 1, 3].contains(&ran.code.unwrap()), "{}{}", ran.stdout, ran.stderr);
    }
}

/// The runs of these parts, as `merge` takes them.
fn latest(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| format!("shards/{number}/latest")).collect()
}

fn merge(sandbox: &Sandbox, runs: &[String], arguments: &[&str]) -> Ran {
    let runs: Vec<&str> = runs.iter().map(String::as_str).collect();
    sandbox.run(&[&["merge"], &runs[..], &["-o", "results/merged"], arguments].concat())
}

/// A merge that is refused with this and leaves nothing.
#[track_caller]
fn refused(sandbox: &Sandbox, runs: &[String], told: &[&str]) {
    let before = sandbox.files(".");
    let ran = merge(sandbox, runs, &[]).expect(2);
    for told in told {
        assert!(ran.stderr.contains(told), "{told}\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("nothing was written"), "{}", ran.stderr);
    assert_eq!(sandbox.files("."), before);
    assert!(!sandbox.has("results/merged"));
}

/// What is printed, but for times and folders.
fn steady(text: &str) -> String {
    let text = Regex::new(r"\d+(\.\d)? m?s( \(bound [^)]*\))?").unwrap().replace_all(text, "N s").into_owned();
    let text = Regex::new(r"(results|shards)/\S+").unwrap().replace_all(&text, "FOLDER").into_owned();
    Regex::new(" +").unwrap().replace_all(&text, " ").into_owned()
}

fn run_json(sandbox: &Sandbox, folder: &str) -> Value {
    serde_json::from_str(&sandbox.read(&format!("{folder}/run.json"))).unwrap()
}

#[test]
fn merged_parts_are_the_run_that_was_never_split() {
    let server = server();
    let sandbox = plan(&server);
    let whole = sandbox.run(&["run", "s", "--max-conversations", "99"]).expect(1);
    let (tables, totals) = (sandbox.steady_tables(), run_json(&sandbox, "results/latest")["totals"].clone());
    assert!(
        whole.stdout.contains("outdated-script: ") && whole.stdout.contains("not accepted yet"),
        "{}",
        whole.stdout
    );
    for word in ["passed", "failed", "errored"] {
        assert!(whole.stdout.contains(word), "{}", whole.stdout);
    }
    for of in [1, 2, 3, 7] {
        play(&sandbox, of, &[]);
        let _ = fs::remove_dir_all(sandbox.path().join("results/merged"));
        // Whatever the order in which they are named.
        let runs: Vec<u32> = (1..=of).rev().collect();
        let merged = merge(&sandbox, &latest(&runs), &[]).expect(1);
        assert_eq!(steady(&merged.stdout), steady(&whole.stdout), "{of} parts");
        assert_eq!(sandbox.run_folder().file_name().unwrap(), "merged", "it is the latest run");
        assert_eq!(sandbox.steady_tables(), tables, "{of} parts");
        assert_eq!(run_json(&sandbox, "results/merged")["totals"], totals, "{of} parts");
        fs::remove_dir_all(sandbox.path().join("shards")).unwrap();
    }
}

/// A plan of five conversations on the embedded model, which passes.
fn good_plan() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("s/cases.yaml", "cases: [{id: a}, {id: b}, {id: c}]\nturns: [{user: 'Hi {{ id }}'}]");
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    sandbox.write("s/two.yaml", "turns: [{user: Hi}]");
    sandbox
}

/// The journal of a part.
fn journal(number: u32) -> String {
    format!("shards/{number}/latest/journal.jsonl")
}

#[test]
fn the_exit_code_is_that_of_a_run() {
    let sandbox = good_plan();
    play(&sandbox, 3, &["--snapshots", "off"]);
    let ran = merge(&sandbox, &latest(&[1, 2, 3]), &["--snapshots", "off"]).expect(0);
    assert!(ran.stderr.contains("3 runs, 5 conversations"), "{}", ran.stderr);
    assert!(ran.stdout.ends_with("results/merged/report.html\n"), "{}", ran.stdout);

    let refusing = Server::start(|request| match request.last_user().as_str() {
        "Hi b" => Answer::error(400, "bad", "not today"),
        _ => Answer::reply(request, "Fine."),
    });
    let sandbox = Sandbox::with_bot(&refusing.base_url());
    sandbox.write("s/one.yaml", "cases: [{id: a}, {id: b}, {id: c}]\nturns: [{user: 'Hi {{ id }}'}]");
    play(&sandbox, 2, &["--snapshots", "off"]);
    let ran = merge(&sandbox, &latest(&[1, 2]), &["--snapshots", "off"]).expect(3);
    assert!(ran.stdout.contains("2 passed, 1 errored") && ran.stdout.contains("not today"), "{}", ran.stdout);
}

#[test]
fn the_manifest_says_what_it_was_made_of() {
    let sandbox = good_plan();
    play(&sandbox, 3, &["--snapshots", "off", "--max-cost", "0.1", "-j", "2"]);
    merge(&sandbox, &latest(&[3, 1, 2]), &["--snapshots", "off"]).expect(0);
    let merged = run_json(&sandbox, "results/merged");
    let parts: Vec<Value> = (1..=3).map(|number| run_json(&sandbox, &format!("shards/{number}/latest"))).collect();
    let each = |name: &str| parts.iter().map(|part| part[name].clone()).collect::<Vec<_>>();
    let sum = |name: &str| each(name).iter().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(merged["run"], "merged");
    assert_eq!(merged["arguments"][0], "merge");
    assert_eq!((&merged["plan_digest"], &merged["conversations"]), (&parts[0]["plan_digest"], &5.into()));
    assert!(merged["shard"].is_null() && merged["planned"].is_null(), "{merged}");
    assert_eq!(merged["concurrency"], sum("concurrency"));
    assert_eq!(merged["max_cost_usd"], 0.3);
    assert_eq!(merged["wall_ms"].as_u64(), each("wall_ms").iter().filter_map(Value::as_u64).max());
    let from = merged["merged_from"].as_array().unwrap();
    for name in ["run", "shard", "arguments", "started", "conversations", "wall_ms"] {
        assert_eq!(from.iter().map(|from| from[name].clone()).collect::<Vec<_>>(), each(name), "{name}");
    }
    let started = each("started").into_iter().min_by_key(ToString::to_string);
    assert_eq!(Some(&merged["started"]), started.as_ref());

    let files = || {
        sandbox.files("results/merged").into_iter().map(|file| (sandbox.read(&format!("results/merged/{file}")), file))
    };
    let before: Vec<_> = files().collect();
    fs::remove_file(sandbox.path().join("results/merged/checks.csv")).unwrap();
    sandbox.run(&["report", "merged"]).expect(0);
    assert_eq!(files().collect::<Vec<_>>(), before);
    let ran = sandbox.run(&["run", "--resume", "merged"]).expect(2);
    assert!(
        ran.stderr.contains("`merged` was put together by `merge` and has nothing to go on with"),
        "{}",
        ran.stderr
    );
    // A merged run is a whole run, and as such can be copied.
    let ran = sandbox.run(&["merge", "merged", "-o", "elsewhere/again", "--snapshots", "off"]).expect(0);
    assert!(
        ran.stdout.ends_with("elsewhere/again/report.html\n") && !sandbox.has("elsewhere/latest"),
        "{}",
        ran.stdout
    );
    assert_eq!(sandbox.run_folder().file_name().unwrap(), "merged");
}

#[test]
fn parts_that_are_missing_or_there_twice_are_named() {
    let sandbox = good_plan();
    play(&sandbox, 3, &["--snapshots", "off"]);
    let rows = |number: u32| {
        let text = sandbox.read(&format!("shards/{number}/latest/summary.csv"));
        text.lines()
            .skip(1)
            .map(|row| row.split(',').skip(1).take(2).collect::<Vec<_>>().join(" · "))
            .collect::<Vec<_>>()
    };
    let full = (1..=3).find(|number| !rows(*number).is_empty()).unwrap();
    let others: Vec<u32> = (1..=3).filter(|number| *number != full).collect();
    let names: Vec<String> = rows(full).iter().map(|name| format!("`{}`", name.trim_end_matches(" · "))).collect();
    let told =
        format!("shard {full}/3 is missing: {} of the plan's 5 conversations, {}\n", names.len(), names.join(", "));
    refused(&sandbox, &latest(&others), &[&told]);
    let both: Vec<String> = others.iter().map(|number| format!("shard {number}/3 is missing")).collect();
    refused(&sandbox, &latest(&[full]), &[&both[0], &both[1]]);

    let copy = sandbox.path().join("shards/copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(sandbox.path().join(journal(2)), copy.join("journal.jsonl")).unwrap();
    let runs = [latest(&[1, 2, 3]), vec!["shards/copy".to_owned()]].concat();
    refused(&sandbox, &runs, &["shard 2/3 is there twice: `shards/2/latest` and `shards/copy`"]);
    // One that a glob leads to twice is one.
    let run = fs::read_link(sandbox.path().join("shards/1/latest")).unwrap();
    // A folder that holds runs means the latest of them.
    let runs = [latest(&[1, 2, 3]), vec![format!("shards/1/{}", run.display()), "shards/1".into()]].concat();
    merge(&sandbox, &runs, &["--snapshots", "off"]).expect(0);
}

#[test]
fn a_conversation_that_two_parts_have_is_named_and_so_is_a_place_that_none_has() {
    let sandbox = good_plan();
    let cases = (1..=20).map(|id| format!("{{id: c{id}}}")).collect::<Vec<_>>().join(", ");
    sandbox.write("s/cases.yaml", format!("cases: [{cases}]\nturns: [{{user: 'Hi {{{{ id }}}}'}}]"));
    play(&sandbox, 2, &["--snapshots", "off"]);
    // As if a machine had cut the plan in another way.
    let second = sandbox.read(&journal(2));
    sandbox.write(&journal(2), sandbox.read(&journal(1)).replacen("\"number\":1", "\"number\":2", 1));
    let told = [
        "` is there twice: in `shards/1/latest` and in `shards/2/latest`",
        "cases · c",
        "of the plan is in none of the runs",
    ];
    refused(&sandbox, &latest(&[1, 2]), &told);
    sandbox.write(&journal(2), second);
    merge(&sandbox, &latest(&[1, 2]), &["--snapshots", "off"]).expect(0);
}

/// The story: a part may come from anywhere, and snapshots are written beside the files that its conversations name.
#[test]
fn a_conversation_of_a_file_that_its_run_does_not_have_is_refused_by_name() {
    let sandbox = good_plan();
    play(&sandbox, 1, &["--snapshots", "off"]);
    let text = sandbox.read(&journal(1));
    let other = text.replace("\"file\":\"s/two.yaml\"", "\"file\":\"../elsewhere/two.yaml\"");
    assert_ne!(other, text);
    sandbox.write(&journal(1), other);
    let told = "`two · default · builtin · window full · trial 1` in `shards/1/latest` is of the file `../elsewhere/two.yaml`, \
                which is none of that run's scenarios\n";
    refused(&sandbox, &latest(&[1]), &[told]);
}

#[test]
fn runs_of_other_plans_are_refused_and_what_differs_is_named() {
    let sandbox = good_plan();
    play(&sandbox, 2, &["--snapshots", "off"]);
    let again = |arguments: &[&str]| {
        let shard = ["run", "s", "-q", "--out", "shards/2", "--snapshots", "off"];
        sandbox.run(&[&shard, arguments].concat()).expect(0);
    };
    let runs = latest(&[1, 2]);
    again(&["--shard", "2/3"]);
    refused(&sandbox, &runs, &["`shards/2/latest` is shard 2/3, and `shards/1/latest` is shard 1/2"]);
    again(&[]);
    refused(&sandbox, &runs, &["`shards/2/latest` is a whole run, and `shards/1/latest` is shard 1/2"]);
    again(&["--shard", "2/2", "--trials", "2"]);
    let told = "`shards/2/latest` is of another plan than `shards/1/latest`: it began with `run s ";
    refused(&sandbox, &runs, &[told, "--trials 2`, the other with `run s "]);
    sandbox.write("s/two.yaml", "turns: [{user: Hello}]");
    again(&["--shard", "2/2"]);
    refused(&sandbox, &runs, &["`s/two.yaml`, or a file that it reads, is not the same in both"]);
    sandbox.write("s/two.yaml", "turns: [{user: Hi}]");
    sandbox.write("s/three.yaml", "turns: [{user: Hi}]");
    again(&["--shard", "2/2"]);
    refused(&sandbox, &runs, &["it alone has the scenario `three`"]);
    fs::remove_file(sandbox.path().join("s/three.yaml")).unwrap();
    fs::remove_file(sandbox.path().join("s/two.yaml")).unwrap();
    again(&["--shard", "2/2"]);
    refused(&sandbox, &runs, &["it lacks the scenario `two`"]);
    sandbox.write(&journal(2), sandbox.read(&journal(2)).replacen("\"format\":1", "\"format\":2", 1));
    let ran = merge(&sandbox, &runs, &[]).expect(2);
    assert!(ran.stderr.contains("has `format: 2`"), "{}", ran.stderr);
    let ran = sandbox.run(&["merge", "absent", "-o", "m"]).expect(2);
    assert!(ran.stderr.contains("there is no run `absent` in `results`"), "{}", ran.stderr);
}

#[test]
fn a_part_that_did_not_finish_is_refused_until_it_went_on() {
    let sandbox = good_plan();
    play(&sandbox, 1, &["--snapshots", "off", "-j", "1"]);
    let whole = sandbox.read(&journal(1));
    let lines: Vec<&str> = whole.lines().collect();
    let ends = |line: &&str| line.contains("\"event\":\"conversation\"");
    let second_end = lines.iter().enumerate().filter(|(_, line)| ends(line)).nth(1).unwrap().0;
    // Killed in the third conversation, with one whole line of it and a torn one behind.
    sandbox.write(&journal(1), format!("{}\n{}", lines[..second_end + 2].join("\n"), &lines[second_end + 2][..9]));
    let told = [
        "`shards/1/latest` did not finish: `cases · c · default · builtin · window full · trial 1` was not played to its \
         end, and 2 conversations were not begun: `one`, `two`\n",
        "help: `chat-eval run --resume shards/1/latest` goes on with a run that did not finish\n",
    ];
    refused(&sandbox, &latest(&[1]), &told);
    // Named by the link that is set anew at its end.
    sandbox.run(&["run", "--resume", "shards/1/latest/"]).expect(0);
    merge(&sandbox, &latest(&[1]), &["--snapshots", "off"]).expect(0);
    let merged = run_json(&sandbox, "results/merged");
    assert!(merged["wall_ms"].is_null(), "nobody timed the part that was killed: {merged}");
    assert_eq!(sandbox.rows("summary.csv").len(), 5);
}

#[test]
fn snapshots_are_compared_where_the_scenarios_are_and_else_that_is_said() {
    let sandbox = good_plan();
    play(&sandbox, 2, &["--snapshots", "off"]);
    fs::rename(sandbox.path().join("s"), sandbox.path().join("moved")).unwrap();
    let ran = merge(&sandbox, &latest(&[1, 2]), &[]).expect(2);
    assert!(ran.stderr.contains("`s/cases.yaml` is not here, and its snapshots cannot be compared"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`--snapshots off`") && !sandbox.has("results"), "{}", ran.stderr);
    fs::rename(sandbox.path().join("moved"), sandbox.path().join("s")).unwrap();
    let ran = merge(&sandbox, &latest(&[1, 2]), &["--snapshots", "new"]).expect(0);
    assert!(ran.stdout.contains("new, waits for review"), "{}", ran.stdout);
    assert_eq!(sandbox.files("s/snapshots").len(), 5);
}

#[test]
fn a_folder_with_something_in_it_is_left_alone_and_an_empty_one_is_filled() {
    let sandbox = good_plan();
    play(&sandbox, 1, &["--snapshots", "off"]);
    sandbox.write("results/merged/mine.txt", "mine");
    let ran = merge(&sandbox, &latest(&[1]), &["--snapshots", "off"]).expect(2);
    assert!(ran.stderr.contains("`results/merged` is there already, and is not empty"), "{}", ran.stderr);
    assert_eq!(sandbox.files("results"), ["merged/mine.txt"]);
    fs::remove_file(sandbox.path().join("results/merged/mine.txt")).unwrap();
    merge(&sandbox, &latest(&[1]), &["--snapshots", "off"]).expect(0);
    sandbox.write("file", "");
    for folder in ["file", "file/below", "..", "/"] {
        let ran = sandbox.run(&["merge", "shards/1/latest", "-o", folder, "--snapshots", "off"]).expect(2);
        assert!(ran.stderr.contains(&format!("`{folder}` ")), "{}", ran.stderr);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| fs::metadata(sandbox.path().join(path)).unwrap().permissions().mode();
        assert_eq!(mode("results/merged"), mode("shards"), "it is as readable as any other folder");
    }
    let names = fs::read_dir(sandbox.path().join("results")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["latest", "merged"]);
}

#[test]
fn parts_that_were_played_by_different_models_under_one_name_are_refused() {
    let server = Server::saying("Fine.");
    let sandbox = Sandbox::new();
    let scenario = "model: bot\ncases: [{id: a}, {id: b}, {id: c}, {id: d}, {id: e}]\nturns: [{user: Hi}]";
    sandbox.write("s/one.yaml", scenario);
    for (number, model) in [(1, "one"), (2, "another")] {
        let url = server.base_url();
        let bot = format!("{{provider: openai, model: {model}, base_url: \"{url}\", api_key_env: none}}");
        sandbox.write("chat-eval.yaml", format!("models:\n  bot: {bot}\n"));
        let (shard, out) = (format!("{number}/2"), format!("shards/{number}"));
        sandbox.run(&["run", "s", "--shard", &shard, "--out", &out, "--snapshots", "off"]).expect(0);
    }
    refused(&sandbox, &latest(&[1, 2]), &["the model `bot` is `openai another, ", "`openai one, "]);
}

/// The names in the folder where the merged run is made.
#[cfg(unix)]
fn merged_folder(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path().join("results")).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The story: a job was cancelled while it merged, and each time one more `.draft-…` stayed in its folder of results.
#[cfg(unix)]
#[test]
fn a_merge_that_is_told_to_stop_leaves_nothing_behind() {
    let sandbox = good_plan();
    play(&sandbox, 1, &["--snapshots", "off", "--trials", "100"]);
    for signal in ["TERM", "INT", "HUP"] {
        // Where it was faster than the signal it has merged, and is asked once more.
        let stopped = (0..100).find_map(|_| {
            let mut running = sandbox.start(&["merge", "shards/1", "-o", "results/merged", "--snapshots", "off"]);
            let is_begun = || merged_folder(&sandbox).iter().any(|name| name.starts_with(".draft-"));
            let is_going_on = std::iter::repeat_with(|| !running.has_ended()).find(|goes_on| !goes_on || is_begun());
            if is_going_on == Some(true) {
                running.signal(signal);
            }
            let ran = running.finish();
            let names = merged_folder(&sandbox);
            assert!(!names.iter().any(|name| name.starts_with(".draft-")), "{signal}: {names:?}");
            let is_merged = names.iter().any(|name| name == "merged");
            let _ = fs::remove_dir_all(sandbox.path().join("results"));
            (!is_merged).then_some(ran)
        });
        let ran = stopped.expect("one that was stopped").expect(130);
        assert!(
            ran.stderr.ends_with("stopped: nothing was written, and the runs are as they were\n"),
            "{}",
            ran.stderr
        );
    }
    merge(&sandbox, &latest(&[1]), &["--snapshots", "off"]).expect(0);
}

/// A merge whose run is in its place, held up at a snapshot.
#[cfg(unix)]
#[test]
fn once_a_merged_run_is_whole_the_first_signal_ends_the_program_and_it_stays() {
    let sandbox = good_plan();
    play(&sandbox, 1, &["--snapshots", "always"]);
    let sandbox = sandbox.env("GITHUB_STEP_SUMMARY", "step");
    // Nobody reads what is said there behind the last line, and so it waits.
    assert!(std::process::Command::new("mkfifo").arg(sandbox.path().join("step")).status().unwrap().success());
    let mut running = sandbox.start(&["merge", "shards/1", "-o", "results/merged", "--snapshots", "no"]);
    running.until_said("results/merged/report.html\n");
    running.signal("TERM");
    let ran = running.finish().expect(130);
    assert!(ran.stderr.contains("ended at once: the merged run is whole in "), "{}", ran.stderr);
    assert_eq!(merged_folder(&sandbox), ["latest", "merged"]);
    sandbox.run(&["report", "merged"]).expect(0);
}

/// Nobody reads what it tells, and so it does not get to look whether it is to stop.
#[cfg(target_os = "linux")]
#[test]
fn a_second_signal_ends_a_merge_at_once() {
    use std::process::{Command, Stdio};

    let sandbox = good_plan();
    play(&sandbox, 1, &["--snapshots", "off"]);
    let (_nobody_reads, full) = std::io::pipe().unwrap();
    let mut much = Command::new("sh");
    assert!(much.args(["-c", "yes | head -c 65536"]).stdout(full.try_clone().unwrap()).status().unwrap().success());
    let mut command = sandbox.command(&["merge", "shards/1", "-o", "results/merged", "--snapshots", "off"]);
    let mut child = command.stdout(Stdio::null()).stderr(full).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let listens = || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("the signals that are caught");
        let both = 1 << 1 | 1 << 14;
        u64::from_str_radix(caught.trim(), 16).unwrap() & both == both
    };
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !listens() {
        assert!(std::time::Instant::now() < patience, "it does not listen");
        std::thread::yield_now();
    }
    let (sender, ended) = std::sync::mpsc::channel();
    let id = child.id().to_string();
    std::thread::spawn(move || sender.send(child.wait().unwrap()));
    for signal in ["-INT", "-TERM"] {
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
    let status = ended.recv_timeout(std::time::Duration::from_secs(60)).expect("the program ends");
    assert_eq!(status.code(), Some(130));
    assert!(!sandbox.has("results/merged"));
}
