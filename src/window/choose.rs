//! Chooses which messages of the history travel with the next request.
//!
//! A window depends on the system message, the history, the new user message and its own limit, on nothing else: equal
//! input gives an equal request, which is what makes cassettes possible. What is chosen is a tail of the history with
//! the pinned first messages before it, in the order of the history and each message once. The system message and the
//! new user message always go along and are not part of the choice.

use std::ops::Range;

use crate::model::{Message, OrphanReply, Role, Tail, Window};

/// The messages of the history that go along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Their positions in the history, increasing. The user message always goes along, the system message too.
    pub history: Vec<usize>,
}

/// What a token window must send whatever it cuts is more than it may send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("system, pinned and user message count {needed} tokens, more than the {limit} of the window")]
pub struct TooLong {
    /// What the system message, the pinned messages and the user message count together.
    pub needed: usize,
    /// What the window allows.
    pub limit: usize,
}

/// Chooses from `history` what goes along with `user`.
///
/// `tokens` gives what one message counts, its own overhead included. It is called for token windows only, and there
/// for no more messages than are sent and the first that is not: a long history is not counted anew each turn. Roles are
/// read for exchanges and orphan replies; that of `user` is not.
///
/// # Errors
/// [`TooLong`] when a token window cannot hold what must be sent.
pub fn choose(
    window: Window,
    system: Option<&Message>,
    history: &[Message],
    user: &Message,
    tokens: &dyn Fn(&Message) -> usize,
) -> Result<Choice, TooLong> {
    let Reach { pinned, start } = reach(window, system, history, user, tokens)?;
    Ok(Choice { history: (0..pinned).chain(start..history.len()).collect() })
}

/// The same choice as two stretches of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// So many of the first messages go along, before a gap.
    pub pinned: usize,
    /// Where the tail begins that goes along to its end; at `pinned` or behind it.
    pub start: usize,
}

/// What [`choose`] chooses, without a list of it: for who asks of many turns of a long history.
///
/// # Errors
/// [`TooLong`], as [`choose`].
pub fn reach(
    window: Window,
    system: Option<&Message>,
    history: &[Message],
    user: &Message,
    tokens: &dyn Fn(&Message) -> usize,
) -> Result<Reach, TooLong> {
    let pins = history.len().min(to_usize(window.pin_first));
    // Exchanges and messages are counted with the user message among them.
    let last = |messages: usize| history.len().saturating_sub(messages - 1);
    let start = match window.tail {
        Tail::Full => 0,
        Tail::None => history.len(),
        Tail::Exchanges(n) => last(to_usize(n.get()).saturating_mul(2)),
        Tail::Messages(n) => last(to_usize(n.get())),
        Tail::PastExchanges(n) => start_of_exchanges(history, to_usize(n.get())),
        Tail::Tokens(n) => {
            let always = system.into_iter().chain(&history[..pins]).chain([user]);
            start_within(to_usize(n.get()), always, history, pins, tokens)?
        }
    };
    let start = match window.orphan_reply {
        OrphanReply::Keep => start,
        OrphanReply::Drop => orphans(history, start).end,
    };
    Ok(Reach { pinned: pins.min(start), start })
}

/// Where the last `exchanges` whole exchanges begin. Replies before the first user message are one exchange of their
/// own, so a history with fewer user messages than that is taken whole.
fn start_of_exchanges(history: &[Message], exchanges: usize) -> usize {
    let users = history.iter().enumerate().rev().filter(|(_, message)| message.role == Role::User);
    users.map(|(position, _)| position).nth(exchanges - 1).unwrap_or(0)
}

