//! The few questions to a V4L2 device that the `v4l` crate does not ask, or panics on when a newer kernel answers with a
//! value it does not know (colour spaces, kinds of controls). All of the system calls written by hand are here.

use std::io;

use v4l::Device;
use v4l::v4l_sys::{
    v4l2_capability, v4l2_control, v4l2_fmtdesc, v4l2_format, v4l2_format__bindgen_ty_1,
    v4l2_fract, v4l2_pix_format, v4l2_pix_format__bindgen_ty_1, v4l2_query_ext_ctrl,
    v4l2_querymenu, v4l2_streamparm,
};
use v4l::v4l2::vidioc;

use crate::media::video::Resolution;

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
const CAPTURE: u32 = 1;
/// `V4L2_CAP_TIMEPERFRAME`.
const HAS_RATE: u32 = 0x1000;
/// `V4L2_FIELD_ANY`: the driver's choice, which is progressive for every camera.
const FIELD_ANY: u32 = 0;

/// Structures that are only integers and arrays of them, as the kernel fills them in.
trait Plain: Copy {}
impl Plain for v4l2_capability {}
impl Plain for v4l2_control {}
impl Plain for v4l2_fmtdesc {}
impl Plain for v4l2_format {}
impl Plain for v4l2_query_ext_ctrl {}
impl Plain for v4l2_querymenu {}
impl Plain for v4l2_streamparm {}

#[expect(unsafe_code, reason = "a structure of the kernel's, all zero")]
fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` types hold integers, arrays and unions of them only, for which zero is a value
    unsafe { std::mem::zeroed() }
}

#[expect(unsafe_code, reason = "a system call")]
fn ask<T: Plain>(device: &Device, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `device` lives; each request below is used with the structure that its
    // number is made from (its size is part of the number), and the kernel writes no further
    unsafe { v4l::v4l2::ioctl(device.handle().fd(), request, (&raw mut *argument).cast()) }
}

/// Text of fixed length, ended by a zero where it is shorter.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// What a device node is.
#[derive(Debug, Clone)]
pub(super) struct Capability {
    /// "HD Pro Webcam C920".
    pub(super) card: String,
    /// "usb-0000:00:14.0-2".
    pub(super) bus: String,
    /// It hands out pictures by memory mapping.
    pub(super) captures: bool,
}

pub(super) fn capability(device: &Device) -> io::Result<Capability> {
    const DEVICE_CAPS: u32 = 0x8000_0000;
    const VIDEO_CAPTURE: u32 = 0x1;
    const STREAMING: u32 = 0x0400_0000;
    let mut raw: v4l2_capability = zeroed();
    ask(device, vidioc::VIDIOC_QUERYCAP, &mut raw)?;
    let caps = if raw.capabilities & DEVICE_CAPS == 0 {
        raw.capabilities
    } else {
        raw.device_caps
    };
    Ok(Capability {
        card: text(&raw.card),
        bus: text(&raw.bus_info),
        captures: caps & VIDEO_CAPTURE != 0 && caps & STREAMING != 0,
    })
}

/// The codes of the formats the device knows.
pub(super) fn formats(device: &Device) -> Vec<[u8; 4]> {
    const MOST: u32 = 256;
    let code = |index| {
        let mut raw: v4l2_fmtdesc = zeroed();
        (raw.index, raw.type_) = (index, CAPTURE);
        ask(device, vidioc::VIDIOC_ENUM_FMT, &mut raw).ok()?;
        Some(raw.pixelformat.to_le_bytes())
    };
    (0..MOST).map_while(code).collect()
}

/// What the device is set to.
#[derive(Debug, Clone, Copy)]
pub(super) struct PixelLayout {
    pub(super) fourcc: [u8; 4],
    pub(super) size: Resolution,
    /// Bytes from row to row; 0 for compressed pictures.
    pub(super) stride: u32,
    /// `enum v4l2_colorspace`.
    pub(super) colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`.
    pub(super) encoding: u32,
    /// `enum v4l2_quantization`.
    pub(super) quantization: u32,
}

/// Sets the format; the device answers with what it makes of it.
#[expect(unsafe_code, reason = "unions of the kernel's")]
pub(super) fn set_format(
    device: &Device,
    fourcc: [u8; 4],
    size: Resolution,
) -> io::Result<PixelLayout> {
    let mut raw: v4l2_format = zeroed();
    raw.type_ = CAPTURE;
    let pix = v4l2_pix_format {
        width: size.width,
        height: size.height,
        pixelformat: u32::from_le_bytes(fourcc),
        field: FIELD_ANY,
        bytesperline: 0,
        sizeimage: 0,
        colorspace: 0,
        priv_: 0,
        flags: 0,
        __bindgen_anon_1: v4l2_pix_format__bindgen_ty_1 { ycbcr_enc: 0 },
        quantization: 0,
        xfer_func: 0,
    };
    raw.fmt = v4l2_format__bindgen_ty_1 { pix };
    ask(device, vidioc::VIDIOC_S_FMT, &mut raw)?;
    // SAFETY: for this buffer type the union holds `pix`; every bit pattern is a value of its integers
    let (pix, encoding) = unsafe { (raw.fmt.pix, raw.fmt.pix.__bindgen_anon_1.ycbcr_enc) };
    Ok(PixelLayout {
        fourcc: pix.pixelformat.to_le_bytes(),
        size: Resolution::new(pix.width, pix.height),
        stride: pix.bytesperline,
        colorspace: pix.colorspace,
        encoding,
        quantization: pix.quantization,
    })
}

