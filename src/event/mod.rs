//! What a run does, as one stream of events: the runner writes it, the journal keeps it, every report reads it.
//!
//! The types here are the journal's line format (`format: 1`): a field is only ever added, with a default.
//! What exists only while a run is going (deltas of a stream, progress) is in [`Live`] and never in the journal.

mod call;
mod manifest;
mod record;
mod took;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{ConversationKey, End, Outcome, Role, SnapshotRules, Source, TurnId, Usage, Verdict, Visibility};

pub use call::{CallDone, CallKind, ProgramDone};
pub use manifest::{Manifest, MergedFrom, ReadFile, Recheck, Rerun, RerunWhat, ScenarioFile, Shard};
pub use record::{Lost, Record, Unsettled, ranges};
pub use took::Took;

/// The journal's format. A reader refuses a newer one by name.
pub const FORMAT: u32 = 1;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line: what this run is.
    Run(Box<Manifest>),
    /// A run goes on.
    Resume(Box<Resumed>),
    /// A run, or the part of it since it was resumed, came to its end in good order.
    Stop(Stopped),
    /// The snapshots of a run were compared; one that matches is not worth a word. The last word counts.
    Snapshots(SnapshotsDone),
    /// A conversation begins.
    Begin(Box<Begin>),
    /// One try of a call is sent, in a run with a budget.
    Reserve(Reserve),
    /// One try of a call that did not succeed.
    Attempt(Attempt),
    /// A turn was played.
    Turn(Box<TurnDone>),
    /// A call beside the turns came to its end.
    Call(Box<CallDone>),
    /// A check was decided.
    Check(Box<CheckDone>),
    /// A conversation ended.
    Conversation(ConversationDone),
}

impl Event {
    /// Reads one line of the journal.
    ///
    /// serde keeps all of a value aside until it has found the tag of an enum. We write the tag first, so the many kinds can
    /// be told before the rest is read, which is then read straight into its place. That the bytes are UTF-8 is looked at once,
    /// and not text by text.
    ///
    /// # Errors
    /// When it is no event.
    pub fn read(line: &[u8]) -> serde_json::Result<Self> {
        let Ok(line) = str::from_utf8(line) else {
            // Says where it is not.
            return serde_json::from_slice(line);
        };
        let begins = |tag: &str| line.strip_prefix("{\"event\":\"").is_some_and(|rest| rest.starts_with(tag));
        if begins("check\"") {
            serde_json::from_str(line).map(Self::Check)
        } else if begins("turn\"") {
            serde_json::from_str(line).map(Self::Turn)
        } else if begins("begin\"") {
            serde_json::from_str(line).map(Self::Begin)
        } else if begins("conversation\"") {
            serde_json::from_str(line).map(Self::Conversation)
        } else {
            serde_json::from_str(line)
        }
    }
}

/// A run goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// The arguments, as given.
    pub arguments: Vec<String>,
    /// When it went on (RFC 3339, UTC).
    pub started: String,
    /// The tool's version.
    pub version: String,
    /// How many conversations may be in flight.
    pub concurrency: u32,
    /// What the whole run may spend from now on, in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<f64>,
}

/// A run, or the part of it since it was resumed, came to its end. A part that was killed has no such event: nobody knows
/// how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// How long it took, in milliseconds, reports not counted.
    pub wall_ms: u64,
}

/// The snapshots of a run were compared: what they are lies outside of the journal, so what came of it is kept in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotsDone {
    /// Those that are to be spoken of, in plan order.
    pub snapshots: Vec<SnapshotNote>,
}

/// What became of a snapshot, told by who compared it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotNote {
    /// Place in the plan of the conversation that was compared; absent where it is of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<u32>,
    /// The snapshot's file.
    pub path: String,
    /// The scenario's file; absent where it is of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The beginning of the difference from the accepted one, where that fails the run: as lines with a sign in front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// What is so: `new, waits for review`.
    pub what: String,
    /// Whether it fails the run.
    pub is_failure: bool,
    /// Whether there is something for `review` to decide on.
    pub is_pending: bool,
}

/// A message as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireMessage {
    /// `user` or `assistant`.
    pub role: Role,
    /// The text.
    pub content: String,
}

