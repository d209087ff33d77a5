//! For axum: extractors, and what handlers may return.

mod extract;
mod response;
