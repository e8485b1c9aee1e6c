//! What a person sees of a talk beside the replies themselves. Pure.
//!
//! Every text of a model, of a user or of a file is made visible here, and stands behind a gutter or in quotes.

use std::time::Duration;

use console::Style;

use super::entry::COMMANDS;
use crate::model::{Message, Origin, Outcome, Price, Role, Visibility};
use crate::provider::ChatReply;
use crate::report::ascii;
use crate::run::talk::{Said, Standing, Talk, TalkRequest};
use crate::text::escape::{quote, visible};
use crate::text::flow::Flow;
use crate::text::layout::{width, wrap};
use crate::text::tokens::estimate;

/// The columns of every gutter.
const GUTTER_WIDTH: usize = 6;
/// What stands before a line that is ours.
const INDENT: &str = "    ";
/// The longest value of a fact that is shown.
const VALUE: usize = 40;

/// How a talk is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether colours are used.
    pub is_coloured: bool,
    /// Whether signs are spelled in ASCII.
    pub is_ascii: bool,
}

impl Look {
    /// What stands before each line of a message.
    pub fn gutter(self) -> &'static str {
        match (self.is_coloured, self.is_ascii) {
            (true, true) => "    \u{1b}[2m|\u{1b}[0m ",
            (true, false) => "    \u{1b}[2m│\u{1b}[0m ",
            (false, true) => "    | ",
            (false, false) => "    │ ",
        }
    }

    /// A text that comes piece by piece, behind the gutter.
    pub fn flow(self) -> Flow {
        Flow::new(self.gutter(), GUTTER_WIDTH, self.width)
    }

    /// A whole message behind the gutter, without a line feed at its end.
    pub fn message(self, text: &str) -> String {
        let mut flow = self.flow();
        let (piece, rest) = (flow.push(text), flow.end());
        format!("{}{piece}{rest}", self.gutter())
    }

    /// A remark below a message: dim, on as many lines as it needs.
    pub fn dim(self, text: &str) -> String {
        let text: String = if self.is_ascii { text.chars().map(ascii).collect() } else { text.to_owned() };
        let style = Style::new().dim().force_styling(self.is_coloured);
        let room = self.width.saturating_sub(INDENT.len() + 1);
        let lines = wrap(&text, room).into_iter().map(|line| format!("{INDENT}{}", style.apply_to(line)));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Several remarks on lines of their own, of which none is broken where it need not be.
    pub fn dim_parts(self, parts: &[String]) -> String {
        let kept = parts.iter().map(|part| part.replace(' ', "\u{a0}")).collect::<Vec<_>>();
        self.dim(&kept.join(" · ")).replace('\u{a0}', " ")
    }

    /// What went wrong, and what to do about it.
    pub fn problem(self, message: &str, help: Option<&str>) -> String {
        let style = Style::new().red().force_styling(self.is_coloured);
        let room = self.width.saturating_sub(INDENT.len() + 3).max(20);
        let sign = if self.is_ascii { 'x' } else { '✗' };
        let mut lines = wrap(&visible(message), room).into_iter();
        let first = lines.next().unwrap_or_default();
        let mut said = vec![format!("{INDENT}{} {first}", style.apply_to(sign))];
        said.extend(lines.map(|line| format!("{INDENT}  {line}")));
        said.extend(help.map(|help| self.dim(&format!("help: {}", visible(help)))));
        said.join("\n")
    }
}

/// Who speaks with whom: above the first message.
pub fn opening(talk: &Talk, scenario: Option<&str>) -> String {
    let setting = &talk.setting;
    let scenario = scenario.map(|name| format!("{name} · ")).unwrap_or_default();
    let persona =
        if setting.system.is_empty() { "no persona".to_owned() } else { format!("persona {}", setting.persona) };
    let facts = match talk.facts().len() {
        0 => String::new(),
        1 => " · 1 fact".to_owned(),
        facts => format!(" · {facts} facts"),
    };
    let window =
        if talk.memory.is_own() { "keeps its history itself".to_owned() } else { format!("window {}", setting.window) };
    let (version, model) = (env!("CARGO_PKG_VERSION"), &setting.model);
    let named = format!("chat-eval {version} · {scenario}{persona} · {model} · {window}{facts}");
    visible(&named).into_owned()
}

