//! A talk that a person holds by hand: what was said so far, and what the next request holds.
//!
//! It goes by the same rules as a conversation of a run: the same window chooses, the same checks say what became of each fact.
//! Nothing is called here, and nothing joins the history but whole exchanges. A bot that keeps its history itself is sent each message
//! alone, and what it sees of the others is not known.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::check::{self, Measured, TurnView};
use crate::event::Retention;
use crate::model::{
    CheckKind, Fact, FactRef, Message, Origin, OrphanReply, Outcome, Reply, Role, Tail, TurnId, Visibility, Window,
};
use crate::provider::ChatModel;
use crate::text::tokens::{self, Tokenizer};
use crate::window::{self, Reach, TooLong};

/// Under what a message is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The persona's name.
    pub persona: String,
    /// Its system prompt; empty sends none.
    pub system: Arc<str>,
    /// The name of the model.
    pub model: String,
    /// Which messages go along.
    pub window: Window,
}

/// How the model comes to know what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// It has none: what it is to know is sent with every message.
    #[default]
    Sent,
    /// It keeps its history itself.
    Own {
        /// Whether it is told the system prompt.
        takes_system: bool,
    },
}

impl Memory {
    /// That of a model.
    #[must_use]
    pub fn of(model: &dyn ChatModel) -> Self {
        if model.keeps_history() { Self::Own { takes_system: model.takes_system() } } else { Self::Sent }
    }

    /// Whether the model keeps its history itself.
    #[must_use]
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Own { .. })
    }
}

/// The messages of one request, and what was left out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkRequest {
    /// What is sent, in its order.
    pub messages: Vec<Message>,
    /// Which of them are replies whose user message was cut.
    pub orphans: Vec<Origin>,
    /// What the window cut, oldest first.
    pub cut: Vec<Message>,
    /// Whether it goes to a bot that keeps its history itself: what that knows beside is not known.
    pub keeps_history: bool,
}

/// What a turn says about one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub fact: String,
    /// The value that counts as the present one.
    pub value: String,
    /// In whose words it was in the request.
    pub visible: Visibility,
    /// In whose words the talk has it, whatever of that was sent.
    pub told: Visibility,
    /// The message that it comes from, where it is visible.
    pub carrier: Option<Origin>,
    /// What became of it; `None` where there is no reply that says so.
    pub outcome: Option<Outcome>,
}

/// One exchange, as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The user message.
    pub user: Arc<str>,
    /// The reply.
    pub reply: Reply,
    /// Under what it was sent.
    pub setting: Setting,
    /// Whether the reply is the script's own, for which nobody was called.
    pub is_canned: bool,
    /// The turn of the script whose user message it is, from 0.
    pub scripted: Option<usize>,
    /// What became of each fact.
    pub standings: Vec<Standing>,
}

/// What was said so far.
#[derive(Debug, Clone)]
pub struct Talk {
    /// Under what the next message is sent.
    pub setting: Setting,
    /// How the model comes to know what was said before.
    pub memory: Memory,
    facts: Vec<Fact>,
    /// Messages that stand before the first exchange.
    before: Vec<Message>,
    said: Vec<Said>,
    /// All messages so far, without the system message.
    history: Vec<Message>,
    /// Tokens of each message, counted once, for token windows.
    counted: HashMap<Origin, usize>,
}

impl Talk {
    /// A talk in which nothing was said yet, with the facts and the history of a script.
    #[must_use]
    pub fn new(setting: Setting, facts: Vec<Fact>, history: &[(Role, Arc<str>)]) -> Self {
        let before = (1..).zip(history);
        let before: Vec<Message> =
            before.map(|(n, (role, text))| Message::new(*role, Origin::History(n), Arc::clone(text))).collect();
        let (memory, history) = (Memory::Sent, before.clone());
        Self { setting, memory, facts, before, said: Vec::new(), history, counted: HashMap::new() }
    }

    /// The facts.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The messages that stand before the first exchange.
    #[must_use]
    pub fn before(&self) -> &[Message] {
        &self.before
    }

    /// The exchanges, oldest first.
    #[must_use]
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// Adds a fact, or gives one that is there another value: the earlier one is outdated then.
    pub fn state(&mut self, name: &str, value: &str) {
        let Some(known) = self.facts.iter_mut().find(|fact| fact.name == name) else {
            let (name, value) = (name.to_owned(), value.to_owned());
            let (aliases, asks, outdated) = (Vec::new(), Vec::new(), Vec::new());
            let matching = crate::model::MatchKind::Word;
            self.facts.push(Fact { name, value, aliases, matching, regex: None, asks, outdated });
            return;
        };
        if known.value != value {
            let earlier = std::mem::replace(&mut known.value, value.to_owned());
            known.outdated.retain(|outdated| outdated != value);
            known.outdated.push(earlier);
            // Other spellings, and an expression, were those of the earlier value.
            known.aliases.clear();
            (known.matching, known.regex) = (crate::model::MatchKind::Word, None);
        }
    }

