//! A small bot that keeps its history itself, good or with one of four classic bugs, and the reader that stands in the place of its
//! model: it answers from the messages that it is given, and from nothing else.
//!
//! The bot keeps a list of messages a session, cuts it to its last three exchanges, puts the system message in front and asks the
//! model. Its bugs are those that `docs/bots.md` tells of.

use std::collections::HashMap;

/// How many messages of the history go to the model, the new one included: three exchanges.
const KEPT: usize = 6;

/// What is wrong with a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Nothing.
    None,
    /// All sessions have one list.
    SharedList,
    /// The reply never joins the list.
    ReplyNotSaved,
    /// The system message joins the list in every turn, and is cut off with it.
    SystemInTheList,
    /// Of a streamed reply the last chunk alone joins the list.
    LastChunkSaved,
}

impl Bug {
    /// By its name.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "shared-list" => Some(Self::SharedList),
            "reply-not-saved" => Some(Self::ReplyNotSaved),
            "system-in-the-list" => Some(Self::SystemInTheList),
            "last-chunk-saved" => Some(Self::LastChunkSaved),
            _ => None,
        }
    }
}

/// Who said something, and what.
pub type Message = (String, String);

/// A bot with its sessions.
#[derive(Debug)]
pub struct Bot {
    bug: Bug,
    sessions: HashMap<String, Vec<Message>>,
}

impl Bot {
    /// A bot that has talked with nobody yet.
    pub fn new(bug: Bug) -> Self {
        Self { bug, sessions: HashMap::new() }
    }

    /// A session as it was left.
    pub fn put_back(&mut self, session: &str, messages: Vec<Message>) {
        self.sessions.insert(self.key(session), messages);
    }

    /// What is kept of a session.
    pub fn messages(&self, session: &str) -> &[Message] {
        self.sessions.get(&self.key(session)).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a session is kept under.
    pub fn key(&self, session: &str) -> String {
        if self.bug == Bug::SharedList { "history".to_owned() } else { session.to_owned() }
    }

    /// The pieces of the reply to a message.
    pub fn say(&mut self, session: &str, system: Option<&str>, user: &str, is_streamed: bool) -> Vec<String> {
        let (bug, key) = (self.bug, self.key(session));
        let list = self.sessions.entry(key).or_default();
        let system = system.map(|text| ("system".to_owned(), text.to_owned()));
        if bug == Bug::SystemInTheList {
            list.extend(system.clone());
        }
        list.push(("user".to_owned(), user.to_owned()));
        let mut sent = list[list.len().saturating_sub(KEPT)..].to_vec();
        if bug != Bug::SystemInTheList {
            sent.splice(0..0, system);
        }
        let pieces: Vec<String> = read(&sent).split_inclusive(' ').map(str::to_owned).collect();
        let saved = match bug {
            Bug::ReplyNotSaved => None,
            Bug::LastChunkSaved if is_streamed => pieces.last().cloned(),
            _ => Some(pieces.concat()),
        };
        list.extend(saved.map(|reply| ("assistant".to_owned(), reply)));
        pieces
    }
}

/// What the reader says to messages, the user's own last. It knows what any message of them says, opens tickets, and signs its
/// replies where a system message that comes first says how.
pub fn read(messages: &[Message]) -> String {
    let user = messages.last().map(|(_, text)| text.as_str()).unwrap_or_default();
    let before = &messages[..messages.len().saturating_sub(1)];
    let answer = if user.contains("open a ticket") {
        // Of what was said so far, so that two bots that heard the same say the same.
        let number = messages
            .iter()
            .flat_map(|(_, text)| text.bytes())
            .fold(7_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 9000);
        format!("Your ticket is T-{} in the queue.", 1000 + number)
    } else if let Some(asked) = user.split_once("What's my ").and_then(|(_, rest)| rest.strip_suffix('?')) {
        match before.iter().rev().find_map(|(_, text)| stated(text, asked)) {
            Some(value) => format!("Your {asked} is {value}."),
            None => "I don't know. You haven't told me.".to_owned(),
        }
    } else {
        "Noted.".to_owned()
    };
    let sign = messages.first().filter(|(role, _)| role == "system");
    let sign = sign
        .and_then(|(_, text)| text.split_once("Sign every reply with "))
        .map(|(_, sign)| sign.trim_end_matches('.'));
    sign.map_or_else(|| answer.clone(), |sign| format!("{answer} {sign}"))
}

/// The value that a message states: `my name is Priya`, `your ticket is T-1 in the queue`.
fn stated(text: &str, asked: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let at = ["my", "your"].iter().find_map(|whose| {
        let statement = format!("{whose} {asked} is ");
        lower.find(&statement).map(|at| at + statement.len())
    })?;
    let value: String = text.get(at..)?.chars().take_while(|character| !".,!?".contains(*character)).collect();
    let value = value.split(" in the ").next().unwrap_or_default().trim();
    (!value.is_empty()).then(|| value.to_owned())
}
