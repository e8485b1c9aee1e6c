//! When a failed try is followed by another, and how long is waited before it.
//!
//! It decides by the kind of error alone, which the provider gave it; it knows no status and no header. A wait is drawn
//! with full jitter (anything from nothing to a bound that doubles with each try), so that conversations that failed
//! together do not come back together. What the provider asks for is obeyed where it is longer than that.

use std::future::Future;
use std::time::{Duration, Instant};

use super::chat_model::{AttemptFailed, CallError, ChatReply, Observer};

/// The longest wait that a provider may ask for. Past it the call fails at once: a run that sits still for an hour looks
/// hung, and a budget that is gone for the day does not come back within one.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

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
        if !error.is_transient() || attempt > self.retries || asked > LONGEST_ASKED {
            return None;
        }
        let doubled = 2_u32.checked_pow(attempt - 1).and_then(|factor| self.base.checked_mul(factor));
        let bound = doubled.map_or(self.cap, |doubled| doubled.min(self.cap));
        Some(bound.mul_f64(share.clamp(0.0, 1.0)).max(asked))
    }
}

/// Tries until a try succeeds or the policy has no other one, and puts the number of tries into the reply. The observer
/// hears of every failed try, the last one included.
///
/// # Errors
/// The error of the last try.
pub async fn with_retries<F>(
    policy: RetryPolicy,
    observer: &dyn Observer,
    attempt: impl FnMut() -> F,
) -> Result<ChatReply, CallError>
where
    F: Future<Output = Result<ChatReply, CallError>>,
{
    drive(policy, observer, fastrand::f64, tokio::time::sleep, attempt).await
}

/// The same with its sources of chance and time given from outside.
async fn drive<F, S>(
    policy: RetryPolicy,
    observer: &dyn Observer,
    mut draw: impl FnMut() -> f64,
    mut sleep: impl FnMut(Duration) -> S,
    mut attempt: impl FnMut() -> F,
) -> Result<ChatReply, CallError>
where
    F: Future<Output = Result<ChatReply, CallError>>,
    S: Future<Output = ()>,
{
    let mut number = 1;
    loop {
        let started = Instant::now();
        let error = match attempt().await {
            Ok(reply) => return Ok(ChatReply { attempts: number, ..reply }),
            Err(error) => error,
        };
        let wait = policy.wait(number, &error, draw());
        let (status, text) = (error.status(), error.to_string());
        let latency = started.elapsed();
        observer.attempt_failed(AttemptFailed { attempt: number, status, error: text, latency, wait });
        let Some(wait) = wait else { return Err(error) };
        if !wait.is_zero() {
            sleep(wait).await;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
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
            thinking: None,
            usage: None,
            latency: Duration::ZERO,
            ttft: None,
            model_reported: None,
            fingerprint: None,
            attempts: 0,
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

    /// Plays the errors, then a reply, with every draw at `share`; gives the result, the slept waits and what was seen.
    fn play(
        policy: RetryPolicy,
        share: f64,
        errors: Vec<CallError>,
    ) -> (Result<ChatReply, CallError>, Vec<Duration>, Vec<AttemptFailed>) {
        let (seen, slept) = (Seen::default(), RefCell::new(Vec::new()));
        let mut errors = errors.into_iter();
        let sleep = |wait| {
            slept.borrow_mut().push(wait);
            std::future::ready(())
        };
        let attempt = || std::future::ready(errors.next().map_or_else(|| Ok(reply()), Err));
        let result = futures::executor::block_on(drive(policy, &seen, || share, sleep, attempt));
        (result, slept.into_inner(), seen.0.into_inner().unwrap())
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
        assert_eq!(result.unwrap_err(), limited(Some(Duration::from_secs(3600))));
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