/// A conversation begins.
///
/// Every conversation has one list of messages to which the ranges of [`TurnDone::sent`] point: the system message
/// where there is one, then `history`, then user message and reply of each turn in order, then the user message of each
/// probe. A probe's reply is in no history, and not in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Place in the plan, from 0.
    pub plan: u32,
    /// The conversation's id.
    pub conversation: String,
    /// Its names.
    #[serde(flatten)]
    pub key: ConversationKey,
    /// How many trials the variant has.
    pub trials: u32,
    /// The share of decided trials in which a check must pass.
    pub pass_rate: f64,
    /// The scenario file, as given or found.
    pub file: String,
    /// The names of the matrix variables, slowest first; empty without a matrix.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub matrix: Map<String, Value>,
    /// The system message, where one is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Messages that stand before turn 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<WireMessage>,
    /// How many turns the script has.
    pub turns: u32,
    /// How many probes it has behind them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub probes: u32,
    /// The values of its facts that are canaries, by their names.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub canaries: Map<String, Value>,
    /// The sampling parameters that are sent.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// What the scenario asks of its snapshot, where it asks anything.
    #[serde(default, skip_serializing_if = "SnapshotRules::is_default")]
    pub snapshot: SnapshotRules,
    /// Whether the bot keeps its history itself: what it saw beside the message that was sent is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_history: bool,
    /// It begins once more, and nothing that was said before counts: the bot that heard it is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_anew: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it would write by reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One try of a call is sent, in a run with a budget. It stays reserved until the `attempt` or the reply behind it says what
/// the try came to: where a run is killed, nobody else knows of the calls that were in flight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reserve {
    /// Place in the plan.
    pub plan: u32,
    /// The turn.
    pub turn: TurnId,
    /// USD that it can cost at most.
    pub usd: f64,
}

/// One try of a call that did not succeed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Place in the plan.
    pub plan: u32,
    /// The turn.
    pub turn: TurnId,
    /// Which try, from 1.
    pub attempt: u32,
    /// The HTTP status, where one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong.
    pub error: String,
    /// From its sending to its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// How long is waited before the next try, in milliseconds; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// USD of the budget that it keeps reserved, since what it used is unknown; absent where it keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_usd: Option<f64>,
}

/// A turn was played, or its call failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnDone {
    /// Place in the plan.
    pub plan: u32,
    /// The turn or the probe.
    pub turn: TurnId,
    /// The user message.
    pub user: String,
    /// The messages really sent, as half-open ranges `[from, to)` of the conversation's own list. Ranges, not single
    /// indexes, so that a long conversation with its full history costs a line of fixed size a turn. Empty for a
    /// canned turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<(u32, u32)>,
    /// Where the reply came from.
    pub source: Source,
    /// Place in the plan of the conversation that sent the request, where the reply is shared. Of all that share one, reports
    /// take the first in plan order for the sender: who that was in fact is chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_from: Option<u32>,
    /// The reply; absent when the call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// What a reasoning model thought, which is neither history nor judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// What later turns see in the reply's place, where that is another: the reply of an earlier run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// The pieces in which a streamed reply came, by their bytes: only where it is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<u32>,
    /// Why the reply ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Token counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Tokens that the whole history would have taken: what the window saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_full_history: Option<u64>,
    /// What the call cost, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// USD of the budget that the last try keeps reserved, since the provider said no usage: `cost_usd` is an estimate then;
    /// absent where it keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_usd: Option<f64>,
    /// Tries, the last one included; 0 for a canned turn.
    pub attempts: u32,
    /// How long its tries waited to be sent, in milliseconds, all in all: for rates, for a provider that asked for it,
    /// before another try; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<f64>,
    /// From the last try's sending to the reply's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// From the last try's sending to the first token; streamed replies only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// What the call took behind a reply that is shared, for this turn's checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_took: Option<Took>,
    /// The model that the server says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_reported: Option<String>,
    /// The server's fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Why the call failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether that ended all calls to the model, or the call was not sent since an earlier one had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub model_stopped: bool,
}

