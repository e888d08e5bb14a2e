//! The pictures of a shared screen or window, from PipeWire.
//!
//! In: a connection to PipeWire and a node of it. Out: the newest picture, copied into a pooled buffer (the compositor
//! wants its own back at once), the pointer drawn in where it comes beside the picture. All callbacks run inside
//! [`PipeWireStream::next`], on the source's thread.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use pipewire as pw;
use pw::loop_::Timeout;
use pw::spa::buffer::ChunkFlags;
use pw::spa::buffer::meta::{MetaCursor, MetaHeader, MetaVideoCrop};
use pw::spa::param::ParamType;
use pw::spa::param::format::{MediaSubtype, MediaType};
use pw::spa::param::video::{VideoFormat, VideoInfoRaw};
use pw::stream::{StreamFlags, StreamState};

use super::super::cursor::Pointer;
use super::params;
use crate::media::pool::BufferPool;
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

/// Larger pointers are left out.
const LARGEST_POINTER: u32 = 512;
/// Buffers kept for the next picture: the slot's, the renderer's two, one being filled, the one without the pointer.
const KEEP: usize = 5;
const BYTES_PER_PIXEL: usize = 4;

/// One picture, BGRA without gaps between its rows.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) size: Resolution,
    pub(super) data: Bytes,
    /// When the compositor drew it, in nanoseconds of the monotonic clock, if it told.
    pub(super) stamp_ns: Option<i64>,
}

/// A running stream. Fields are dropped in this order: listeners before what they listen to.
pub(super) struct PipeWireStream {
    _listener: pw::stream::StreamListener<()>,
    // the stream holds the only reference to the core
    _core_listener: pw::core::Listener,
    _stream: pw::stream::StreamRc,
    main_loop: pw::main_loop::MainLoopRc,
    state: Rc<RefCell<State>>,
}

struct State {
    format: Option<Format>,
    /// The newest picture without the pointer.
    base: Option<Picture>,
    /// It, or the pointer, is new.
    fresh: bool,
    pointer: PointerState,
    draws_cursor: bool,
    streaming: bool,
    failed: Option<String>,
    corrupt: u64,
    pool: BufferPool,
}

#[derive(Debug, Clone, Copy)]
struct Format {
    size: Resolution,
    /// Red before blue.
    swapped: bool,
}

#[derive(Debug, Default)]
struct PointerState {
    visible: bool,
    left: i32,
    top: i32,
    hotspot: (i32, i32),
    width: usize,
    argb: Vec<u32>,
}

impl PipeWireStream {
    /// Connects to the node; `draws_cursor` says that the pointer comes beside the picture.
    pub(super) fn connect(
        remote: OwnedFd,
        node: u32,
        rate: FrameRate,
        draws_cursor: bool,
    ) -> Result<Self, pw::Error> {
        pw::init();
        let main_loop = pw::main_loop::MainLoopRc::new(None)?;
        let context = pw::context::ContextRc::new(&main_loop, None)?;
        let core = context.connect_fd_rc(remote, None)?;
        let state = Rc::new(RefCell::new(State {
            format: None,
            base: None,
            fresh: false,
            pointer: PointerState::default(),
            draws_cursor,
            streaming: false,
            failed: None,
            corrupt: 0,
            pool: BufferPool::new(KEEP),
        }));
        let failing = Rc::clone(&state);
        let core_listener = core
            .add_listener_local()
            .error(move |_, _, code, message| {
                let text = format!("{message} ({code})");
                failing.borrow_mut().failed.get_or_insert(text);
            })
            .register();
        let properties = pw::properties::properties! {
            *pw::keys::MEDIA_TYPE => "Video",
            *pw::keys::MEDIA_CATEGORY => "Capture",
            *pw::keys::MEDIA_ROLE => "Screen",
        };
        let stream = pw::stream::StreamRc::new(core, "kaibo screen", properties)?;
        let listener = listen(&stream, &state)?;
        let formats = params::formats(rate);
        let flags = StreamFlags::AUTOCONNECT | StreamFlags::MAP_BUFFERS;
        let mut wanted: Vec<_> = formats.iter().map(|f| f.pod()).collect();
        stream.connect(
            pw::spa::utils::Direction::Input,
            Some(node),
            flags,
            &mut wanted,
        )?;
        Ok(Self {
            _listener: listener,
            _stream: stream,
            _core_listener: core_listener,
            main_loop,
            state,
        })
    }

