//! RTMP publishing, sans-I/O: bytes in, actions out. Stands on rml_rtmp's handshake and chunk serializer, with our own
//! reader and session. Uses `std`, `bytes`, `rml_rtmp`, `md5`, `base64`, `psl` and [`crate::flv`] only.
#![warn(clippy::cast_possible_truncation)]

pub mod ack;
pub mod auth;
pub mod chunk;
mod command;
pub mod demand;
pub mod event;
pub mod expiry;
mod greeting;
mod outbox;
pub mod redact;
pub mod session;
pub mod url;
