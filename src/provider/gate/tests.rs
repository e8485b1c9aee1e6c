//! Tests of the module beside this file, on a clock that stands still unless everybody waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::model::Reply;

const CALL: Estimate = Estimate { sent: 100, reply_at_most: None };

/// What a call was told of its waits.
#[derive(Default)]
struct Told(Mutex<Vec<Waiting>>, AtomicUsize);

impl Observer for Told {
    fn delta(&self, _text: &str) {}
    fn attempt_failed(&self, _attempt: crate::provider::AttemptFailed) {}
    fn waits(&self, why: Waiting) {
        self.0.lock().unwrap().push(why);
    }
    fn waited(&self, _time: Duration) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets a call through that costs nothing.
async fn admit<'g>(gate: &'g Gate, told: &Told) -> Result<Permit<'g>, CallError> {
    gate.admit(CALL, &Fare::free(), told).await.map(|(_, permit)| permit)
}

fn rates(rpm: Option<u32>, tpm: Option<u32>) -> Rates {
    Rates { rpm, tpm }
}

fn reply(sent: u64, reply: u64) -> ChatReply {
    ChatReply {
        reply: Reply { text: "Hello".to_owned(), finish_reason: None },
        chunks: Vec::new(),
        thinking: None,
        usage: Some(Usage { sent, reply, estimated: false }),
        latency: Duration::ZERO,
        ttft: None,
        model_reported: None,
        fingerprint: None,
        attempts: 1,
        reserved_usd: None,
    }
}

fn too_many(retry_after: Option<Duration>) -> CallError {
    CallError::RateLimited { status: 429, message: "429: slow down".to_owned(), retry_after }
}