    /// The next picture within `timeout`; the reason in words when there will be none any more.
    pub(super) fn next(&self, timeout: Duration, cursor: bool) -> Result<Option<Picture>, String> {
        self.main_loop.loop_().iterate(Timeout::Finite(timeout));
        let mut state = self.state.borrow_mut();
        if let Some(reason) = state.failed.take() {
            return Err(reason);
        }
        Ok(state.picture(cursor))
    }

    /// Pictures that came broken.
    pub(super) fn corrupt(&self) -> u64 {
        self.state.borrow().corrupt
    }

    /// The pointer can be switched while it runs.
    pub(super) fn draws_cursor(&self) -> bool {
        self.state.borrow().draws_cursor
    }

    /// The picture again, with the pointer or without.
    pub(super) fn redraw(&self) {
        let mut state = self.state.borrow_mut();
        state.fresh = state.base.is_some();
    }
}

fn listen(
    stream: &pw::stream::StreamRc,
    state: &Rc<RefCell<State>>,
) -> Result<pw::stream::StreamListener<()>, pw::Error> {
    let (changed, formatted, filled) = (Rc::clone(state), Rc::clone(state), Rc::clone(state));
    stream
        .add_local_listener::<()>()
        .state_changed(move |_, (), _, new| changed.borrow_mut().changed(&new))
        .param_changed(move |stream, (), id, param| {
            let Some(param) = param.filter(|_| id == ParamType::Format.as_raw()) else {
                return;
            };
            let Some(format) = read_format(param) else {
                let mut state = formatted.borrow_mut();
                state.failed =
                    Some("the compositor sends a format that was not asked for".to_owned());
                return;
            };
            formatted.borrow_mut().format = Some(format);
            let answers = params::buffers();
            let mut answers: Vec<_> = answers.iter().map(|p| p.pod()).collect();
            if let Err(e) = stream.update_params(&mut answers) {
                formatted.borrow_mut().failed = Some(e.to_string());
            }
        })
        .process(move |stream, ()| {
            // older ones go back unread
            let mut newest = None;
            while let Some(buffer) = stream.dequeue_buffer() {
                filled.borrow_mut().pointer(&buffer);
                newest = Some(buffer);
            }
            if let Some(mut buffer) = newest {
                filled.borrow_mut().take(&mut buffer);
            }
        })
        .register()
}

fn read_format(param: &pw::spa::pod::Pod) -> Option<Format> {
    let (kind, subtype) = pw::spa::param::format_utils::parse_format(param).ok()?;
    if kind != MediaType::Video || subtype != MediaSubtype::Raw {
        return None;
    }
    let mut info = VideoInfoRaw::default();
    info.parse(param).ok()?;
    let swapped = match info.format() {
        VideoFormat::BGRx | VideoFormat::BGRA => false,
        VideoFormat::RGBx | VideoFormat::RGBA => true,
        _ => return None,
    };
    Some(Format {
        size: Resolution::new(info.size().width, info.size().height),
        swapped,
    })
}

impl State {
    fn changed(&mut self, new: &StreamState) {
        match new {
            StreamState::Streaming => self.streaming = true,
            StreamState::Error(reason) => self.failed = Some(reason.clone()),
            // nobody but the compositor pauses it, and only when it ends
            StreamState::Paused | StreamState::Unconnected if self.streaming => {
                self.failed = Some("the stream was ended".to_owned());
            }
            _ => {}
        }
    }

