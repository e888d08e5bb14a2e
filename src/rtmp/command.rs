//! Commands of the server: AMF0 bytes in, name, transaction and arguments out. Pure.

use crate::flv::amf0::{Amf0Reader, Amf0Value};

/// A command as far as it can be read; hostile or odd ones just have fewer arguments.
pub(super) struct Command {
    /// What it is; empty if unreadable.
    pub(super) name: String,
    /// Which of our commands it answers; 0 for none.
    pub(super) transaction: f64,
    /// The command object too.
    pub(super) arguments: Vec<Amf0Value>,
}

impl Command {
    /// Reads the body of a command message.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut values = Amf0Reader::new(body);
        let mut next = || values.read().ok().flatten();
        let name = next().and_then(|v| v.as_str().map(str::to_owned));
        let transaction = next().and_then(|v| v.as_f64());
        Self {
            name: name.unwrap_or_default(),
            transaction: transaction.unwrap_or(0.0),
            arguments: std::iter::from_fn(next).collect(),
        }
    }

    /// The object that says what happened; the first with a code, else with a description.
    pub(super) fn info(&self) -> Option<&Amf0Value> {
        let having = |name| self.arguments.iter().find(|v| v.get(name).is_some());
        having("code").or_else(|| having("description"))
    }

    /// What it says, as it came.
    pub(super) fn words(&self) -> &str {
        let text = |name| self.info().and_then(|info| info.get(name)?.as_str());
        text("description")
            .or_else(|| text("details"))
            .or_else(|| self.arguments.iter().find_map(Amf0Value::as_str))
            .unwrap_or("")
    }

    /// "status", "warning" or "error".
    pub(super) fn level(&self) -> Option<&str> {
        self.info()?.get("level")?.as_str()
    }
}

/// Codes that mean no, whatever level they come with.
pub(super) fn is_refusal(code: &str) -> bool {
    [".BadName", ".Rejected", ".Failed", ".Denied", ".InvalidApp"]
        .iter()
        .any(|end| code.ends_with(end))
}

/// A stream number out of AMF0's only number type.
pub(super) fn stream_number(n: f64) -> Option<u32> {
    let whole = n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&n);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and within the range of u32"
    )]
    whole.then_some(n as u32)
}
