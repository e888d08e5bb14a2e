//! Cameras on Linux: V4L2 through the `v4l` crate, as nokhwa's own capture there waits without end, opens no device
//! that another program left in an unknown state, and spins when the device is unplugged. nokhwa lists the nodes.
//!
//! In: [`CameraSettings`]. Out: frames stamped by the driver. Runs on the source's thread, which sleeps in `poll`.

mod controls;
mod ioctl;
mod modes;
mod nodes;
mod stream;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use v4l::Device;
use v4l::buffer::{Flags, Metadata};

use super::control::Control;
use super::convert::{RawConverter, RawLayout};
use super::mjpeg::{JpegBytes, MjpegDecoder};
use super::mode::{CameraFormat, CameraMode, best_mode, rate_of, rate_words};
use super::stamp::{Stamp, StampClock};
use super::{CameraInfo, CameraSettings};
use crate::capture::{SourceContext, SourceError, SourceSpec, VideoSource};
use crate::media::SourceId;
use crate::media::time::{FrameRate, MediaClock, MediaTime};
use crate::media::video::{ColorMatrix, ColorRange, ColorSpec, FrameData, Resolution, VideoFrame};
use controls::Controls;
use ioctl::{PixelLayout, errno};
use nodes::{Missing, Node};
use stream::MmapStream;

struct V4l2Camera {
    id: SourceId,
    clock: MediaClock,
    /// "camera HD Pro Webcam C920", for messages.
    name: String,
    // dropped before the device it streams from
    stream: MmapStream,
    device: Device,
    format: CameraFormat,
    size: Resolution,
    /// As the device says; `None` where it does not.
    rate: Option<FrameRate>,
    reader: Reader,
    stamps: StampClock,
    /// Number of the picture before, by the driver's count.
    last_sequence: Option<u32>,
    seq: u64,
    corrupt: u64,
    controls: Controls,
    wanted: BTreeMap<String, i64>,
}

/// What makes a frame of a buffer.
enum Reader {
    Raw(RawConverter),
    Jpeg(Box<MjpegDecoder>),
}

/// What was taken out of a buffer, which the driver has again.
enum Grabbed {
    Raw(FrameData),
    Jpeg(JpegBytes),
}

/// A picture out of one buffer.
struct Read {
    resolution: Resolution,
    data: FrameData,
    color: ColorSpec,
}

pub(super) fn open(
    settings: &CameraSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    let called = settings
        .device
        .as_deref()
        .map_or_else(|| "a camera".to_owned(), |id| format!("camera {id}"));
    let found = nodes::find(settings.device.as_deref()).map_err(|missing| match missing {
        Missing::Absent => SourceError::NotFound { what: called },
        Missing::Forbidden => SourceError::Denied { what: called },
    });
    let Node { name, device, .. } = found?;
    let name = format!("camera {}", settings.name.as_ref().unwrap_or(&name));
    let device = device.map_err(|e| failed(&name, e))?;
    let mode = wanted_mode(settings, cx, &device, &name)?;
    let layout = negotiate(&device, mode).map_err(|e| failed(&name, e))?;
    let format =
        CameraFormat::of_fourcc(layout.fourcc).ok_or_else(|| SourceError::Unsupported {
            what: name.clone(),
            reason: format!(
                "it delivers {}, which Kaibo cannot read; choose another format",
                String::from_utf8_lossy(&layout.fourcc)
            ),
        })?;
    let rate = set_rate(&device, mode.rate).map_err(|e| failed(&name, e))?;
    let mut controls = Controls::read(&device);
    controls.apply(&device, &settings.controls, &BTreeMap::new());
    let stream = MmapStream::start(&device).map_err(|e| failed(&name, e))?;
    Ok(Box::new(V4l2Camera {
        id: cx.id,
        clock: cx.clock,
        reader: Reader::new(format, &layout, &name)?,
        name,
        stream,
        device,
        format,
        size: layout.size,
        rate,
        stamps: StampClock::new(cx.clock),
        last_sequence: None,
        seq: 0,
        corrupt: 0,
        controls,
        wanted: settings.controls.clone(),
    }))
}

/// Cameras that are there now.
pub(super) fn list() -> Vec<CameraInfo> {
    let info = |node: Node| {
        let id = node.id().to_owned();
        let (modes, controls, problem) = match &node.device {
            Ok(device) => (modes::modes(device), Controls::read(device).list(), None),
            Err(e) => {
                let e = io::Error::new(e.kind(), e.to_string());
                let problem = failed(&format!("camera {}", node.name), e).to_string();
                (Vec::new(), Vec::new(), Some(problem))
            }
        };
        CameraInfo {
            id,
            name: node.name,
            path: Some(node.path.display().to_string()),
            modes,
            controls,
            problem,
        }
    };
    nodes::nodes().into_iter().map(info).collect()
}

