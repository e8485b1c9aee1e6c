//! What is played: the sizes of each work, the texts of its conversations, and the scenario files that say the same.
//!
//! The floor takes its messages from the same functions as the scenario files, so both send the same bytes.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Conversations of one scenario file: its cases. A conversation's script is filled in anew for each of them.
pub const CASES_A_FILE: usize = 50;
/// The system prompt.
pub const SYSTEM: &str = "You are a travel planner. Answer in two or three sentences, and remember who you talk to.";
/// What the server answers to everything: about as long as such an answer is.
pub const REPLY: &str = "With pleasure, Priya. I would begin at the old harbour before the crowds come, walk up to the \
                         castle through the lanes behind the market, and have lunch in the small place at the corner \
                         of the square, which is known for its fish. Shall I look for a table?";
/// The model's name.
pub const MODEL: &str = "bench";

/// Conversations against the server.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// How many conversations.
    pub conversations: usize,
    /// Turns of each, all of them live, with the full history.
    pub turns: usize,
    /// How long the server takes for an answer.
    pub latency: Duration,
    /// Conversations at once.
    pub concurrency: usize,
}

impl Work {
    /// A work of so many conversations.
    pub const fn new(conversations: usize, turns: usize, latency_ms: u64, concurrency: usize) -> Self {
        Self { conversations, turns, latency: Duration::from_millis(latency_ms), concurrency }
    }

    /// Requests that it takes, each conversation's every turn once.
    pub const fn requests(&self) -> usize {
        self.conversations * self.turns
    }

    /// How long it takes at least: all turns × latency ÷ concurrency.
    pub fn bound(&self) -> Duration {
        self.latency.mul_f64(self.requests() as f64 / self.concurrency as f64)
    }
}

/// The user message of a turn, counted from 1, of the conversation about `party`.
pub fn user(turn: usize, party: &str) -> String {
    match turn {
        1 => format!("My name is Priya. I travel with the party {party}, and we have a few days by the sea."),
        _ => format!("What should we see on day {turn}, in the morning, and where would the party {party} eat?"),
    }
}

/// The party of a conversation.
pub fn party(conversation: usize) -> String {
    format!("{conversation:06}")
}

/// Writes the scenarios of a work and the config that names its model.
pub fn write(work: &Work, folder: &Path, base_url: &str) -> anyhow::Result<()> {
    let config = format!(
        "models:\n  {MODEL}: {{provider: openai, model: {MODEL}, base_url: \"{base_url}\", api_key_env: none}}\n"
    );
    fs::write(folder.join("chat-eval.yaml"), config)?;
    let scenarios = folder.join("scenarios");
    fs::create_dir_all(&scenarios)?;
    let conversations: Vec<usize> = (0..work.conversations).collect();
    for (number, cases) in conversations.chunks(CASES_A_FILE).enumerate() {
        fs::write(scenarios.join(format!("trip-{number:04}.yaml")), scenario(work.turns, cases))?;
    }
    Ok(())
}

/// One scenario: a limit on every reply, and every tenth turn and at the end whether the name is still known.
fn scenario(turns: usize, cases: &[usize]) -> String {
    let cases: Vec<String> = cases.iter().map(|case| format!("  - {{party: \"{}\"}}\n", party(*case))).collect();
    let turn = |turn: usize| {
        let is_asked = turn.is_multiple_of(10) || turn == turns;
        let expect = if is_asked { "    expect: [{recalls: name}, {contains: harbour}]\n" } else { "" };
        format!("  - user: \"{}\"\n{expect}", user(turn, "{{ party }}"))
    };
    let turns: Vec<String> = (1..=turns).map(turn).collect();
    format!(
        "model: {MODEL}\npersonas:\n  - name: planner\n    system: {SYSTEM}\n    expect: [{{max_words: 150}}]\nfacts: \
         {{name: Priya}}\ncases:\n{}turns:\n{}",
        cases.concat(),
        turns.concat()
    )
}

/// Writes `files` scenarios, each with a script of its own, a hundred to a folder.
pub fn write_files(files: usize, folder: &Path) -> anyhow::Result<()> {
    for number in 0..files {
        let below = folder.join(format!("group-{:03}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&below)?;
        }
        fs::write(below.join(format!("trip-{number:05}.yaml")), lone_scenario(number))?;
    }
    Ok(())
}

fn lone_scenario(number: usize) -> String {
    let party = party(number);
    let turns: Vec<String> = (1..=5).map(|turn| format!("  - user: \"{}\"\n", user(turn, &party))).collect();
    let turns = turns.concat();
    format!(
        "description: Whether the planner remembers who travels with the party {party}.\ntags: [memory]\npersona: \
         {SYSTEM}\nwindows: [2, full]\nfacts:\n  name: {{value: Priya, aliases: [Ms Priya]}}\nturns:\n{turns}    \
         expect:\n      - retains_iff_visible: name\n      - max_words: 150\n      - not_contains_any: [sorry, \
         cannot]\n"
    )
}

/// A scenario that the embedded model passes.
pub const BUILTIN: &str = "persona: You are a helpful assistant.\nwindows: [2, full]\nfacts: {name: Priya}\nturns:\n  - \
                           user: My name is Priya.\n  - user: I work at Google.\n  - user: I'm learning ML.\n  - \
                           user: What's my name?\n    expect: [{retains_iff_visible: name}]\n";