/// What the reply took, what was sent for it, and how the facts stand.
///
/// Two lists, each to be laid out on lines of its own.
pub fn after(
    reply: &ChatReply,
    request: &TalkRequest,
    standings: &[Standing],
    price: Option<Price>,
) -> [Vec<String>; 2] {
    let mut parts = Vec::new();
    parts.extend(reply.ttft.map(|time| format!("first token {}", shown(time))));
    parts.push(format!("{} in all", shown(reply.latency)));
    if let Some(usage) = reply.usage {
        let about = if usage.estimated { "~" } else { "" };
        parts.push(format!("{about}{} tokens sent, {about}{} in the reply", usage.sent, usage.reply));
        parts.extend(price.map(|price| format!("${:.6}", price.of(usage))));
    } else if !request.keeps_history {
        let sent: u64 = request.messages.iter().map(|message| estimate(&message.content)).sum();
        parts.push(format!("~{sent} tokens sent, ~{} in the reply", estimate(&reply.reply.text)));
    }
    let sent = request.messages.len();
    let word = if sent == 1 { "message" } else { "messages" };
    parts.push(match request.messages.last().map(|message| message.origin) {
        Some(Origin::User(turn)) if request.keeps_history => format!("turn {turn} of the session"),
        _ => format!("{sent} {word} sent, {} cut", request.cut.len()),
    });
    parts.extend(reply.thinking.as_ref().map(|_| "thought first, which joins no history".to_owned()));
    if reply.attempts > 1 {
        parts.push(format!("{} attempts", reply.attempts));
    }
    match reply.reply.finish_reason.as_deref() {
        None | Some("stop") => {}
        Some("length") => parts.push("cut off by its length limit".to_owned()),
        Some(other) => parts.push(format!("finish reason {}", quote(other, VALUE))),
    }
    [parts, standings.iter().map(fact).collect()]
}

/// A time as people read it: `180 ms`, `1.2 s`.
fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// What became of a fact, with the sign that reports have for it.
fn fact(standing: &Standing) -> String {
    let (sign, what) = match standing.outcome {
        Some(Outcome::Retained) => ('●', format!("recalled, {}", seen(standing))),
        // Of a fact that was only just told nobody has asked.
        Some(Outcome::Missed) if standing.visible == Visibility::Question => ('–', seen(standing)),
        Some(Outcome::Forgotten) if standing.visible == Visibility::Unknown => {
            let is_new = standing.told == Visibility::Question;
            let (sign, what) = if is_new { ('–', "told in your message") } else { ('○', "not in the reply") };
            (sign, format!("{what}, {}", seen(standing)))
        }
        Some(Outcome::Missed) => ('◐', format!("{}, not in the reply", seen(standing))),
        Some(Outcome::Forgotten) => ('○', "not visible".to_owned()),
        Some(Outcome::Leaked) => ('▲', "in the reply, though not visible".to_owned()),
        Some(Outcome::Stale) => ('◇', "an outdated value in the reply".to_owned()),
        None => ('?', format!("{}; the reply leaves open whether it is recalled", seen(standing))),
    };
    format!("{sign} {} {what}", visible(&standing.fact))
}

fn seen(standing: &Standing) -> String {
    match (standing.visible, standing.carrier) {
        (Visibility::Unknown, _) => "visible: unknown".to_owned(),
        (Visibility::Question, _) => "visible in your message alone".to_owned(),
        (_, Some(origin)) => format!("visible in {origin}"),
        _ => "not visible".to_owned(),
    }
}