/// What the user chose, or what suits the show best.
fn wanted_mode(
    settings: &CameraSettings,
    cx: &SourceContext,
    device: &Device,
    name: &str,
) -> Result<CameraMode, SourceError> {
    if let Some(mode) = settings.mode {
        return Ok(mode);
    }
    let offered = modes::modes(device);
    if let Some(mode) = best_mode(&offered, cx.resolution, cx.rate) {
        return Ok(mode);
    }
    // a driver that lists no sizes: asked for the show's, it answers with what it has
    let formats = ioctl::formats(device);
    let known = formats.iter().copied().filter_map(CameraFormat::of_fourcc);
    let format = known.min().ok_or_else(|| SourceError::Unsupported {
        what: name.to_owned(),
        reason: "it offers no picture format that Kaibo can read; choose another camera".to_owned(),
    })?;
    Ok(CameraMode {
        format,
        size: cx.resolution,
        rate: cx.rate,
    })
}

/// Sets the format whatever the device was left in by another program.
fn negotiate(device: &Device, mode: CameraMode) -> io::Result<PixelLayout> {
    let mut layout = ioctl::set_format(device, mode.format.fourcc(), mode.size)?;
    if CameraFormat::of_fourcc(layout.fourcc).is_none() && mode.format == CameraFormat::Mjpeg {
        layout = ioctl::set_format(device, *b"JPEG", mode.size)?;
    }
    Ok(layout)
}

/// Asks for the rate and returns the one that was given.
fn set_rate(device: &Device, rate: FrameRate) -> io::Result<Option<FrameRate>> {
    let given = ioctl::set_interval(device, rate.den(), rate.num())?;
    Ok(given.and_then(|(num, den)| rate_of(den, num)))
}

impl Reader {
    fn new(format: CameraFormat, layout: &PixelLayout, name: &str) -> Result<Self, SourceError> {
        if format == CameraFormat::Mjpeg {
            let decoder = MjpegDecoder::new().map_err(|e| SourceError::Failed {
                what: format!("opening a JPEG decoder for {name}"),
                source: Box::new(e),
            })?;
            return Ok(Self::Jpeg(Box::new(decoder)));
        }
        Ok(Self::Raw(RawConverter::new(RawLayout {
            format,
            size: layout.size,
            stride: layout.stride as usize,
            color: color_of(format, layout),
        })))
    }

    /// The quick part. `None` when the picture is cut short.
    fn grab(&self, data: &[u8]) -> Option<Grabbed> {
        match self {
            Self::Raw(converter) => converter.convert(data).map(Grabbed::Raw),
            Self::Jpeg(_) => Some(Grabbed::Jpeg(JpegBytes::copy(data))),
        }
    }

    /// The slow part. `None` when the picture is broken.
    fn read(&mut self, grabbed: Grabbed) -> Option<Read> {
        match self {
            Self::Raw(converter) => {
                let Grabbed::Raw(data) = grabbed else {
                    return None;
                };
                let RawLayout { size, color, .. } = *converter.layout();
                Some(Read {
                    resolution: size,
                    data,
                    color,
                })
            }
            Self::Jpeg(decoder) => {
                let Grabbed::Jpeg(bytes) = grabbed else {
                    return None;
                };
                let picture = decoder.decode(&bytes)?;
                Some(Read {
                    resolution: picture.resolution,
                    data: picture.data,
                    color: picture.color,
                })
            }
        }
    }
}

/// What the driver says of colour, with the defaults of the V4L2 specification ("Defining Colorspaces"): BT.601 but for
/// BT.709 colour space, limited range but for JPEG's. Grey cameras use the whole range, as every other program takes it.
fn color_of(format: CameraFormat, layout: &PixelLayout) -> ColorSpec {
    const REC709: u32 = 3;
    const JPEG: u32 = 7;
    const ENCODING_709: u32 = 2;
    const XV_709: u32 = 4;
    const FULL: u32 = 1;
    let matrix = match (layout.encoding, layout.colorspace) {
        (ENCODING_709 | XV_709, _) | (0, REC709) => ColorMatrix::Bt709,
        _ => ColorMatrix::Bt601,
    };
    let range = match layout.quantization {
        FULL => ColorRange::Full,
        0 if layout.colorspace == JPEG || format == CameraFormat::Grey => ColorRange::Full,
        _ => ColorRange::Limited,
    };
    ColorSpec { matrix, range }
}