fn unusable() -> CallError {
    CallError::ModelUnusable { status: 401, message: "401: wrong key".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn what_one_call_is_asked_to_wait_holds_back_every_call() {
    let (gate, told) = (Gate::open(), Told::default());
    let started = Instant::now();
    let permit = admit(&gate, &told).await.unwrap();
    permit.done(Err(&too_many(Some(Duration::from_secs(7)))));
    drop(permit);
    drop(admit(&gate, &told).await.unwrap());
    assert_eq!(started.elapsed(), Duration::from_secs(7));
    assert_eq!(*told.0.lock().unwrap(), [Waiting::Asked]);
    assert_eq!(told.1.load(Ordering::Relaxed), 1);
    // A server that fails may ask for it too. The longest of what is asked for counts.
    let permit = admit(&gate, &told).await.unwrap();
    for seconds in [3, 9, 1] {
        let retry_after = Some(Duration::from_secs(seconds));
        permit.done(Err(&CallError::Server { status: 503, message: String::new(), retry_after }));
    }
    drop(permit);
    drop(admit(&gate, &told).await.unwrap());
    assert_eq!(started.elapsed(), Duration::from_secs(16));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_ends_every_wait_and_lets_nothing_through() {
    let (gate, told) = (Gate::new(rates(Some(1), None)), Told::default());
    let first = admit(&gate, &told).await.unwrap();
    let waiting = futures::future::join_all((0..20).map(|_| admit(&gate, &told)));
    let stopping = async {
        tokio::task::yield_now().await;
        first.done(Err(&unusable()));
        first.done(Err(&CallError::ModelUnusable { status: 403, message: "403: later".to_owned() }));
    };
    let (waited, ()) = futures::join!(waiting, stopping);
    for result in waited {
        assert_eq!(result.unwrap_err(), CallError::ModelStopped("401: wrong key".to_owned()));
    }
    assert_eq!(told.0.lock().unwrap().len(), 20);
    assert_eq!(told.1.load(Ordering::Relaxed), 20, "each wait has its end");
    assert!(admit(&gate, &told).await.is_err());
}

/// The story: a key was revoked while calls waited to be tried again, as long as the provider had asked; the run sat still
/// for ten minutes, to make none of them.
#[tokio::test(start_paused = true)]
async fn a_wrong_key_ends_pauses_at_once() {
    let (gate, told) = (Gate::open(), Told::default());
    let in_flight = admit(&gate, &told).await.unwrap();
    let started = Instant::now();
    let pause = gate.wait_for(tokio::time::sleep(Duration::from_secs(600)), Waiting::Retry, &told);
    let stopping = async {
        tokio::task::yield_now().await;
        in_flight.done(Err(&unusable()));
    };
    let (pause, ()) = futures::join!(pause, stopping);
    assert_eq!(pause, Err(CallError::ModelStopped("401: wrong key".to_owned())));
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(told.1.load(Ordering::Relaxed), 1, "its end is told");
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_gate_ends_waits_and_pauses_at_once() {
    let (gate, told) = (Gate::new(rates(Some(1), None)), Told::default());
    let _in_flight = admit(&gate, &told).await.unwrap();
    let started = Instant::now();
    let abandoning = async {
        tokio::task::yield_now().await;
        gate.abandon();
    };
    let long = Duration::from_secs(300);
    let pause = gate.wait_for(tokio::time::sleep(long), Waiting::Retry, &told);
    let (one, two, pause, ()) = futures::join!(admit(&gate, &told), admit(&gate, &told), pause, abandoning);
    assert_eq!([one.err(), two.err(), pause.err()], [const { Some(CallError::Interrupted) }; 3]);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(admit(&gate, &told).await.err(), Some(CallError::Interrupted), "nor is anything sent afterwards");
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_go_through_in_the_order_in_which_they_came() {
    let gate = Gate::new(rates(Some(60), None));
    let order = Mutex::new(Vec::new());
    let pass = |number: usize| {
        let (gate, order) = (&gate, &order);
        async move {
            let told = Told::default();
            drop(admit(gate, &told).await.unwrap());
            order.lock().unwrap().push(number);
        }
    };
    futures::future::join_all((0..50).map(pass)).await;
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

/// The story: who came to a line that nothing held back any more was told to wait for rates, though there were none.
#[test]
fn who_waits_behind_another_is_told_of_what_there_is() {
    let now = Instant::now();
    let mut free = State::new(rates(None, None));
    assert_eq!(free.line_waits_for(now, false), Waiting::Crowded);
    let (_, generation) = free.pass(now, CALL);
    free.failed(now, generation, &too_many(Some(Duration::from_secs(7))));
    assert_eq!(free.line_waits_for(now, false), Waiting::Asked);
    assert_eq!(free.line_waits_for(now + Duration::from_secs(8), false), Waiting::Crowded);
    assert_eq!(State::new(rates(None, None)).line_waits_for(now, true), Waiting::Budget);
    assert_eq!(State::new(rates(None, Some(9))).line_waits_for(now, true), Waiting::Rate);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_leaves_its_place_to_the_next() {
    let (gate, told) = (Gate::new(rates(Some(60), None)), Told::default());
    drop(admit(&gate, &told).await.unwrap());
    let given_up = tokio::time::timeout(Duration::from_millis(10), admit(&gate, &told)).await;
    assert!(given_up.is_err());
    assert_eq!(told.1.load(Ordering::Relaxed), 1, "its end is told");
    let started = Instant::now();
    drop(admit(&gate, &told).await.unwrap());
    assert!(started.elapsed() <= Duration::from_secs(1), "a minute's sixtieth is not counted for it");
}

/// Sends calls of a second each through the gate, each refused while more than `most` are in flight, tried again until it
/// is answered; gives how many were refused and how many at most were in flight once `settled` calls were answered.
async fn crowd(most: usize, calls: usize, settled: usize) -> (usize, usize) {
    let gate = Arc::new(Gate::open());
    let [in_flight, refused, answered, peak] = [const { AtomicUsize::new(0) }; 4];
    let call = || async {
        let told = Told::default();
        loop {
            let permit = admit(&gate, &told).await.unwrap();
            let now = in_flight.fetch_add(1, Ordering::Relaxed) + 1;
            if answered.load(Ordering::Relaxed) >= settled {
                peak.fetch_max(now, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let is_refused = in_flight.fetch_sub(1, Ordering::Relaxed) > most;
            if is_refused {
                refused.fetch_add(1, Ordering::Relaxed);
                permit.done(Err(&too_many(None)));
            } else {
                answered.fetch_add(1, Ordering::Relaxed);
                permit.done(Ok(&reply(10, 1)));
                return;
            }
        }
    };
    futures::future::join_all((0..calls).map(|_| call())).await;
    (refused.into_inner(), peak.into_inner())
}

#[tokio::test(start_paused = true)]
async fn while_too_many_are_refused_fewer_are_in_flight_and_all_are_answered() {
    let (refused, peak) = crowd(8, 400, 100).await;
    assert!(refused >= 392, "all of the first wave but the last eight: {refused}");
    assert!(refused < 900, "half as many in each wave after it, and then hardly any: {refused}");
    assert!((4..=24).contains(&peak), "{peak} in flight once it is known how many may be");
    assert_eq!(crowd(64, 64, 0).await, (0, 64), "nothing is narrowed where nothing is refused");
}

#[test]
fn one_wave_of_refusals_halves_once_and_successes_open_the_gate_again() {
    let now = Instant::now();
    let mut state = State::new(Rates::default());
    let wave: Vec<_> = (0..16).map(|_| state.pass(now, CALL)).collect();
    for (_, generation) in &wave {
        state.failed(now, *generation, &too_many(None));
        state.left();
    }
    let in_flight = |state: &mut State| {
        let mut passed = Vec::new();
        while state.holds_back(now).is_none() {
            passed.push(state.pass(now, CALL));
        }
        passed
    };
    let mut passed = in_flight(&mut state);
    assert_eq!(passed.len(), 8);
    let mut sizes = vec![8];
    while !state.is_free() {
        for (_, generation) in passed.drain(..) {
            state.succeeded(generation, None);
            state.left();
        }
        if !state.is_free() {
            passed = in_flight(&mut state);
            sizes.push(passed.len());
        }
        assert!(sizes.len() < 30, "{sizes:?}");
    }
    assert!(sizes.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1), "slowly: {sizes:?}");
    assert_eq!(sizes.last(), Some(&15));
}

#[test]
fn only_an_answer_that_says_too_many_narrows_the_gate() {
    for (error, narrows) in [
        (too_many(None), true),
        (CallError::RateLimited { status: 200, message: String::new(), retry_after: None }, true),
        (CallError::Server { status: 529, message: String::new(), retry_after: None }, true),
        (CallError::RateLimited { status: 409, message: String::new(), retry_after: None }, false),
        (CallError::Server { status: 503, message: String::new(), retry_after: None }, false),
        (CallError::Connection(String::new()), false),
        (CallError::Malformed(String::new()), false),
    ] {
        let mut state = State::new(Rates::default());
        let (_, generation) = state.pass(Instant::now(), CALL);
        state.failed(Instant::now(), generation, &error);
        assert_eq!(!state.is_free(), narrows, "{error:?}");
    }
}

#[test]
fn tokens_are_estimated_before_and_corrected_after() {
    let mut state = State::new(rates(None, Some(60_000)));
    let start = Instant::now();
    let bounded = Estimate { sent: 1_000, reply_at_most: Some(1_000) };
    let (tokens, generation) = state.pass(start, bounded);
    let until = state.holds_back(start).and_then(|(_, until)| until).unwrap() - start;
    assert!(
        until.abs_diff(Duration::from_secs(2)) < Duration::from_micros(10),
        "a thousand tokens a second: {until:?}"
    );
    let usage = |sent, reply| Usage { sent, reply, estimated: false };
    state.succeeded(generation, Some((bounded, tokens, usage(2_000, 500))));
    let until = state.holds_back(start).and_then(|(_, until)| until).unwrap() - start;
    assert!(until.abs_diff(Duration::from_millis(2_500)) < Duration::from_micros(10), "{until:?}");
    // The next estimate knows that this model counts twice as many, and answers with five hundred.
    let later = start + Duration::from_secs(100);
    let (tokens, _) = state.pass(later, bounded);
    assert!((tokens - 2_500.0).abs() < 1e-6, "{tokens}");
    // A request beyond the whole rate is sent all the same, and what follows waits.
    let later = later + Duration::from_secs(100);
    assert_eq!(state.holds_back(later), None);
    state.pass(later, Estimate { sent: 60_000, reply_at_most: None });
    let (_, until) = state.holds_back(later).unwrap();
    assert!(until.unwrap() > later + Duration::from_secs(60));
}

#[test]
fn a_minute_has_no_room_for_one_more_whatever_the_rate() {
    for rpm in 1..2_000 {
        let mut state = State::new(rates(Some(rpm), None));
        let start = Instant::now();
        let mut now = start;
        for _ in 0..rpm {
            state.pass(now, CALL);
            now = state.holds_back(now).and_then(|(_, until)| until).unwrap();
        }
        assert!(now - start >= Duration::from_secs(60), "{rpm} requests within {:?}", now - start);
    }
}

proptest! {
    #[test]
    fn in_no_minute_more_is_sent_than_the_rates_allow(
        rpm in proptest::option::of(1_u32..2_000),
        tpm in proptest::option::of(1_000_u32..100_000),
        calls in proptest::collection::vec((0_u64..3_000, 1_u64..3_000, 0_u64..3_000, 0_u64..500), 1..120),
    ) {
        let mut state = State::new(rates(rpm, tpm));
        let mut now = Instant::now();
        let mut sent: Vec<(Instant, f64)> = Vec::new();
        for (gap, request, counted, reply) in calls {
            now += Duration::from_millis(gap);
            while let Some((_, until)) = state.holds_back(now) {
                now = until.expect("nothing but time holds back here");
            }
            let call = Estimate { sent: request, reply_at_most: None };
            let (tokens, generation) = state.pass(now, call);
            sent.push((now, tokens));
            if counted > 0 {
                let usage = Usage { sent: counted, reply, estimated: false };
                state.succeeded(generation, Some((call, tokens, usage)));
                sent.last_mut().unwrap().1 = state::as_units(usage.sent + usage.reply);
            }
            state.left();
        }
        for (at, (from, _)) in sent.iter().enumerate() {
            let minute: Vec<f64> = sent[at..].iter().take_while(|(time, _)| *time - *from < Duration::from_secs(60)).map(|(_, tokens)| *tokens).collect();
            if let Some(rpm) = rpm {
                prop_assert!(minute.len() <= rpm as usize, "{} requests at {rpm} a minute", minute.len());
            }
            if let Some(tpm) = tpm {
                // What the last one takes is the share of the minute behind it.
                let tokens: f64 = minute[..minute.len() - 1].iter().sum();
                prop_assert!(tokens <= f64::from(tpm) * (1.0 + 1e-6) + 1.0, "{tokens} tokens at {tpm} a minute");
            }
        }
    }
}
