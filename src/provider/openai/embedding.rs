//! Embeddings: a text as a list of numbers, by the same way as replies and read as leniently.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::attempt::{ErrorObject, Exchange, failure};
use super::OpenAi;
use crate::model::{Reply, Usage};
use crate::provider::{CallError, ChatReply};

impl OpenAi {
    /// One try to have a text as numbers, which become the text of the reply, as a list in JSON.
    pub(super) async fn embedded(&self, text: &str) -> Result<ChatReply, CallError> {
        let exchange = Arc::new(Exchange::new(&self.endpoint, false));
        let result = self.numbers(text, &exchange).await;
        result
            .map_err(|error| failure::polish(error, exchange.request_id(), &|text| self.endpoint.mask(text.to_owned())))
    }

    async fn numbers(&self, text: &str, exchange: &Arc<Exchange>) -> Result<ChatReply, CallError> {
        let body = json!({"model": self.model, "input": text});
        let client = self.client(exchange);
        let embeddings = client.embeddings();
        let started = Instant::now();
        let answer: Value = self.in_time(embeddings.create_byot(body), exchange).await?;
        let latency = started.elapsed();
        if let Some(error) = ErrorObject::in_answer(&answer) {
            return Err(failure::of_error_object(&error));
        }
        let Some(numbers) = numbers(&answer["data"][0]["embedding"]) else {
            return Err(exchange.malformed("the answer has no embedding", &answer.to_string()));
        };
        let sent = answer["usage"]["prompt_tokens"].as_u64();
        Ok(ChatReply {
            // Plain numbers can always be written.
            reply: Reply { text: serde_json::to_string(&numbers).unwrap_or_default(), finish_reason: None },
            chunks: Vec::new(),
            thinking: None,
            usage: sent.map(|sent| Usage { sent, reply: 0, estimated: false }),
            latency,
            ttft: None,
            model_reported: answer["model"].as_str().map(|model| self.endpoint.mask(model.to_owned())),
            fingerprint: None,
            attempts: 1,
            reserved_usd: None,
        })
    }
}

/// The numbers of an embedding, where it is a list of nothing else.
#[expect(clippy::cast_possible_truncation, reason = "models give no more digits than that")]
fn numbers(embedding: &Value) -> Option<Vec<f32>> {
    let numbers = embedding.as_array().filter(|numbers| !numbers.is_empty())?;
    numbers
        .iter()
        .map(|number| number.as_f64().map(|number| number as f32).filter(|number| number.is_finite()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_is_a_list_of_numbers() {
        assert_eq!(numbers(&json!([0.5, -1, 2e-3])), Some(vec![0.5, -1.0, 0.002]));
        for odd in [json!([]), json!(null), json!("AAAA"), json!([0.5, "1"]), json!([[0.5]]), json!([1e300])] {
            assert_eq!(numbers(&odd), None, "{odd}");
        }
    }
}
