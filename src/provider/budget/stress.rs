//! A tight budget, rates and refusals together, by seed and on a clock that stands still unless everybody waits: each call
//! comes to its end, and no more is spent than the cap.

use std::cell::Cell;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::tests::{Nobody, fare, reply, taken};
use super::*;
use crate::model::Usage;
use crate::provider::gate::Rates;
use crate::provider::retry::Way;
use crate::provider::{Estimate, Gate, RetryPolicy, with_retries};

/// Longer than all that a run of this size may wait for.
const FOR_EVER: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How the calls of one seed ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ends {
    replies: u32,
    refused: u32,
    failed: u32,
    stopped: u32,
    given_up: u32,
}

/// What a try comes to: a third fail in every way in which tries fail.
fn outcome(random: &mut fastrand::Rng, most: f64) -> Result<ChatReply, CallError> {
    let retry_after = random.bool().then(|| Duration::from_millis(random.u64(0..5_000)));
    let message = String::new;
    match random.u32(..30) {
        0..=3 => Err(CallError::RateLimited { status: 429, message: message(), retry_after }),
        4 => Err(CallError::RateLimited { status: 200, message: message(), retry_after: None }),
        5..=6 => Err(CallError::Server { status: 529, message: message(), retry_after }),
        7 => Err(CallError::Connection(message())),
        8 => Err(CallError::Unreachable(message())),
        9 => Err(CallError::Refused { status: 400, message: message() }),
        10 => Ok(reply(None)),
        _ => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a few dollars")]
            let sent = (most * random.f64() * 1e6) as u64;
            Ok(reply(Some(Usage { sent, reply: 0, estimated: false })))
        }
    }
}

/// Two models of one budget with 60 calls each, all begun at once.
async fn play(seed: u64) -> Ends {
    // The waits between tries are drawn from the thread's own source.
    fastrand::seed(seed);
    let random = &mut fastrand::Rng::with_seed(seed);
    let cap = random.f64() * 60.0;
    let budget = Budget::new(cap);
    let gates = [0, 1].map(|_| {
        let rpm = random.bool().then(|| random.u32(30..2_000));
        let tpm = random.bool().then(|| random.u32(5_000..100_000));
        Gate::new(Rates { rpm, tpm })
    });
    let policy = RetryPolicy { retries: random.u32(0..8), ..RetryPolicy::default() };
    // One in four runs loses a model in the middle of it.
    let stops_at = (random.u32(..4) == 0).then(|| random.u32(..60));
    let tries = Cell::new(0);
    let calls = (0..120_usize).map(|number| {
        let seed = random.u64(..);
        let (budget, gate, tries) = (&budget, &gates[number % 2], &tries);
        async move {
            let mut random = fastrand::Rng::with_seed(seed);
            let dollars = random.f64() * 4.0;
            let fare = fare(budget, dollars);
            let call = Estimate { sent: random.u64(1..500), reply_at_most: Some(100) };
            let patience = if random.u32(..20) == 0 { Duration::from_millis(random.u64(..9_000)) } else { FOR_EVER };
            let way = Way { gate, fare: &fare, call };
            let attempt = || {
                let took = Duration::from_millis(random.u64(..3_000));
                let result = outcome(&mut random, dollars);
                async move {
                    tries.set(tries.get() + 1);
                    sleep(took).await;
                    assert!(taken(budget) <= cap, "{} of {cap}", taken(budget));
                    if stops_at.is_some_and(|at| tries.get() > at) && number % 2 == 0 {
                        return Err(CallError::ModelUnusable { status: 401, message: String::new() });
                    }
                    result
                }
            };
            timeout(patience, with_retries(policy, way, &Nobody, attempt)).await
        }
    });
    let calls: Vec<_> = calls.collect();
    let mut ends = Ends::default();
    // Where all wait for one another, the clock jumps to the end of all patience.
    for result in join_all(calls).await {
        *match result {
            Ok(Ok(_)) => &mut ends.replies,
            Ok(Err(CallError::OverBudget(_))) => &mut ends.refused,
            Ok(Err(error)) if error.stops_model() => &mut ends.stopped,
            Ok(Err(_)) => &mut ends.failed,
            Err(_) => &mut ends.given_up,
        } += 1;
    }
    // Nobody is left who holds something: what is taken is spent, and the rest of the cap can be had.
    let rest = fare(&budget, (cap - taken(&budget) - 1e-6).max(0.0));
    assert!(rest.reserve().now_or_never().is_some_and(|held| held.is_ok()), "seed {seed}: the budget is not free");
    ends
}

/// The story: calls that a provider held back for ten minutes had what they could cost reserved all that time, and the calls
/// to another provider waited for the money.
#[tokio::test(start_paused = true)]
async fn who_waits_at_a_gate_keeps_no_money_from_others() {
    let budget = Budget::new(100.0);
    let (fare, dear) = (fare(&budget, 2.0), fare(&budget, 60.0));
    let (slow, quick) = (Gate::open(), Gate::open());
    let policy = RetryPolicy { retries: 3, base: Duration::ZERO, cap: Duration::ZERO };
    let call = Estimate { sent: 1, reply_at_most: None };
    let usage = Some(Usage { sent: 1, reply: 0, estimated: false });
    let started = Instant::now();
    let to_slow = async {
        let first = std::cell::Cell::new(true);
        let attempt = || {
            let retry_after = first.replace(false).then_some(Duration::from_secs(600));
            let held = retry_after.map(|_| CallError::RateLimited { status: 429, message: String::new(), retry_after });
            std::future::ready(held.map_or_else(|| Ok(reply(usage)), Err))
        };
        with_retries(policy, Way { gate: &slow, fare: &dear, call }, &Nobody, attempt).await.unwrap();
        started.elapsed()
    };
    // Held back by what the first was asked, with money enough for one of them.
    let others = join_all((0..5).map(|_| async {
        let attempt = || std::future::ready(Ok(reply(usage)));
        with_retries(policy, Way { gate: &slow, fare: &dear, call }, &Nobody, attempt).await.unwrap();
    }));
    let to_quick = join_all((0..50).map(|_| async {
        sleep(Duration::from_millis(1)).await;
        let attempt = || std::future::ready(Ok(reply(usage)));
        with_retries(policy, Way { gate: &quick, fare: &fare, call }, &Nobody, attempt).await.unwrap();
        started.elapsed()
    }));
    let (slow, _, quick) = futures::join!(to_slow, others, to_quick);
    assert_eq!(slow, Duration::from_secs(600));
    assert!(quick.iter().all(|took| *took < Duration::from_secs(1)), "{quick:?}");
}

#[tokio::test(start_paused = true)]
async fn with_a_tight_budget_rates_and_refusals_every_call_comes_to_its_end_and_the_cap_holds() {
    let mut all = Ends::default();
    for seed in 0..300 {
        let started = Instant::now();
        let ends = play(seed).await;
        assert!(started.elapsed() < FOR_EVER, "seed {seed}: somebody waited for ever: {ends:?}");
        all.replies += ends.replies;
        all.refused += ends.refused;
        all.failed += ends.failed;
        all.stopped += ends.stopped;
        all.given_up += ends.given_up;
    }
    let each = [all.replies, all.refused, all.failed, all.stopped, all.given_up];
    assert!(each.iter().all(|number| *number > 300), "every end is met: {all:?}");
}
