//! HEVC's forms: Annex B (what encoders make) to length-prefixed units (what MP4, Matroska and Enhanced RTMP carry), and
//! the decoder configuration record. Bytes in, bytes out; no state, no panics on any input.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::bitstream::{AccessUnit, BitstreamError, nal_units, unescape};

/// NAL unit types used here (ITU-T H.265, table 7-1).
mod nal {
    /// Slices of pictures; below [`FIRST_RANDOM_ACCESS`] even ones are referred to by nothing of their layer.
    pub(super) const LAST_SLICE: u8 = 31;
    pub(super) const FIRST_RANDOM_ACCESS: u8 = 16;
    pub(super) const IDR_W_RADL: u8 = 19;
    pub(super) const IDR_N_LP: u8 = 20;
    pub(super) const VPS: u8 = 32;
    pub(super) const SPS: u8 = 33;
    pub(super) const PPS: u8 = 34;
    pub(super) const AUD: u8 = 35;
    pub(super) const FILLER: u8 = 38;
}

fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |b| b >> 1 & 0x3F)
}

/// An HEVC stream's parameter sets, as in its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HevcSets {
    /// Video, sequence and picture parameter sets.
    sets: [Vec<Bytes>; 3],
}

impl HevcSets {
    const TYPES: [(u8, &'static str); 3] = [
        (nal::VPS, "video parameter set"),
        (nal::SPS, "sequence parameter set"),
        (nal::PPS, "picture parameter set"),
    ];

    /// Collects them from an Annex B header (FFmpeg's extradata).
    pub(super) fn from_annex_b(header: &[u8]) -> Result<Self, BitstreamError> {
        let mut sets: [Vec<Bytes>; 3] = Default::default();
        for ((kind, name), sets) in Self::TYPES.into_iter().zip(&mut sets) {
            let units = nal_units(header).filter(|n| nal_type(n) == kind);
            sets.extend(units.map(Bytes::copy_from_slice));
            if sets.is_empty() {
                return Err(BitstreamError::NoParameterSet(name));
            }
        }
        Ok(Self { sets })
    }

    fn contains(&self, unit: &[u8]) -> bool {
        self.sets.iter().flatten().any(|set| set == unit)
    }

    /// The `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 8.3.3.1) with 4-byte lengths, of 8-bit 4:2:0 pictures:
    /// no encoder is given others.
    pub(super) fn hvcc(&self) -> Result<Bytes, BitstreamError> {
        const SPS: BitstreamError = BitstreamError::Broken("sequence parameter set");
        let sps = self.sets[1].first().map(|s| unescape(s)).ok_or(SPS)?;
        // behind the unit's header of 2 bytes: identifiers of one byte, then profile, tier and level in 12 (7.3.3)
        let (layers, level) = match sps.get(2..15) {
            Some([layers, level @ ..]) => (*layers, level),
            _ => return Err(SPS),
        };
        let mut out = BytesMut::with_capacity(128);
        out.put_u8(1);
        out.put_slice(level);
        out.put_u16(0xF000); // min_spatial_segmentation_idc: not told
        out.put_slice(&[0xFC, 0xFC | 1, 0xF8, 0xF8]); // parallelism unknown, 4:2:0, 8 bits, 8 bits
        out.put_u16(0); // average frame rate: not told
        let (count, nested) = ((layers >> 1 & 7) + 1, layers & 1);
        out.put_u8(count << 3 | nested << 2 | 3);
        out.put_u8(3);
        for ((kind, name), sets) in Self::TYPES.into_iter().zip(&self.sets) {
            let broken = || BitstreamError::Broken(name);
            out.put_u8(0x80 | kind);
            out.put_u16(u16::try_from(sets.len()).map_err(|_many| broken())?);
            for set in sets {
                out.put_u16(u16::try_from(set.len()).map_err(|_long| broken())?);
                out.put_slice(set);
            }
        }
        Ok(out.freeze())
    }
}

/// Turns one Annex B access unit into units behind 4-byte lengths; no delimiters, no filler, no parameter sets that the
/// header has already.
pub(super) fn access_unit(stream: &[u8], header: &HevcSets) -> Result<AccessUnit, BitstreamError> {
    let mut data = BytesMut::with_capacity(stream.len() + 16);
    let (mut idr, mut reference, mut slices) = (false, false, false);
    for unit in nal_units(stream) {
        match nal_type(unit) {
            nal::AUD | nal::FILLER => continue,
            nal::VPS | nal::SPS | nal::PPS if header.contains(unit) => continue,
            kind @ 0..=nal::LAST_SLICE => {
                slices = true;
                idr |= matches!(kind, nal::IDR_W_RADL | nal::IDR_N_LP);
                reference |= kind >= nal::FIRST_RANDOM_ACCESS || kind % 2 == 1;
            }
            _ => {}
        }
        let len = u32::try_from(unit.len()).ok();
        data.put_u32(len.ok_or(BitstreamError::Broken("NAL unit"))?);
        data.put_slice(unit);
    }
    if !slices {
        return Err(BitstreamError::Broken("picture: it has no slices"));
    }
    Ok(AccessUnit {
        data: data.freeze(),
        idr,
        reference,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VPS: &[u8] = &[0x40, 1, 0x0C];
    const SPS: &[u8] = &[
        0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5D, 0xA0,
    ];
    const PPS: &[u8] = &[0x44, 1, 0xC1];

    fn annex_b(units: &[&[u8]]) -> Vec<u8> {
        let coded = units.iter().flat_map(|u| [&[0, 0, 0, 1], *u].concat());
        coded.collect()
    }

    #[test]
    fn the_record_says_what_the_sets_say() {
        let sets = HevcSets::from_annex_b(&annex_b(&[VPS, SPS, PPS])).unwrap();
        let hvcc = sets.hvcc().unwrap();
        // main profile, level 3.1 (93)
        assert_eq!(hvcc[..13], [1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x5D]);
        assert_eq!(hvcc[21..23], [0x0F, 3]);
        assert_eq!(hvcc[23..31], [0xA0, 0, 1, 0, 3, 0x40, 1, 0x0C]);
        let short = HevcSets::from_annex_b(&annex_b(&[VPS, &SPS[..8], PPS])).unwrap();
        assert!(short.hvcc().is_err());
        assert!(HevcSets::from_annex_b(&annex_b(&[SPS, PPS])).is_err());
    }

    #[test]
    fn units_get_lengths_and_pictures_their_class() {
        let sets = HevcSets::from_annex_b(&annex_b(&[VPS, SPS, PPS])).unwrap();
        let unit = |units: &[&[u8]]| access_unit(&annex_b(units), &sets);
        let key = unit(&[&[0x46, 1, 0x50], VPS, SPS, PPS, &[0x28, 1, 9]]).unwrap();
        assert_eq!(
            (&key.data[..], key.idr),
            (&[0, 0, 0, 3, 0x28, 1, 9][..], true)
        );
        let trailing = unit(&[&[2, 1, 9]]).unwrap();
        assert_eq!((trailing.idr, trailing.reference), (false, true));
        let unused = unit(&[&[1 - 1, 1, 9]]).unwrap();
        assert!(!unused.reference);
        assert!(unit(&[VPS]).is_err());
    }
}