    /// What is sent with this user message.
    ///
    /// # Errors
    /// When a token window cannot hold what must be sent.
    pub fn request(&mut self, user: &str, tokenizer: Tokenizer) -> Result<TalkRequest, TooLong> {
        self.request_under(self.setting.window, user, tokenizer)
    }

    /// The same under another window.
    fn request_under(&mut self, window: Window, user: &str, tokenizer: Tokenizer) -> Result<TalkRequest, TooLong> {
        let user = Message::new(Role::User, Origin::User(self.next()), user);
        if let Memory::Own { takes_system } = self.memory {
            let messages = self.system().filter(|_| takes_system).into_iter().chain([user]).collect();
            return Ok(TalkRequest { messages, orphans: Vec::new(), cut: Vec::new(), keeps_history: true });
        }
        // What was counted of another system prompt, or of a message that was not sent, counts no more.
        self.counted.retain(|origin, _| !matches!(origin, Origin::System) && *origin != user.origin);
        let counted = RefCell::new(std::mem::take(&mut self.counted));
        let count = |message: &Message| {
            let mut counted = counted.borrow_mut();
            *counted.entry(message.origin).or_insert_with(|| tokenizer.count(&message.content) + tokens::PER_MESSAGE)
        };
        let system = self.system();
        let reach = window::reach(window, system.as_ref(), &self.history, &user, &count);
        self.counted = counted.into_inner();
        let Reach { pinned, start } = reach?;
        let (first, rest) = self.history.split_at(pinned);
        let (cut, tail) = rest.split_at(start - pinned);
        let is_cut = |origin: Origin| cut.iter().any(|message| message.origin == origin);
        let orphans = tail.iter().filter(|reply| self.question_of(reply).is_some_and(is_cut));
        let orphans = orphans.map(|reply| reply.origin).collect();
        let messages = system.into_iter().chain(first.iter().chain(tail).cloned()).chain([user]).collect();
        Ok(TalkRequest { messages, orphans, cut: cut.to_vec(), keeps_history: false })
    }

    /// The window, most like the present one, under which the messages of a request with this user message alternate, as the services of
    /// some models want it. `None` where none of those that are tried does it.
    pub fn alternating(&mut self, user: &str, tokenizer: Tokenizer) -> Option<Window> {
        let now = self.setting.window;
        let orphan_reply = match now.tail {
            Tail::Full | Tail::None | Tail::PastExchanges(_) => OrphanReply::Keep,
            Tail::Exchanges(_) | Tail::Messages(_) | Tail::Tokens(_) => OrphanReply::Drop,
        };
        let whole = Window { orphan_reply, ..now };
        // Pins that end with a question are made to end with its reply.
        let paired = Window { pin_first: whole.pin_first.next_multiple_of(2), ..whole };
        let unpinned = Window { pin_first: 0, ..whole };
        let all = [whole, paired, unpinned, Window::plain(Tail::None)];
        all.into_iter().filter(|window| *window != now).find(|window| {
            let request = self.request_under(*window, user, tokenizer);
            let roles = |message: &Message| (message.role, Arc::clone(message.content.text()));
            request.is_ok_and(|request| {
                let list: Vec<_> = request.messages.iter().map(roles).collect();
                window::fault(list.iter().map(|(role, text)| (*role, Some(&**text))), true).is_none()
            })
        })
    }

    /// The user message that a reply of the history answers.
    fn question_of(&self, reply: &Message) -> Option<Origin> {
        if reply.role != Role::Assistant {
            return None;
        }
        let before = self.history.iter().take_while(|earlier| earlier.origin != reply.origin);
        before.filter(|earlier| earlier.role == Role::User).last().map(|question| question.origin)
    }

    /// What a reply to this request says about each fact; an empty one, what of them is in the request.
    #[must_use]
    pub fn standings(&self, request: &TalkRequest, reply: &Reply) -> Vec<Standing> {
        let sent: Vec<&Message> = request.messages.iter().collect();
        let found = self.retentions(&sent, reply, request.keeps_history);
        let told: Vec<Visibility> = if request.keeps_history {
            // A system prompt stands there where the bot is told it.
            let (question, system) = sent.split_last().map_or((None, &[][..]), |(last, rest)| (Some(*last), rest));
            let all: Vec<&Message> = system.iter().copied().chain(&self.history).chain(question).collect();
            self.retentions(&all, reply, false).into_iter().map(|found| found.visible).collect()
        } else {
            found.iter().map(|found| found.visible).collect()
        };
        let standing = |(found, told): (Retention, Visibility)| Standing {
            carrier: found.carrier.and_then(|at| sent.get(at as usize)).map(|message| message.origin),
            fact: found.fact,
            value: found.value,
            visible: found.visible,
            told,
            outcome: found.outcome,
        };
        found.into_iter().zip(told).map(standing).collect()
    }

