//! One call while it goes on: its failed tries go to the journal, its pieces and waits to who watches.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;

use super::outlet::Outlet;
use crate::event::{Attempt, Event, Live, Reserve, Waiting};
use crate::model::TurnId;
use crate::provider::{AttemptFailed, CallError, Observer};

/// What a call took beside its last try.
pub(super) struct Effort {
    /// Tries, the last one included; for a call that failed.
    pub(super) attempts: u32,
    /// How long its tries waited to be sent, all in all, in milliseconds; absent where none did.
    pub(super) waited_ms: Option<f64>,
}

/// Hears what goes on while a provider is asked.
pub(super) struct CallObserver<'c> {
    outlet: &'c Outlet,
    plan: u32,
    turn: TurnId,
    tries: AtomicU32,
    waited_us: AtomicU64,
}

impl<'c> CallObserver<'c> {
    /// For a turn of the conversation at a place of the plan.
    pub(super) fn new(outlet: &'c Outlet, plan: u32, turn: TurnId) -> Self {
        Self { outlet, plan, turn, tries: AtomicU32::new(0), waited_us: AtomicU64::new(0) }
    }

    /// What the call took, once it is over.
    #[expect(clippy::cast_precision_loss, reason = "no wait comes near 2^52 microseconds")]
    pub(super) fn effort(self) -> Effort {
        let micros = self.waited_us.into_inner();
        let waited_ms = (micros > 0).then(|| micros as f64 / 1000.0);
        Effort { attempts: self.tries.into_inner(), waited_ms }
    }
}

impl Observer for CallObserver<'_> {
    fn delta(&self, text: &str) {
        self.outlet.live(Live::Delta { plan: self.plan, text: text.to_owned() });
    }

    fn attempt_failed(&self, attempt: AttemptFailed) {
        self.tries.store(attempt.attempt, Ordering::Relaxed);
        let event = Attempt {
            plan: self.plan,
            turn: self.turn,
            attempt: attempt.attempt,
            status: attempt.status,
            error: attempt.error,
            latency_ms: Some(attempt.latency.as_secs_f64() * 1000.0),
            wait_ms: attempt.wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            reserved_usd: attempt.reserved_usd,
        };
        // A lost journal is found out by the next event that is waited for.
        let _ = self.outlet.tell(Event::Attempt(event));
    }

    fn reserved(&self, usd: f64) -> BoxFuture<'_, Result<(), CallError>> {
        let reserve = Reserve { plan: self.plan, turn: self.turn, usd };
        // Without a journal nothing more is sent.
        Box::pin(async move { self.outlet.keep(Event::Reserve(reserve)).await.map_err(|_| CallError::Interrupted) })
    }

    fn waits(&self, why: Waiting) {
        self.outlet.live(Live::Waits { plan: self.plan, why });
    }

    fn waited(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.waited_us.fetch_add(time, Ordering::Relaxed);
        self.outlet.live(Live::Waited { plan: self.plan });
    }
}
