//! A budget under every order of asking, and what becomes of a reservation.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use proptest::prelude::*;

use super::*;
use crate::model::{Message, Origin, Params, Reply, Role, Usage};
use crate::provider::retry::Way;
use crate::provider::{AttemptFailed, Estimate, Gate, Observer, RetryPolicy, with_retries};

pub(super) struct Nobody;

impl Observer for Nobody {
    fn delta(&self, _: &str) {}
    fn attempt_failed(&self, _: AttemptFailed) {}
}

const PRICE: Price = Price { input: 1.0, output: 2.0 };

/// A fare of so many dollars at most.
pub(super) fn fare(budget: &Arc<Budget>, dollars: f64) -> Fare {
    Fare { paid: Some((Purse { budget: Arc::clone(budget), price: PRICE }, Usd::new(dollars))) }
}

/// A call's way past a gate.
fn way<'w>(gate: &'w Gate, fare: &'w Fare) -> Way<'w> {
    Way { gate, fare, call: Estimate { sent: 1, reply_at_most: None } }
}

pub(super) fn taken(budget: &Budget) -> f64 {
    budget.0.lock().unwrap().taken().dollars()
}

pub(super) fn reply(usage: Option<Usage>) -> ChatReply {
    ChatReply {
        reply: Reply { text: "Hello".to_owned(), finish_reason: None },
        chunks: Vec::new(),
        thinking: None,
        usage,
        latency: Duration::ZERO,
        ttft: None,
        model_reported: None,
        fingerprint: None,
        attempts: 1,
        reserved_usd: None,
    }
}

fn refused(dollars: f64, left: f64, cap: f64) -> OverBudget {
    OverBudget { most: Usd::new(dollars), left: Usd::new(left), cap: Usd::new(cap) }
}

#[test]
fn a_reply_costs_what_it_used_and_one_without_usage_all_that_was_reserved() {
    let usage = Usage { sent: 200_000, reply: 100_000, estimated: false };
    let down = CallError::Server { status: 503, message: "503".to_owned(), retry_after: None };
    let slow_down = CallError::RateLimited { status: 429, message: "429".to_owned(), retry_after: None };
    let in_stream = CallError::RateLimited { status: 200, message: "200".to_owned(), retry_after: None };
    let no = CallError::Refused { status: 400, message: "400".to_owned() };
    let nobody = CallError::Unreachable("refused".to_owned());
    for (result, cost, reserved) in [
        (Ok(reply(Some(usage))), 0.4, None),
        (Ok(reply(None)), 3.0, Some(3.0)),
        (Err(down), 3.0, Some(3.0)),
        (Err(CallError::Connection("reset".to_owned())), 3.0, Some(3.0)),
        (Err(CallError::Malformed("{".to_owned())), 3.0, Some(3.0)),
        (Err(in_stream), 3.0, Some(3.0)),
        (Err(slow_down), 0.0, None),
        (Err(no), 0.0, None),
        (Err(nobody), 0.0, None),
    ] {
        let budget = Budget::new(10.0);
        let settled = block_on(fare(&budget, 3.0).reserve()).unwrap().sent().settle(&result);
        assert_eq!((taken(&budget), settled), (cost, reserved), "{result:?}");
    }
}

#[test]
fn a_reservation_that_was_sent_stays_where_nobody_settles_it_and_another_is_freed() {
    let budget = Budget::new(10.0);
    let fare = fare(&budget, 3.0);
    drop(block_on(fare.reserve()).unwrap());
    assert_eq!(Usd::new(taken(&budget)), Usd::default());
    drop(block_on(fare.reserve()).unwrap().sent());
    assert_eq!(Usd::new(taken(&budget)), Usd::new(3.0));
}

