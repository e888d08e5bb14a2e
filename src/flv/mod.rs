//! FLV: tags, AMF0 values, muxing of encoded packets. No I/O; uses `std`, `bytes` and the media vocabulary only.
#![warn(clippy::cast_possible_truncation)]

pub mod amf0;
pub mod enhanced;
pub mod interleave;
pub mod mux;
pub mod tag;
