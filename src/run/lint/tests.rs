//! What the lint says of conversations, held against conversations that are played.

use std::sync::Arc;

use proptest::prelude::*;

use crate::check::{self, Measured, TurnView};
use crate::diagnostic::Code;
use crate::model::{
    Check, CheckKind, Fact, FactRef, MatchKind, Message, Origin, Persona, Position, Reply, Role, Script, Throughout,
    TranscriptKind, Turn, TurnId, Verdict, Visibility, Window,
};
use crate::provider::{Builtin, BuiltinKind};
use crate::scenario::lint::{Answer, Claim, Facts, claims, throughout_claims};
use crate::scenario::open::Open;
use crate::scenario::outline::Outline;
use crate::window::{FactMatcher, choose, sight};

const SAID: [&str; 9] = [
    "My name is Priya.",
    "Call me P. Sharma!",
    "My colour is Brown.",
    "From now on it is Red.",
    "Nice weather.",
    "What's my name?",
    "What is my colour?",
    "Is my colour Red?",
    "Priya",
];
const REPLIES: [Option<&str>; 7] =
    [None, None, Some("Noted."), Some("Hello Priya!"), Some("Brown it is."), Some("Red, then."), None];
const WINDOWS: [&str; 16] = [
    "full",
    "none",
    "1",
    "2",
    "2-drop",
    "3-pin-1",
    "past-1",
    "past-2-pin-1",
    "messages-2",
    "messages-3-drop",
    "messages-4-pin-1",
    "tokens-20",
    "tokens-28-drop",
    "tokens-35",
    "tokens-30-pin-1",
    "tokens-60-drop-pin-2",
];

/// Texts are counted by their words.
fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

fn facts() -> Vec<Fact> {
    let fact = |name: &str, value: &str, aliases: &[&str], outdated: &[&str]| Fact {
        name: name.to_owned(),
        value: value.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        matching: MatchKind::Word,
        regex: None,
        asks: Vec::new(),
        outdated: outdated.iter().map(|value| (*value).to_owned()).collect(),
    };
    vec![fact("name", "Priya", &["P. Sharma"], &[]), fact("colour", "Red", &[], &["Brown"])]
}

fn retention_checks() -> Vec<Check> {
    let named = |fact, value: Option<&str>| FactRef { fact, value: value.map(str::to_owned) };
    let facts = [named(0, None), named(1, None), named(1, Some("Brown"))];
    let kinds = facts.into_iter().flat_map(|fact| {
        [
            CheckKind::Recalls(fact.clone()),
            CheckKind::Forgets(fact.clone(), None),
            CheckKind::RetainsIffVisible(fact.clone()),
            CheckKind::Not(Box::new(CheckKind::Not(Box::new(CheckKind::Recalls(fact))))),
        ]
    });
    let check = |(line, kind)| Check {
        kind,
        name: None,
        models: Vec::new(),
        known_failure: None,
        needs_model: false,
        position: Position { line, column: 1 },
    };
    (1..).zip(kinds).map(check).collect()
}

/// A script of these turns, each with its reply where that is canned, with every retention check on every live reply.
fn script(system: &str, history: &[(bool, usize)], turns: &[(usize, Option<&str>)], probes: &[usize]) -> Script {
    let turn = |said: usize, reply: Option<&str>| Turn {
        id: None,
        user: SAID[said].into(),
        reply: reply.map(Arc::from),
        checks: if reply.is_none() { retention_checks() } else { Vec::new() },
        captures: Vec::new(),
        position: Position::default(),
    };
    let role = |is_user: bool| if is_user { Role::User } else { Role::Assistant };
    Script {
        facts: facts(),
        personas: vec![Persona { name: "default".into(), system: system.into(), checks: Vec::new() }],
        history: history.iter().map(|(is_user, said)| (role(*is_user), SAID[*said].into())).collect(),
        turns: turns.iter().map(|(said, reply)| turn(*said, *reply)).collect(),
        probes: probes.iter().map(|said| turn(*said, None)).collect(),
        each_reply: Vec::new(),
        transcript_checks: Vec::new(),
    }
}

