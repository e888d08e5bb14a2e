//! AMF0 values (Adobe, "Action Message Format - AMF 0", 2007), in their order on the wire: values to bytes, bytes to
//! values. Pure functions; the reader takes bytes from strangers, so depth and number of values are limited and
//! nothing is reserved on the word of a length field.
//!
//! Written here because rml_amf0 keeps objects in a `HashMap` (random key order) and knows no ECMA arrays when
//! writing, and no long strings and dates when reading.

/// Deepest nesting read. Real messages need three levels.
const MAX_DEPTH: usize = 16;
/// Most values read from one message, properties of objects included.
const MAX_VALUES: usize = 4096;

/// Type markers of AMF0, section 2.1.
mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0A;
    pub(super) const DATE: u8 = 0x0B;
    pub(super) const LONG_STRING: u8 = 0x0C;
    pub(super) const UNSUPPORTED: u8 = 0x0D;
    pub(super) const XML_DOCUMENT: u8 = 0x0F;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
}

/// Named values in the order they were written.
pub type Properties = Vec<(String, Amf0Value)>;

/// One AMF0 value.
#[derive(Debug, Clone, PartialEq)]
pub enum Amf0Value {
    /// An IEEE double; AMF0 has no integers.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// Text. Written as a long string above 65,535 bytes; also what XML documents are read as.
    String(String),
    /// Properties; typed objects are read as these, without the class name.
    Object(Properties),
    /// Properties with a count in front; what `onMetaData` is made of.
    EcmaArray(Properties),
    /// Values without names.
    StrictArray(Vec<Self>),
    /// Null.
    Null,
    /// Undefined; also what references and "unsupported" are read as.
    Undefined,
    /// A moment.
    Date {
        /// Milliseconds since 1970 in UTC.
        unix_ms: f64,
        /// Reserved by the format; 0.
        zone: i16,
    },
}

impl Amf0Value {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The number of a number.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// The first property with that name, of an object or ECMA array.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(p) | Self::EcmaArray(p) => {
                p.iter().find(|(key, _)| key == name).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// Appends the value's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(n) => {
                out.push(marker::NUMBER);
                out.extend_from_slice(&n.to_be_bytes());
            }
            Self::Boolean(b) => out.extend_from_slice(&[marker::BOOLEAN, u8::from(*b)]),
            Self::String(s) => write_str(s, out),
            Self::Object(properties) => {
                out.push(marker::OBJECT);
                write_properties(properties, out);
            }
            Self::EcmaArray(properties) => {
                out.push(marker::ECMA_ARRAY);
                out.extend_from_slice(&count(properties.len()).to_be_bytes());
                write_properties(properties, out);
            }
            Self::StrictArray(values) => {
                out.push(marker::STRICT_ARRAY);
                out.extend_from_slice(&count(values.len()).to_be_bytes());
                for value in values {
                    value.write(out);
                }
            }
            Self::Null => out.push(marker::NULL),
            Self::Undefined => out.push(marker::UNDEFINED),
            Self::Date { unix_ms, zone } => {
                out.push(marker::DATE);
                out.extend_from_slice(&unix_ms.to_be_bytes());
                out.extend_from_slice(&zone.to_be_bytes());
            }
        }
    }
}

impl From<f64> for Amf0Value {
    fn from(n: f64) -> Self {
        Self::Number(n)
    }
}

impl From<bool> for Amf0Value {
    fn from(b: bool) -> Self {
        Self::Boolean(b)
    }
}

impl From<&str> for Amf0Value {
    fn from(s: &str) -> Self {
        Self::String(s.to_owned())
    }
}

/// Appends a string value; a long string where the short form has no room.
pub fn write_str(s: &str, out: &mut Vec<u8>) {
    if let Ok(len) = u16::try_from(s.len()) {
        out.push(marker::STRING);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(s.as_bytes());
    } else {
        let s = cut(s, u32::MAX as usize);
        out.push(marker::LONG_STRING);
        out.extend_from_slice(&count(s.len()).to_be_bytes());
        out.extend_from_slice(s.as_bytes());
    }
}

fn write_properties(properties: &Properties, out: &mut Vec<u8>) {
    for (name, value) in properties {
        let name = cut(name, usize::from(u16::MAX));
        out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        value.write(out);
    }
    out.extend_from_slice(&[0, 0, marker::OBJECT_END]);
}

