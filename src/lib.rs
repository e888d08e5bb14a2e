//! Kaibo (开播, "go on air"): broadcast a camera, a screen, a file or a test pattern, filtered on the GPU, over RTMP; with a window
//! and without. This page is the architecture; each module's page has its own part.
//!
//! # Data flow
//!
//! ```text
//!  screen   file   test pattern           microphones, desktop sound, sound files, sound of the pictures
//!    |        |        |                       |  callback or source thread
//!    v        v        v                       v
//!  VideoFrame: one slot per source         sample ring, 500 ms per source
//!     \       |       /                        |
//!      v      v      v                   [audio]  resample -> align by time stamp -> chain -> mix -> limiter
//!   [render] one tick per frame                |  1024-sample blocks by the clock, silence where nothing is
//!    upload -> layers + filters                v
//!    -> watermarks -> preview texture       AAC encoder
//!    -> NV12 -> readback ring                  |
//!        |  VideoFrame (NV12)                  |
//!        |--> [rec-venc], if a recording has an encoder of its own -> [rec]
//!        v                                     |
//!   [venc] H.264                               |
//!        |  EncodedPacket                      |  EncodedPacket
//!        +------------- PacketBus -------------+
//!                           |
//!          per output: SendQueue -> Interleaver -> FlvMuxer -> FlvTag
//!                           |                          |
//!                  rtmp task: session, socket     [rec] file (MP4 and Matroska by FFmpeg's muxers)
//!                           |
//!              any RTMP server, or the built-in one: ingest -> fragmented MP4 -> watch page
//! ```
//!
//! # Who may use whom
//!
//! ```text
//! cli, ui -> engine -> capture, render, audio, playback, encode, output, serve -> media
//!                      render -> gpu -> media     output, serve -> rtmp -> flv -> media     output -> container -> flv
//! ```
//!
//! A test (`tests/layering.rs`) holds the table. FFmpeg's types stay in [`encode`], [`container`], [`capture::media_file`] and the JPEG decoder of [`capture::camera`], sockets
//! in [`output`] and [`serve`], egui in `ui`.
//!
//! Without the feature `ffmpeg` what encodes is left out, and all that needs it: `audio`, `serve`, `settings`, `engine`, `cli`,
//! `ui` and the program itself. Sources of pictures, the renderer and the outputs remain.
//!
//! # Time
//!
//! One [clock](media::time::MediaClock) (`CLOCK_MONOTONIC`, zero at engine start), one [time type](media::time::MediaTime)
//! in nanoseconds. Sources stamp at capture; the renderer stamps its pictures with the tick; the sound is delayed by the
//! age the shown picture has at its tick, so that lips match. Ticks move, a little at a time, to just after the pictures of
//! the lowest layer that has the show's rate, so that these wait for nothing and none is shown twice. On a connection
//! pictures do not wait for the sound of the same time, which is known only when its block is full. Codec ticks and FLV milliseconds appear at one place each.
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
//! | `venc` | H.264; one for the show, one for each further destination that has its own | channel |
//! | `mic`, `file-snd` | open a sound device or file for their `asrc-N` | device, clock |
//! | `monitor` | opens the output that is listened to; the system's callback plays | device |
//! | `rec-venc` | H.264, HEVC or AV1 for a recording alone, at a lower priority | channel |
//! | `venc-watch` | replaces an encoder that hangs | 50 ms, while encoding |
//! | `encoders` | tries encoders out in child processes, once | its end |
//! | `overlay` | makes the pixels of watermarks, while there are any | changes, the next second |
//! | `pipelines` | compiles passes of filters, while some are missing | channel |
//! | `rec` | recording | queue, 250 ms |
//! | `rec-sync` | asks the disk to keep the recording | each second |
//! | `mp4`, `replay`, `recordings` | a plain MP4, a replay, a look at the folder; while there is something to do | |
//! | `portal` | the conversation with a Wayland desktop, while one of its screens is shared | D-Bus |
//! | `net` (2) | tokio: sockets and timers only | sockets |
//!
//! Every edge is bounded, has one policy and one counter, and no stage waits on a later one:
//!
//! | edge | bound | when full | counter |
//! |---|---|---|---|
//! | source to render | 1 frame | newer replaces older | `replaced` |
//! | sound source to audio | 500 ms | newer is refused, silence fills the gap | `overruns` |
//! | audio to the output that is listened to | 400 ms | the block is left out | `listen.dropped` |
//! | order to keep a file | 1 | the disk is at it already | |
//! | orders to a recording | 64 | ignored | |
//! | orders to a source that plays | 16 | ignored; of places to go to only the last waits | |
//! | replay buffer | its seconds, 256 MiB | whole stretches between keyframes go, oldest first | `short` |
//! | readback ring | 3 | this tick's picture is skipped | `skipped` |
//! | render to encoder | 3 frames | this tick's picture is skipped | `skipped` |
//! | render to the recording's own encoder | 3 frames | the recording lacks this tick's picture | `record_skipped` |
//! | render to the encoder of one destination | 3 frames | it misses this picture | |
//! | encoders to an output | media time and bytes | pictures are dropped to the next keyframe, never sound | `dropped` |
//! | wakes of the overlay thread | 1 | it looks anyway | |
//! | passes to be compiled | 64 | asked again in the next tick | |
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

#[cfg(feature = "ffmpeg")]
pub mod audio;
pub mod capture;
#[cfg(feature = "ffmpeg")]
pub mod cli;
#[cfg(feature = "ffmpeg")]
pub mod container;
#[cfg(feature = "ffmpeg")]
pub mod crash;
#[cfg(feature = "ffmpeg")]
pub mod encode;
#[cfg(feature = "ffmpeg")]
pub mod engine;
pub mod flv;
pub mod gpu;
pub mod logging;
pub mod media;
#[cfg(feature = "ffmpeg")]
pub mod output;
#[cfg(feature = "ffmpeg")]
pub mod playback;
pub mod render;
pub mod rtmp;
#[cfg(feature = "ffmpeg")]
pub mod serve;
#[cfg(feature = "ffmpeg")]
pub mod settings;
pub mod stage;
#[cfg(feature = "gui")]
pub mod ui;
