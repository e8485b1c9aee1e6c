//! How alike two texts are by their embeddings: the cosine of the angle between the two lists of numbers.

use super::outside::Gathered;
use super::view::Finding;
use crate::model::{Reply, Similar};

pub(super) fn similar(wanted: &Similar, gathered: Option<&Gathered>) -> Finding {
    let Some(Gathered::Embeddings { reply, to }) = gathered else {
        return Finding::new(None, "no embedding was asked for");
    };
    let (reply, to) = match (reply, to) {
        (Ok(reply), Ok(to)) => (reply, to),
        (Err(why), _) | (_, Err(why)) => return Finding::new(None, format!("there is no embedding: {why}")),
    };
    match numbers(reply).zip(numbers(to)).and_then(|(reply, to)| cosine(&reply, &to)) {
        Some(score) => {
            let detail = format!("the cosine of its embedding and that of the text is {score:.4}");
            Finding { score: Some(score), ..Finding::new(score >= wanted.min, detail) }
        }
        None => Finding::new(None, "the two embeddings cannot be compared"),
    }
}

fn numbers(reply: &Reply) -> Option<Vec<f64>> {
    serde_json::from_str(&reply.text).ok()
}

/// `None` of lists of different lengths, and where one has no direction.
fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt());
    (a.len() == b.len() && cosine.is_finite()).then(|| cosine.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Similarity;

    #[test]
    fn the_cosine_decides() {
        let table = [
            ("[1,0]", "[2,0]", Some(1.0)),
            ("[1,0]", "[0,3]", Some(0.0)),
            ("[1,0]", "[-1,0]", Some(-1.0)),
            ("[3,4]", "[4,3]", Some(0.96)),
            ("[1,0]", "[1,0,0]", None),
            ("[0,0]", "[1,0]", None),
            ("[]", "[]", None),
            ("[1e308,1e308]", "[1,1]", None),
            ("nothing", "[1]", None),
        ];
        let vector = |text: &str| Ok(Reply { text: text.into(), finish_reason: None });
        for (reply, to, score) in table {
            let wanted = Similar { to: "x".into(), min: 0.96, by: Similarity::Embedding };
            let found = similar(&wanted, Some(&Gathered::Embeddings { reply: vector(reply), to: vector(to) }));
            assert_eq!(found.holds, score.map(|score| score >= 0.96), "{reply} {to}");
            assert!(found.score.zip(score).is_none_or(|(found, score)| (found - score).abs() < 1e-9), "{found:?}");
        }
        let wanted = Similar { to: "x".into(), min: 0.5, by: Similarity::Embedding };
        let found = similar(&wanted, Some(&Gathered::Embeddings { reply: Err("busy".into()), to: vector("[1]") }));
        assert_eq!((found.holds, found.detail.as_str()), (None, "there is no embedding: busy"));
    }
}
