//! Pictures on a device: opens it, and uploads NV12 from memory into its frames. Used by the encoder's own thread.

use std::ptr;

use ffmpeg_next::{Error, ffi, format, frame};

use super::EncodeError;
use super::candidate::Device;
use crate::media::video::Resolution;

/// Frames that an encoder may hold while we upload the next: references, B-frames and those in flight.
const POOL: i32 = 20;

/// A pool of frames on a device.
pub(super) struct DeviceFrames {
    frames: *mut ffi::AVBufferRef,
}

// SAFETY: FFmpeg counts the references to its buffers atomically, and the pool is used by one thread at a time.
#[expect(unsafe_code, reason = "an owned pointer to what FFmpeg shares")]
unsafe impl Send for DeviceFrames {}

impl Device {
    const fn kind(self) -> ffi::AVHWDeviceType {
        match self {
            Self::Vaapi => ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI,
            Self::Vulkan => ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VULKAN,
        }
    }

    /// How FFmpeg calls pictures on it.
    pub(super) const fn pixels(self) -> format::Pixel {
        match self {
            Self::Vaapi => format::Pixel::VAAPI,
            Self::Vulkan => format::Pixel::VULKAN,
        }
    }
}

#[expect(unsafe_code, reason = "ffmpeg-next has no device frames")]
impl DeviceFrames {
    /// Opens the system's first device of this kind, with room for NV12 pictures of this size.
    pub(super) fn open(device: Device, size: Resolution) -> Result<Self, EncodeError> {
        let failed = |what| {
            move |code: i32| EncodeError::Codec {
                what,
                source: Error::from(code),
            }
        };
        let side = |v: u32| i32::try_from(v).unwrap_or(i32::MAX); // at most 8192
        // SAFETY: each call gets pointers of its own kind, checked for null; the device's reference is dropped here
        // (the pool holds its own), the pool's in `drop`. A frames context may be written until it is initialised.
        unsafe {
            let mut opened = ptr::null_mut();
            let done = ffi::av_hwdevice_ctx_create(
                &mut opened,
                device.kind(),
                ptr::null(),
                ptr::null_mut(),
                0,
            );
            if done < 0 {
                return Err(failed("opening the device")(done));
            }
            let mut frames = ffi::av_hwframe_ctx_alloc(opened);
            ffi::av_buffer_unref(&mut opened);
            if frames.is_null() {
                return Err(failed("making room on the device")(
                    -ffmpeg_next::error::ENOMEM,
                ));
            }
            let context = &mut *(*frames).data.cast::<ffi::AVHWFramesContext>();
            context.format = device.pixels().into();
            context.sw_format = format::Pixel::NV12.into();
            context.width = side(size.width);
            context.height = side(size.height);
            context.initial_pool_size = POOL;
            let done = ffi::av_hwframe_ctx_init(frames);
            if done < 0 {
                ffi::av_buffer_unref(&mut frames);
                return Err(failed("making room on the device")(done));
            }
            Ok(Self { frames })
        }
    }

    /// Tells an encoder that is not open yet to take pictures from here.
    pub(super) fn attach(&self, context: &mut ffmpeg_next::codec::Context) {
        // SAFETY: both are valid; the context takes over a reference of its own and frees it
        unsafe {
            (*context.as_mut_ptr()).hw_frames_ctx = ffi::av_buffer_ref(self.frames);
        }
    }

    /// Copies an NV12 picture onto the device.
    pub(super) fn upload(&self, picture: &frame::Video) -> Result<frame::Video, EncodeError> {
        let mut out = frame::Video::empty();
        // SAFETY: both frames and the pool are valid; `out` is empty and owned here
        let done = unsafe {
            match ffi::av_hwframe_get_buffer(self.frames, out.as_mut_ptr(), 0) {
                done if done < 0 => done,
                _ => ffi::av_hwframe_transfer_data(out.as_mut_ptr(), picture.as_ptr(), 0),
            }
        };
        if done < 0 {
            return Err(EncodeError::Codec {
                what: "copying a picture to the device",
                source: Error::from(done),
            });
        }
        Ok(out)
    }
}

#[expect(unsafe_code, reason = "a reference of FFmpeg's")]
impl Drop for DeviceFrames {
    fn drop(&mut self) {
        // SAFETY: our own reference, given up once
        unsafe { ffi::av_buffer_unref(&mut self.frames) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Up to a device and down again: the bytes are the same. On a software Vulkan this runs everywhere.
    #[test]
    #[expect(unsafe_code, reason = "ffmpeg-next has no device frames")]
    fn a_picture_survives_the_way_to_a_device_and_back() {
        super::super::ffmpeg::init().unwrap();
        let size = Resolution::new(320, 180);
        let frames = match DeviceFrames::open(Device::Vulkan, size) {
            Ok(frames) => frames,
            Err(e) => {
                // FFmpeg asks for Vulkan extensions that an old software driver may lack
                assert!(std::env::var_os("KAIBO_TEST_VULKAN").is_none(), "{e:?}");
                return;
            }
        };
        let mut picture = frame::Video::new(format::Pixel::NV12, 320, 180);
        for plane in 0..2 {
            let pattern = (0..251_u8).cycle();
            for (byte, value) in picture.data_mut(plane).iter_mut().zip(pattern) {
                *byte = value;
            }
        }
        let up = frames.upload(&picture).unwrap();
        assert_eq!(up.format(), format::Pixel::VULKAN);
        let mut down = frame::Video::empty();
        // SAFETY: both frames are valid, `down` is empty
        let done = unsafe { ffi::av_hwframe_transfer_data(down.as_mut_ptr(), up.as_ptr(), 0) };
        assert!(done >= 0);
        for (plane, rows, bytes) in [(0, 180, 320), (1, 90, 320)] {
            for row in 0..rows {
                let at = |f: &frame::Video| row * f.stride(plane);
                assert_eq!(
                    down.data(plane)[at(&down)..at(&down) + bytes],
                    picture.data(plane)[at(&picture)..at(&picture) + bytes]
                );
            }
        }
    }
}
