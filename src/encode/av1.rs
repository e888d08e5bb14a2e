//! AV1's forms: temporal units (what encoders make) without their delimiters, and the configuration record. Bytes in,
//! bytes out; no state, no panics on any input.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::bitstream::{Bits, BitstreamError};

/// OBU types used here (AV1 specification, 6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;

const BROKEN: BitstreamError = BitstreamError::Broken("AV1 unit");

/// The units of a stream, each with its type, whole and its payload; every one has to tell its size.
fn units(mut stream: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8], &[u8]), BitstreamError>> {
    std::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        let Some((kind, head, size)) = header(stream) else {
            stream = &[];
            return Some(Err(BROKEN));
        };
        let (whole, rest) = stream.split_at(head + size);
        stream = rest;
        Some(Ok((kind, whole, &whole[head..])))
    })
}

/// Type, length of the header and of the payload; `None` when that is not all there.
fn header(stream: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *stream.first()?;
    let (extension, has_size) = (first & 4 != 0, first & 2 != 0);
    let mut at = 1 + usize::from(extension);
    let mut size = 0;
    for i in 0..4 {
        let byte = *stream.get(at).filter(|_| has_size)?;
        at += 1;
        size |= usize::from(byte & 0x7F) << (7 * i); // leb128, 4.10.5
        if byte & 0x80 == 0 {
            return (at + size <= stream.len()).then_some((first >> 3 & 15, at, size));
        }
    }
    None
}

/// The `AV1CodecConfigurationRecord` (AV1 in ISOBMFF, 2.3.3) of a stream that begins with this header, for 8-bit 4:2:0
/// pictures: no encoder is given others.
pub(super) fn av1c(stream: &[u8]) -> Result<Bytes, BitstreamError> {
    let found = units(stream).find_map(|unit| match unit {
        Ok((SEQUENCE_HEADER, whole, payload)) => Some(Ok((whole, payload))),
        Ok(_) => None,
        Err(e) => Some(Err(e)),
    });
    let (whole, payload) = found.ok_or(BitstreamError::NoParameterSet("sequence header"))??;
    let (profile, level, tier) = sequence(payload).ok_or(BROKEN)?;
    let mut out = BytesMut::with_capacity(4 + whole.len());
    // marker and version; chroma is halved in both directions
    out.put_slice(&[0x81, profile << 5 | level, tier << 7 | 0b1100, 0]);
    out.put_slice(whole);
    Ok(out.freeze())
}

/// Profile, level and tier of the first operating point (5.5.1); `None` with timing information, which no encoder is
/// asked for.
fn sequence(payload: &[u8]) -> Option<(u8, u8, u8)> {
    let mut bits = Bits::new(payload);
    let mut take = |count: u32| {
        let value = (0..count).try_fold(0, |v, _| Some(v << 1 | bits.bit()?))?;
        u8::try_from(value).ok()
    };
    let profile = take(3)?;
    take(1)?; // still_picture
    if take(1)? == 1 {
        return Some((profile, take(5)?, 0));
    }
    if take(1)? == 1 {
        return None;
    }
    take(1)?; // initial_display_delay_present_flag
    take(5)?; // operating_points_cnt_minus_1
    take(6)?; // operating_point_idc
    take(6)?;
    let level = take(5)?;
    let tier = if level > 7 { take(1)? } else { 0 };
    Some((profile, level, tier))
}

/// A temporal unit without its delimiter.
pub(super) fn temporal_unit(stream: &[u8]) -> Result<Bytes, BitstreamError> {
    let mut out = BytesMut::with_capacity(stream.len());
    for unit in units(stream) {
        let (kind, whole, _) = unit?;
        if kind != TEMPORAL_DELIMITER {
            out.put_slice(whole);
        }
    }
    if out.is_empty() {
        return Err(BROKEN);
    }
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_go_and_the_record_tells_profile_and_level() {
        // profile 0, no still, not reduced, no timing, no delay, one operating point of all layers, level 5 (3.1)
        let payload = [0b0000_0000, 0b0000_0000, 0b0000_0000, 0b0010_1000, 0];
        let header = [&[0x0A, 5], &payload[..]].concat();
        let stream = [&[0x12, 0], &header[..], &[0x32, 2, 7, 8]].concat();
        let unit = temporal_unit(&stream).unwrap();
        assert_eq!(unit[..], stream[2..]);
        let av1c = av1c(&stream).unwrap();
        assert_eq!(av1c[..4], [0x81, 5, 0b1100, 0]);
        assert_eq!(av1c[4..], header[..]);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        assert!(temporal_unit(&[0x12, 0]).is_err());
        assert!(temporal_unit(&[0x32, 9, 1]).is_err());
        assert!(temporal_unit(&[0x30, 1, 2]).is_err(), "no size");
        assert!(av1c(&[0x32, 1, 1]).is_err());
        assert!(av1c(&[0x0A, 1, 0]).is_err());
    }
}