/// One turn as it was played: what each check came to, and where the fact of each was.
type Played = (TurnId, Vec<(Verdict, Visibility)>);

/// Plays a script with an embedded model.
fn play(script: &Script, window: Window, model: Builtin) -> Vec<Played> {
    let system = &script.personas[0].system;
    let system = (!system.is_empty()).then(|| Message::new(Role::System, Origin::System, Arc::clone(system)));
    let first = (1..).zip(&script.history);
    let mut history: Vec<Message> =
        first.map(|(n, (role, text))| Message::new(*role, Origin::History(n), Arc::clone(text))).collect();
    let mut played = Vec::new();
    for (number, turn) in script.asked() {
        let user = super::super::conversation::user_message(number, turn);
        let mut reply: Option<Arc<str>> = turn.reply.clone();
        if reply.is_none() {
            let tokens = |message: &Message| count(&message.content) + 4;
            let Ok(choice) = choose(window, system.as_ref(), &history, &user, &tokens) else {
                if number.is_probe() {
                    continue;
                }
                break;
            };
            let chosen = choice.history.iter().map(|at| history[*at].clone());
            let sent: Vec<Message> = system.iter().cloned().chain(chosen).chain([user.clone()]).collect();
            let (text, _) = model.answer(&sent, &script.facts);
            let said = Reply { text: text.clone(), finish_reason: Some("stop".into()) };
            let sent: Vec<&Message> = sent.iter().collect();
            let view = TurnView {
                turn: number,
                sent: &sent,
                history: &history,
                list_positions: &[],
                reply: &said,
                facts: &script.facts,
                system: system.as_ref(),
                keeps_history: false,
                tokens_sent: None,
                measured: Measured::default(),
                gathered: None,
            };
            let decided = turn.checks.iter().map(|check| {
                let decision = check::decide(&check.kind, &view);
                (decision.verdict, decision.retention.expect("a retention check").visible)
            });
            played.push((number, decided.collect()));
            reply = Some(text.into());
        }
        if let (TurnId::Turn(n), Some(reply)) = (number, reply) {
            history.push(user);
            history.push(Message::new(Role::Assistant, Origin::Reply(n), reply));
        }
    }
    played
}

fn said_of<'c>(claims: &'c [Claim<'_>], number: TurnId, line: u32) -> Option<&'c Claim<'c>> {
    claims.iter().find(|claim| claim.asked.number == number && claim.check.position.line == line)
}

fn any_turns(most: usize) -> impl Strategy<Value = Vec<(usize, Option<&'static str>)>> {
    prop::collection::vec((0..SAID.len(), prop::sample::select(REPLIES.to_vec())), 1..most)
}

fn any_window() -> impl Strategy<Value = Window> {
    prop::sample::select(WINDOWS.to_vec()).prop_map(|label| label.parse().expect("a label"))
}