    /// Takes the pointer's place and shape, which may come without a picture.
    fn pointer(&mut self, buffer: &pw::buffer::Buffer<'_>) {
        let Some(cursor) = buffer
            .find_meta::<MetaCursor>()
            .filter(|_| self.draws_cursor)
        else {
            return;
        };
        let (place, hotspot) = (cursor.position(), cursor.hotspot());
        let p = &mut self.pointer;
        let before = (p.visible, p.left, p.top);
        p.visible = cursor.id() != 0;
        (p.left, p.top) = (place.x, place.y);
        if let Some(bitmap) = cursor.bitmap() {
            p.reshape(
                bitmap.format(),
                Resolution::new(bitmap.size().width, bitmap.size().height),
                usize::try_from(bitmap.stride()).unwrap_or(0),
                bitmap.bitmap_data().unwrap_or_default(),
            );
            p.hotspot = (hotspot.x, hotspot.y);
            self.fresh = true;
        }
        self.fresh |= before != (p.visible, p.left, p.top);
    }

    /// Copies the picture out of the compositor's buffer.
    fn take(&mut self, buffer: &mut pw::buffer::Buffer<'_>) {
        let Some(format) = self.format else {
            return;
        };
        let header = buffer.find_meta::<MetaHeader>();
        let stamp_ns = header.map(MetaHeader::pts).filter(|ns| *ns > 0);
        let crop = buffer
            .find_meta::<MetaVideoCrop>()
            .map(MetaVideoCrop::meta_region)
            .filter(|r| r.is_valid())
            .map(|r| (r.position(), r.size()));
        let Some(data) = buffer.datas_mut().first_mut() else {
            return;
        };
        let chunk = data.chunk();
        if chunk.size() == 0 {
            return; // nothing but the pointer has changed
        }
        let (broken, stride, offset) = (
            chunk.flags().contains(ChunkFlags::CORRUPTED),
            usize::try_from(chunk.stride()).unwrap_or(0),
            chunk.offset() as usize,
        );
        let (left, top, size) = match crop {
            Some((at, s)) => (
                usize::try_from(at.x).unwrap_or(0),
                usize::try_from(at.y).unwrap_or(0),
                Resolution::new(s.width, s.height),
            ),
            None => (0, 0, format.size),
        };
        let from = (offset + top * stride).saturating_add(left * BYTES_PER_PIXEL);
        let pixels = data.data().and_then(|d| d.get(from..));
        let pool = &self.pool;
        let copied = pixels.and_then(|p| copy(pool, p, stride, size, format.swapped));
        match copied {
            Some(data) if !broken => {
                self.base = Some(Picture {
                    size,
                    data,
                    stamp_ns,
                });
                self.fresh = true;
            }
            _ => self.corrupt += 1,
        }
    }

    /// What is new, with the pointer if it is wanted and comes to us.
    fn picture(&mut self, cursor: bool) -> Option<Picture> {
        let base = self.base.as_ref().filter(|_| self.fresh)?;
        self.fresh = false;
        let p = &self.pointer;
        if !(cursor && self.draws_cursor && p.visible && p.width > 0) {
            return Some(base.clone());
        }
        let mut image = self.pool.get(base.data.len());
        image.copy_from_slice(&base.data);
        let pointer = Pointer {
            left: p.left - p.hotspot.0,
            top: p.top - p.hotspot.1,
            width: p.width,
            argb: &p.argb,
        };
        let stride = base.size.width as usize * BYTES_PER_PIXEL;
        pointer.draw(&mut image, stride, base.size);
        Some(Picture {
            data: image.freeze(),
            ..*base
        })
    }
}

impl PointerState {
    fn reshape(&mut self, format: VideoFormat, size: Resolution, stride: usize, data: &[u8]) {
        self.width = 0;
        self.argb.clear();
        let order: [usize; 4] = match format {
            VideoFormat::BGRA => [0, 1, 2, 3],
            VideoFormat::RGBA => [2, 1, 0, 3],
            VideoFormat::ARGB => [3, 2, 1, 0],
            VideoFormat::ABGR => [1, 2, 3, 0],
            _ => return,
        };
        let row = size.width as usize * BYTES_PER_PIXEL;
        if size.width.max(size.height) > LARGEST_POINTER || row == 0 || stride < row {
            return;
        }
        let rows = data.chunks(stride).take(size.height as usize);
        let pixels = rows
            .filter_map(|r| r.get(..row))
            .flat_map(|r| r.chunks_exact(4));
        self.argb
            .extend(pixels.map(|p| u32::from_le_bytes(order.map(|i| p[i]))));
        self.width = size.width as usize;
    }
}