    /// What a check on each fact finds in these messages and a reply to them.
    fn retentions(&self, sent: &[&Message], reply: &Reply, keeps_history: bool) -> Vec<Retention> {
        let list_positions: Vec<usize> = (0..sent.len()).collect();
        let system = self.system();
        let view = TurnView {
            turn: TurnId::Turn(self.next()),
            sent,
            history: &self.history,
            list_positions: &list_positions,
            reply,
            facts: &self.facts,
            system: system.as_ref(),
            tokens_sent: None,
            measured: Measured::default(),
            gathered: None,
            keeps_history,
        };
        let retention = |fact| {
            let kind = CheckKind::RetainsIffVisible(FactRef { fact, value: None });
            check::decide(&kind, &view).retention
        };
        (0..self.facts.len()).filter_map(retention).collect()
    }

    /// An exchange joins the history.
    pub fn join(&mut self, said: Said) {
        let turn = self.next();
        self.history.push(Message::new(Role::User, Origin::User(turn), Arc::clone(&said.user)));
        self.history.push(Message::new(Role::Assistant, Origin::Reply(turn), said.reply.text.as_str()));
        self.said.push(said);
    }

    /// Takes the last exchange back.
    pub fn undo(&mut self) -> Option<Said> {
        let said = self.said.pop()?;
        self.history.truncate(self.history.len() - 2);
        self.counted.clear();
        Some(said)
    }

    /// Takes all exchanges back.
    pub fn reset(&mut self) {
        self.said.clear();
        self.history.clone_from(&self.before);
        self.counted.clear();
    }

    /// What was counted was counted by another tokenizer.
    pub fn count_anew(&mut self) {
        self.counted.clear();
    }

    /// The number of the next turn.
    fn next(&self) -> u32 {
        u32::try_from(self.said.len()).map_or(u32::MAX, |said| said.saturating_add(1))
    }

