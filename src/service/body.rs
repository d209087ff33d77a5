//! The bodies of rejections.

use bytes::Bytes;

/// Makes the body of a rejection from its bytes. Closures implement it.
pub trait MakeBody<B> {
    /// The body.
    fn make_body(&self, bytes: Bytes) -> B;
}

/// Makes any body that is `From<Bytes>`, as those of axum and `http_body_util::Full` are.
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
