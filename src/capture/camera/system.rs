//! Cameras on Windows (Media Foundation) and macOS (AVFoundation), through nokhwa.
//!
//! nokhwa waits for a picture without end, so it has a thread of its own (`cam-N`) that a device which stops answering
//! holds up alone. In: [`CameraSettings`]. Out: frames through a channel of one, where a newer picture waits for the
//! older to be taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use nokhwa::utils::{
    ApiBackend, CameraControl, CameraFormat as NokhwaFormat, CameraIndex, CameraInfo as NokhwaInfo,
    ControlValueDescription, ControlValueSetter, FrameFormat, KnownCameraControlFlag,
    RequestedFormat, RequestedFormatType,
};
use nokhwa::{Camera, NokhwaError};
use parking_lot::Mutex;

use super::control::{Control, ControlKind, key_of};
use super::convert::{RawConverter, RawLayout};
use super::mjpeg::{JpegBytes, MjpegDecoder};
use super::mode::{CameraFormat, CameraMode, best_mode};
use super::stamp::{Stamp, StampClock};
use super::{CameraInfo, CameraSettings};
use crate::capture::{SourceContext, SourceError, SourceSpec, VideoSource};
use crate::media::time::FrameRate;
use crate::media::video::{ColorSpec, FrameData, Resolution, VideoFrame};
use crate::stage::{self, StageHandle, StartError, StopFlag};

const FORMATS: [FrameFormat; 6] = [
    FrameFormat::NV12,
    FrameFormat::YUYV,
    FrameFormat::RAWBGR,
    FrameFormat::RAWRGB,
    FrameFormat::MJPEG,
    FrameFormat::GRAY,
];

struct SystemCamera {
    name: String,
    description: String,
    shared: Arc<Shared>,
    /// From the camera's thread to the source's; bound 1; when full the newer picture is left out.
    frames: Receiver<Result<VideoFrame, SourceError>>,
    thread: StageHandle,
}

#[derive(Default)]
struct Shared {
    corrupt: AtomicU64,
    controls: Mutex<Vec<Control>>,
    /// Controls to be set before the next picture.
    wanted: Mutex<Option<BTreeMap<String, i64>>>,
}

/// What the camera's thread works with.
struct Worker {
    camera: Camera,
    mode: CameraMode,
    name: String,
    cx: SourceContext,
    raw: Option<RawConverter>,
    jpeg: MjpegDecoder,
    stamps: StampClock,
    seq: u64,
    shared: Arc<Shared>,
}

pub(super) fn open(
    settings: &CameraSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    allowed()?;
    let info = find(settings)?;
    let name = format!("camera {}", info.human_name());
    let shared = Arc::<Shared>::default();
    *shared.wanted.lock() = Some(settings.controls.clone());
    let (tx, frames) = bounded(1);
    let (mode_tx, mode) = bounded(1);
    let init = {
        let (settings, cx, name, shared) = (
            settings.clone(),
            cx.clone(),
            name.clone(),
            Arc::clone(&shared),
        );
        move || {
            let worker = Worker::open(&info, &settings, cx, name, shared)?;
            mode_tx.try_send(worker.mode).ok(); // there is room for one
            Ok(worker)
        }
    };
    let stop = StopFlag::new();
    let run = move |worker: Worker, stop: &StopFlag| worker.run(&tx, stop);
    let thread = stage::spawn(&format!("cam-{}", cx.id), &stop, init, run, |_| {});
    let thread = thread.map_err(|e| match e {
        StartError::Init(error) => error,
        StartError::Thread { source, .. } => SourceError::Failed {
            what: name.clone(),
            source: Box::new(source),
        },
        StartError::Panicked { message, .. } => SourceError::Failed {
            what: name.clone(),
            source: message.into(),
        },
    })?;
    let description = mode
        .try_recv()
        .map_or_else(|_| String::new(), |m| m.to_string());
    Ok(Box::new(SystemCamera {
        name,
        description,
        shared,
        frames,
        thread,
    }))
}

/// Cameras that are there now.
pub(super) fn list() -> Vec<CameraInfo> {
    if allowed().is_err() {
        return Vec::new();
    }
    let found = nokhwa::query(ApiBackend::Auto).unwrap_or_default();
    let info = |info: NokhwaInfo| {
        let opened = Camera::new(info.index().clone(), any_format());
        let (modes, controls, problem) = match opened {
            Ok(mut camera) => (modes(&mut camera), controls(&camera), None),
            Err(e) => (Vec::new(), Vec::new(), Some(e.to_string())),
        };
        CameraInfo {
            id: id_of(&info),
            name: info.human_name(),
            path: None,
            modes,
            controls,
            problem,
        }
    };
    found.into_iter().map(info).collect()
}