/// Sets the time between two pictures, in seconds as (numerator, denominator); the device answers with what it makes of
/// it. `None` for a device whose rate cannot be set.
#[expect(unsafe_code, reason = "unions of the kernel's")]
pub(super) fn set_interval(device: &Device, num: u32, den: u32) -> io::Result<Option<(u32, u32)>> {
    let mut raw: v4l2_streamparm = zeroed();
    raw.type_ = CAPTURE;
    raw.parm.capture.timeperframe = v4l2_fract {
        numerator: num,
        denominator: den,
    };
    match ask(device, vidioc::VIDIOC_S_PARM, &mut raw) {
        Ok(()) => {}
        // drivers without the call, or that do not know it for this input
        Err(e) if matches!(e.raw_os_error(), Some(errno::ENOTTY | errno::EINVAL)) => {
            return Ok(None);
        }
        Err(e) => return Err(e),
    }
    // SAFETY: see `set_format`
    let parameters = unsafe { raw.parm.capture };
    let v4l2_fract {
        numerator,
        denominator,
    } = parameters.timeperframe;
    Ok((parameters.capability & HAS_RATE != 0).then_some((numerator, denominator)))
}

/// A control as the kernel describes it.
#[derive(Debug, Clone)]
pub(super) struct RawControl {
    pub(super) id: u32,
    pub(super) kind: u32,
    pub(super) name: String,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) step: u64,
    pub(super) default: i64,
    pub(super) flags: u32,
}

/// All plain controls of the device.
pub(super) fn controls(device: &Device) -> Vec<RawControl> {
    const NEXT: u32 = 0x8000_0000;
    const MOST: usize = 1024;
    let mut found: Vec<RawControl> = Vec::new();
    let mut id = 0;
    while found.len() < MOST {
        let mut raw: v4l2_query_ext_ctrl = zeroed();
        raw.id = id | NEXT;
        if ask(device, vidioc::VIDIOC_QUERY_EXT_CTRL, &mut raw).is_err() || raw.id <= id {
            break;
        }
        id = raw.id;
        found.push(RawControl {
            id,
            kind: raw.type_,
            name: text(&raw.name.map(|c| c as u8)),
            min: raw.minimum,
            max: raw.maximum,
            step: raw.step,
            default: raw.default_value,
            flags: raw.flags,
        });
    }
    found
}

/// Name of entry `index` of a menu, or its number in a menu of numbers; `None` for entries the device lacks.
#[expect(unsafe_code, reason = "unions of the kernel's")]
pub(super) fn menu_item(device: &Device, id: u32, index: u32, numbers: bool) -> Option<String> {
    let mut raw: v4l2_querymenu = zeroed();
    (raw.id, raw.index) = (id, index);
    ask(device, vidioc::VIDIOC_QUERYMENU, &mut raw).ok()?;
    // SAFETY: both members are integers; the structure is packed, so they are copied out
    Some(unsafe {
        let union = raw.__bindgen_anon_1;
        if numbers {
            let value = union.value;
            value.to_string()
        } else {
            let name = union.name;
            text(&name)
        }
    })
}

pub(super) fn control(device: &Device, id: u32) -> io::Result<i32> {
    let mut raw = v4l2_control { id, value: 0 };
    ask(device, vidioc::VIDIOC_G_CTRL, &mut raw)?;
    Ok(raw.value)
}

pub(super) fn set_control(device: &Device, id: u32, value: i32) -> io::Result<()> {
    let mut raw = v4l2_control { id, value };
    ask(device, vidioc::VIDIOC_S_CTRL, &mut raw)
}

/// Error numbers of Linux that mean something here (`asm-generic/errno*.h`).
pub(super) mod errno {
    pub(in super::super) const EPERM: i32 = 1;
    pub(in super::super) const ENOENT: i32 = 2;
    pub(in super::super) const EINTR: i32 = 4;
    pub(in super::super) const ENXIO: i32 = 6;
    pub(in super::super) const EAGAIN: i32 = 11;
    pub(in super::super) const EACCES: i32 = 13;
    pub(in super::super) const EBUSY: i32 = 16;
    pub(in super::super) const ENODEV: i32 = 19;
    pub(in super::super) const EINVAL: i32 = 22;
    pub(in super::super) const ENOTTY: i32 = 25;
    pub(in super::super) const ENOSPC: i32 = 28;
}