/// At most `max` bytes of `s`, cut between characters.
fn cut(s: &str, max: usize) -> &str {
    &s[..s.floor_char_boundary(max)]
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Why bytes are no AMF0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Amf0Error {
    /// The bytes end inside a value.
    #[error("an AMF0 value is cut short")]
    Truncated,
    /// A type that has no place in RTMP or FLV.
    #[error("AMF0 type {0:#04x} is not understood")]
    Marker(u8),
    /// Nested deeper than anything real.
    #[error("AMF0 values are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// More values than anything real.
    #[error("a message holds more than {MAX_VALUES} AMF0 values")]
    TooMany,
}

/// Reads values one after the other.
#[derive(Debug, Clone)]
pub struct Amf0Reader<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Amf0Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            left: MAX_VALUES,
        }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next value; `None` at the end. After an error the position is undefined.
    pub fn read(&mut self) -> Result<Option<Amf0Value>, Amf0Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.value(0).map(Some)
    }

    fn value(&mut self, depth: usize) -> Result<Amf0Value, Amf0Error> {
        if depth > MAX_DEPTH {
            return Err(Amf0Error::TooDeep);
        }
        self.left = self.left.checked_sub(1).ok_or(Amf0Error::TooMany)?;
        let [kind] = self.take()?;
        Ok(match kind {
            marker::NUMBER => Amf0Value::Number(f64::from_be_bytes(self.take()?)),
            marker::BOOLEAN => Amf0Value::Boolean(self.take::<1>()? != [0]),
            marker::STRING => Amf0Value::String(self.short_text()?),
            marker::LONG_STRING | marker::XML_DOCUMENT => {
                let len = u32::from_be_bytes(self.take()?);
                Amf0Value::String(self.text(len as usize)?)
            }
            marker::OBJECT => Amf0Value::Object(self.properties(depth)?),
            marker::TYPED_OBJECT => {
                self.short_text()?;
                Amf0Value::Object(self.properties(depth)?)
            }
            marker::ECMA_ARRAY => {
                // only a hint: writers put 0 or a wrong count here, the end marker decides
                self.take::<4>()?;
                Amf0Value::EcmaArray(self.properties(depth)?)
            }
            marker::STRICT_ARRAY => {
                let len = u32::from_be_bytes(self.take()?);
                let mut values = Vec::new();
                for _ in 0..len {
                    values.push(self.value(depth + 1)?);
                }
                Amf0Value::StrictArray(values)
            }
            marker::NULL => Amf0Value::Null,
            marker::UNDEFINED | marker::UNSUPPORTED => Amf0Value::Undefined,
            marker::REFERENCE => {
                self.take::<2>()?;
                Amf0Value::Undefined
            }
            marker::DATE => Amf0Value::Date {
                unix_ms: f64::from_be_bytes(self.take()?),
                zone: i16::from_be_bytes(self.take()?),
            },
            other => return Err(Amf0Error::Marker(other)),
        })
    }

    fn properties(&mut self, depth: usize) -> Result<Properties, Amf0Error> {
        let mut properties = Vec::new();
        loop {
            let name = self.short_text()?;
            if name.is_empty() && self.rest.first() == Some(&marker::OBJECT_END) {
                self.take::<1>()?;
                return Ok(properties);
            }
            properties.push((name, self.value(depth + 1)?));
        }
    }

    fn short_text(&mut self) -> Result<String, Amf0Error> {
        let len = u16::from_be_bytes(self.take()?);
        self.text(usize::from(len))
    }

    /// Text of `len` bytes. Servers send Latin-1 and GBK too: what is no UTF-8 is replaced, not refused.
    fn text(&mut self, len: usize) -> Result<String, Amf0Error> {
        let (text, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Amf0Error::Truncated)?;
        self.rest = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Amf0Error> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Amf0Error::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(value: &Amf0Value) -> Vec<u8> {
        let mut out = Vec::new();
        value.write(&mut out);
        out
    }

    #[test]
    fn bytes_are_those_of_the_specification() {
        assert_eq!(
            bytes_of(&1.0.into()),
            [0, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0],
            "number"
        );
        assert_eq!(bytes_of(&true.into()), [1, 1]);
        assert_eq!(bytes_of(&"live".into()), *b"\x02\x00\x04live");
        assert_eq!(
            bytes_of(&Amf0Value::Object(vec![
                ("b".to_owned(), Amf0Value::Null),
                ("a".to_owned(), true.into()),
            ])),
            *b"\x03\x00\x01b\x05\x00\x01a\x01\x01\x00\x00\x09",
            "keys keep their order"
        );
        assert_eq!(
            bytes_of(&Amf0Value::EcmaArray(vec![(
                "k".to_owned(),
                Amf0Value::Undefined
            )])),
            *b"\x08\x00\x00\x00\x01\x00\x01k\x06\x00\x00\x09"
        );
        assert_eq!(
            bytes_of(&Amf0Value::Date {
                unix_ms: 0.0,
                zone: 0
            }),
            [0x0B, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        let long = "x".repeat(65_536);
        assert_eq!(bytes_of(&long.as_str().into())[..5], [0x0C, 0, 1, 0, 0]);
    }

    #[test]
    fn reads_what_servers_send_besides_the_usual() {
        let mut bytes = b"\x10\x00\x03cls\x00\x01k\x05\x00\x00\x09".to_vec(); // typed object
        bytes.extend(b"\x07\x00\x01\x0d"); // reference, unsupported
        bytes.extend(b"\x02\x00\x02\xff\xfe"); // no UTF-8
        bytes.extend(b"\x08\x00\x00\x00\x00\x00\x01k\x01\x01\x00\x00\x09"); // count of 0, one property
        let mut reader = Amf0Reader::new(&bytes);
        let object = reader.read().unwrap().unwrap();
        assert_eq!(object.get("k"), Some(&Amf0Value::Null));
        assert_eq!(reader.read(), Ok(Some(Amf0Value::Undefined)));
        assert_eq!(reader.read(), Ok(Some(Amf0Value::Undefined)));
        assert_eq!(reader.read(), Ok(Some("\u{FFFD}\u{FFFD}".into())));
        let array = reader.read().unwrap().unwrap();
        assert_eq!(array.get("k"), Some(&true.into()));
        assert_eq!(reader.read(), Ok(None));
    }

    #[test]
    fn hostile_nesting_and_counts_are_refused() {
        let deep = [0x0A, 0, 0, 0, 1].repeat(100_000);
        assert_eq!(Amf0Reader::new(&deep).read(), Err(Amf0Error::TooDeep));
        let mut many = vec![0x0A, 0xFF, 0xFF, 0xFF, 0xFF];
        many.resize(100_000, 0x05);
        assert_eq!(Amf0Reader::new(&many).read(), Err(Amf0Error::TooMany));
        assert_eq!(
            Amf0Reader::new(&[0x0C, 0xFF, 0xFF, 0xFF, 0xFF, b'a']).read(),
            Err(Amf0Error::Truncated)
        );
        assert_eq!(
            Amf0Reader::new(&[0x0E]).read(),
            Err(Amf0Error::Marker(0x0E))
        );
    }

    fn any_value() -> impl Strategy<Value = Amf0Value> {
        let leaf = prop_oneof![
            any::<f64>()
                .prop_filter("NaN is not equal to itself", |n| !n.is_nan())
                .prop_map(Amf0Value::Number),
            any::<bool>().prop_map(Amf0Value::Boolean),
            "\\PC{0,12}".prop_map(Amf0Value::String),
            Just("y".repeat(70_000)).prop_map(Amf0Value::String),
            Just(Amf0Value::Null),
            Just(Amf0Value::Undefined),
            (-1e15..1e15, any::<i16>())
                .prop_map(|(unix_ms, zone)| Amf0Value::Date { unix_ms, zone }),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let properties = prop::collection::vec(("[a-z]{1,8}", inner.clone()), 0..6);
            prop_oneof![
                properties.clone().prop_map(Amf0Value::Object),
                properties.prop_map(Amf0Value::EcmaArray),
                prop::collection::vec(inner, 0..6).prop_map(Amf0Value::StrictArray),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            let bytes = bytes_of(&value);
            let mut reader = Amf0Reader::new(&bytes);
            prop_assert_eq!(reader.read(), Ok(Some(value)));
            prop_assert_eq!(reader.read(), Ok(None));
        }

        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(
            prop_oneof![0u8..0x12, any::<u8>()], 0..200)) {
            let mut reader = Amf0Reader::new(&bytes);
            while let Ok(Some(_)) = reader.read() {}
        }

        #[test]
        fn every_cut_is_truncated(value in any_value(), at in any::<prop::sample::Index>()) {
            let bytes = bytes_of(&value);
            let cut = at.index(bytes.len());
            let read = Amf0Reader::new(&bytes[..cut]).read();
            prop_assert!(matches!(read, Ok(None) | Err(Amf0Error::Truncated)), "{read:?}");
        }
    }
}