/// Where the longest tail begins that keeps the request within `limit` tokens.
fn start_within<'a>(
    limit: usize,
    always: impl Iterator<Item = &'a Message>,
    history: &[Message],
    pins: usize,
    tokens: &dyn Fn(&Message) -> usize,
) -> Result<usize, TooLong> {
    let needed = always.map(tokens).fold(0, usize::saturating_add);
    let mut left = limit.checked_sub(needed).ok_or(TooLong { needed, limit })?;
    for (position, message) in history.iter().enumerate().skip(pins).rev() {
        match left.checked_sub(tokens(message)) {
            Some(rest) => left = rest,
            None => return Ok(position + 1),
        }
    }
    // The pinned messages are counted already, so a tail that reaches them is the whole history.
    Ok(0)
}

/// The replies at the head of the tail from `start` whose user message was cut.
///
/// A greeting that no user message stands before was never an answer, and is no orphan.
#[must_use]
pub fn orphans(history: &[Message], start: usize) -> Range<usize> {
    if !history[..start].iter().rev().any(|message| message.role == Role::User) {
        return start..start;
    }
    let replies = history[start..].iter().take_while(|message| message.role != Role::User).count();
    start..start + replies
}

/// A size of a window as a length; what no machine could hold is as good as the longest length.
fn to_usize(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::model::Origin;

    /// `u` and `a` for each message of a history; the texts are numbered, so that no two messages are equal.
    fn history(roles: &str) -> Vec<Message> {
        let message = |(n, role)| {
            let role = if role == 'u' { Role::User } else { Role::Assistant };
            Message::new(role, Origin::History(n), n.to_string())
        };
        (1..).zip(roles.chars()).map(message).collect()
    }

    fn user() -> Message {
        Message::new(Role::User, Origin::User(1), "now")
    }

    fn system() -> Message {
        Message::new(Role::System, Origin::System, "be kind")
    }

    /// The numbers, from 1, of the messages that a window takes from a history, at ten tokens a message.
    fn taken(label: &str, roles: &str) -> Vec<usize> {
        let choice = choose(window(label), Some(&system()), &history(roles), &user(), &|_| 10).expect("it fits");
        choice.history.into_iter().map(|position| position + 1).collect()
    }

    fn window(label: &str) -> Window {
        label.parse().expect("a label")
    }

    #[test]
    fn each_policy_takes_its_own_part_of_the_history() {
        let cases: [(&str, &str, &[usize]); 24] = [
            ("full", "uaua", &[1, 2, 3, 4]),
            ("none", "uaua", &[]),
            ("1", "uaua", &[4]),
            ("2", "uauaua", &[4, 5, 6]),
            ("2-drop", "uauaua", &[5, 6]),
            ("9", "uaua", &[1, 2, 3, 4]),
            ("past-1", "uaua", &[3, 4]),
            ("past-2", "uauaua", &[3, 4, 5, 6]),
            ("messages-1", "uaua", &[]),
            ("messages-2", "uaua", &[4]),
            ("messages-4", "uaua", &[2, 3, 4]),
            ("messages-4-drop", "uaua", &[3, 4]),
            ("messages-9-drop", "uaua", &[1, 2, 3, 4]),
            ("tokens-20", "uaua", &[]),
            ("tokens-49", "uaua", &[3, 4]),
            ("tokens-50", "uaua", &[2, 3, 4]),
            ("tokens-50-drop", "uaua", &[3, 4]),
            ("tokens-60", "uaua", &[1, 2, 3, 4]),
            // Several user messages in a row: each begins an exchange.
            ("past-2", "uauu", &[3, 4]),
            ("past-1", "uuaa", &[2, 3, 4]),
            // Replies before the first user message are an exchange of their own.
            ("past-1", "aaua", &[3, 4]),
            ("past-2", "aaua", &[1, 2, 3, 4]),
            ("past-1", "aa", &[1, 2]),
            ("past-1", "", &[]),
        ];
        for (label, roles, expected) in cases {
            assert_eq!(taken(label, roles), expected, "{label} of {roles}");
        }
    }

    #[test]
    fn a_reply_whose_question_was_cut_goes_too_and_so_do_the_replies_behind_it() {
        assert_eq!(taken("messages-4-drop", "uaaaua"), [5, 6]);
        assert_eq!(taken("messages-3-drop", "uaaa"), [0; 0]);
    }

    #[test]
    fn a_greeting_is_no_orphan() {
        assert_eq!(taken("messages-4-drop", "aua"), [1, 2, 3]);
        assert_eq!(taken("messages-4-drop", "aaua"), [2, 3, 4], "the second of two greetings");
        assert_eq!(taken("messages-2-drop", "auaa"), [0; 0], "there was a question by then");
    }

    #[test]
    fn pins_come_on_top_of_messages_and_none_twice() {
        for (label, roles, expected) in [
            ("1-pin-1", "uauaua", &[1, 6][..]),
            ("messages-2-pin-3", "uaua", &[1, 2, 3, 4]),
            ("messages-3-pin-3", "uaua", &[1, 2, 3, 4]),
            ("messages-3-pin-9", "uaua", &[1, 2, 3, 4]),
            ("past-1-pin-1", "uauaua", &[1, 5, 6]),
            // The tail is `a2 u3 a3`: its orphan goes before the pin is joined to it.
            ("2-drop-pin-1", "uauaua", &[1, 5, 6]),
            // The orphan's question is pinned, but the rule acts on the tail alone.
            ("messages-4-drop-pin-1", "uaua", &[1, 3, 4]),
        ] {
            assert_eq!(taken(label, roles), expected, "{label} of {roles}");
        }
    }

    #[test]
    fn pins_count_inside_a_token_limit() {
        // System message, user message and pin take 30.
        assert_eq!(taken("tokens-30-pin-1", "uaua"), [1]);
        assert_eq!(taken("tokens-49-pin-1", "uaua"), [1, 4]);
        assert_eq!(taken("tokens-60-pin-1", "uaua"), [1, 2, 3, 4]);
        assert_eq!(taken("tokens-60-drop-pin-1", "uaua"), [1, 2, 3, 4], "the tail reaches the pin: nothing was cut");
        assert_eq!(taken("tokens-50-drop-pin-1", "uaua"), [1, 3, 4]);
    }

    #[test]
    fn a_request_that_cannot_be_cut_further_is_too_long() {
        let error = choose(window("tokens-29-pin-1"), Some(&system()), &history("uaua"), &user(), &|_| 10);
        assert_eq!(error, Err(TooLong { needed: 30, limit: 29 }));
        let error = choose(window("tokens-9"), None, &[], &user(), &|_| 10);
        assert_eq!(error, Err(TooLong { needed: 10, limit: 9 }));
        let error = choose(window("tokens-9"), Some(&system()), &[], &user(), &|_| usize::MAX);
        assert_eq!(error, Err(TooLong { needed: usize::MAX, limit: 9 }), "a sum beyond all bounds does not wrap");
    }

    #[test]
    fn only_what_is_sent_is_counted() {
        let counted = Cell::new(0);
        let count = |_: &Message| {
            counted.set(counted.get() + 1);
            10
        };
        let long = history(&"ua".repeat(1000));
        let choice = choose(window("tokens-60-pin-1"), Some(&system()), &long, &user(), &count).expect("it fits");
        assert_eq!(choice.history, [0, 1997, 1998, 1999]);
        assert_eq!(counted.get(), 7, "six that are sent, and the one that does not fit");

        counted.set(0);
        for label in ["full", "none", "2-drop-pin-1", "past-2", "messages-3"] {
            choose(window(label), Some(&system()), &long, &user(), &count).expect("it fits");
        }
        assert_eq!(counted.get(), 0, "other windows count no tokens");
    }

    /// A message of a conversation as the properties see it: its role and what it counts.
    type Drawn = (char, usize);

    fn any_history() -> impl Strategy<Value = Vec<Drawn>> {
        prop::collection::vec((prop::sample::select(vec!['u', 'a']), 0..30_usize), 0..24)
    }

    fn any_window() -> impl Strategy<Value = Window> {
        let tail = prop_oneof![
            Just("full".to_owned()),
            Just("none".to_owned()),
            (1..16_u32, any_end()).prop_map(|(n, end)| format!("{n}{end}")),
            (1..30_u32, any_end()).prop_map(|(n, end)| format!("messages-{n}{end}")),
            (1..400_u32, any_end()).prop_map(|(n, end)| format!("tokens-{n}{end}")),
            (1..16_u32, 0..8_u32).prop_map(|(n, pin)| format!("past-{n}{}", pins(pin))),
        ];
        tail.prop_map(|label| window(&label))
    }

    fn any_end() -> impl Strategy<Value = String> {
        (any::<bool>(), 0..8_u32).prop_map(|(drop, pin)| format!("{}{}", if drop { "-drop" } else { "" }, pins(pin)))
    }

    fn pins(count: u32) -> String {
        if count == 0 { String::new() } else { format!("-pin-{count}") }
    }

    /// A conversation with its costs, and the choice that a window makes in it.
    struct Played {
        history: Vec<Message>,
        system: Option<Message>,
        user: Message,
        costs: Vec<usize>,
        outcome: Result<Choice, TooLong>,
    }

    impl Played {
        fn new(window: Window, drawn: &[Drawn], with_system: bool) -> Self {
            let history = history(&drawn.iter().map(|&(role, _)| role).collect::<String>());
            let costs: Vec<usize> = drawn.iter().map(|&(_, cost)| cost).collect();
            let system = with_system.then(system);
            let user = user();
            let outcome = choose(window, system.as_ref(), &history, &user, &|m| cost(m, &costs));
            Self { history, system, user, costs, outcome }
        }

        /// The request as the runner puts it together.
        fn request(&self) -> Option<Vec<&Message>> {
            let chosen = self.outcome.as_ref().ok()?.history.iter().map(|&position| &self.history[position]);
            Some(self.system.iter().chain(chosen).chain([&self.user]).collect())
        }

        fn cost_of<'a>(&self, messages: impl IntoIterator<Item = &'a Message>) -> usize {
            messages.into_iter().map(|message| cost(message, &self.costs)).sum()
        }
    }

    fn cost(message: &Message, costs: &[usize]) -> usize {
        match message.origin {
            Origin::History(n) => costs[n as usize - 1],
            _ => 10,
        }
    }

    proptest! {
        #[test]
        fn a_request_keeps_its_shape(window in any_window(), drawn in any_history(), with_system in any::<bool>()) {
            let played = Played::new(window, &drawn, with_system);
            let Some(request) = played.request() else { return Ok(()) };
            prop_assert!(played.outcome.as_ref().is_ok_and(|choice| choice.history.is_sorted_by(|a, b| a < b)),
                "in order, nothing twice");
            prop_assert_eq!(request.last().copied(), Some(&played.user));
            prop_assert_eq!(request.iter().filter(|message| message.role == Role::System).count(), usize::from(with_system));
            prop_assert_eq!(request[0].role == Role::System, with_system);
            let pinned = played.history.iter().take(window.pin_first as usize);
            prop_assert!(pinned.into_iter().all(|pin| request.contains(&pin)));
        }

        #[test]
        fn a_limit_is_a_limit(window in any_window(), drawn in any_history(), with_system in any::<bool>()) {
            let played = Played::new(window, &drawn, with_system);
            let always = played.cost_of(
                played.system.iter().chain(played.history.iter().take(window.pin_first as usize)).chain([&played.user]));
            let Some(request) = played.request() else {
                let Tail::Tokens(limit) = window.tail else { panic!("only a token window can be too small") };
                prop_assert!(always > limit.get() as usize);
                return Ok(());
            };
            let beside_pins = request.iter().filter(|message| match message.origin {
                Origin::History(n) => n > window.pin_first,
                Origin::User(_) => true,
                _ => false,
            });
            let (messages, limit) = match window.tail {
                Tail::Full => (request.len(), played.history.len() + 2),
                Tail::None => (beside_pins.count(), 1),
                Tail::Exchanges(n) => (beside_pins.count(), 2 * n.get() as usize),
                Tail::Messages(n) => (beside_pins.count(), n.get() as usize),
                Tail::Tokens(n) => (played.cost_of(request), n.get() as usize),
                Tail::PastExchanges(n) => (beside_pins.filter(|m| m.role == Role::User).count(), n.get() as usize + 1),
            };
            prop_assert!(messages <= limit, "{messages} > {limit}");
        }

        #[test]
        fn equal_input_gives_an_equal_choice(window in any_window(), drawn in any_history()) {
            prop_assert_eq!(Played::new(window, &drawn, true).outcome, Played::new(window, &drawn, true).outcome);
        }

        #[test]
        fn a_window_larger_than_the_history_takes_it_whole(drawn in any_history(), pin in 0..8_u32, drop in any::<bool>()) {
            let large = [Tail::Full].into_iter().chain([
                Tail::Exchanges as fn(_) -> Tail, Tail::PastExchanges, Tail::Messages, Tail::Tokens,
            ].map(|tail| tail(1000.try_into().expect("not 0"))));
            for tail in large {
                let orphan_reply = if drop { OrphanReply::Drop } else { OrphanReply::Keep };
                let played = Played::new(Window { tail, orphan_reply, pin_first: pin }, &drawn, true);
                prop_assert_eq!(played.outcome, Ok(Choice { history: (0..drawn.len()).collect() }));
            }
        }

        #[test]
        fn a_window_of_exchanges_is_the_sliding_window_that_people_write_first(n in 1..8_u32, drawn in any_history()) {
            let played = Played::new(window(&n.to_string()), &drawn, true);
            let mut list = played.history.clone();
            list.push(played.user.clone());
            let cut = list.split_off(list.len().saturating_sub(2 * n as usize));
            let request: Vec<Message> = [system()].into_iter().chain(cut).collect();
            prop_assert_eq!(played.request().map(|sent| sent.into_iter().cloned().collect()), Some(request));
        }

        #[test]
        fn a_token_window_is_as_long_as_it_can_be(limit in 20..400_u32, drawn in any_history()) {
            let played = Played::new(window(&format!("tokens-{limit}")), &drawn, true);
            let request = played.request().expect("20 hold what must be sent");
            let cut = played.history.len() + 2 - request.len();
            if let Some(next) = cut.checked_sub(1) {
                prop_assert!(played.cost_of(request) + played.costs[next] > limit as usize);
            }
        }

        #[test]
        fn no_tail_begins_with_a_reply_whose_question_was_cut(
            tail in prop_oneof![(1..9_u32).prop_map(|n| n.to_string()), (1..18_u32).prop_map(|n| format!("messages-{n}")),
                (20..300_u32).prop_map(|n| format!("tokens-{n}"))],
            drawn in any_history(),
        ) {
            let kept = Played::new(window(&tail), &drawn, true);
            let dropped = Played::new(window(&format!("{tail}-drop")), &drawn, true);
            let positions = dropped.outcome.expect("20 hold what must be sent").history;
            let first = positions.first().copied().unwrap_or(drawn.len());
            if drawn.get(first).is_some_and(|&(role, _)| role == 'a') {
                prop_assert!(!drawn[..first].iter().any(|&(role, _)| role == 'u'), "a greeting at most");
            }
            // Nothing but replies was cut beyond what the window cuts anyway.
            let before = kept.outcome.expect("it fits").history;
            let gone = &before[..before.len() - positions.len()];
            prop_assert!(before.ends_with(&positions));
            prop_assert!(gone.iter().all(|&position| drawn[position].0 == 'a'));
        }
    }
}