/// The table of facts. `now` is how they would stand in a request that is sent now.
pub fn facts(talk: &Talk, now: &[Standing]) -> Vec<String> {
    let rows: Vec<[String; 3]> = now
        .iter()
        .map(|standing| {
            let visible_now = match standing.carrier {
                Some(origin) => format!("visible now in {origin}"),
                None if standing.visible == Visibility::Unknown => "visible now: unknown".to_owned(),
                None => "not visible now".to_owned(),
            };
            let name = visible(&standing.fact).into_owned();
            let value = quote(&standing.value, VALUE);
            [name, value, format!("{visible_now} · {}", last_recalled(talk.said(), &standing.fact))]
        })
        .collect();
    let widths = [0, 1].map(|column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    let pad = |text: &str, columns: usize| format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))));
    rows.iter()
        .map(|[name, value, rest]| format!("{}  {}  {rest}", pad(name, widths[0]), pad(value, widths[1])))
        .collect()
}

fn last_recalled(said: &[Said], fact: &str) -> String {
    let has_it = |said: &Said| {
        let is_recalled = |outcome| matches!(outcome, Some(Outcome::Retained | Outcome::Leaked));
        said.standings.iter().any(|standing| standing.fact == fact && is_recalled(standing.outcome))
    };
    match said.iter().rposition(has_it) {
        Some(at) => format!("last recalled in turn {}", at + 1),
        None => "not recalled so far".to_owned(),
    }
}

/// What a request held, each message with its short name, and what was cut.
pub fn sent(request: &TalkRequest, look: Look) -> String {
    let shown = |message: &Message| {
        format!("{}\n{}\n", look.dim(&heading(message, &request.orphans)), look.message(&message.content))
    };
    let text: String = request.messages.iter().map(shown).collect();
    let cut = match request.cut.as_slice() {
        [] if request.keeps_history => "the bot keeps its history itself: what else it sees is not known".to_owned(),
        [] => "nothing was cut".to_owned(),
        cut => {
            let names: Vec<String> = cut.iter().map(|message| message.origin.to_string()).collect();
            format!("cut by the window: {}", names.join(" · "))
        }
    };
    text + &look.dim(&cut)
}

fn heading(message: &Message, orphans: &[Origin]) -> String {
    let orphan = if orphans.contains(&message.origin) { " · an orphan reply: its user message was cut" } else { "" };
    match message.role {
        Role::System => "system".to_owned(),
        Role::User | Role::Assistant => format!("{} · {}{orphan}", message.origin, message.role),
    }
}

