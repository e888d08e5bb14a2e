//! What arrives in audio and video messages: FLV bodies in, codec parameters and access units out. Bytes from the
//! network: every length is checked, nothing here panics. Pure functions.
//!
//! Layouts: Adobe Flash Video File Format Specification 10.1, E.4.2 and E.4.3; sequence parameter set: ITU-T H.264,
//! 7.3.2.1.1; AudioSpecificConfig: ISO/IEC 14496-3, 1.6.2.1.

use bytes::Bytes;

use crate::media::packet::{Bitrate, CodecParameters};
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

/// A video message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VideoBody {
    /// `AVCDecoderConfigurationRecord`.
    Header(Bytes),
    /// One picture.
    Frame {
        /// Decoding can start here.
        keyframe: bool,
        /// Presentation minus decode time.
        offset_ms: i32,
        /// AVCC NAL units.
        data: Bytes,
    },
    /// Nothing to show: end of sequence, seek commands.
    Nothing,
    /// Another codec than H.264.
    Unsupported,
}

/// An audio message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AudioBody {
    /// `AudioSpecificConfig`.
    Header(Bytes),
    /// A raw AAC frame.
    Frame(Bytes),
    /// Nothing to hear.
    Nothing,
    /// Another codec than AAC.
    Unsupported,
}

const FLV_AVC: u8 = 7;
const FLV_AAC: u8 = 10;

/// Takes a video message apart.
pub(super) fn video(body: &Bytes) -> VideoBody {
    let [first, rest @ ..] = body.as_ref() else {
        return VideoBody::Nothing;
    };
    // The top bit marks the extended header of Enhanced RTMP: HEVC, AV1, VP9.
    if first & 0x80 != 0 || first & 0x0f != FLV_AVC {
        return VideoBody::Unsupported;
    }
    let [kind, c0, c1, c2, ..] = rest else {
        return VideoBody::Nothing;
    };
    let data = body.slice(5..);
    match (kind, first >> 4) {
        (0, _) if !data.is_empty() => VideoBody::Header(data),
        (1, frame @ 1..=3) if !data.is_empty() => VideoBody::Frame {
            keyframe: frame == 1,
            // A signed 24-bit number: through the top of 32 bits and back.
            offset_ms: i32::from_be_bytes([*c0, *c1, *c2, 0]) >> 8,
            data,
        },
        _ => VideoBody::Nothing,
    }
}

/// Takes an audio message apart.
pub(super) fn audio(body: &Bytes) -> AudioBody {
    match body.as_ref() {
        [] => AudioBody::Nothing,
        [first, ..] if first >> 4 != FLV_AAC => AudioBody::Unsupported,
        [_, 0, _, ..] => AudioBody::Header(body.slice(2..)),
        [_, 1, _, ..] => AudioBody::Frame(body.slice(2..)),
        _ => AudioBody::Nothing,
    }
}

/// Codec parameters of an `AVCDecoderConfigurationRecord`; `None` when it is broken. Nominal rate and bitrate are not
/// in it and are set to placeholders that the muxer does not read.
pub(super) fn h264_parameters(avcc: &Bytes) -> Option<CodecParameters> {
    let [
        1,
        _profile,
        _compatibility,
        _level,
        length_size,
        count,
        rest @ ..,
    ] = avcc.as_ref()
    else {
        return None;
    };
    // Browsers and our muxer's callers expect 4-byte NAL lengths; every known pusher uses them.
    if length_size & 0x03 != 3 || count & 0x1f == 0 {
        return None;
    }
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let sps = rest.get(..usize::from(u16::from_be_bytes(*len)))?;
    Some(CodecParameters::H264 {
        avcc: avcc.clone(),
        resolution: sps_resolution(sps)?,
        rate: FrameRate::new(30, 1).ok()?,
        bitrate: Bitrate::default(),
    })
}

/// Codec parameters of an `AudioSpecificConfig`; `None` when it is broken.
pub(super) fn aac_parameters(asc: &Bytes) -> Option<CodecParameters> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    let mut bits = Bits::new(asc);
    let object_type = bits.take(5)?;
    if object_type == 0 || object_type == 31 {
        return None;
    }
    let sample_rate = match bits.take(4)? {
        15 => bits.take(24)?,
        index => *RATES.get(usize::try_from(index).ok()?)?,
    };
    let channels = match bits.take(4)? {
        n @ 1..=6 => u16::try_from(n).ok()?,
        7 => 8,
        _ => return None,
    };
    if !(7_350..=96_000).contains(&sample_rate) {
        return None;
    }
    Some(CodecParameters::Aac {
        asc: asc.clone(),
        sample_rate,
        channels,
        bitrate: Bitrate::default(),
    })
}

