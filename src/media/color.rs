//! A colour as people write it.

use std::fmt;
use std::str::FromStr;

/// Red, green, blue, alpha (straight); in settings `#rrggbb` or `#rrggbbaa`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color(pub [u8; 4]);

impl Color {
    /// Opaque white.
    pub const WHITE: Self = Self([255; 4]);
    /// Opaque black.
    pub const BLACK: Self = Self([0, 0, 0, 255]);
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b, a] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")?;
        if a < 255 {
            write!(f, "{a:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Color({self})")
    }
}

/// Text that is no colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a colour such as \"#ffcc00\" or, half transparent, \"#ffcc0080\"")]
pub struct ColorError(String);

impl FromStr for Color {
    type Err = ColorError;

    fn from_str(s: &str) -> Result<Self, ColorError> {
        let wrong = || ColorError(s.to_owned());
        let digits = s.trim().strip_prefix('#').ok_or_else(wrong)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let channel = |i: usize| u8::from_str_radix(&digits[i * 2..i * 2 + 2], 16);
        let all = match digits.len() {
            6 => [channel(0), channel(1), channel(2), Ok(255)],
            8 => [channel(0), channel(1), channel(2), channel(3)],
            _ => return Err(wrong()),
        };
        let [Ok(r), Ok(g), Ok(b), Ok(a)] = all else {
            return Err(wrong());
        };
        Ok(Self([r, g, b, a]))
    }
}

impl serde::Serialize for Color {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Color {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_and_written_alike() {
        for text in ["#ffcc00", "#01020304", "#000000"] {
            assert_eq!(text.parse::<Color>().unwrap().to_string(), text);
        }
        assert_eq!("#ABCDEFFF".parse(), Ok(Color([0xab, 0xcd, 0xef, 255])));
        for wrong in ["red", "#12345", "#gg0000", "#+10000", "#ффф", ""] {
            let message = wrong.parse::<Color>().unwrap_err().to_string();
            assert!(message.contains("#ffcc00"), "{message}");
        }
    }
}
