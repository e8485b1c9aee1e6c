//! One call for all who ask the same, whatever becomes of who makes it.

use std::cell::RefCell;
use std::rc::Rc;

use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::oneshot;

use super::*;
use crate::model::Reply;

fn said(text: &str) -> ChatReply {
    let reply = Reply { text: text.to_owned(), finish_reason: None };
    let (latency, attempts) = (std::time::Duration::ZERO, 1);
    ChatReply {
        reply,
        chunks: Vec::new(),
        thinking: None,
        usage: None,
        latency,
        ttft: None,
        model_reported: None,
        fingerprint: None,
        attempts,
        reserved_usd: None,
    }
}

fn refused() -> CallError {
    CallError::Refused { status: 400, message: "no".to_owned() }
}

/// What each of three who ask the same hears, when the calls end so, one behind the other; and how many were made.
async fn three_ask(ends: &[Result<&str, CallError>]) -> (Vec<(Result<String, CallError>, Option<u32>)>, usize) {
    let (cells, made) = (Cells::default(), Rc::new(RefCell::new(0)));
    let ask = |by: u32| {
        let made = Rc::clone(&made);
        let call = async move {
            let number = *made.borrow();
            *made.borrow_mut() += 1;
            // Whoever waits has its turn before the call ends.
            tokio::task::yield_now().await;
            ends[number].clone().map(said)
        };
        let cells = &cells;
        async move {
            let (result, from) = cells.once("q", by, call).await;
            (result.map(|reply| reply.reply.text), from)
        }
    };
    let heard = join_all((7..10).map(ask)).await;
    let number = *made.borrow();
    (heard, number)
}

#[tokio::test]
async fn one_sends_and_all_who_ask_get_the_reply_and_its_sender() {
    let (heard, made) = three_ask(&[Ok("hello")]).await;
    let reply = || Ok("hello".to_owned());
    assert_eq!((heard, made), (vec![(reply(), None), (reply(), Some(7)), (reply(), Some(7))], 1));
}

#[tokio::test]
async fn what_failed_has_failed_for_all_who_wait() {
    for error in [refused(), CallError::Connection("reset".to_owned())] {
        let (heard, made) = three_ask(&[Err(error.clone())]).await;
        let results: Vec<_> = heard.iter().map(|(result, _)| result.clone()).collect();
        assert_eq!((results, made), (vec![Err(error.clone()), Err(error.clone()), Err(error)], 1));
    }
}

#[tokio::test]
async fn what_was_not_sent_is_sent_by_the_next_who_waits() {
    let (heard, made) = three_ask(&[Err(CallError::Interrupted), Ok("hello")]).await;
    let reply = || Ok("hello".to_owned());
    assert_eq!((heard, made), (vec![(Err(CallError::Interrupted), None), (reply(), None), (reply(), Some(8))], 2));
}

#[tokio::test]
async fn what_failed_has_failed_for_who_asks_later_too() {
    for error in [CallError::Connection("reset".to_owned()), refused()] {
        let (cells, mut made) = (Cells::default(), 0);
        let mut from = Vec::new();
        for by in 0..2 {
            let call = async {
                made += 1;
                Err(error.clone())
            };
            let (result, sender) = cells.once("q", by, call).await;
            assert_eq!(result.unwrap_err(), error);
            from.push(sender);
        }
        assert_eq!((made, from), (1, vec![None, Some(0)]), "{error}");
    }
}

#[tokio::test]
async fn nobody_hangs_where_the_sender_is_dropped_or_panics() {
    let cells = Cells::default();
    let (never, hangs) = oneshot::channel::<()>();
    let cut_off = cells.once("q", 0, async {
        let _ = hangs.await;
        Ok(said("late"))
    });
    let mut cut_off = Box::pin(cut_off);
    assert!(cut_off.as_mut().now_or_never().is_none());
    let mut panics = Box::pin(cells.once("q", 1, async { panic!("a defect") }));
    assert!(panics.as_mut().now_or_never().is_none(), "it waits");
    let mut waits = Box::pin(cells.once("q", 2, async { Ok(said("hello")) }));
    assert!(waits.as_mut().now_or_never().is_none(), "it waits");
    drop(cut_off);
    assert!(std::panic::AssertUnwindSafe(panics).catch_unwind().await.is_err());
    let (result, from) = waits.await;
    assert_eq!((result.unwrap().reply.text.as_str(), from), ("hello", None));
    drop(never);
}
