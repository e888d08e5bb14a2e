//! A small FLV reader, independent of the program's own code.

use std::fs;
use std::path::Path;

/// A picture or a piece of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Sound rather than picture.
    pub audio: bool,
    /// Decode time in ms as written.
    pub dts_ms: u32,
    /// Presentation minus decode time in ms.
    pub cts_ms: i32,
    /// Keyframe.
    pub key: bool,
    /// AVCC units or a raw AAC frame.
    pub data: Vec<u8>,
}

/// A file's contents.
#[derive(Debug, Default)]
pub struct Flv {
    /// Last `AVCDecoderConfigurationRecord`.
    pub avcc: Vec<u8>,
    /// Last `AudioSpecificConfig`.
    pub asc: Vec<u8>,
    /// Pictures and sound in file order.
    pub media: Vec<Media>,
    /// Kind of each tag in file order: `m` metadata, `A` and `V` sequence headers, `a` and `v` media.
    pub order: String,
}

impl Flv {
    /// Media of one track.
    pub fn track(&self, audio: bool) -> Vec<&Media> {
        self.media.iter().filter(|m| m.audio == audio).collect()
    }
}

/// Reads a file; a torn last tag is left out. `None` while even the header is missing.
pub fn read(path: &Path) -> Option<Flv> {
    let bytes = fs::read(path).ok()?;
    let mut rest = bytes.strip_prefix(b"FLV\x01")?.get(9..)?;
    let mut flv = Flv::default();
    while let Some((tag, behind)) = split_tag(rest) {
        rest = behind;
        flv.take(tag);
    }
    Some(flv)
}

struct Tag<'a> {
    kind: u8,
    dts_ms: u32,
    body: &'a [u8],
}

fn split_tag(bytes: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let head = bytes.get(..11)?;
    let len = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
    let tag = Tag {
        kind: head[0] & 0x1F,
        dts_ms: u32::from_be_bytes([head[7], head[4], head[5], head[6]]),
        body: bytes.get(11..11 + len)?,
    };
    Some((tag, bytes.get(11 + len + 4..)?))
}

impl Flv {
    fn take(&mut self, tag: Tag<'_>) {
        let Tag { kind, dts_ms, body } = tag;
        let letter = match (kind, body) {
            (18, _) => 'm',
            (8, [0xAF, 0, asc @ ..]) => {
                self.asc = asc.to_vec();
                'A'
            }
            (8, [0xAF, 1, data @ ..]) => {
                self.media.push(Media {
                    audio: true,
                    dts_ms,
                    cts_ms: 0,
                    key: true,
                    data: data.to_vec(),
                });
                'a'
            }
            (9, [_, 0, _, _, _, avcc @ ..]) => {
                self.avcc = avcc.to_vec();
                'V'
            }
            (9, [head, 1, c0, c1, c2, data @ ..]) => {
                assert_eq!(head & 15, 7, "H.264");
                self.media.push(Media {
                    audio: false,
                    dts_ms,
                    cts_ms: i32::from_be_bytes([*c0, *c1, *c2, 0]) >> 8,
                    key: head >> 4 == 1,
                    data: data.to_vec(),
                });
                'v'
            }
            (9, [_, 2, ..]) => return, // "end of sequence": nothing to show
            other => panic!("odd tag {other:?}"),
        };
        self.order.push(letter);
    }
}
