//! Text with values in it: `{time:%H:%M:%S}`, `{date}`, `{elapsed}`, `{fps}`, `{bitrate}`. Pure: the time and the figures
//! are arguments.

use std::time::Duration;

use jiff::Zoned;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// Figures of the show, told by the engine a few times a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Facts {
    /// How long the stream has been on air.
    pub live_for: Duration,
    /// Rendered pictures per second.
    pub fps: f32,
    /// What is being sent, kbit/s.
    pub bitrate_kbps: f32,
}

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name in braces that means nothing.
    #[error(
        "{{{0}}} is not known: there are {{time:%H:%M:%S}}, {{date}}, {{elapsed}}, {{fps}} and {{bitrate}}; write {{{{ for a brace"
    )]
    Unknown(String),
    /// A brace without its partner.
    #[error("a brace is not closed: write {{{{ for a brace")]
    Open,
    /// A time format the system of `strftime` does not have.
    #[error("{0:?} is not a time format such as %H:%M:%S")]
    Format(String),
    /// A time zone that is not known.
    #[error(
        "{0:?} is not a time zone: give a name such as Asia/Shanghai or an offset such as +08:00"
    )]
    Zone(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(String),
    Time(String),
    Elapsed,
    Fps,
    Bitrate,
}

/// A text taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Takes `text` apart.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
            } else if brace == "}" {
                literal.push('}'); // alone it can mean nothing else
            } else {
                let end = rest.find('}').ok_or(TemplateError::Open)?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::named(&rest[..end])?);
                rest = &rest[end + 1..];
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// A text without values: braces are braces.
    pub fn literal(text: &str) -> Self {
        Self {
            parts: vec![Part::Literal(text.to_owned())],
        }
    }

    /// It says something else from second to second.
    pub fn changes(&self) -> bool {
        self.parts.iter().any(|p| !matches!(p, Part::Literal(_)))
    }

    /// The text at `now`.
    pub fn fill(&self, now: &Zoned, facts: &Facts) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.clone(),
                Part::Time(format) => strtime::format(format, now).unwrap_or_default(),
                Part::Elapsed => clock(facts.live_for),
                Part::Fps => format!("{:.0}", facts.fps),
                Part::Bitrate => format!("{:.0}", facts.bitrate_kbps),
            })
            .collect()
    }
}

impl Part {
    fn named(name: &str) -> Result<Self, TemplateError> {
        let (key, format) = match name.split_once(':') {
            Some((key, format)) => (key, Some(format)),
            None => (name, None),
        };
        let part = match (key.trim(), format) {
            ("time", format) => Self::Time(format.unwrap_or("%H:%M:%S").to_owned()),
            ("date", format) => Self::Time(format.unwrap_or("%Y-%m-%d").to_owned()),
            ("elapsed", None) => Self::Elapsed,
            ("fps", None) => Self::Fps,
            ("bitrate", None) => Self::Bitrate,
            _ => return Err(TemplateError::Unknown(name.to_owned())),
        };
        if let Self::Time(format) = &part {
            let some_time = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
            if strtime::format(format, &some_time).is_err() {
                return Err(TemplateError::Format(format.clone()));
            }
        }
        Ok(part)
    }
}

/// `H:MM:SS`.
fn clock(elapsed: Duration) -> String {
    let s = elapsed.as_secs();
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// The time zone that a setting names.
pub fn time_zone(name: &str) -> Result<TimeZone, TemplateError> {
    let name = name.trim();
    if name.is_empty() || name.eq_ignore_ascii_case("local") {
        return Ok(TimeZone::system());
    }
    if let Some(zone) = offset(name) {
        return Ok(zone);
    }
    TimeZone::get(name).map_err(|_unknown| TemplateError::Zone(name.to_owned()))
}

/// `+08:00`, `-0330`, `+8`.
fn offset(name: &str) -> Option<TimeZone> {
    let sign = match name.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &name[1..];
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |s: &str| s.parse::<u8>().ok().map(i32::from);
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()?;
    Some(TimeZone::fixed(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str) -> Zoned {
        let second: jiff::Timestamp = "2026-02-03T04:05:06Z".parse().unwrap();
        second.to_zoned(time_zone(zone).unwrap())
    }

    fn filled(text: &str, zone: &str) -> String {
        let facts = Facts {
            live_for: Duration::from_secs(3 * 3600 + 62),
            fps: 29.97,
            bitrate_kbps: 2499.6,
        };
        Template::parse(text).unwrap().fill(&at(zone), &facts)
    }

    #[test]
    fn values_are_filled_in() {
        assert_eq!(filled("开播 {time:%H:%M:%S}!", "UTC"), "开播 04:05:06!");
        assert_eq!(
            filled("{time} {date}", "Asia/Shanghai"),
            "12:05:06 2026-02-03"
        );
        assert_eq!(filled("{time:%H:%M}", "-0330"), "00:35");
        assert_eq!(filled("{time:%H:%M}", "+8"), "12:05");
        assert_eq!(
            filled("{elapsed} {fps} fps {bitrate} kbit/s", ""),
            "3:01:02 30 fps 2500 kbit/s"
        );
        assert_eq!(filled("{{time}} } {{ 🎉", ""), "{time} } { 🎉");
    }

    #[test]
    fn only_texts_with_values_change() {
        assert!(!Template::parse("a {{time}} b").unwrap().changes());
        assert!(Template::parse("a {fps}").unwrap().changes());
        assert!(!Template::literal("{fps}").changes());
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (text, named) in [
            ("{tme}", "{tme}"),
            ("{fps:2}", "{fps:2}"),
            ("a { b", "brace"),
            ("{time:%Ü}", "%H:%M:%S"),
        ] {
            let message = Template::parse(text).unwrap_err().to_string();
            assert!(message.contains(named), "{text}: {message}");
        }
        for zone in ["Mars/Olympus", "+99:00", "+aa", "+1ü"] {
            assert!(time_zone(zone).is_err(), "{zone}");
        }
    }
}
