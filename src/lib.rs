//! Kaibo
pub mod audio;
pub mod capture;
pub mod encode;
pub mod engine;
pub mod flv;
pub mod gpu;
pub mod media;
pub mod output;
pub mod render;
pub mod rtmp;
pub mod serve;
pub mod settings;
pub mod stage;
#[cfg(feature = "gui")]
pub mod ui;
