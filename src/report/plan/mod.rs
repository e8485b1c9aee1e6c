//! What a plan is shown as: a table of its variants with what they take at most, or what each turn would send; for programs, a
//! line of JSON a variant. Pure.

mod requests;

use serde_json::{Map, Value, json};

pub use self::requests::{Depth, conversation, conversation_json};
use super::paint::{Look, Tone};
use super::wording::{grouped, money, one_line, several, vars_in_words};
use crate::model::VariantKey;
use crate::run::bounds::{Bound, Remarks};
use crate::text::escape::no_command;
use crate::text::layout::{truncate, width};

/// So many variants are shown.
const SHOWN: usize = 200;
/// No name is cut below this.
const NARROWEST: usize = 12;
const NO_BOUND: &str = "no bound";

/// A variant with what all its trials take at most.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its names.
    pub key: VariantKey,
    /// What it takes.
    pub bound: Bound,
}

struct Column {
    title: &'static str,
    is_number: bool,
    cells: Vec<String>,
}

/// The table, what is taken in all, and what the numbers leave out.
#[must_use]
pub fn render(lines: &[Line], total: &Bound, remarks: Remarks, look: Look) -> String {
    let shown = &lines[..lines.len().min(SHOWN)];
    let text = |title, of: fn(&Line) -> String| Column {
        title,
        is_number: false,
        cells: shown.iter().map(of).chain([String::new()]).collect(),
    };
    let number = |title, of: fn(&Bound) -> String| Column {
        title,
        is_number: true,
        cells: shown.iter().map(|line| of(&line.bound)).chain([of(total)]).collect(),
    };
    let mut columns = vec![
        text("scenario", |line| one_line(&line.key.scenario)),
        text("case", |line| one_line(&line.key.case)),
        text("persona", |line| one_line(&line.key.persona)),
        text("model", |line| one_line(&line.key.model)),
        text("window", |line| one_line(&line.key.window)),
        text("vars", |line| vars_in_words(&line.key.vars)),
        number("trials", |bound| grouped(bound.conversations)),
        number("calls", |bound| grouped(bound.calls)),
        number("sent", |bound| tokens(bound.sent)),
        number("replies", |bound| tokens(bound.replies)),
        number("cost", cost),
    ];
    columns[0].cells.last_mut().into_iter().for_each(|cell| "in all".clone_into(cell));
    columns.retain(|column| column.cells.iter().any(|cell| !cell.is_empty() && cell != "–"));
    let mut widths: Vec<usize> = columns
        .iter()
        .map(|column| column.cells.iter().map(|cell| width(cell)).chain([width(column.title)]).max().unwrap_or(0))
        .collect();
    while 2 * columns.len() + widths.iter().sum::<usize>() > look.width {
        let can_shrink = |at: &usize| !columns[*at].is_number && widths[*at] > NARROWEST;
        match (0..columns.len()).filter(can_shrink).max_by_key(|at| widths[*at]) {
            Some(widest) => widths[widest] -= 1,
            None => break,
        }
    }
    let row = |cells: &dyn Fn(&Column) -> String, tone: Tone| {
        let cells = columns.iter().zip(&widths).map(|(column, room)| {
            let cell = truncate(&cells(column), *room);
            let blank = " ".repeat(room.saturating_sub(width(&cell)));
            if column.is_number { format!("  {blank}{cell}") } else { format!("  {cell}{blank}") }
        });
        let line = cells.collect::<String>();
        format!("{}\n", look.paint(tone, line.trim_end()))
    };
    let mut page = row(&|column| column.title.to_owned(), Tone::Quiet);
    for at in 0..shown.len() {
        page += &row(&|column| column.cells[at].clone(), Tone::Plain);
    }
    if lines.len() > shown.len() {
        let more = several((lines.len() - shown.len()) as u64, "variant", "variants");
        page.extend(["  … and ", &more, " more; `--format json` has them all\n"]);
    }
    if lines.len() > 1 {
        page += &row(&|column| column.cells[shown.len()].clone(), Tone::Heading);
    }
    page.extend(["\n", &says(total), "\n"]);
    page.extend(words(remarks, total).into_iter().map(|remark| remark + "\n"));
    no_command(&look.spell(&page)).into_owned()
}