#[test]
fn a_try_that_panics_keeps_its_reservation_and_lets_the_next_one_in() {
    let budget = Budget::new(4.0);
    let fare = fare(&budget, 3.0);
    let attempt = || async { panic!("a defect") };
    let gate = Gate::open();
    let call = with_retries(RetryPolicy::default(), way(&gate, &fare), &Nobody, attempt);
    let broke = AssertUnwindSafe(call).catch_unwind();
    assert!(block_on(broke).is_err());
    assert_eq!(block_on(fare.reserve()).unwrap_err(), refused(3.0, 1.0, 4.0));
}

#[test]
fn every_try_is_paid_for_and_one_that_cannot_be_is_not_made() {
    let budget = Budget::new(7.0);
    let policy = RetryPolicy { retries: 5, base: Duration::ZERO, cap: Duration::ZERO };
    let tries = std::cell::Cell::new(0);
    let attempt = || {
        tries.set(tries.get() + 1);
        std::future::ready(Err(CallError::Connection("reset".to_owned())))
    };
    let result = block_on(with_retries(policy, way(&Gate::open(), &fare(&budget, 3.0)), &Nobody, attempt));
    assert_eq!(result.unwrap_err(), CallError::OverBudget(refused(3.0, 1.0, 7.0)));
    assert_eq!(tries.get(), 2);
}

#[test]
fn who_does_not_fit_waits_for_those_in_flight_and_a_small_one_behind_it_too() {
    let budget = Budget::new(10.0);
    let (first, large, small) = (fare(&budget, 6.0), fare(&budget, 7.0), fare(&budget, 1.0));
    let in_flight = block_on(first.reserve()).unwrap().sent();
    let (mut large, mut small) = (Box::pin(large.reserve()), Box::pin(small.reserve()));
    assert!(large.as_mut().now_or_never().is_none());
    assert!(small.as_mut().now_or_never().is_none(), "it would fit, and is behind the large one");
    // It came to one dollar.
    let usage = Usage { sent: 1_000_000, reply: 0, estimated: false };
    assert_eq!(in_flight.settle(&Ok(reply(Some(usage)))), None);
    assert!(large.now_or_never().unwrap().is_ok());
    assert!(small.now_or_never().unwrap().is_ok());
}

#[test]
fn what_can_never_fit_is_refused_without_holding_up_the_others() {
    let budget = Budget::new(10.0);
    budget.spend(4.0);
    let fares = [fare(&budget, 5.0), fare(&budget, 7.0), fare(&budget, 1.0)];
    let _in_flight = block_on(fares[0].reserve()).unwrap().sent();
    assert_eq!(block_on(fares[1].reserve()).unwrap_err(), refused(7.0, 6.0, 10.0));
    assert!(block_on(fares[2].reserve()).is_ok());
}

#[test]
fn one_that_does_not_wait_any_more_is_passed_over() {
    let budget = Budget::new(10.0);
    let fares = [fare(&budget, 8.0), fare(&budget, 9.0), fare(&budget, 9.5)];
    let in_flight = block_on(fares[0].reserve()).unwrap();
    let (mut gone, mut stays) = (Box::pin(fares[1].reserve()), Box::pin(fares[2].reserve()));
    assert!(gone.as_mut().now_or_never().is_none() && stays.as_mut().now_or_never().is_none());
    drop(gone);
    drop(in_flight);
    assert!(stays.now_or_never().unwrap().is_ok());
}

#[test]
fn a_reservation_that_comes_too_late_is_given_on() {
    let budget = Budget::new(10.0);
    let fares = [fare(&budget, 8.0), fare(&budget, 9.0)];
    let in_flight = block_on(fares[0].reserve()).unwrap();
    let mut granted = Box::pin(fares[1].reserve());
    assert!(granted.as_mut().now_or_never().is_none());
    drop(in_flight);
    // It is granted now, and dropped before it looks.
    drop(granted);
    assert_eq!(Usd::new(taken(&budget)), Usd::default());
}

