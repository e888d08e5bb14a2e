//! Bitstream forms: Annex B (what encoders make) to AVCC (what FLV and MP4 carry), the decoder configuration records of
//! H.264 and AAC. Bytes in, bytes out; no state, no panics on any input.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Bytes that are not the stream they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BitstreamError {
    /// No sequence or picture parameter set in the encoder's header.
    #[error("no {0} in the encoder's header")]
    NoParameterSet(&'static str),
    /// A parameter set that ends early or is longer than its record allows.
    #[error("broken {0}")]
    Broken(&'static str),
}

/// NAL unit types used here (ITU-T H.264, table 7-1).
mod nal {
    pub(super) const SLICE: u8 = 1;
    pub(super) const IDR: u8 = 5;
    pub(super) const SPS: u8 = 7;
    pub(super) const PPS: u8 = 8;
    pub(super) const AUD: u8 = 9;
    pub(super) const FILLER: u8 = 12;
}

/// The NAL units of an Annex B byte stream, without start codes (of 3 or 4 bytes) and trailing zeros. Bytes before the
/// first start code belong to no unit.
pub fn nal_units(stream: &[u8]) -> NalUnits<'_> {
    let start = find_start_code(stream).map_or(stream.len(), |at| at + 3);
    NalUnits {
        rest: &stream[start..],
    }
}

/// See [`nal_units`].
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (unit, rest) = match find_start_code(self.rest) {
                Some(at) => (&self.rest[..at], &self.rest[at + 3..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            // a unit never ends in zero (7.4.1): these are trailing_zero_8bits or the first byte of a 4-byte code
            let end = unit.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
        None
    }
}

/// Index of the first `00 00 01`.
fn find_start_code(data: &[u8]) -> Option<usize> {
    let mut i = 0;
    while i + 2 < data.len() {
        match data[i + 2] {
            0 => i += 1,
            1 if data[i] == 0 && data[i + 1] == 0 => return Some(i),
            _ => i += 3,
        }
    }
    None
}

/// An H.264 stream's parameter sets, as in its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSets {
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
}

impl ParameterSets {
    /// Collects them from an Annex B header (FFmpeg's extradata).
    pub fn from_annex_b(header: &[u8]) -> Result<Self, BitstreamError> {
        let of_type = |wanted| {
            nal_units(header)
                .filter(|n| nal_type(n) == wanted)
                .map(Bytes::copy_from_slice)
                .collect::<Vec<_>>()
        };
        let (sps, pps) = (of_type(nal::SPS), of_type(nal::PPS));
        if sps.is_empty() {
            return Err(BitstreamError::NoParameterSet("sequence parameter set"));
        }
        if pps.is_empty() {
            return Err(BitstreamError::NoParameterSet("picture parameter set"));
        }
        Ok(Self { sps, pps })
    }

    fn contains(&self, unit: &[u8]) -> bool {
        self.sps.iter().chain(&self.pps).any(|set| set == unit)
    }

    /// The `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1) with 4-byte lengths.
    pub fn avcc(&self) -> Result<Bytes, BitstreamError> {
        const SPS: BitstreamError = BitstreamError::Broken("sequence parameter set");
        let first = self.sps.first().ok_or(SPS)?;
        let [_, profile, compatibility, level, ..] = first[..] else {
            return Err(SPS);
        };
        let mut out = BytesMut::with_capacity(64);
        // 6 reserved one bits and lengthSizeMinusOne 3; 3 reserved one bits and the count
        out.put_slice(&[1, profile, compatibility, level, 0xFF]);
        let count = u8::try_from(self.sps.len())
            .ok()
            .filter(|&n| n < 32)
            .ok_or(SPS)?;
        out.put_u8(0xE0 | count);
        put_sets(&mut out, &self.sps).ok_or(SPS)?;
        let pps = BitstreamError::Broken("picture parameter set");
        out.put_u8(u8::try_from(self.pps.len()).ok().ok_or(pps.clone())?);
        put_sets(&mut out, &self.pps).ok_or(pps)?;
        if has_chroma_fields(profile) {
            let c = ChromaFormat::parse(first).ok_or(SPS)?;
            out.put_slice(&[
                0xFC | c.format_idc,
                0xF8 | c.luma_depth_minus8,
                0xF8 | c.chroma_depth_minus8,
                0, // no SPS extensions
            ]);
        }
        Ok(out.freeze())
    }
}

fn put_sets(out: &mut BytesMut, sets: &[Bytes]) -> Option<()> {
    for set in sets {
        out.put_u16(u16::try_from(set.len()).ok()?);
        out.put_slice(set);
    }
    Some(())
}

/// Profiles whose parameter sets and records tell chroma format and bit depth.
const fn has_chroma_fields(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 144)
}

/// The fields of a high-profile SPS that its record repeats.
struct ChromaFormat {
    format_idc: u8,
    luma_depth_minus8: u8,
    chroma_depth_minus8: u8,
}

