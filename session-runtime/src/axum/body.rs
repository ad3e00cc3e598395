//! [`Body`]: the body of a response that may have been replaced.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::axum::body::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// Body of a response: that of the handler, or the short text that replaces it if the session could not be saved.
    pub struct Body<B> {
        #[pin]
        content: Content<B>,
    }
}

pin_project! {
    #[project = Projected]
    enum Content<B> {
        Handler { #[pin] body: B },
        Ours { text: Option<Bytes> },
    }
}

impl<B> Body<B> {
    pub(super) fn of_handler(body: B) -> Self {
        Self { content: Content::Handler { body } }
    }

    pub(super) fn of_text(text: String) -> Self {
        Self { content: Content::Ours { text: Some(text.into()) } }
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().content.project() {
            Projected::Handler { body } => body.poll_frame(context),
            Projected::Ours { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Handler { body } => body.is_end_stream(),
            Content::Ours { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Handler { body } => body.size_hint(),
            Content::Ours { text } => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}

impl<B> fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
