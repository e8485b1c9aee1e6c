//! When a failed try is followed by another, and how long is waited before it.
//!
//! It decides by the kind of error alone, which the provider gave it; it knows no status and no header. A wait is drawn
//! with full jitter (anything from nothing to a bound that doubles with each try), so that conversations that failed
//! together do not come back together. What the provider asks for is obeyed where it is longer than that; the gate holds
//! back all other calls to the model meanwhile.

use std::future::Future;
use std::time::{Duration, Instant};

use super::budget::{Fare, Sent};
use super::chat_model::{AttemptFailed, CallError, ChatReply, Observer};
use super::gate::{Estimate, Gate, LONGEST_ASKED, Permit};
use crate::event::Waiting;

/// What each try of one call has to pass before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Way<'w> {
    /// Lets it through when the model may be asked.
    pub gate: &'w Gate,
    /// Pays for it.
    pub fare: &'w Fare,
    /// What it will take of the gate's rates.
    pub call: Estimate,
}

impl<'w> Way<'w> {
    async fn pass(self, observer: &dyn Observer) -> Result<(Sent<'w>, Permit<'w>), CallError> {
        let (reservation, permit) = self.gate.admit(self.call, self.fare, observer).await?;
        if let Some(usd) = reservation.usd() {
            observer.reserved(usd).await?;
        }
        Ok((reservation.sent(), permit))
    }
}

/// How often a call is tried again, and how the waits between the tries grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first; 0 is none.
    pub retries: u32,
    /// The bound of the first wait; each further bound is twice the one before.
    pub base: Duration,
    /// No wait is drawn longer than this. What a provider asks for may be.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: 5, base: Duration::from_millis(500), cap: Duration::from_secs(60) }
    }
}

impl RetryPolicy {
    /// The wait after the failed try `attempt` (from 1), or `None` where no other try is made. `share` is the drawn part
    /// of the bound, from 0 to 1.
    fn wait(&self, attempt: u32, error: &CallError, share: f64) -> Option<Duration> {
        let asked = error.retry_after().unwrap_or_default();
        if !error.is_transient() || attempt > self.retries {
            return None;
        }
        let doubled = 2_u32.checked_pow(attempt - 1).and_then(|factor| self.base.checked_mul(factor));
        let bound = doubled.map_or(self.cap, |doubled| doubled.min(self.cap));
        Some(bound.mul_f64(share.clamp(0.0, 1.0)).max(asked))
    }
}

/// Tries until a try succeeds or the policy has no other one, and puts the number of tries into the reply. Each try is paid
/// for on its own, and goes through the gate. The observer hears of every failed try, the last one included.
///
/// # Errors
/// The error of the last try, or why no other could be sent.
pub fn with_retries<F>(
    policy: RetryPolicy,
    way: Way<'_>,
    observer: &dyn Observer,
    attempt: impl FnMut() -> F,
) -> impl Future<Output = Result<ChatReply, CallError>>
where
    F: Future<Output = Result<ChatReply, CallError>>,
{
    drive(policy, way, observer, fastrand::f64, attempt)
}

/// The same with its source of chance given from outside.
#[expect(clippy::manual_async_fn, reason = "an `async fn` holds its arguments twice, and one is made for every call")]
fn drive<F>(
    policy: RetryPolicy,
    way: Way<'_>,
    observer: &dyn Observer,
    mut draw: impl FnMut() -> f64,
    mut attempt: impl FnMut() -> F,
) -> impl Future<Output = Result<ChatReply, CallError>>
where
    F: Future<Output = Result<ChatReply, CallError>>,
{
    async move {
        let mut number = 1;
        loop {
            let (sent, permit) = way.pass(observer).await?;
            let started = Instant::now();
            let result = attempt().await.map_err(not_for_so_long);
            permit.done(result.as_ref());
            drop(permit);
            let reserved_usd = sent.settle(&result);
            let error = match result {
                Ok(reply) => return Ok(ChatReply { attempts: number, reserved_usd, ..reply }),
                Err(error) => error,
            };
            let wait = policy.wait(number, &error, draw());
            let (status, text) = (error.status(), error.to_string());
            let latency = started.elapsed();
            observer.attempt_failed(AttemptFailed {
                attempt: number,
                status,
                error: text,
                latency,
                wait,
                reserved_usd,
            });
            let Some(wait) = wait else { return Err(error) };
            if !wait.is_zero() {
                way.gate.wait_for(tokio::time::sleep(wait), Waiting::Retry, observer).await?;
            }
            number += 1;
        }
    }
}

