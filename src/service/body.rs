//! The bodies of rejections.

use bytes::Bytes;

/// Makes the body of a rejection from its bytes. Closures from [`Bytes`] to a body implement it.
#[diagnostic::on_unimplemented(
    message = "no rejection can be answered with a body of type `{B}`",
    label = "`{Self}` makes no `{B}` out of bytes",
    note = "put `curfew.layer()` inside of layers that change the response body (below them in a \
            `ServiceBuilder`), or say how to make one: `curfew.layer().body_with(|bytes| …)`"
)]
pub trait MakeBody<B> {
    /// Makes a body of these bytes, which are text or JSON and may be empty.
    fn make_body(&self, bytes: Bytes) -> B;
}

/// Makes any body that is `From<Bytes>`, such as those of axum and `http_body_util::Full`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FromBytes;

impl<B: From<Bytes>> MakeBody<B> for FromBytes {
    fn make_body(&self, bytes: Bytes) -> B {
        bytes.into()
    }
}

impl<B, F: Fn(Bytes) -> B> MakeBody<B> for F {
    fn make_body(&self, bytes: Bytes) -> B {
        self(bytes)
    }
}