impl VideoSource for V4l2Camera {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        // after a late wake-up several are there: only the newest is worth decoding
        let mut newest = self.grab(timeout)?;
        for _ in 1..MmapStream::MOST_WAITING {
            match self.grab(Duration::ZERO)? {
                Some(newer) => newest = Some(newer),
                None => break,
            }
        }
        let Some((pts, grabbed)) = newest else {
            return Ok(None);
        };
        let Some(Read {
            resolution,
            data,
            color,
        }) = self.reader.read(grabbed)
        else {
            self.corrupt += 1;
            return Ok(None);
        };
        Ok(Some(VideoFrame {
            pts,
            source: self.id,
            seq: self.seq,
            resolution,
            data,
            color,
        }))
    }

    fn describe(&self) -> String {
        let rate = self.rate.map_or_else(
            || "rate unknown".to_owned(),
            |rate| format!("{} fps", rate_words(rate)),
        );
        format!("{}, {rate}, {}", self.size, self.format.name())
    }

    fn corrupt(&self) -> u64 {
        self.corrupt
    }

    fn controls(&self) -> Vec<Control> {
        self.controls.list()
    }

    fn adjust(&mut self, spec: &SourceSpec) {
        if let SourceSpec::Camera(settings) = spec {
            self.controls
                .apply(&self.device, &settings.controls, &self.wanted);
            self.wanted.clone_from(&settings.controls);
        }
    }
}

impl V4l2Camera {
    /// The next picture that is whole as far as one can see from outside, with the time it was taken.
    fn grab(&mut self, timeout: Duration) -> Result<Option<(MediaTime, Grabbed)>, SourceError> {
        let Self {
            stream,
            reader,
            clock,
            ..
        } = self;
        let taken = stream.next(timeout, |data, meta| {
            let arrival = clock.now();
            let whole = !meta.flags.contains(Flags::ERROR) && !data.is_empty();
            (arrival, *meta, if whole { reader.grab(data) } else { None })
        });
        let (arrival, meta, grabbed) = match taken {
            Ok(Some(taken)) => taken,
            Ok(None) => return Ok(None),
            Err(e) => return Err(failed(&self.name, e)),
        };
        self.count(meta.sequence);
        let Some(grabbed) = grabbed else {
            self.corrupt += 1;
            return Ok(None);
        };
        Ok(Some((self.stamps.map(stamp_of(&meta), arrival), grabbed)))
    }

    /// Takes over the driver's count, so that a gap in ours is a loss.
    fn count(&mut self, sequence: u32) {
        const SENSIBLE: u32 = 100_000;
        if let Some(last) = self.last_sequence {
            let step = sequence.wrapping_sub(last);
            self.seq += u64::from(if (1..SENSIBLE).contains(&step) {
                step
            } else {
                1
            });
        }
        self.last_sequence = Some(sequence);
    }
}

fn stamp_of(meta: &Metadata) -> Stamp {
    let nanos = meta
        .timestamp
        .sec
        .saturating_mul(1_000_000_000)
        .saturating_add(meta.timestamp.usec.saturating_mul(1000));
    match meta.flags & Flags::TIMESTAMP_MASK {
        _ if nanos <= 0 => Stamp::Missing,
        f if f == Flags::TIMESTAMP_MONOTONIC => Stamp::Monotonic(nanos),
        _ => Stamp::Other(nanos),
    }
}

/// A call to the device failed: what that means to the user.
fn failed(name: &str, error: io::Error) -> SourceError {
    let what = name.to_owned();
    match error.raw_os_error() {
        Some(errno::ENODEV | errno::ENXIO) => SourceError::Lost { what },
        Some(errno::ENOENT) => SourceError::NotFound { what },
        Some(errno::EBUSY) => SourceError::Busy { what },
        Some(errno::EACCES | errno::EPERM) => SourceError::Denied { what },
        Some(errno::ENOSPC) => SourceError::Failed {
            what,
            source: "the USB bus has no room left for it; plug it into another port, unplug other \
                     cameras, or choose a smaller size"
                .into(),
        },
        _ if error.kind() == io::ErrorKind::PermissionDenied => SourceError::Denied { what },
        _ => SourceError::Failed {
            what,
            source: Box::new(error),
        },
    }
}