#[test]
fn a_call_can_cost_a_token_for_every_byte_and_the_longest_reply() {
    let messages = [
        Message::new(Role::System, Origin::System, "Be brief."),
        Message::new(Role::User, Origin::User(1), "Grüß dich"),
    ];
    let mut params = Params { max_tokens: Some(100), ..Params::default() };
    let purse = Purse { budget: Budget::new(1.0), price: PRICE };
    let most = |params: &Params| {
        let request = ChatRequest { messages: &messages, params, stream: false, facts: &[] };
        purse.fare(&request).paid.unwrap().1
    };
    let tokens = 9.0 + 11.0 + 2.0 * 16.0 + 64.0;
    assert_eq!(most(&params), Usd::new((tokens + 2.0 * 100.0) / 1e6));
    params.extra.insert("max_completion_tokens".to_owned(), 500.into());
    let extra = r#"{"max_completion_tokens":500}"#;
    assert_eq!(most(&params), Usd::new((tokens + f64::from(u8::try_from(extra.len()).unwrap()) + 2.0 * 500.0) / 1e6));
    // A service puts words of its own before tools, however short they are.
    params.extra = [("tools".to_owned(), serde_json::json!([]))].into_iter().collect();
    assert!(most(&params) >= Usd::new((tokens + 600.0 + 2.0 * 100.0) / 1e6));
    assert!(most(&Params::default()) > Usd::new(1e12), "a reply without a limit can cost anything");
}

#[test]
fn money_is_shown_with_as_many_decimals_as_say_it() {
    for (dollars, text) in [(5.0, "$5.00"), (0.0, "$0.00"), (12.5, "$12.50"), (0.000_42, "$0.00042")] {
        assert_eq!(Usd::new(dollars).to_string(), text);
    }
}

/// What happens to a budget: someone asks for so much, or one of those in flight comes to a share of what it reserved.
#[derive(Debug, Clone)]
enum Step {
    Ask(u32),
    Settle(prop::sample::Index, f64),
    /// Its usage is not known.
    Keep(prop::sample::Index),
    /// The one that was sent last costs all that it reserved.
    Last,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_u32..2_000).prop_map(Step::Ask),
        (any::<prop::sample::Index>(), 0.0..=1.0).prop_map(|(which, share)| Step::Settle(which, share)),
        any::<prop::sample::Index>().prop_map(Step::Keep),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn the_cap_holds_in_every_order_and_everyone_is_told(steps in steps(), cap in 0_u128..10_000) {
        let mut ledger = Ledger::new(Usd(cap));
        let (mut asked, mut in_flight, mut told) = (0, Vec::new(), Vec::new());
        // In the end everything in flight comes back, and whoever waits is told.
        let rest = steps.iter().map(|_| Step::Last);
        for step in steps.iter().cloned().chain(rest) {
            match step {
                Step::Ask(most) => {
                    ledger.ask(Usd(most.into()), asked);
                    asked += 1;
                }
                Step::Settle(..) | Step::Keep(_) | Step::Last if in_flight.is_empty() => {}
                Step::Settle(which, share) => {
                    let most: Usd = in_flight.swap_remove(which.index(in_flight.len()));
                    ledger.settle(most, Usd::new(most.dollars() * share).min(most));
                }
                Step::Keep(which) => {
                    let most = in_flight.swap_remove(which.index(in_flight.len()));
                    ledger.settle(most, most);
                }
                Step::Last => in_flight.pop().into_iter().for_each(|most| ledger.settle(most, most)),
            }
            for (waiter, most, decision) in ledger.decide(|_| false) {
                told.push(waiter);
                match decision {
                    Ok(()) => in_flight.push(most),
                    Err(over) => prop_assert!(over.most > over.left, "nothing is refused that could fit"),
                }
            }
            prop_assert!(ledger.taken() <= Usd(cap));
        }
        prop_assert_eq!(told, (0..asked).collect::<Vec<_>>(), "in the order of asking");
    }
}
