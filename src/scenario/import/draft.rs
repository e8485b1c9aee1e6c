//! A scenario before it is a file: what was found in a conversation, and how that is laid out.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::Replies;
use super::yaml_text::{Part, Yaml, document};
use crate::model::{OrphanReply, Role, Tail, Window};

/// Who judges, in the config.
const JUDGE: &str = "judge: {model: gpt-4o-mini}";
/// Who makes embeddings; an imported `similar` is always by these.
const EMBEDDING: &str = "embedding: {model: text-embedding-3-small}";

/// Something that no scenario can say, or that it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeftOut {
    /// Where it stands: `messages[2].tool_calls`.
    pub path: String,
    /// What it is, and what became of it.
    pub what: String,
}

/// A user message with what belongs to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// What the user says.
    pub user: String,
    /// What the bot said when this was recorded.
    pub recorded: Option<String>,
    /// Whether that is a canned reply already, and stays one.
    pub is_canned: bool,
    /// Checks on the reply.
    pub expect: Vec<Yaml>,
}

/// What one conversation gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// What its name is made of, behind the name of what it is from; empty for its number.
    pub hint: String,
    /// What it is from: `line 3 of chats.jsonl`.
    pub origin: String,
    /// What it is about.
    pub description: Option<String>,
    /// The system prompt.
    pub persona: Option<String>,
    /// The window that it was played in.
    pub window: Option<Window>,
    /// Sampling parameters.
    pub params: Vec<(String, Json)>,
    /// Messages before the first user message.
    pub history: Vec<(Role, String)>,
    /// The turns.
    pub turns: Vec<Step>,
    /// What is asked behind the last turn.
    pub probes: Vec<Step>,
    /// What does not stand in it, or not as it was.
    pub left_out: Vec<LeftOut>,
}

impl Draft {
    /// Notes what does not stand in it.
    pub fn leave_out(&mut self, path: impl Into<String>, what: impl Into<String>) {
        let left_out = LeftOut { path: path.into(), what: what.into() };
        // What all turns have in common is left out of each, and said once; a long list is not gone through each time.
        if !self.left_out.iter().rev().take(64).any(|known| *known == left_out) {
            self.left_out.push(left_out);
        }
    }

    /// The lines of the config without which its checks cannot be made: who judges, and who makes embeddings.
    #[must_use]
    pub fn needs(&self) -> Vec<&'static str> {
        let checks = || self.turns.iter().chain(&self.probes).flat_map(|step| &step.expect);
        let lines = [("judge", JUDGE), ("similar", EMBEDDING)];
        lines.into_iter().filter(|(key, _)| checks().any(|check| is_about(check, key))).map(|(_, line)| line).collect()
    }

    /// The file. `maker` is the command that makes it.
    #[must_use]
    pub(super) fn to_yaml(&self, name: &str, maker: &str, replies: Replies) -> String {
        let text = |text: &str| Yaml::text(text);
        let mut parts = vec![Part::Entry("name".into(), Yaml::Template(name.into()))];
        let mut add = |key: &str, value: Yaml| parts.push(Part::Entry(key.into(), value));
        if let Some(description) = &self.description {
            // Of no description anything is filled in.
            add("description", Yaml::Template(description.clone()));
        }
        add("tags", Yaml::List(vec![Yaml::Template("imported".into())]));
        if let Some(persona) = &self.persona {
            add("persona", text(persona));
        }
        if let Some(window) = self.window.filter(|window| *window != Window::FULL) {
            add("window", window_yaml(window));
        }
        if !self.params.is_empty() {
            add("params", Yaml::map(self.params.iter().map(|(key, value)| (key, Yaml::from(value.clone())))));
        }
        if !self.history.is_empty() {
            let message = |(role, content): &(Role, String)| {
                let role = if *role == Role::User { "user" } else { "assistant" };
                Yaml::map([("role", Yaml::Template(role.into())), ("content", text(content))])
            };
            add("history", Yaml::List(self.history.iter().map(message).collect()));
        }
        let last = self.turns.len().saturating_sub(1);
        let turn = |(at, step): (usize, &Step)| {
            // The last turn is what is tested, also where all before it are as they were.
            let is_canned = replies == Replies::Canned && (at < last || !self.probes.is_empty());
            step_yaml(step, is_canned || step.is_canned)
        };
        add("turns", Yaml::List(self.turns.iter().enumerate().map(turn).collect()));
        if !self.probes.is_empty() {
            add("probes", Yaml::List(self.probes.iter().map(|probe| step_yaml(probe, false)).collect()));
        }
        document(&self.head(maker), &parts)
    }

    fn head(&self, maker: &str) -> String {
        let has_checks = self.turns.iter().chain(&self.probes).any(|step| !step.expect.is_empty());
        let mut head = format!("Made by `{maker}` from {}.\n", self.origin);
        head.push_str(if has_checks {
            "Next: read the checks below `expect:`, then play it with `chat-eval run`.\n"
        } else {
            "Next: add `expect:` to the turns whose replies matter; until then only the snapshot tells that a reply has changed.\n"
        });
        for line in self.needs() {
            let _ = writeln!(head, "It needs in chat-eval.yaml, with a model that you have: {line}");
        }
        if !self.left_out.is_empty() {
            head.push_str("\nNot carried over, or not as it was:\n");
            for LeftOut { path, what } in &self.left_out {
                // One line each, whatever is in it.
                head.push_str(&format!("  {path}: {what}").replace(['\n', '\r'], " "));
                head.push('\n');
            }
        }
        head
    }
}

/// Whether it is a check of this key, or the inversion of one.
fn is_about(check: &Yaml, key: &str) -> bool {
    let Yaml::Map(parts) = check else { return false };
    parts.iter().any(|part| match part {
        Part::Entry(own, inner) => own == key || (own == "not" && is_about(inner, key)),
        Part::Comment(_) => false,
    })
}

fn step_yaml(step: &Step, is_canned: bool) -> Yaml {
    let mut parts = vec![Part::Entry("user".into(), Yaml::text(&step.user))];
    match &step.recorded {
        Some(reply) if is_canned => parts.push(Part::Entry("reply".into(), Yaml::text(reply))),
        Some(reply) => {
            let lines: Vec<String> = reply.lines().map(|line| format!("  {line}")).collect();
            parts.push(Part::Comment(format!("recorded reply:\n{}", lines.join("\n"))));
        }
        None => {}
    }
    if !step.expect.is_empty() {
        let is_asked = !is_canned || step.recorded.is_none();
        if is_asked {
            parts.push(Part::Entry("expect".into(), Yaml::List(step.expect.clone())));
        }
    }
    Yaml::Map(parts)
}

/// A window as a scenario writes it.
#[must_use]
pub fn window_yaml(window: Window) -> Yaml {
    let number = |n: u32| Yaml::Bare(n.to_string());
    let (key, size) = match window.tail {
        Tail::Full => return Yaml::Template("full".into()),
        Tail::None => return Yaml::Template("none".into()),
        Tail::Exchanges(n) => ("exchanges", n),
        Tail::PastExchanges(n) => ("past_exchanges", n),
        Tail::Messages(n) => ("messages", n),
        Tail::Tokens(n) => ("tokens", n),
    };
    let mut entries = vec![(key, number(size.get()))];
    if window.orphan_reply == OrphanReply::Drop {
        entries.push(("orphan_reply", Yaml::Template("drop".into())));
    }
    if window.pin_first > 0 {
        entries.push(("pin_first", number(window.pin_first)));
    }
    Yaml::map(entries)
}