impl ChromaFormat {
    /// Reads the first fields of 7.3.2.1.1.
    fn parse(sps: &[u8]) -> Option<Self> {
        let payload = unescape(sps.get(4..)?);
        let mut bits = Bits::new(&payload);
        let field = |v: Option<u32>, max: u32| u8::try_from(v.filter(|&v| v <= max)?).ok();
        bits.exp_golomb()?; // seq_parameter_set_id
        let format_idc = field(bits.exp_golomb(), 3)?;
        if format_idc == 3 {
            bits.bit()?; // separate_colour_plane_flag
        }
        Some(Self {
            format_idc,
            luma_depth_minus8: field(bits.exp_golomb(), 6)?,
            chroma_depth_minus8: field(bits.exp_golomb(), 6)?,
        })
    }
}

/// Takes out the emulation prevention bytes (`00 00 03` becomes `00 00`).
pub(super) fn unescape(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut zeros = 0;
    for &b in data {
        if zeros >= 2 && b == 3 {
            zeros = 0;
            continue;
        }
        zeros = if b == 0 { zeros + 1 } else { 0 };
        out.push(b);
    }
    out
}

/// Reads bits, the highest of each byte first.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<u32> {
        let byte = *self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    /// ue(v), 9.1; at most 16 leading zeros, which is more than any field read here may have.
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 16 {
                return None;
            }
        }
        (0..zeros)
            .try_fold(1, |v, _| Some(v << 1 | self.bit()?))
            .map(|v| v - 1)
    }
}

fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |b| b & 0x1F)
}

/// One access unit in AVCC form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// NAL units behind 4-byte lengths; no delimiters, no filler, no parameter sets that the header has already.
    pub data: Bytes,
    /// It holds an IDR slice.
    pub idr: bool,
    /// Other pictures may refer to it (`nal_ref_idc` is not zero).
    pub reference: bool,
}