const MODELS: [BuiltinKind; 4] =
    [BuiltinKind::Reader, BuiltinKind::Echo, BuiltinKind::Amnesiac, BuiltinKind::Omniscient];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_called_impossible_never_passes_and_what_is_called_visible_is(
        system in prop::sample::select(vec!["", "Be brief.", "You serve Priya."]),
        history in prop::collection::vec((any::<bool>(), 0..SAID.len()), 0..4),
        turns in any_turns(7),
        probes in prop::collection::vec(0..SAID.len(), 0..3),
        window in any_window(),
    ) {
        let script = script(system, &history, &turns, &probes);
        let outline = Outline::new(&script, &Open::default());
        let seen = Facts::new(&outline);
        let claims = claims(&outline, &seen, (0, window), &Open::default(), &count);
        for model in MODELS {
            for (number, decided) in play(&script, window, Builtin::new(model)) {
                let asked = outline.asked.iter().find(|asked| asked.number == number).expect("it was asked");
                let sent = outline.sent(asked, outline.system(0).as_ref(), window, &count).expect("it was sent");
                for (check, (verdict, visible)) in retention_checks().iter().zip(decided) {
                    let claim = said_of(&claims, number, check.position.line);
                    if claim.is_some_and(|claim| claim.code == Code::CanNeverPass) {
                        prop_assert_ne!(verdict, Verdict::Pass, "{:?} {} {:?}", model, number, check.kind);
                    }
                    let (_, fact, _) = crate::scenario::lint::retention(&check.kind).expect("a retention check");
                    let answer = seen.sight(0, fact, asked, &sent).expect("its value is known").answer();
                    match answer {
                        Answer::Visible => prop_assert!(visible.is_visible(), "{} {:?}", number, check.kind),
                        // A live reply that is not known may say it as well.
                        Answer::Question => prop_assert!(
                            matches!(visible, Visibility::Question | Visibility::Assistant), "{} {:?}", number, check.kind),
                        Answer::Not => prop_assert_eq!(visible, Visibility::No, "{} {:?}", number, check.kind),
                        Answer::ByReply => prop_assert!(
                            matches!(visible, Visibility::No | Visibility::Assistant), "{} {:?}", number, check.kind),
                        Answer::Open => {}
                    }
                }
            }
        }
    }

    #[test]
    fn a_check_on_the_transcript_that_is_called_impossible_never_passes(
        history in prop::collection::vec((any::<bool>(), 0..SAID.len()), 0..3),
        turns in any_turns(6),
        (from, until) in (1..3_u32, prop::option::of(3..5_u32)),
        window in any_window(),
    ) {
        let mut script = script("", &history, &turns, &[0]);
        let over: fn(Throughout) -> TranscriptKind = TranscriptKind::Always;
        script.transcript_checks = [over, TranscriptKind::Eventually]
            .into_iter()
            .flat_map(|over| {
                retention_checks().into_iter().map(move |check| Check {
                    kind: over(Throughout { kind: check.kind, from, until }),
                    name: None,
                    models: Vec::new(),
                    known_failure: None,
                    needs_model: false,
                    position: check.position,
                })
            })
            .collect();
        let outline = Outline::new(&script, &Open::default());
        let claims = throughout_claims(&outline, &Facts::new(&outline), (0, window), &Open::default(), &count);
        for model in MODELS {
            let played = play(&script, window, Builtin::new(model));
            for claim in &claims {
                let at = claim.check.position.line as usize - 1;
                let stretch = claim.check.kind.throughout().expect("a stretch");
                let mut verdicts = played.iter().filter_map(|(number, decided)| match number {
                    TurnId::Turn(number) if stretch.has(*number) => Some(decided[at].0 == Verdict::Pass),
                    _ => None,
                });
                let is_too_long = played.len() < 1 + turns.iter().filter(|(_, reply)| reply.is_none()).count();
                let passes = match claim.check.kind {
                    // Of one that ended before its last turn nothing is said.
                    TranscriptKind::Always(_) => !is_too_long && verdicts.all(|passes| passes),
                    _ => verdicts.any(|passes| passes),
                };
                prop_assert!(!passes, "{:?} {:?}", model, claim.check.kind);
            }
        }
    }

    #[test]
    fn of_canned_replies_every_check_is_decided_as_one_that_looks_at_the_request_decides_it(
        system in prop::sample::select(vec!["", "You serve Priya."]),
        history in prop::collection::vec((any::<bool>(), 0..SAID.len()), 0..4),
        turns in any_turns(7),
        asked in 0..SAID.len(),
        probes in prop::collection::vec(0..SAID.len(), 0..3),
        window in any_window(),
    ) {
        let turns: Vec<_> = turns.into_iter().map(|(said, reply)| (said, Some(reply.unwrap_or("Noted.")))).collect();
        // The last turn, whose reply no other question sees, is live; without it all probes see canned replies alone.
        let (turns, probes) = if probes.is_empty() {
            (turns.into_iter().chain([(asked, None)]).collect::<Vec<_>>(), probes)
        } else {
            (turns, probes)
        };
        let script = script(system, &history, &turns, &probes);
        let outline = Outline::new(&script, &Open::default());
        let seen = Facts::new(&outline);
        let claims = claims(&outline, &seen, (0, window), &Open::default(), &count);
        for (number, decided) in play(&script, window, Builtin::new(BuiltinKind::Reader)) {
            for (check, (_, visible)) in retention_checks().iter().zip(decided) {
                let claim = said_of(&claims, number, check.position.line).map(|claim| claim.code);
                let expected = match crate::scenario::lint::retention(&check.kind).expect("a retention check").0 {
                    CheckKind::Recalls(_) if visible == Visibility::No => Some(Code::CanNeverPass),
                    CheckKind::Forgets(..) if visible.is_visible() => Some(Code::CanNeverPass),
                    CheckKind::Recalls(_) | CheckKind::RetainsIffVisible(_) if visible == Visibility::Question => {
                        Some(Code::AnswerInQuestion)
                    }
                    _ => None,
                };
                prop_assert_eq!(claim, expected, "{} {:?}", number, check.kind);
            }
        }
    }
}