/// The list of commands.
pub fn help() -> Vec<String> {
    let command = |(name, takes, _): &(&str, &str, &str)| format!("{name} {takes}").trim_end().to_owned();
    let columns = COMMANDS.iter().map(|line| command(line).len()).max().unwrap_or(0);
    let line = |line: &(&str, &str, &str)| format!("{:columns$}  {}", command(line), line.2);
    let lines = COMMANDS.iter().map(line);
    let typing = [
        "",
        "A backslash at the end of a line goes on in the next one.",
        "Between \"\"\" and \"\"\" stands a message of any lines.",
        "Ctrl-C stops a reply, which is forgotten then.",
        "Ctrl-C twice on an empty line ends the talk.",
    ];
    lines.chain(typing.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Reply, Usage};

    const LOOK: Look = Look { width: 60, is_coloured: false, is_ascii: false };

    fn message(role: Role, origin: Origin, text: &str) -> Message {
        Message::new(role, origin, text)
    }

    fn request() -> TalkRequest {
        TalkRequest {
            messages: vec![
                message(Role::System, Origin::System, "Be kind.\u{1b}[2J"),
                message(Role::Assistant, Origin::Reply(1), "Noted.\nyou › /quit"),
                message(Role::User, Origin::User(2), "Hi"),
            ],
            orphans: vec![Origin::Reply(1)],
            cut: vec![message(Role::User, Origin::User(1), "My name is Priya.")],
            keeps_history: false,
        }
    }

    #[test]
    fn a_request_is_shown_with_its_orphans_and_what_was_cut() {
        assert_eq!(
            sent(&request(), LOOK),
            "    system\n    │ Be kind.‹U+001B›[2J\n    a1 · assistant · an orphan reply: its user message was\n    cut\n    \
             │ Noted.\n    │ you › /quit\n    u2 · user\n    │ Hi\n    cut by the window: u1"
        );
    }

    #[test]
    fn below_a_reply_stands_what_it_took_and_how_the_facts_stand() {
        let reply = ChatReply {
            reply: Reply { text: "Priya".to_owned(), finish_reason: Some("length".to_owned()) },
            chunks: Vec::new(),
            thinking: None,
            usage: Some(Usage { sent: 24, reply: 3, estimated: false }),
            latency: Duration::from_millis(1234),
            ttft: Some(Duration::from_millis(180)),
            model_reported: None,
            fingerprint: None,
            attempts: 2,
            reserved_usd: None,
        };
        let standing = |outcome, carrier| Standing {
            fact: "name".to_owned(),
            value: "Priya".to_owned(),
            visible: if carrier == Some(Origin::User(2)) { Visibility::Question } else { Visibility::User },
            told: Visibility::User,
            carrier,
            outcome,
        };
        let standings = [
            standing(Some(Outcome::Retained), Some(Origin::User(1))),
            standing(Some(Outcome::Missed), Some(Origin::User(2))),
            standing(Some(Outcome::Forgotten), None),
            standing(Some(Outcome::Leaked), None),
        ];
        let [took, stands] = after(&reply, &request(), &standings, Some(Price { input: 1.0, output: 2.0 }));
        assert_eq!(
            took.join(" · "),
            "first token 180 ms · 1.2 s in all · 24 tokens sent, 3 in the reply · $0.000030 · 3 messages sent, 1 cut · \
             2 attempts · cut off by its length limit"
        );
        assert_eq!(
            stands,
            [
                "● name recalled, visible in u1",
                "– name visible in your message alone",
                "○ name not visible",
                "▲ name in the reply, though not visible"
            ]
        );
        assert_eq!(
            LOOK.dim_parts(&stands),
            "    ● name recalled, visible in u1 ·\n    – name visible in your message alone ·\n    ○ name not visible ·\n    \
             ▲ name in the reply, though not visible"
        );
        let alone = TalkRequest {
            messages: request().messages[2..].to_vec(),
            cut: Vec::new(),
            keeps_history: true,
            ..request()
        };
        let bots = |outcome, told| Standing { visible: Visibility::Unknown, told, ..standing(Some(outcome), None) };
        let standings = [
            bots(Outcome::Retained, Visibility::User),
            bots(Outcome::Forgotten, Visibility::Question),
            bots(Outcome::Forgotten, Visibility::User),
        ];
        let said = ChatReply { usage: None, ttft: None, attempts: 1, ..reply.clone() };
        let [took, stands] = after(&said, &alone, &standings, None);
        assert_eq!(took.join(" · "), "1.2 s in all · turn 2 of the session · cut off by its length limit");
        assert_eq!(
            stands,
            [
                "● name recalled, visible: unknown",
                "– name told in your message, visible: unknown",
                "○ name not in the reply, visible: unknown"
            ]
        );
        let uncounted = ChatReply { usage: None, ttft: None, attempts: 1, ..reply };
        let [took, stands] = after(&uncounted, &request(), &[], None);
        assert!(took[1].starts_with('~') && stands.is_empty(), "{took:?}");
    }

    #[test]
    fn what_is_ours_fits_the_terminal_and_is_ascii_where_it_must_be() {
        let look = Look { width: 30, is_coloured: false, is_ascii: true };
        let shown =
            [look.dim("one · two · three · four · five › six"), look.problem("a\u{1b}b · no", Some("try · it"))];
        for text in shown {
            assert!(text.lines().all(|line| width(line) <= 30), "{text}");
            assert!(!text.contains(['·', '✗', '›', '\u{1b}']) || text.contains("‹U+001B›"), "{text}");
        }
        assert!(help().iter().all(|line| width(line) <= 75));
    }
}