/// Turns one Annex B access unit into AVCC form. Parameter sets that differ from the header's stay in the stream:
/// without them its slices could not be decoded.
pub fn access_unit(stream: &[u8], header: &ParameterSets) -> Result<AccessUnit, BitstreamError> {
    let mut data = BytesMut::with_capacity(stream.len() + 16);
    let (mut idr, mut reference, mut slices) = (false, false, false);
    for unit in nal_units(stream) {
        match nal_type(unit) {
            nal::AUD | nal::FILLER => continue,
            nal::SPS | nal::PPS if header.contains(unit) => continue,
            kind @ nal::SLICE..=nal::IDR => {
                slices = true;
                idr |= kind == nal::IDR;
                reference |= unit[0] & 0x60 != 0;
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

/// What an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AacConfig {
    /// 2 is AAC-LC.
    pub object_type: u8,
    /// Samples per second.
    pub sample_rate: u32,
    /// Channel configuration; equals the channel count up to 6.
    pub channels: u8,
}

impl AacConfig {
    /// Reads the first fields; `None` when it ends early or uses an escape that AAC-LC never needs.
    pub fn parse(asc: &[u8]) -> Option<Self> {
        const RATES: [u32; 13] = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
            8_000, 7_350,
        ];
        let [a, b, ..] = *asc else { return None };
        let object_type = a >> 3;
        let rate = usize::from((a & 7) << 1 | b >> 7);
        (object_type != 31).then_some(Self {
            object_type,
            sample_rate: *RATES.get(rate)?,
            channels: b >> 3 & 0x0F,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    // from libx264, high profile, 1280x720
    const SPS: &[u8] = &[
        0x67, 0x64, 0x00, 0x1F, 0xAC, 0xD9, 0x40, 0x50, 0x05, 0xBB, 0x01, 0x6A, 0x02, 0x02, 0x02,
        0x80, 0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x1E, 0x07, 0x8C, 0x18, 0xCB,
    ];
    const PPS: &[u8] = &[0x68, 0xEB, 0xE3, 0xCB, 0x22, 0xC0];

    fn header() -> ParameterSets {
        ParameterSets {
            sps: vec![Bytes::from_static(SPS)],
            pps: vec![Bytes::from_static(PPS)],
        }
    }

    fn annex_b(units: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, unit) in units.iter().enumerate() {
            let code: &[u8] = if i % 2 == 0 {
                &[0, 0, 0, 1]
            } else {
                &[0, 0, 1]
            };
            out.extend_from_slice(code);
            out.extend_from_slice(unit);
        }
        out
    }

    #[test]
    fn avcc_has_the_chroma_fields_of_high_profile() {
        let sets = ParameterSets::from_annex_b(&annex_b(&[&[6, 5, 4], SPS, PPS])).unwrap();
        assert_eq!(sets, header());
        let avcc = sets.avcc().unwrap();
        assert_eq!(avcc[..6], [1, 0x64, 0, 0x1F, 0xFF, 0xE1]);
        assert_eq!(avcc[6..8], [0, 28]);
        assert_eq!(&avcc[8..36], SPS);
        assert_eq!(avcc[36..39], [1, 0, 6]);
        assert_eq!(avcc[45..], [0xFD, 0xF8, 0xF8, 0], "4:2:0, 8 bits");
    }

    #[test]
    fn baseline_avcc_ends_after_the_sets_and_missing_sets_are_named() {
        let sps = [0x67, 66, 0xC0, 30, 0xDA];
        let sets = ParameterSets::from_annex_b(&annex_b(&[&sps, PPS])).unwrap();
        assert_eq!(sets.avcc().unwrap().len(), 6 + 2 + 5 + 1 + 2 + 6);
        let e = ParameterSets::from_annex_b(&annex_b(&[PPS])).unwrap_err();
        assert_eq!(e, BitstreamError::NoParameterSet("sequence parameter set"));
        let e = ParameterSets::from_annex_b(&annex_b(&[SPS])).unwrap_err();
        assert_eq!(e, BitstreamError::NoParameterSet("picture parameter set"));
        let short = ParameterSets::from_annex_b(&annex_b(&[&[0x67, 100], PPS])).unwrap();
        assert!(short.avcc().is_err());
    }

    #[test]
    fn access_units_lose_what_the_header_has() {
        let other_sps = &SPS[..SPS.len() - 1];
        let idr = [0x65, 1, 2, 0, 0, 3, 1];
        let stream = annex_b(&[
            &[9, 0xF0],
            SPS,
            PPS,
            other_sps,
            &[6, 1, 2],
            &idr,
            &[12, 255],
        ]);
        let unit = access_unit(&stream, &header()).unwrap();
        assert!(unit.idr && unit.reference);
        let mut expected = BytesMut::new();
        for part in [other_sps, &[6, 1, 2], &idr] {
            expected.put_u32(part.len().try_into().unwrap());
            expected.put_slice(part);
        }
        assert_eq!(unit.data, expected);

        let p = access_unit(&annex_b(&[&[0x41, 9]]), &header()).unwrap();
        assert!(!p.idr && p.reference);
        let b = access_unit(&annex_b(&[&[0x01, 9]]), &header()).unwrap();
        assert!(!b.idr && !b.reference);
        assert!(access_unit(&annex_b(&[SPS]), &header()).is_err());
    }

    #[test]
    fn aac_config_of_the_native_encoder() {
        let lc = AacConfig {
            object_type: 2,
            sample_rate: 48_000,
            channels: 2,
        };
        assert_eq!(AacConfig::parse(&[0x11, 0x90, 0x56, 0xE5, 0x00]), Some(lc));
        assert_eq!(AacConfig::parse(&[0x11]), None);
        assert_eq!(AacConfig::parse(&[0xF8, 0, 0, 0]), None);
    }

    /// A unit as an encoder makes it: emulation prevention in, no zero at the end.
    fn unit() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(
            prop::sample::select(vec![0u8, 0, 0, 1, 2, 3, 0x41, 0xFF]),
            1..40,
        )
        .prop_map(|raw| {
            let mut out = vec![0x41];
            let mut zeros = 0;
            for b in raw {
                if zeros == 2 && b <= 3 {
                    out.push(3);
                    zeros = 0;
                }
                zeros = if b == 0 { zeros + 1 } else { 0 };
                out.push(b);
            }
            out.push(0x80);
            out
        })
    }

    proptest! {
        #[test]
        fn units_come_back_whatever_the_start_codes(
            units in prop::collection::vec((unit(), 0usize..3), 1..8),
        ) {
            let mut stream = Vec::new();
            for (unit, zeros) in &units {
                stream.extend(std::iter::repeat_n(0, *zeros));
                stream.extend([0, 0, 1]);
                stream.extend(unit);
            }
            let found: Vec<Vec<u8>> = nal_units(&stream).map(<[u8]>::to_vec).collect();
            let made: Vec<Vec<u8>> = units.into_iter().map(|(u, _)| u).collect();
            prop_assert_eq!(&found, &made);
            let avcc = access_unit(&stream, &header()).unwrap().data;
            let mut rest = &avcc[..];
            for unit in made {
                let (len, tail) = rest.split_first_chunk::<4>().unwrap();
                let (body, tail) = tail.split_at(u32::from_be_bytes(*len) as usize);
                prop_assert_eq!(body, &unit[..]);
                rest = tail;
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..20) {
            let mut stream = annex_b(&[SPS, PPS]);
            stream.truncate(stream.len().saturating_sub(at));
            stream.extend(&bytes);
            if let Ok(sets) = ParameterSets::from_annex_b(&stream) {
                sets.avcc().ok();
                access_unit(&bytes, &sets).ok();
            }
            let mut sps = vec![0x67, 100];
            sps.extend(&bytes);
            ParameterSets { sps: vec![sps.into()], pps: header().pps }.avcc().ok();
            AacConfig::parse(&bytes);
        }
    }
}
