//! Anthropic's shapes, odd ones too: what is asked, and what becomes of what is answered.

use super::*;
use crate::model::{Message, Origin};

fn said(text: &str, finish_reason: Option<&str>) -> Said {
    Said { text: text.to_owned(), finish_reason: finish_reason.map(str::to_owned), is_end: true, ..Said::default() }
}

#[test]
fn a_request_has_its_system_prompt_apart_and_what_the_params_say_in_the_apis_words() {
    let messages = [
        Message::new(Role::System, Origin::System, "Be brief."),
        Message::new(Role::User, Origin::User(1), "Hi"),
        Message::new(Role::Assistant, Origin::Reply(1), "Hello."),
        Message::new(Role::User, Origin::User(2), "Who am I?"),
    ];
    let params = Params {
        temperature: Some(0.5),
        top_p: Some(0.9),
        max_tokens: Some(30),
        stop: vec!["END".to_owned()],
        extra: [("top_k".to_owned(), json!(5)), ("system".to_owned(), json!("stolen"))].into_iter().collect(),
        ..Params::default()
    };
    let body =
        Messages::body("claude", &ChatRequest { messages: &messages, params: &params, stream: true, facts: &[] });
    let expected = json!({
        "model": "claude", "max_tokens": 30, "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Who am I?"},
        ],
        "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["END"], "stream": true, "top_k": 5,
    });
    assert_eq!(body, expected);
    let least = Messages::body(
        "claude",
        &ChatRequest { messages: &messages[1..2], params: &Params::default(), stream: false, facts: &[] },
    );
    assert_eq!(least, json!({"model": "claude", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}]}));
}

#[test]
fn the_path_stands_behind_either_spelling_of_the_base_url() {
    assert_eq!(Messages::path("https://api.anthropic.com", "m", true).0, "/v1/messages");
    assert_eq!(Messages::path("https://proxy.example/v1", "m", false).0, "/messages");
}

#[test]
fn whole_answers_are_read_by_their_blocks() {
    let block = |text: &str| json!({"type": "text", "text": text});
    for (content, stop, expected) in [
        (json!([block("Hi")]), json!("end_turn"), Some(said("Hi", Some("stop")))),
        (
            json!([block("Hi "), {"type": "hologram", "x": 1}, block("you")]),
            json!("end_turn"),
            Some(said("Hi you", Some("stop"))),
        ),
        (json!([block("Hi")]), json!("stop_sequence"), Some(said("Hi", Some("stop")))),
        (json!([block("Hi")]), json!("max_tokens"), Some(said("Hi", Some("length")))),
        (json!([block("Hi")]), json!("model_context_window_exceeded"), Some(said("Hi", Some("length")))),
        (json!([]), json!("refusal"), Some(said("", Some("content_filter")))),
        (
            json!([{"type": "tool_use", "id": "t", "name": "f", "input": {}}]),
            json!("tool_use"),
            Some(said("", Some("tool_calls"))),
        ),
        (json!([block("Hi")]), json!("pause_turn"), Some(said("Hi", Some("pause_turn")))),
        (json!([block("Hi")]), Value::Null, Some(said("Hi", None))),
        (json!([{"type": "text"}, "odd", null]), json!("end_turn"), Some(said("", Some("stop")))),
        (json!([]), json!("end_turn"), Some(said("", Some("stop")))),
        (json!([]), Value::Null, None),
        (json!("Hi"), json!("end_turn"), None),
        (Value::Null, json!("end_turn"), None),
    ] {
        let answer = json!({"type": "message", "content": content, "stop_reason": stop});
        assert_eq!(Messages::default().whole(&answer), expected, "{answer}");
    }
    let thinking = |text: &str| json!({"type": "thinking", "thinking": text, "signature": "x"});
    let answer = json!({
        "content": [thinking("Hm."), {"type": "redacted_thinking", "data": "x"}, thinking("Ah."), block("Hi")],
        "stop_reason": "end_turn",
    });
    let thought = Messages::default().whole(&answer).unwrap();
    assert_eq!((thought.thinking.as_str(), thought.text.as_str()), ("Hm.\nAh.", "Hi"));
}

