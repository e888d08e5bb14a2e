//! Kaibo (开播, "go on air"): broadcast a camera, a screen, a file or a test pattern, filtered on the GPU, over RTMP; with a window
//! and without. This page is the architecture; each module's page has its own part.
//!
//! # Data flow
//!
//! ```text
//!  screen   file   test pattern           microphone, sound of files and pattern
//!    |        |        |                       |  callback or source thread
//!    v        v        v                       v
//!  VideoFrame: one slot per source         sample ring, 500 ms per source
//!     \       |       /                        |
//!      v      v      v                   [audio]  resample -> align by time stamp -> gain -> mix -> meter
//!   [render] one tick per frame                |  1024-sample blocks by the clock, silence where nothing is
//!    upload -> layers + filters                v
//!    -> watermarks -> preview texture       AAC encoder
//!    -> NV12 -> readback ring                  |
//!        |  VideoFrame (NV12)                  |
//!        v                                     |
//!   [venc] H.264                               |
//!        |  EncodedPacket                      |  EncodedPacket
//!        +------------- PacketBus -------------+
//!                           |
//!          per output: SendQueue -> Interleaver -> FlvMuxer -> FlvTag
//!                           |                          |
//!                  rtmp task: session, socket     [rec] file
//!                           |
//!              any RTMP server, or the built-in one: ingest -> fragmented MP4 -> watch page
//! ```
//!
//! # Who may use whom
//!
//! ```text
//! cli, ui -> engine -> capture, render, audio, encode, output, serve -> media
//!                      render -> gpu -> media     output, serve -> rtmp -> flv -> media
//! ```
//!
//! A test (`tests/layering.rs`) holds the table. FFmpeg's types stay in [`encode`], [`capture::media_file`] and the JPEG decoder of [`capture::camera`], sockets
//! in [`output`] and [`serve`], egui in `ui`.
//!
//! # Time
//!
//! One [clock](media::time::MediaClock) (`CLOCK_MONOTONIC`, zero at engine start), one [time type](media::time::MediaTime)
//! in nanoseconds. Sources stamp at capture; the renderer stamps its pictures with the tick; the sound is delayed by the
//! age the shown picture has at its tick, so that lips match. Codec ticks and FLV milliseconds appear at one place each.
//!
//! # Threads and queues
//!
//! | thread | work | wakes on |
//! |---|---|---|
//! | main | window (egui, winit) or command line | events, wakers |
//! | `engine` | commands, notices, timers; the only place that starts and stops stages | channels, 100 ms |
//! | `vsrc-N`, `asrc-N` | one per source, supervised | device, clock |
//! | `render` | compose, read back, hand to the encoder | absolute deadline per frame |
//! | `audio` | mix, meter, AAC | clock, per block |
//! | `venc` | H.264 | channel |
//! | `venc-watch` | replaces an encoder that hangs | 50 ms, while encoding |
//! | `encoders` | tries encoders out in child processes, once | its end |
//! | `overlay` | makes the pixels of watermarks, while there are any | changes, the next second |
//! | `rec` | recording | queue |
//! | `net` (2) | tokio: sockets and timers only | sockets |
//!
//! Every edge is bounded, has one policy and one counter, and no stage waits on a later one:
//!
//! | edge | bound | when full | counter |
//! |---|---|---|---|
//! | source to render | 1 frame | newer replaces older | `replaced` |
//! | sound source to audio | 500 ms | newer is refused, silence fills the gap | `overruns` |
//! | readback ring | 3 | this tick's picture is skipped | `skipped` |
//! | render to encoder | 3 frames | this tick's picture is skipped | `skipped` |
//! | encoders to an output | media time and bytes | pictures are dropped to the next keyframe, never sound | `dropped` |
//! | wakes of the overlay thread | 1 | it looks anyway | |
//! | commands to engine | 256 | the caller is told | |
//! | notices to engine | 256 | dropped | `notices_lost` |
//! | events to the reader | 512 | the oldest is lost, a marker says how many | `events_lost` |
//!
//! # Adding one
//!
//! - a **source**: a file in [`capture`], a variant in [`capture::SourceSpec`], a line in [`capture::open_video`];
//! - a **filter**: a file in [`render::filter`] with its `PARAMS`, a shader of the same name (none if it is made of
//!   per-pixel steps), a variant in [`render::filter::FilterSpec`];
//! - an **encoder**: a file in `encode::family`, a line in [`encode::candidate`];
//! - an **output**: a file in [`output`], a variant in [`output::OutputSpec`], a line in [`output::start`].

pub mod audio;
pub mod capture;
pub mod cli;
pub mod encode;
pub mod engine;
pub mod flv;
pub mod gpu;
pub mod logging;
pub mod media;
pub mod output;
pub mod render;
pub mod rtmp;
pub mod serve;
pub mod settings;
pub mod stage;
#[cfg(feature = "gui")]
pub mod ui;
