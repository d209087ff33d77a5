//! The parts of a request that decide the form of its response.

use http::{Extensions, HeaderMap, Method, Request, Uri};

use super::kind::RequestKind;

/// The parts of a rejected request that decide the form of its response.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) kind: RequestKind,
}

impl<'a> Asked<'a> {
    pub(crate) fn by<B>(request: &'a Request<B>) -> Self {
        Self::new(request.method(), request.uri(), request.headers(), request.extensions())
    }

    #[cfg(feature = "axum")]
    pub(crate) fn by_parts(request: &'a http::request::Parts) -> Self {
        Self::new(&request.method, &request.uri, &request.headers, &request.extensions)
    }

    fn new(
        method: &'a Method,
        uri: &'a Uri,
        headers: &HeaderMap,
        extensions: &'a Extensions,
    ) -> Self {
        Self { method, uri: original_uri(uri, extensions), kind: RequestKind::of(headers) }
    }
}

/// The URI that the client requested. In a nested router, the request itself has only the rest
/// after the prefix.
pub(crate) fn original_uri<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(original)) = extensions.get() {
        return original;
    }
    #[cfg(not(feature = "axum"))]
    let _ = extensions;
    uri
}
