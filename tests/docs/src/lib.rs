//! The programs of the pages in `src/docs`, to be compiled and run. See `build.rs`.

include!(concat!(env!("OUT_DIR"), "/pages.rs"));