/// A provider that asks for an hour is asked no more.
fn not_for_so_long(error: CallError) -> CallError {
    match (error.retry_after(), error.status()) {
        (Some(asked), Some(status)) if asked > LONGEST_ASKED => {
            let (asked, most) = (asked.as_secs(), LONGEST_ASKED.as_secs());
            let message = format!("{error}; it asks to wait {asked} s, and at most {most} s are waited for");
            CallError::ModelUnusable { status, message }
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::model::Reply;

    #[derive(Default)]
    struct Seen(Mutex<Vec<AttemptFailed>>);

    impl Observer for Seen {
        fn delta(&self, _text: &str) {}
        fn attempt_failed(&self, attempt: AttemptFailed) {
            self.0.lock().unwrap().push(attempt);
        }
    }

    fn reply() -> ChatReply {
        ChatReply {
            reply: Reply { text: "Hello".to_owned(), finish_reason: None },
            chunks: Vec::new(),
            thinking: None,
            usage: None,
            latency: Duration::ZERO,
            ttft: None,
            model_reported: None,
            fingerprint: None,
            attempts: 0,
            reserved_usd: None,
        }
    }

    fn limited(retry_after: Option<Duration>) -> CallError {
        CallError::RateLimited { status: 429, message: "429: slow down".to_owned(), retry_after }
    }

    fn broken() -> CallError {
        CallError::Connection("connection reset".to_owned())
    }

    fn refused() -> CallError {
        CallError::Refused { status: 400, message: "400: no".to_owned() }
    }

    const CALL: Estimate = Estimate { sent: 10, reply_at_most: None };

    /// Plays the errors, then a reply, with every draw at `share`; gives the result, the waits on the tests' own clock and
    /// what was seen.
    fn play(
        policy: RetryPolicy,
        share: f64,
        errors: Vec<CallError>,
    ) -> (Result<ChatReply, CallError>, Vec<Duration>, Vec<AttemptFailed>) {
        let (seen, gate) = (Seen::default(), Gate::open());
        let (mut errors, mut sent) = (errors.into_iter(), Vec::new());
        let way = Way { gate: &gate, fare: &Fare::free(), call: CALL };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let result = runtime.block_on(drive(
            policy,
            way,
            &seen,
            || share,
            || {
                sent.push(tokio::time::Instant::now());
                std::future::ready(errors.next().map_or_else(|| Ok(reply()), Err))
            },
        ));
        let waits = sent.windows(2).map(|pair| pair[1] - pair[0]).filter(|wait| !wait.is_zero()).collect();
        (result, waits, seen.0.into_inner().unwrap())
    }

    #[test]
    fn waits_double_from_the_base_up_to_the_cap() {
        let policy = RetryPolicy { retries: 40, ..RetryPolicy::default() };
        let (result, slept, _) = play(policy, 1.0, vec![broken(); 40]);
        assert_eq!(result.unwrap().attempts, 41);
        let seconds: Vec<f64> = slept.iter().map(Duration::as_secs_f64).collect();
        assert_eq!(seconds[..9], [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert!(seconds[9..].iter().all(|wait| (wait - 60.0).abs() < f64::EPSILON));
    }

    #[test]
    fn a_wait_is_the_drawn_share_of_its_bound() {
        let (_, slept, _) = play(RetryPolicy::default(), 0.25, vec![broken(), broken()]);
        assert_eq!(slept, [Duration::from_millis(125), Duration::from_millis(250)]);
        let (_, slept, _) = play(RetryPolicy::default(), 0.0, vec![broken(), broken()]);
        assert!(slept.is_empty(), "{slept:?}");
    }

    #[test]
    fn the_larger_of_the_drawn_and_the_asked_wait_is_taken() {
        let (_, slept, _) = play(RetryPolicy::default(), 1.0, vec![limited(Some(Duration::from_secs(90)))]);
        assert_eq!(slept, [Duration::from_secs(90)], "past the cap, since the provider asks for it");
        let (_, slept, _) = play(RetryPolicy::default(), 1.0, vec![limited(Some(Duration::from_millis(20)))]);
        assert_eq!(slept, [Duration::from_millis(500)]);
    }

    #[test]
    fn a_provider_that_asks_for_an_hour_is_not_waited_for() {
        let (result, slept, seen) = play(RetryPolicy::default(), 1.0, vec![limited(Some(Duration::from_secs(3600)))]);
        let error = result.unwrap_err();
        assert!(error.stops_model());
        assert_eq!(error.to_string(), "429: slow down; it asks to wait 3600 s, and at most 600 s are waited for");
        assert!(slept.is_empty());
        assert_eq!(seen.iter().map(|failed| failed.wait).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn the_last_error_is_returned_once_the_retries_are_used_up() {
        let policy = RetryPolicy { retries: 2, ..RetryPolicy::default() };
        let (result, slept, seen) = play(policy, 1.0, vec![broken(), limited(None), broken(), broken()]);
        assert_eq!(result.unwrap_err(), broken());
        assert_eq!(slept.len(), 2);
        let told: Vec<_> = seen.iter().map(|f| (f.attempt, f.status, f.error.as_str(), f.wait.is_some())).collect();
        assert_eq!(
            told,
            [
                (1, None, "connection reset", true),
                (2, Some(429), "429: slow down", true),
                (3, None, "connection reset", false),
            ]
        );
    }

    #[test]
    fn no_retries_means_one_try() {
        let policy = RetryPolicy { retries: 0, ..RetryPolicy::default() };
        let (result, slept, seen) = play(policy, 1.0, vec![broken()]);
        assert!(result.is_err() && slept.is_empty());
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn what_another_try_cannot_help_is_not_tried_again() {
        let (result, slept, seen) = play(RetryPolicy::default(), 1.0, vec![refused()]);
        assert_eq!(result.unwrap_err(), refused());
        assert!(slept.is_empty());
        assert_eq!((seen[0].attempt, seen[0].status, seen[0].wait), (1, Some(400), None));
    }

    #[test]
    fn a_first_try_that_succeeds_is_one_attempt_and_nothing_is_said() {
        let (result, slept, seen) = play(RetryPolicy::default(), 1.0, Vec::new());
        assert_eq!(result.unwrap().attempts, 1);
        assert!(slept.is_empty() && seen.is_empty());
    }
}
