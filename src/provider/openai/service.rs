//! The tower service below async-openai: one try through HTTP, whose answer becomes one that the library can take.
//!
//! What goes wrong here is a [`CallError`] inside the box that the library passes through.

use std::sync::Arc;

use async_openai::middleware::HttpRequestFactory;
use reqwest::{Body, Client, Response, ResponseBuilderExt, Url};
use tower::BoxError;

use super::super::attempt::{Came, Exchange, come, opened, whole_body};
use super::halves;

/// Sends one request and gives an answer that the library can take: a JSON body, or a stream of events.
///
/// # Errors
/// A [`CallError`](crate::provider::CallError) for everything that is no good answer.
pub(super) async fn send(
    client: Client,
    exchange: Arc<Exchange>,
    factory: HttpRequestFactory,
) -> Result<Response, BoxError> {
    // A statement by itself: what stands in the call is held until it has ended.
    let request = factory.build().await?;
    // It has the body for more tries, which are not made here.
    drop(factory);
    let response = opened(&client, &exchange, request).await?;
    let url = response.url().clone();
    if !exchange.is_stream() {
        return answer(whole_body(response, &exchange.endpoint).await?.into(), url);
    }
    match come(response, &exchange).await? {
        Came::Lines(lines) => answer(Body::wrap_stream(lines), url),
        // Servers that cannot stream answer with the whole completion: that becomes a stream of one event.
        Came::Whole(json) => {
            let whole = halves::read(&json).ok_or_else(|| {
                exchange.malformed("the answer is neither a stream nor JSON", &String::from_utf8_lossy(&json))
            })?;
            exchange.finish();
            answer(Body::from(format!("data: {whole}\n\n")), url)
        }
    }
}

/// An answer from there with this body. An answer without a URL would have the library read one of its own making each time.
fn answer(body: Body, url: Url) -> Result<Response, BoxError> {
    Ok(http::Response::builder().url(url).body(body)?.into())
}