/// macOS asks its user once; elsewhere nothing happens.
fn allowed() -> Result<(), SourceError> {
    if nokhwa::nokhwa_check() {
        return Ok(());
    }
    const PATIENCE: Duration = Duration::from_secs(30);
    let (tx, answer) = bounded(1);
    nokhwa::nokhwa_initialize(move |granted| {
        tx.try_send(granted).ok(); // answered once
    });
    match answer.recv_timeout(PATIENCE) {
        Ok(true) => Ok(()),
        _ => Err(SourceError::Denied {
            what: "the camera".to_owned(),
        }),
    }
}

/// Windows: the device's symbolic link, macOS: its unique id. Both stay the same after a replug at the same place.
fn id_of(info: &NokhwaInfo) -> String {
    let id = info.misc();
    if id.is_empty() { info.human_name() } else { id }
}

fn find(settings: &CameraSettings) -> Result<NokhwaInfo, SourceError> {
    let found = nokhwa::query(ApiBackend::Auto).map_err(|e| failed("listing cameras", e))?;
    let wanted = settings.device.as_deref();
    let is =
        |info: &NokhwaInfo| wanted.is_none_or(|id| id_of(info) == id || info.human_name() == id);
    found
        .into_iter()
        .find(is)
        .ok_or_else(|| SourceError::NotFound {
            what: settings.called(),
        })
}

fn any_format() -> RequestedFormat<'static> {
    RequestedFormat::with_formats(RequestedFormatType::None, &FORMATS)
}

const fn format_of(format: FrameFormat) -> CameraFormat {
    match format {
        FrameFormat::MJPEG => CameraFormat::Mjpeg,
        FrameFormat::YUYV => CameraFormat::Yuyv,
        FrameFormat::NV12 => CameraFormat::Nv12,
        FrameFormat::GRAY => CameraFormat::Grey,
        FrameFormat::RAWRGB => CameraFormat::Rgb24,
        FrameFormat::RAWBGR => CameraFormat::Bgr24,
    }
}

fn mode_of(format: NokhwaFormat) -> Option<CameraMode> {
    Some(CameraMode {
        format: format_of(format.format()),
        size: Resolution::new(format.width(), format.height()),
        rate: FrameRate::new(format.frame_rate(), 1).ok()?,
    })
}

fn modes(camera: &mut Camera) -> Vec<CameraMode> {
    let formats = camera.compatible_camera_formats().unwrap_or_default();
    formats.into_iter().filter_map(mode_of).collect()
}

fn controls(camera: &Camera) -> Vec<Control> {
    let known = camera.camera_controls().unwrap_or_default();
    known.iter().filter_map(control_of).collect()
}

fn control_of(control: &CameraControl) -> Option<Control> {
    let hidden = [
        KnownCameraControlFlag::ReadOnly,
        KnownCameraControlFlag::Disabled,
    ];
    if control.flag().iter().any(|f| hidden.contains(f)) {
        return None;
    }
    let (kind, value, default) = match control.description() {
        ControlValueDescription::IntegerRange {
            min,
            max,
            value,
            step,
            default,
        } => {
            let (min, max, step) = (*min, *max, (*step).max(1));
            (ControlKind::Range { min, max, step }, *value, *default)
        }
        ControlValueDescription::Boolean { value, default } => {
            (ControlKind::Switch, i64::from(*value), i64::from(*default))
        }
        _ => return None,
    };
    Some(Control {
        key: key_of(&control.control().to_string()),
        name: control.control().to_string(),
        kind,
        value,
        default,
        inactive: !control.active(),
    })
}

impl Worker {
    fn open(
        info: &NokhwaInfo,
        settings: &CameraSettings,
        cx: SourceContext,
        name: String,
        shared: Arc<Shared>,
    ) -> Result<Self, SourceError> {
        let index: CameraIndex = info.index().clone();
        let mut camera = Camera::new(index, any_format()).map_err(|e| failed(&name, e))?;
        let formats = camera.compatible_camera_formats().unwrap_or_default();
        let offered: Vec<_> = formats.iter().copied().filter_map(mode_of).collect();
        let wanted = settings
            .mode
            .or_else(|| best_mode(&offered, cx.resolution, cx.rate));
        let wanted = wanted.and_then(|m| formats.into_iter().find(|f| mode_of(*f) == Some(m)));
        if let Some(format) = wanted {
            let exact = RequestedFormat::with_formats(RequestedFormatType::Exact(format), &FORMATS);
            camera
                .set_camera_requset(exact)
                .map_err(|e| failed(&name, e))?;
        }
        camera.open_stream().map_err(|e| failed(&name, e))?;
        let mode = mode_of(camera.camera_format()).ok_or_else(|| SourceError::Unsupported {
            what: name.clone(),
            reason: "it names no frame rate; choose another format".to_owned(),
        })?;
        let jpeg = MjpegDecoder::new().map_err(|e| SourceError::Failed {
            what: format!("opening a JPEG decoder for {name}"),
            source: Box::new(e),
        })?;
        *shared.controls.lock() = controls(&camera);
        Ok(Self {
            stamps: StampClock::new(cx.clock),
            camera,
            mode,
            name,
            cx,
            raw: None,
            jpeg,
            seq: 0,
            shared,
        })
    }

