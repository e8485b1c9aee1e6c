//! Gemini's shapes, odd ones too: what is asked, and what becomes of what is answered.

use super::*;
use crate::model::{Message, Origin};

fn said(text: &str, finish_reason: Option<&str>) -> Said {
    Said {
        text: text.to_owned(),
        is_end: finish_reason.is_some(),
        finish_reason: finish_reason.map(str::to_owned),
        ..Said::default()
    }
}

#[test]
fn a_request_has_the_services_roles_and_what_the_params_say_in_its_words() {
    let messages = [
        Message::new(Role::System, Origin::System, "Be brief."),
        Message::new(Role::User, Origin::User(1), "Hi"),
        Message::new(Role::Assistant, Origin::Reply(1), "Hello."),
        Message::new(Role::User, Origin::User(2), "Who am I?"),
    ];
    let extra = json!({
        "top_k": 5, "safetySettings": [], "contents": "stolen",
        "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}},
    });
    let params = Params {
        temperature: Some(0.5),
        top_p: Some(0.9),
        max_tokens: Some(30),
        seed: Some(1),
        stop: vec!["END".to_owned()],
        presence_penalty: Some(0.1),
        frequency_penalty: Some(0.2),
        extra: extra.as_object().unwrap().clone(),
    };
    let body = Content::body("gemini", &ChatRequest { messages: &messages, params: &params, stream: true, facts: &[] });
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hello."}]},
            {"role": "user", "parts": [{"text": "Who am I?"}]},
        ],
        "generationConfig": {
            "temperature": 0.5, "topP": 0.9, "topK": 5, "maxOutputTokens": 30, "seed": 1, "stopSequences": ["END"],
            "presencePenalty": 0.1, "frequencyPenalty": 0.2, "thinkingConfig": {"thinkingBudget": 0},
        },
        "safetySettings": [],
    });
    assert_eq!(body, expected);
    let least = ChatRequest { messages: &messages[1..2], params: &Params::default(), stream: false, facts: &[] };
    assert_eq!(Content::body("gemini", &least), json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}));
}

#[test]
fn the_path_names_the_model_whatever_its_name() {
    for (model, is_stream, path) in [
        ("gemini-2.5-flash", false, "/models/gemini-2.5-flash:generateContent"),
        ("gemini-2.5-flash", true, "/models/gemini-2.5-flash:streamGenerateContent"),
        ("tunedModels/mine_1", false, "/tunedModels/mine_1:generateContent"),
        ("a?b#c d", false, "/models/a%3Fb%23c%20d:generateContent"),
    ] {
        assert_eq!(Content::path("", model, is_stream).0, path);
    }
    assert_eq!(Content::path("", "m", true).1, "alt=sse");
}

#[test]
fn answers_are_read_by_the_parts_of_their_first_candidate() {
    let one = |content: Value, finish: Value| json!({"candidates": [{"content": content, "finishReason": finish}]});
    let parts = |parts: Value| json!({"role": "model", "parts": parts});
    let hi = || parts(json!([{"text": "Hi"}]));
    for (answer, expected) in [
        (one(hi(), json!("STOP")), Some(said("Hi", Some("stop")))),
        (one(hi(), json!("MAX_TOKENS")), Some(said("Hi", Some("length")))),
        (one(json!({"role": "model"}), json!("MAX_TOKENS")), Some(said("", Some("length")))),
        (one(Value::Null, json!("SAFETY")), Some(said("", Some("content_filter")))),
        (one(Value::Null, json!("RECITATION")), Some(said("", Some("content_filter")))),
        (one(Value::Null, json!("PROHIBITED_CONTENT")), Some(said("", Some("content_filter")))),
        (one(hi(), json!("MALFORMED_FUNCTION_CALL")), Some(said("Hi", Some("malformed_function_call")))),
        (one(hi(), json!("OTHER")), Some(said("Hi", Some("other")))),
        (one(hi(), json!("FINISH_REASON_UNSPECIFIED")), Some(said("Hi", None))),
        (one(hi(), Value::Null), Some(said("Hi", None))),
        (
            one(parts(json!([{"text": "Hi "}, {"functionCall": {}}, {"text": "you"}, 7])), json!("STOP")),
            Some(said("Hi you", Some("stop"))),
        ),
        (
            json!({"candidates": [{"index": 1, "content": hi()}, {"index": 0, "content": parts(json!([{"text": "a"}]))}]}),
            Some(said("a", None)),
        ),
        (json!({"promptFeedback": {"blockReason": "SAFETY"}}), Some(said("", Some("content_filter")))),
        (json!({"candidates": [], "promptFeedback": {"blockReason": "OTHER"}}), Some(said("", Some("content_filter")))),
        (json!({"promptFeedback": {"safetyRatings": []}}), None),
        (json!({"candidates": [{}]}), None),
        (json!({"candidates": []}), None),
        (json!("Hi"), None),
    ] {
        assert_eq!(Content::default().whole(&answer), expected, "{answer}");
    }
    let thought =
        one(parts(json!([{"text": "Hm", "thought": true}, {"text": "Hi", "thoughtSignature": "x"}])), json!("STOP"));
    let thought = Content::default().whole(&thought).unwrap();
    assert_eq!((thought.thinking.as_str(), thought.text.as_str()), ("Hm", "Hi"));
}

