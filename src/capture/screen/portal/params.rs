//! What a PipeWire stream is asked for, in PipeWire's own notation.

use std::io::Cursor;

use pipewire::spa;
use spa::param::ParamType;
use spa::param::format::{FormatProperties, MediaSubtype, MediaType};
use spa::param::video::VideoFormat;
use spa::pod::serialize::PodSerializer;
use spa::pod::{ChoiceValue, Object, Pod, Property, Value};
use spa::utils::{Choice, ChoiceEnum, ChoiceFlags, Fraction, Id, Rectangle, SpaTypes};

use crate::media::time::FrameRate;

/// Widest and highest picture.
const MOST: u32 = 8192;
/// Largest pointer, in pixels each way.
const POINTER: usize = 512;

/// A parameter, serialised.
#[derive(Debug)]
pub(super) struct Param(Vec<u8>);

impl Param {
    fn new(kind: SpaTypes, id: ParamType, properties: Vec<Property>) -> Self {
        let object = Value::Object(Object {
            type_: kind.as_raw(),
            id: id.as_raw(),
            properties,
        });
        let written = PodSerializer::serialize(Cursor::new(Vec::new()), &object);
        let (cursor, _) = written.expect("writing to memory cannot fail");
        Self(cursor.into_inner())
    }

    /// As the library wants it.
    pub(super) fn pod(&self) -> &Pod {
        Pod::from_bytes(&self.0).expect("it was serialised by the same library")
    }
}

fn choice<T: spa::pod::CanonicalFixedSizedPod>(choice: ChoiceEnum<T>) -> Choice<T> {
    Choice(ChoiceFlags::empty(), choice)
}

/// Four bytes a pixel in memory, of any size, as often as the show wants it at most.
pub(super) fn formats(rate: FrameRate) -> [Param; 1] {
    let format = |f: VideoFormat| Id(f.as_raw());
    let rectangle = |width, height| Rectangle { width, height };
    let most = Fraction {
        num: rate.num(),
        denom: rate.den(),
    };
    let property = |key: FormatProperties, value| Property::new(key.as_raw(), value);
    let id = |raw| Value::Id(Id(raw));
    [Param::new(
        SpaTypes::ObjectParamFormat,
        ParamType::EnumFormat,
        vec![
            property(FormatProperties::MediaType, id(MediaType::Video.as_raw())),
            property(
                FormatProperties::MediaSubtype,
                id(MediaSubtype::Raw.as_raw()),
            ),
            property(
                FormatProperties::VideoFormat,
                Value::Choice(ChoiceValue::Id(choice(ChoiceEnum::Enum {
                    default: format(VideoFormat::BGRx),
                    alternatives: vec![
                        format(VideoFormat::BGRx),
                        format(VideoFormat::BGRA),
                        format(VideoFormat::RGBx),
                        format(VideoFormat::RGBA),
                    ],
                }))),
            ),
            property(
                FormatProperties::VideoSize,
                Value::Choice(ChoiceValue::Rectangle(choice(ChoiceEnum::Range {
                    default: rectangle(1280, 720),
                    min: rectangle(1, 1),
                    max: rectangle(MOST, MOST),
                }))),
            ),
            property(
                FormatProperties::VideoFramerate,
                Value::Choice(ChoiceValue::Fraction(choice(ChoiceEnum::Range {
                    default: most,
                    // "variable", which is what compositors send
                    min: Fraction { num: 0, denom: 1 },
                    max: most,
                }))),
            ),
        ],
    )]
}

/// Buffers in memory (not on the GPU), with time stamp, crop and pointer beside the picture.
pub(super) fn buffers() -> Vec<Param> {
    use spa::sys;
    let int = |n: usize| Value::Int(i32::try_from(n).unwrap_or(i32::MAX));
    let kinds = (1 << sys::SPA_DATA_MemFd) | (1 << sys::SPA_DATA_MemPtr);
    let buffers = Param::new(
        SpaTypes::ObjectParamBuffers,
        ParamType::Buffers,
        vec![
            Property::new(
                sys::SPA_PARAM_BUFFERS_buffers,
                Value::Choice(ChoiceValue::Int(choice(ChoiceEnum::Range {
                    default: 4,
                    min: 2,
                    max: 8,
                }))),
            ),
            Property::new(
                sys::SPA_PARAM_BUFFERS_dataType,
                Value::Choice(ChoiceValue::Int(choice(ChoiceEnum::Flags {
                    default: kinds,
                    flags: vec![kinds],
                }))),
            ),
        ],
    );
    let meta = |kind: u32, size: Value| {
        Param::new(
            SpaTypes::ObjectParamMeta,
            ParamType::Meta,
            vec![
                Property::new(sys::SPA_PARAM_META_type, Value::Id(Id(kind))),
                Property::new(sys::SPA_PARAM_META_size, size),
            ],
        )
    };
    let cursor = |side: usize| {
        let size =
            size_of::<sys::spa_meta_cursor>() + size_of::<sys::spa_meta_bitmap>() + side * side * 4;
        i32::try_from(size).unwrap_or(i32::MAX)
    };
    vec![
        buffers,
        meta(sys::SPA_META_Header, int(size_of::<sys::spa_meta_header>())),
        meta(
            sys::SPA_META_VideoCrop,
            int(size_of::<sys::spa_meta_region>()),
        ),
        meta(
            sys::SPA_META_Cursor,
            Value::Choice(ChoiceValue::Int(choice(ChoiceEnum::Range {
                default: cursor(64),
                min: cursor(1),
                max: cursor(POINTER),
            }))),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_can_be_read_back() {
        for param in formats(FrameRate::FPS_30).iter().chain(&buffers()) {
            let read = spa::pod::deserialize::PodDeserializer::deserialize_any_from(&param.0);
            let (rest, value) = read.unwrap();
            assert!(
                rest.is_empty() && matches!(value, Value::Object(_)),
                "{value:?}"
            );
        }
    }
}