/// Rows without their gaps, blue first; `None` when the buffer is smaller than its description.
fn copy(
    pool: &BufferPool,
    from: &[u8],
    stride: usize,
    size: Resolution,
    swapped: bool,
) -> Option<Bytes> {
    let (row, rows) = (size.width as usize * BYTES_PER_PIXEL, size.height as usize);
    let last = stride.checked_mul(rows.checked_sub(1)?)?;
    if row == 0 || stride < row || from.len() < last.checked_add(row)? {
        return None;
    }
    let mut to = pool.get(row * rows);
    for (to, from) in to.chunks_exact_mut(row).zip(from.chunks(stride)) {
        to.copy_from_slice(&from[..row]);
    }
    if swapped {
        for pixel in to.chunks_exact_mut(BYTES_PER_PIXEL) {
            pixel.swap(0, 2);
        }
    }
    Some(to.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lose_their_gaps_and_red_and_blue_their_order() {
        let pool = BufferPool::new(1);
        let size = Resolution::new(1, 2);
        let from = [1, 2, 3, 4, 9, 9, 9, 9, 5, 6, 7, 8];
        let plain = copy(&pool, &from, 8, size, false).unwrap();
        assert_eq!(plain[..], [1, 2, 3, 4, 5, 6, 7, 8]);
        let swapped = copy(&pool, &from, 8, size, true).unwrap();
        assert_eq!(swapped[..], [3, 2, 1, 4, 7, 6, 5, 8]);
        assert!(
            copy(&pool, &from[..11], 8, size, false).is_none(),
            "too short"
        );
        assert!(copy(&pool, &from, 3, size, false).is_none(), "rows overlap");
        assert!(copy(&pool, &from, 8, Resolution::new(0, 0), false).is_none());
    }

    fn state() -> State {
        State {
            format: None,
            base: Some(Picture {
                size: Resolution::new(4, 2),
                data: vec![100; 32].into(),
                stamp_ns: None,
            }),
            fresh: true,
            pointer: PointerState::default(),
            draws_cursor: true,
            streaming: false,
            failed: None,
            corrupt: 0,
            pool: BufferPool::new(1),
        }
    }

    #[test]
    fn the_pointer_is_drawn_over_the_picture_and_taken_off_again() {
        let mut state = state();
        let white = [255; 16];
        let p = &mut state.pointer;
        p.reshape(VideoFormat::RGBA, Resolution::new(2, 2), 8, &white);
        (p.visible, p.left, p.top, p.hotspot) = (true, 2, 1, (1, 1));
        let with = state.picture(true).unwrap();
        let lit = |p: &Picture| p.data.chunks(4).filter(|p| p[0] == 255).count();
        assert_eq!(lit(&with), 4);
        assert!(state.picture(true).is_none(), "nothing new");
        state.fresh = true;
        assert_eq!(lit(&state.picture(false).unwrap()), 0);
        // shapes that claim more than they have
        let p = &mut state.pointer;
        p.reshape(VideoFormat::BGRA, Resolution::new(600, 2), 2400, &white);
        assert_eq!(p.width, 0);
        p.reshape(VideoFormat::BGRA, Resolution::new(2, 50), 8, &white);
        assert_eq!((p.width, p.argb.len()), (2, 4));
    }

    #[test]
    fn a_pause_that_nobody_asked_for_is_the_end() {
        let mut state = state();
        state.changed(&StreamState::Paused);
        assert!(state.failed.is_none(), "before the first picture");
        state.changed(&StreamState::Streaming);
        state.changed(&StreamState::Paused);
        assert!(state.failed.is_some());
    }
}
