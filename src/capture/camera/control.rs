//! What can be set on a camera while it runs: exposure, focus, white balance and the like. Plain data; every source may
//! offer controls.

use serde::Serialize;

/// One thing that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Control {
    /// Name in settings: "exposure_time_absolute".
    pub key: String,
    /// What the driver calls it: "Exposure Time, Absolute".
    pub name: String,
    /// What it takes.
    #[serde(flatten)]
    pub kind: ControlKind,
    /// What it is set to.
    pub value: i64,
    /// What it is after plugging in.
    pub default: i64,
    /// Without effect at present: another control (an automatic) has it in hand.
    pub inactive: bool,
}

/// What a control takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ControlKind {
    /// A number.
    Range {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
        /// Between two values; at least 1.
        step: i64,
    },
    /// 0 or 1.
    Switch,
    /// One of these.
    Menu {
        /// Values with their names.
        items: Vec<ControlItem>,
    },
}

/// One choice of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlItem {
    /// What is set.
    pub value: i64,
    /// What it means.
    pub name: String,
}

impl ControlKind {
    /// The allowed value nearest to `value`.
    pub fn nearest(&self, value: i64) -> i64 {
        match self {
            Self::Range { min, max, step } => {
                let (step, value) = ((*step).max(1), value.clamp(*min, (*max).max(*min)));
                let from = value.saturating_sub(*min);
                let down = from - from.rem_euclid(step);
                let up = down.saturating_add(step);
                let offset = if from - down > step / 2 && min.saturating_add(up) <= *max {
                    up
                } else {
                    down
                };
                min.saturating_add(offset)
            }
            Self::Switch => i64::from(value != 0),
            Self::Menu { items } => items
                .iter()
                .map(|i| i.value)
                .min_by_key(|v| v.abs_diff(value))
                .unwrap_or(value),
        }
    }
}

/// The key of a control that the driver calls `name`: lower case, words joined by `_`.
pub fn key_of(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty());
    words
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("_")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn keys_are_as_other_tools_write_them() {
        assert_eq!(key_of("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(
            key_of("White Balance, Automatic"),
            "white_balance_automatic"
        );
        assert_eq!(key_of("Brightness"), "brightness");
    }

    #[test]
    fn menus_and_switches_take_what_they_know() {
        let item = |value| ControlItem {
            value,
            name: String::new(),
        };
        let menu = ControlKind::Menu {
            items: vec![item(1), item(3)],
        };
        assert_eq!(
            (menu.nearest(0), menu.nearest(3), menu.nearest(99)),
            (1, 3, 3)
        );
        assert_eq!(ControlKind::Switch.nearest(7), 1);
    }

    proptest! {
        #[test]
        fn ranges_hold_whatever_is_asked(min in any::<i32>(), len in 0_i64..1 << 33, step in -2_i64..5000, value in any::<i64>()) {
            let min = i64::from(min);
            let kind = ControlKind::Range { min, max: min + len, step };
            let got = kind.nearest(value);
            prop_assert!((min..=min + len).contains(&got));
            prop_assert_eq!((got - min) % step.max(1), 0);
            prop_assert_eq!(kind.nearest(got), got);
        }
    }
}