/// `31 conversations, 118 calls at most, with 41,200 tokens and $0.012 at most`.
fn says(total: &Bound) -> String {
    let counts = [
        several(total.conversations, "conversation", "conversations"),
        format!("{} at most", several(total.calls, "call", "calls")),
    ];
    let tokens = total.tokens().map_or_else(
        || "no bound on tokens".to_owned(),
        |tokens| format!("{} at most", several(tokens, "token", "tokens")),
    );
    let cost = total
        .is_priced
        .then(|| total.cost_usd.map_or_else(|| "no bound on cost".to_owned(), |usd| format!("{} at most", most(usd))));
    counts.into_iter().chain([tokens]).chain(cost).collect::<Vec<_>>().join(", ")
}

/// What the numbers leave out.
fn words(remarks: Remarks, total: &Bound) -> Vec<String> {
    let mut words = vec!["tokens as token windows count them, and 3 a request; without retries".to_owned()];
    if remarks.has_estimates {
        words.push(
            "anthropic and gemini count with tokenizers of their own: tokens sent to them, and their cost, are estimates and no \
             bound; `--max-cost` reserves by bytes, which is one"
                .to_owned(),
        );
    }
    if remarks.has_no_longest_reply {
        words.push(
            "no bound: `params: {max_tokens: 500}` in a scenario limits its replies, and so what later turns send"
                .to_owned(),
        );
    }
    if remarks.has_no_price && total.is_priced && !remarks.has_judges {
        words.push("no bound on cost: a model that is called has no `price` in the config".to_owned());
    }
    if remarks.has_captures && total.sent.is_none() {
        words.push("what a turn captures lengthens later turns, and nothing bounds it".to_owned());
    }
    if remarks.has_judges {
        words.push(
            "judges and embeddings are in the calls; what they are sent hangs on the replies, and nothing bounds its tokens"
                .to_owned(),
        );
    }
    if remarks.has_bots {
        words.push(
            "a bot that keeps its history itself is told the turns once more for each probe; nothing bounds its tokens"
                .to_owned(),
        );
    }
    if remarks.may_share {
        words.push(
            "what variants of a scenario send alike at one place is sent once, and counted for each; see `--no-share`"
                .to_owned(),
        );
    }
    if remarks.is_live {
        words.push("what is recorded is not called for, and counted all the same".to_owned());
    }
    words
}

fn tokens(number: Option<u64>) -> String {
    number.map_or_else(|| NO_BOUND.to_owned(), grouped)
}

fn cost(bound: &Bound) -> String {
    match bound.cost_usd {
        _ if !bound.is_priced => "–".to_owned(),
        Some(usd) => most(usd),
        None => NO_BOUND.to_owned(),
    }
}

/// Dollars rounded up to what is shown of them: a bound that is rounded down is none.
fn most(usd: f64) -> String {
    let digits = match usd {
        1.0.. => 1e2,
        0.001.. => 1e3,
        _ => 1e6,
    };
    // Less than any digit that is shown, and more than the dust of adding up.
    money((usd * digits - 1e-6).ceil().max(0.0) / digits)
}

/// A variant as a line of JSON, with the requests of its first trial where they are wanted. What nothing bounds is `null`.
#[must_use]
pub fn variant_json(line: &Line, requests: Option<Value>) -> String {
    let VariantKey { scenario, case, persona, model, window, vars } = &line.key;
    let vars: Value = serde_json::from_str(vars).unwrap_or_else(|_| json!({}));
    let names = json!({
        "event": "variant", "scenario": scenario, "case": case, "persona": persona, "model": model, "window": window,
        "vars": vars,
    });
    let mut fields = names.as_object().cloned().unwrap_or_default();
    fields.extend(bound_json(&line.bound));
    fields.extend(requests.map(|requests| ("turns".to_owned(), requests)));
    format!("{}\n", Value::Object(fields))
}

/// All variants together as a line of JSON.
#[must_use]
pub fn total_json(total: &Bound, variants: usize) -> String {
    let mut fields = Map::new();
    fields.insert("event".to_owned(), "plan".into());
    fields.insert("variants".to_owned(), variants.into());
    fields.extend(bound_json(total));
    format!("{}\n", Value::Object(fields))
}

fn bound_json(bound: &Bound) -> Map<String, Value> {
    let bound = json!({
        "conversations": bound.conversations,
        "max_calls": bound.calls,
        "max_tokens_sent": bound.sent,
        "max_tokens_reply": bound.replies,
        "max_cost_usd": bound.cost_usd.filter(|_| bound.is_priced).map(crate::model::without_dust),
    });
    bound.as_object().cloned().unwrap_or_default()
}