/// The visible picture size in a sequence parameter set (with its NAL header).
fn sps_resolution(sps: &[u8]) -> Option<Resolution> {
    const WITH_CHROMA: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
    if sps.first()? & 0x1f != 7 {
        return None;
    }
    let rbsp = without_emulation_prevention(sps.get(1..)?);
    let mut bits = Bits::new(&rbsp);
    let profile = bits.take(8)?;
    bits.take(16)?; // constraint flags and level
    bits.ue()?; // seq_parameter_set_id
    let mut chroma_format = 1;
    let mut separate_planes = false;
    if WITH_CHROMA.contains(&profile) {
        chroma_format = bits.ue()?;
        separate_planes = chroma_format == 3 && bits.take(1)? == 1;
        bits.ue()?; // bit_depth_luma_minus8
        bits.ue()?; // bit_depth_chroma_minus8
        bits.take(1)?; // qpprime_y_zero_transform_bypass_flag
        if bits.take(1)? == 1 {
            skip_scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
        }
    }
    bits.ue()?; // log2_max_frame_num_minus4
    match bits.ue()? {
        0 => {
            bits.ue()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.take(1)?; // delta_pic_order_always_zero_flag
            bits.ue()?; // offset_for_non_ref_pic (signed; the length is the same)
            bits.ue()?; // offset_for_top_to_bottom_field
            let cycle = bits.ue()?;
            for _ in 0..cycle.min(255) {
                bits.ue()?;
            }
        }
        _ => {}
    }
    bits.ue()?; // max_num_ref_frames
    bits.take(1)?; // gaps_in_frame_num_value_allowed_flag
    let width_mbs = bits.ue()?.checked_add(1)?;
    let height_units = bits.ue()?.checked_add(1)?;
    let frame_mbs_only = bits.take(1)?;
    if frame_mbs_only == 0 {
        bits.take(1)?; // mb_adaptive_frame_field_flag
    }
    bits.take(1)?; // direct_8x8_inference_flag
    let mut crop = [0_u32; 4];
    if bits.take(1)? == 1 {
        for side in &mut crop {
            *side = bits.ue()?;
        }
    }
    let (sub_width, sub_height) = match chroma_format {
        1 if !separate_planes => (2, 2),
        2 if !separate_planes => (2, 1),
        _ => (1, 1),
    };
    let field_factor = 2 - frame_mbs_only;
    let [left, right, top, bottom] = crop;
    let width = width_mbs
        .checked_mul(16)?
        .checked_sub(left.checked_add(right)?.checked_mul(sub_width)?)?;
    let height = height_units.checked_mul(16 * field_factor)?.checked_sub(
        top.checked_add(bottom)?
            .checked_mul(sub_height * field_factor)?,
    )?;
    ((16..=16_384).contains(&width) && (16..=16_384).contains(&height))
        .then_some(Resolution::new(width, height))
}

fn skip_scaling_lists(bits: &mut Bits<'_>, lists: u32) -> Option<()> {
    for list in 0..lists {
        if bits.take(1)? == 0 {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.se()?).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

/// Removes the 3 of every 0, 0, 3 (H.264, 7.4.1).
fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Reads bits from the front; `None` past the end.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `count` (at most 32) bits as a number.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// Exp-Golomb, unsigned (H.264, 9.1).
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        ((1_u32 << zeros) - 1).checked_add(self.take(zeros)?)
    }

    /// Exp-Golomb, signed (H.264, 9.1.1).
    fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 0 {
            -code / 2
        } else {
            (code + 1) / 2
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    /// libx264, high profile, 1920x1080 (cropped from 1088), with VUI.
    const SPS_1080: &[u8] = &[
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00,
        0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58,
    ];

    fn avcc(sps: &[u8]) -> Bytes {
        let mut out = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1];
        out.extend(u16::try_from(sps.len()).unwrap().to_be_bytes());
        out.extend(sps);
        out.extend([1, 0, 4, 0x68, 0xeb, 0xe3, 0xcb]);
        Bytes::from(out)
    }

    #[test]
    fn the_size_is_read_with_cropping() {
        assert_eq!(sps_resolution(SPS_1080), Some(Resolution::new(1920, 1080)));
        let parameters = h264_parameters(&avcc(SPS_1080)).unwrap();
        assert!(
            matches!(parameters, CodecParameters::H264 { resolution, .. } if resolution == Resolution::new(1920, 1080))
        );
    }

    #[test]
    fn audio_configurations() {
        let read = |asc: &'static [u8]| match aac_parameters(&Bytes::from_static(asc)) {
            Some(CodecParameters::Aac {
                sample_rate,
                channels,
                ..
            }) => Some((sample_rate, channels)),
            _ => None,
        };
        assert_eq!(read(&[0x11, 0x90, 0x56, 0xe5, 0]), Some((48_000, 2)));
        assert_eq!(read(&[0x12, 0x08]), Some((44_100, 1)));
        assert_eq!(read(&[0x11]), None);
        assert_eq!(read(&[0x16, 0x90]), None, "reserved rate");
    }

    #[test]
    fn bodies() {
        let body = Bytes::from_static(&[0x17, 1, 0xff, 0xff, 0xfe, 9, 8]);
        assert_eq!(
            video(&body),
            VideoBody::Frame {
                keyframe: true,
                offset_ms: -2,
                data: Bytes::from_static(&[9, 8]),
            }
        );
        assert_eq!(
            video(&Bytes::from_static(&[0x90, 1, 0, 0, 0])),
            VideoBody::Unsupported
        );
        assert_eq!(
            audio(&Bytes::from_static(&[0xaf, 0, 0x11, 0x90])),
            AudioBody::Header(Bytes::from_static(&[0x11, 0x90]))
        );
        assert_eq!(
            audio(&Bytes::from_static(&[0x2f, 0, 1])),
            AudioBody::Unsupported
        );
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(data in any::<Vec<u8>>(), cut in 0_usize..40) {
            let bytes = Bytes::from(data.clone());
            let _ = (video(&bytes), audio(&bytes), h264_parameters(&bytes), aac_parameters(&bytes));
            let mut sps = SPS_1080[..cut.clamp(4, SPS_1080.len())].to_vec();
            sps.extend(data);
            let _ = h264_parameters(&avcc(&sps));
        }
    }
}