#[test]
fn the_properties_meet_each_claim() {
    let turns = [(0, None), (4, None), (4, None), (5, None)];
    let codes = |window: &str, turns: &[(usize, Option<&str>)]| {
        let script = script("", &[], turns, &[]);
        let outline = Outline::new(&script, &Open::default());
        let claims = claims(&outline, &Facts::new(&outline), (0, window.parse().unwrap()), &Open::default(), &count);
        let last = u32::try_from(turns.len()).unwrap();
        let of_last = claims.iter().filter(|claim| claim.asked.number == TurnId::Turn(last) && claim.fact == 0);
        of_last.map(|claim| (claim.code, claim.check.kind.key(), claim.orphan)).collect::<Vec<_>>()
    };
    let orphan = |number| Some(Origin::Reply(number));
    let only = |orphan| [(Code::OnlyByReply, "recalls", orphan), (Code::OnlyByReply, "not", orphan)];
    assert_eq!(codes("none", &turns), [(Code::CanNeverPass, "recalls", None), (Code::CanNeverPass, "not", None)]);
    assert_eq!(codes("2", &turns), only(orphan(2)));
    assert_eq!(codes("2-drop", &turns), only(None));
    let [recalls, not] = only(orphan(1));
    assert_eq!(codes("3", &turns), [recalls, (Code::OrphanReply, "forgets", orphan(1)), not]);
    assert_eq!(codes("full", &turns), [(Code::CanNeverPass, "forgets", None)]);
    let whole = |window: &str, over: fn(Throughout) -> TranscriptKind, from| {
        let mut script = script("", &[], &turns, &[]);
        let kind = over(Throughout { kind: retention_checks()[0].kind.clone(), from, until: None });
        let position = Position::default();
        script.transcript_checks =
            vec![Check { kind, name: None, models: vec![], known_failure: None, needs_model: false, position }];
        let outline = Outline::new(&script, &Open::default());
        let window = window.parse().unwrap();
        throughout_claims(&outline, &Facts::new(&outline), (0, window), &Open::default(), &count).len()
    };
    assert_eq!(whole("none", TranscriptKind::Always, 2), 3);
    assert_eq!(whole("none", TranscriptKind::Eventually, 2), 3);
    assert_eq!(whole("2-drop", TranscriptKind::Eventually, 2), 0);
    assert_eq!(whole("none", TranscriptKind::Never, 2), 0);
    // How long a live reply is decides what this window holds.
    assert!(codes("tokens-40", &turns).is_empty());
}

#[test]
fn a_matcher_and_a_sight_agree_on_the_words_that_the_properties_use() {
    let fact = &facts()[0];
    let message = Message::new(Role::User, Origin::User(1), SAID[1]);
    let matcher = FactMatcher::of_value(fact, "Priya");
    assert_eq!(sight(&matcher, &[&message, &message]).visible, Visibility::User);
}