#[test]
fn thoughts_are_tokens_of_the_reply_and_what_is_left_out_is_none() {
    for (usage, expected) in [
        (json!({"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}), Some((7, 3))),
        (
            json!({"promptTokenCount": 7, "candidatesTokenCount": 3, "thoughtsTokenCount": 90, "totalTokenCount": 100}),
            Some((7, 93)),
        ),
        (json!({"promptTokenCount": 7, "thoughtsTokenCount": 90, "totalTokenCount": 97}), Some((7, 90))),
        (json!({"promptTokenCount": 7, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 1}), Some((10, 1))),
        // A prompt that was blocked has no reply.
        (json!({"promptTokenCount": 7, "totalTokenCount": 7}), Some((7, 0))),
        (json!({"promptTokenCount": 7, "totalTokenCount": 5}), None),
        (json!({"promptTokenCount": 7}), None),
        (json!({"candidatesTokenCount": 7}), None),
        (json!({"promptTokenCount": u64::MAX, "candidatesTokenCount": 1}), None),
        (Value::Null, None),
    ] {
        let mut content = Content::default();
        content.event(&json!({"usageMetadata": usage}));
        assert_eq!(content.usage().map(|usage| (usage.sent, usage.reply)), expected, "{usage}");
    }
}

#[test]
fn a_stream_is_whole_with_its_finish_reason_alone() {
    let piece =
        |text: &str| json!({"candidates": [{"content": {"parts": [{"text": text}]}}], "modelVersion": "gemini-1"});
    let mut content = Content::default();
    assert_eq!(content.event(&piece("Hi ")), said("Hi ", None));
    assert_eq!(content.event(&json!({"odd": true})), said("", None));
    let last = json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2}});
    assert_eq!(content.event(&last), said("", Some("stop")));
    assert_eq!(content.model().as_deref(), Some("gemini-1"));
}

#[test]
fn what_the_service_does_not_take_is_named() {
    let named = |params: Params| unsupported(&params).into_iter().map(|found| found.param).collect::<Vec<_>>();
    assert!(
        named(Params { temperature: Some(2.0), seed: Some(1), presence_penalty: Some(1.0), ..Params::default() })
            .is_empty()
    );
    let extra = json!({
        "contents": [], "max_completion_tokens": 5, "generation_config": {},
        "generationConfig": {
            "temperature": 1, "topK": 1, "thinkingConfig": {}, "candidateCount": 8, "candidate_count": 1, "max_output_tokens": 9000,
        },
    });
    let all = Params {
        seed: Some(i64::MAX),
        stop: ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec(),
        extra: extra.as_object().unwrap().clone(),
        ..Params::default()
    };
    let expected = [
        "seed",
        "stop",
        "extra.contents",
        "extra.max_completion_tokens",
        "extra.generationConfig.temperature",
        "extra.generationConfig.max_output_tokens",
        "extra.generationConfig.topK",
        "extra.generationConfig.candidateCount",
        "extra.generationConfig.candidate_count",
        "extra.generation_config",
    ];
    assert_eq!(named(all), expected);
    let extra = json!({"generationConfig": 7}).as_object().unwrap().clone();
    assert_eq!(named(Params { extra, ..Params::default() }), ["extra.generationConfig"]);
}
