//! Sampling parameters of a request.

use serde_json::{Map, Value};

/// What goes along with the messages. `None` leaves a parameter to the provider's default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params {
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// The longest reply, in tokens.
    pub max_tokens: Option<u32>,
    /// For providers that can repeat a draw.
    pub seed: Option<i64>,
    /// Texts that end a reply.
    pub stop: Vec<String>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// What a vendor adds, sent as it stands.
    pub extra: Map<String, Value>,
}

impl Params {
    /// What of them is really sent, in the order in which it is: what `extra` names replaces what the others say, but never
    /// the model, the messages or whether the reply is streamed, since those are what a run records.
    #[must_use]
    pub fn effective(&self) -> Map<String, Value> {
        let stop = (!self.stop.is_empty()).then(|| self.stop.clone().into());
        let own = [
            ("temperature", self.temperature.map(Value::from)),
            ("top_p", self.top_p.map(Value::from)),
            ("max_tokens", self.max_tokens.map(Value::from)),
            ("seed", self.seed.map(Value::from)),
            ("stop", stop),
            ("presence_penalty", self.presence_penalty.map(Value::from)),
            ("frequency_penalty", self.frequency_penalty.map(Value::from)),
        ];
        let own = own.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)));
        let is_free = |name: &str| !matches!(name, "model" | "messages" | "stream");
        let extra =
            self.extra.iter().filter(|(name, _)| is_free(name)).map(|(name, value)| (name.clone(), value.clone()));
        let mut sent: Map<String, Value> = Map::new();
        // An entry that is replaced keeps its place.
        own.chain(extra).for_each(|(name, value)| drop(sent.insert(name, value)));
        sent
    }

    /// How many tokens a reply may have at most; `None` where nothing limits it. Newer models of `OpenAI` take the limit as
    /// `max_completion_tokens`, which stands under `extra`.
    #[must_use]
    pub fn longest_reply(&self) -> Option<u64> {
        let newer = self.extra.get("max_completion_tokens").and_then(Value::as_u64);
        self.max_tokens.map(u64::from).max(newer)
    }
}