    fn run(
        mut self,
        frames: &Sender<Result<VideoFrame, SourceError>>,
        stop: &StopFlag,
    ) -> Result<(), String> {
        while !stop.is_stopped() {
            self.adjust();
            let told = match self.next() {
                Ok(None) => continue,
                Ok(Some(frame)) => Ok(frame),
                Err(e) => Err(e),
            };
            let last = told.is_err();
            match frames.try_send(told) {
                Err(TrySendError::Disconnected(_)) => break,
                Ok(()) | Err(TrySendError::Full(_)) if last => break,
                Ok(()) | Err(TrySendError::Full(_)) => {}
            }
        }
        self.camera.stop_stream().map_err(|e| e.to_string())
    }

    fn next(&mut self) -> Result<Option<VideoFrame>, SourceError> {
        let buffer = self.camera.frame().map_err(|e| failed(&self.name, e))?;
        let arrival = self.cx.clock.now();
        self.seq += 1;
        let size = Resolution::new(buffer.resolution().width(), buffer.resolution().height());
        let Some((resolution, data, color)) = self.read(buffer.buffer(), size) else {
            self.shared.corrupt.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        };
        let stamp = buffer
            .capture_timestamp()
            .and_then(|t| i64::try_from(t.as_nanos()).ok())
            .map_or(Stamp::Missing, Stamp::Other);
        Ok(Some(VideoFrame {
            pts: self.stamps.map(stamp, arrival),
            source: self.cx.id,
            seq: self.seq,
            resolution,
            data,
            color,
        }))
    }

    fn read(
        &mut self,
        data: &[u8],
        size: Resolution,
    ) -> Option<(Resolution, FrameData, ColorSpec)> {
        if self.mode.format == CameraFormat::Mjpeg {
            let picture = self.jpeg.decode(&JpegBytes::copy(data))?;
            return Some((picture.resolution, picture.data, picture.color));
        }
        let layout = RawLayout {
            format: self.mode.format,
            size,
            stride: 0, // nokhwa hands out rows without padding
            color: ColorSpec::BT601_LIMITED,
        };
        if self.raw.as_ref().is_none_or(|raw| *raw.layout() != layout) {
            self.raw = Some(RawConverter::new(layout));
        }
        let data = self.raw.as_ref()?.convert(data)?;
        Some((size, data, layout.color))
    }

    /// Sets controls that were asked for; what the camera refuses is logged and left.
    fn adjust(&mut self) {
        let Some(wanted) = self.shared.wanted.lock().take() else {
            return;
        };
        for known in self.camera.camera_controls().unwrap_or_default() {
            let Some(control) = control_of(&known) else {
                continue;
            };
            let value = wanted.get(&control.key).copied().unwrap_or(control.default);
            let value = control.kind.nearest(value);
            if value == control.value {
                continue;
            }
            let setter = match control.kind {
                ControlKind::Switch => ControlValueSetter::Boolean(value != 0),
                ControlKind::Range { .. } | ControlKind::Menu { .. } => {
                    ControlValueSetter::Integer(value)
                }
            };
            if let Err(error) = self.camera.set_camera_control(known.control(), setter) {
                tracing::debug!(control = control.key, value, %error, "the camera did not take a setting");
            }
        }
        *self.shared.controls.lock() = controls(&self.camera);
    }
}

impl VideoSource for SystemCamera {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        match self.frames.recv_timeout(timeout) {
            Ok(frame) => frame.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(SourceError::Lost {
                what: self.name.clone(),
            }),
        }
    }

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn corrupt(&self) -> u64 {
        self.shared.corrupt.load(Ordering::Relaxed)
    }

    fn controls(&self) -> Vec<Control> {
        self.shared.controls.lock().clone()
    }

    fn adjust(&mut self, spec: &SourceSpec) {
        if let SourceSpec::Camera(settings) = spec {
            *self.shared.wanted.lock() = Some(settings.controls.clone());
        }
    }
}

impl Drop for SystemCamera {
    fn drop(&mut self) {
        self.thread.request_stop();
    }
}

fn failed(name: &str, error: NokhwaError) -> SourceError {
    let what = name.to_owned();
    match error {
        NokhwaError::ReadFrameError(_) => SourceError::Lost { what },
        other => SourceError::Failed {
            what,
            source: Box::new(other),
        },
    }
}