/// A check was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckDone {
    /// Place in the plan.
    pub plan: u32,
    /// The turn; absent for a check on the whole transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
    /// The check's number in its conversation, from 0, the same in every trial.
    pub index: u32,
    /// Its key: `contains`, `forgets`, `not`, …
    pub check: String,
    /// The user's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was asserted, in words: `150`, `"Priya"`, `name`.
    pub expected: String,
    /// How it came out.
    pub verdict: Verdict,
    /// Its measure, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Why, in words; empty for a pass that needs none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Why it was expected to fail, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_failure: Option<String>,
    /// The evidence of a retention check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Of a check on the whole transcript, the turn that decided it: where it was broken first, as a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<TurnId>,
    /// It was passed over for what this trial is alone, a replayed one or one that broke off: another may be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_open: bool,
    /// The line of the check in its scenario file.
    pub line: u32,
    /// Its column, in characters from 1: of a check that failed or stayed unknown, since nobody is led to the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl CheckDone {
    /// Whether it held in spite of its mark as a known failure. Of an only trial that is a `fail`; of one among several it is a
    /// `pass`, since the mark is on what they come to together.
    #[must_use]
    pub const fn holds_in_spite(&self) -> bool {
        self.known_failure.is_some() && matches!(self.verdict, Verdict::Pass | Verdict::Fail)
    }
}

/// The evidence of a retention check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The fact's name.
    pub fact: String,
    /// The value that counted as the present one.
    pub value: String,
    /// What else counted as it: its aliases, and what its expression matched in the reply and in the message that carried it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spellings: Vec<String>,
    /// Where in the request it stood.
    pub visible: Visibility,
    /// Whole exchanges since its last mention in the history (0: the previous one); absent where it was never mentioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<u32>,
    /// Whether the reply has it; absent where there was no reply to judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalled: Option<bool>,
    /// What became of it; absent where there was no reply to judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The position in the conversation's own list of the message that carried it, where it was visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<u32>,
}

/// A conversation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationDone {
    /// Place in the plan.
    pub plan: u32,
    /// How it ended.
    pub end: End,
    /// Why, where it errored before or beside a turn's own error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many checks were decided, in all parts of the run; absent where a defect ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<u32>,
    /// How many calls it would have made at most, where it was left out: the verdicts of its variant were decided without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u32>,
}

/// What a call waits for before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// The provider asked to come back later: `Retry-After`.
    Asked,
    /// `--rpm` or `--tpm`.
    Rate,
    /// Another call must end first: the provider said that there are too many.
    Crowded,
    /// It failed, and is tried again after a wait.
    Retry,
    /// Calls in flight may use what is left of the budget.
    Budget,
}

impl Waiting {
    /// In words, behind "waiting".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "as the provider asks",
            Self::Rate => "for --rpm or --tpm",
            Self::Crowded => "since the provider said too many",
            Self::Retry => "to try again",
            Self::Budget => "for calls in flight, which may use what is left of the budget",
        }
    }

    /// The same where there is little room.
    #[must_use]
    pub const fn briefly(self) -> &'static str {
        match self {
            Self::Asked => "for Retry-After",
            Self::Rate => "for rates",
            Self::Crowded => "after 429",
            Self::Retry => "to retry",
            Self::Budget => "for budget",
        }
    }
}

/// What happens while a run is going and is in no journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Live {
    /// A turn's request goes out.
    TurnBegins {
        /// Place in the plan.
        plan: u32,
        /// The turn.
        turn: TurnId,
        /// The user message.
        user: Arc<str>,
    },
    /// A piece of a streamed reply.
    Delta {
        /// Place in the plan.
        plan: u32,
        /// The piece.
        text: String,
    },
    /// A call waits before it is sent.
    Waits {
        /// Place in the plan.
        plan: u32,
        /// What for.
        why: Waiting,
    },
    /// It waits no longer.
    Waited {
        /// Place in the plan.
        plan: u32,
    },
    /// The run was told to stop.
    Stopping {
        /// How long requests in flight may still take.
        grace: Duration,
    },
    /// The run stops at a failed check.
    FailedFast,
}