    fn system(&self) -> Option<Message> {
        let system = &self.setting.system;
        (!system.is_empty()).then(|| Message::new(Role::System, Origin::System, Arc::clone(system)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(window: &str) -> Talk {
        let setting = Setting {
            persona: "default".to_owned(),
            system: "Be kind.".into(),
            model: "builtin".to_owned(),
            window: window.parse().unwrap(),
        };
        let mut talk = Talk::new(setting, Vec::new(), &[(Role::User, "Hi".into()), (Role::Assistant, "Hello!".into())]);
        talk.state("name", "Priya");
        talk
    }

    fn say(talk: &mut Talk, user: &str, reply: &str) -> (TalkRequest, Vec<Standing>) {
        let request = talk.request(user, Tokenizer::default()).unwrap();
        let reply = Reply { text: reply.to_owned(), finish_reason: None };
        let standings = talk.standings(&request, &reply);
        let (user, setting) = (user.into(), talk.setting.clone());
        talk.join(Said { user, reply, setting, is_canned: false, scripted: None, standings: standings.clone() });
        (request, standings)
    }

    fn origins(messages: &[Message]) -> String {
        messages.iter().map(|message| message.origin.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_window_chooses_as_in_a_run_and_what_it_cut_and_orphaned_is_known() {
        for (window, sent, cut, orphans) in [
            ("full", "system h1 h2 u1 a1 u2 a2 u3", "", ""),
            ("none", "system u3", "h1 h2 u1 a1 u2 a2", ""),
            ("2", "system a1 u2 a2 u3", "h1 h2 u1", "a1"),
            ("2-drop", "system u2 a2 u3", "h1 h2 u1 a1", ""),
            ("2-pin-1", "system h1 a1 u2 a2 u3", "h2 u1", "a1"),
            ("past-1", "system u2 a2 u3", "h1 h2 u1 a1", ""),
        ] {
            let mut talk = talk(window);
            say(&mut talk, "My name is Priya.", "Noted.");
            say(&mut talk, "I like tea.", "Fine.");
            let request = talk.request("What's my name?", Tokenizer::default()).unwrap();
            assert_eq!((origins(&request.messages).as_str(), origins(&request.cut).as_str()), (sent, cut), "{window}");
            let orphaned: Vec<String> = request.orphans.iter().map(Origin::to_string).collect();
            assert_eq!(orphaned.join(" "), orphans, "{window}");
        }
    }

    #[test]
    fn a_fact_stands_as_the_checks_of_a_run_say() {
        let mut talk = talk("2");
        let (_, standings) = say(&mut talk, "My name is Priya.", "Noted.");
        assert_eq!(standings[0].visible, Visibility::Question);
        let (_, standings) = say(&mut talk, "What's my name?", "Priya.");
        assert_eq!((standings[0].carrier, standings[0].outcome), (Some(Origin::User(1)), Some(Outcome::Retained)));
        talk.setting.window = "none".parse().unwrap();
        let (_, standings) = say(&mut talk, "And now?", "I do not know.");
        assert_eq!((standings[0].carrier, standings[0].outcome), (None, Some(Outcome::Forgotten)));
        let (_, standings) = say(&mut talk, "Guess!", "Priya?");
        assert_eq!(standings[0].outcome, Some(Outcome::Leaked));
        let request = talk.request("", Tokenizer::default()).unwrap();
        assert_eq!(talk.standings(&request, &Reply::default())[0].outcome, None);
    }

    #[test]
    fn what_is_taken_back_is_not_sent_and_its_number_is_given_again() {
        let mut talk = talk("full");
        say(&mut talk, "One", "Eins");
        say(&mut talk, "Two", "Zwei");
        assert_eq!(talk.undo().map(|said| said.user), Some("Two".into()));
        let (request, _) = say(&mut talk, "Three", "Drei");
        assert_eq!(origins(&request.messages), "system h1 h2 u1 a1 u2");
        assert_eq!(&*request.messages[5].content, "Three");
        talk.reset();
        assert_eq!(talk.undo(), None);
        assert_eq!(origins(&talk.request("Four", Tokenizer::default()).unwrap().messages), "system h1 h2 u1");
    }

    #[test]
    fn a_window_is_offered_under_which_the_messages_alternate() {
        for (window, last, offered) in [
            ("2", "Fine.", "2-drop"),
            ("2-drop-pin-1", "Fine.", "2-drop-pin-2"),
            // A reply with nothing in it is one that no such service takes.
            ("past-1", " ", "none"),
        ] {
            let mut talk = talk(window);
            say(&mut talk, "My name is Priya.", "Noted.");
            say(&mut talk, "I like tea.", last);
            let found = talk.alternating("What's my name?", Tokenizer::default());
            assert_eq!(found.map(|window| window.to_string()).as_deref(), Some(offered), "{window}");
        }
    }

    #[test]
    fn a_bot_that_keeps_its_history_is_sent_the_message_alone_and_what_it_saw_is_unknown() {
        for takes_system in [true, false] {
            let mut talk = talk("full");
            talk.memory = Memory::Own { takes_system };
            let (request, standings) = say(&mut talk, "My name is Priya.", "Noted.");
            assert_eq!(origins(&request.messages), if takes_system { "system u1" } else { "u1" });
            let stands = |standing: &Standing| (standing.visible, standing.told, standing.outcome);
            let unknown = Visibility::Unknown;
            assert_eq!(stands(&standings[0]), (unknown, Visibility::Question, Some(Outcome::Forgotten)));
            let (request, standings) = say(&mut talk, "What's my name?", "Priya.");
            assert_eq!(stands(&standings[0]), (unknown, Visibility::User, Some(Outcome::Retained)));
            assert!(request.cut.is_empty() && request.keeps_history);
        }
    }

    #[test]
    fn a_token_window_counts_each_message_as_it_is_now() {
        let mut talk = talk("tokens-24");
        assert_eq!(origins(&talk.request("Two words", Tokenizer::default()).unwrap().messages), "system h1 h2 u1");
        let long = "a much longer message than the one before it, which takes more than there is";
        assert!(talk.request(long, Tokenizer::default()).is_err());
        talk.setting.system = "word ".repeat(30).into();
        assert!(talk.request("Two words", Tokenizer::default()).is_err());
        talk.setting.system = "".into();
        assert_eq!(origins(&talk.request("Two words", Tokenizer::default()).unwrap().messages), "h1 h2 u1");
    }

    #[test]
    fn a_fact_that_changes_keeps_its_earlier_value_as_outdated() {
        let mut talk = talk("full");
        talk.state("name", "Ada");
        talk.state("colour", "red");
        let facts: Vec<_> = talk.facts().iter().map(|fact| (fact.value.as_str(), fact.outdated.clone())).collect();
        assert_eq!(facts, [("Ada", vec!["Priya".to_owned()]), ("red", vec![])]);
    }
}