#[test]
fn tokens_of_the_cache_are_tokens_of_the_request_and_half_a_usage_is_none() {
    for (usage, expected) in [
        (json!({"input_tokens": 5, "output_tokens": 2}), Some((5, 2))),
        (
            json!({"input_tokens": 5, "output_tokens": 2, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100}),
            Some((115, 2)),
        ),
        (json!({"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": null}), Some((5, 2))),
        (json!({"input_tokens": 5}), None),
        (json!({"output_tokens": 5}), None),
        (json!({"input_tokens": u64::MAX, "output_tokens": 2}), None),
        (json!("many"), None),
        (Value::Null, None),
    ] {
        let mut messages = Messages::default();
        messages.whole(&json!({"content": [{"type": "text", "text": "Hi"}], "usage": usage}));
        assert_eq!(messages.usage().map(|usage| (usage.sent, usage.reply)), expected, "{usage}");
    }
}

#[test]
fn a_stream_is_read_event_by_event() {
    let mut messages = Messages::default();
    let events = [
        json!({"type": "message_start", "message": {"model": "claude-1", "content": [], "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "H"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "i"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "hologram_delta", "text": "!"}}),
        json!({"type": "a_new_event"}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}}),
    ];
    let all: Vec<Said> = events.iter().map(|event| messages.event(event)).collect();
    let joined = |part: fn(&Said) -> &str| all.iter().map(part).collect::<String>();
    assert_eq!((joined(|said| &said.text), joined(|said| &said.thinking)), ("Hi".to_owned(), "Hm.".to_owned()));
    assert_eq!(all.last().unwrap().finish_reason.as_deref(), Some("stop"));
    assert!(all.iter().all(|said| !said.is_end), "it is not whole before it says so");
    assert!(messages.event(&json!({"type": "message_stop"})).is_end);
    assert_eq!(messages.usage().map(|usage| (usage.sent, usage.reply)), Some((10, 12)));
    assert_eq!(messages.model().as_deref(), Some("claude-1"));
}

#[test]
fn what_the_api_does_not_take_is_named() {
    let named = |params: Params| unsupported(&params).into_iter().map(|found| found.param).collect::<Vec<_>>();
    assert!(named(Params { temperature: Some(1.0), max_tokens: Some(1), ..Params::default() }).is_empty());
    let all = Params {
        temperature: Some(1.5),
        seed: Some(1),
        presence_penalty: Some(0.0),
        frequency_penalty: Some(1.0),
        extra: ["top_k", "system", "max_completion_tokens"]
            .map(|name| (name.to_owned(), json!(1)))
            .into_iter()
            .collect(),
        ..Params::default()
    };
    let expected =
        ["temperature", "seed", "presence_penalty", "frequency_penalty", "extra.system", "extra.max_completion_tokens"];
    assert_eq!(named(all), expected);
}

#[test]
fn what_current_models_take_one_of_or_not_while_they_think_is_named() {
    let named = |params: Params| unsupported(&params).into_iter().map(|found| found.param).collect::<Vec<_>>();
    let both = Params { temperature: Some(0.5), top_p: Some(0.99), ..Params::default() };
    assert_eq!(named(both.clone()), ["top_p"]);
    assert!(named(Params { temperature: None, ..both.clone() }).is_empty());
    let thinking = |kind: &str, params: &Params| {
        let extra = json!({"thinking": {"type": kind, "budget_tokens": 2000}}).as_object().unwrap().clone();
        named(Params { extra, ..params.clone() })
    };
    for (temperature, top_p, is_taken) in [
        (None, None, true),
        (Some(1.0), None, true),
        (None, Some(0.95), true),
        (Some(0.0), None, false),
        (Some(0.9), None, false),
        (None, Some(0.9), false),
    ] {
        let params = Params { temperature, top_p, ..Params::default() };
        for kind in ["enabled", "adaptive"] {
            assert_eq!(thinking(kind, &params).is_empty(), is_taken, "{kind} {params:?}");
        }
        assert!(thinking("disabled", &params).is_empty(), "{params:?}");
    }
    assert_eq!(thinking("enabled", &Params { temperature: Some(1.5), ..Params::default() }), ["temperature"]);
    let extra = json!({"thinking": {"type": "enabled"}, "top_k": 5}).as_object().unwrap().clone();
    assert_eq!(named(Params { extra, ..Params::default() }), ["extra.top_k"]);
}
