//! A device's controls: the ones that mean something to a person, read and set.

use std::collections::BTreeMap;

use v4l::Device;

use super::ioctl::{self, RawControl};
use crate::capture::camera::control::{Control, ControlItem, ControlKind, key_of};

/// `V4L2_CTRL_FLAG_*`.
const DISABLED: u32 = 0x1;
const READ_ONLY: u32 = 0x4;
const INACTIVE: u32 = 0x10;
const WRITE_ONLY: u32 = 0x40;

/// A control with the number the kernel knows it by.
#[derive(Debug)]
struct Known {
    id: u32,
    control: Control,
}

/// Controls of one device.
#[derive(Debug, Default)]
pub(super) struct Controls {
    known: Vec<Known>,
}

impl Controls {
    /// Asks the device.
    pub(super) fn read(device: &Device) -> Self {
        let raw = ioctl::controls(device);
        let known = raw.into_iter().filter_map(|raw| known(device, raw));
        Self {
            known: known.collect(),
        }
    }

    /// For the panel.
    pub(super) fn list(&self) -> Vec<Control> {
        self.known.iter().map(|k| k.control.clone()).collect()
    }

    /// Sets what is `wanted`, and back to its default what was wanted `before` and no longer is. What the device refuses
    /// is logged and left: a control that an automatic has in hand is one of them.
    pub(super) fn apply(
        &mut self,
        device: &Device,
        wanted: &BTreeMap<String, i64>,
        before: &BTreeMap<String, i64>,
    ) {
        let mut todo: Vec<(&Known, i64)> = Vec::new();
        for known in &self.known {
            let key = &known.control.key;
            match (wanted.get(key), before.get(key)) {
                (Some(value), old) if old != Some(value) => todo.push((known, *value)),
                (None, Some(_)) => todo.push((known, known.control.default)),
                _ => {}
            }
        }
        if todo.is_empty() {
            return;
        }
        // automatics first: they give the others free
        todo.sort_by_key(|(k, _)| matches!(k.control.kind, ControlKind::Range { .. }));
        for (Known { id, control }, value) in todo {
            let value = control.kind.nearest(value);
            let value = i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX });
            if let Err(error) = ioctl::set_control(device, *id, value) {
                tracing::debug!(control = control.key, value, %error, "the camera did not take a setting");
            }
        }
        *self = Self::read(device); // one changes whether others have effect
    }
}

/// What people set on cameras: the user and camera classes without sound and without what only one driver has.
fn is_for_people(id: u32) -> bool {
    const USER: u32 = 0x0098;
    const CAMERA: u32 = 0x009a;
    /// `V4L2_CID_AUDIO_VOLUME` to `V4L2_CID_AUDIO_LOUDNESS`.
    const SOUND: std::ops::RangeInclusive<u32> = 0x0098_0905..=0x0098_090a;
    /// `V4L2_CID_ALPHA_COMPONENT`.
    const ALPHA: u32 = 0x0098_0929;
    matches!(id >> 16, USER | CAMERA) && id & 0xffff < 0x1000 && !SOUND.contains(&id) && id != ALPHA
}

fn known(device: &Device, raw: RawControl) -> Option<Known> {
    let hidden = raw.flags & (DISABLED | READ_ONLY | WRITE_ONLY) != 0;
    if hidden || !is_for_people(raw.id) {
        return None;
    }
    let menu = |numbers| {
        let (first, last) = (u32::try_from(raw.min).ok()?, u32::try_from(raw.max).ok()?);
        let items: Vec<_> = (first..=last.min(first.saturating_add(64)))
            .filter_map(|index| {
                Some(ControlItem {
                    value: index.into(),
                    name: ioctl::menu_item(device, raw.id, index, numbers)?,
                })
            })
            .collect();
        (items.len() > 1).then_some(ControlKind::Menu { items })
    };
    // V4L2_CTRL_TYPE_*
    let kind = match raw.kind {
        1 if raw.min < raw.max => ControlKind::Range {
            min: raw.min,
            max: raw.max,
            step: i64::try_from(raw.step).unwrap_or(1).max(1),
        },
        2 => ControlKind::Switch,
        3 => menu(false)?,
        9 => menu(true)?,
        _ => return None,
    };
    Some(Known {
        id: raw.id,
        control: Control {
            key: key_of(&raw.name),
            kind,
            value: ioctl::control(device, raw.id).ok()?.into(),
            default: raw.default,
            inactive: raw.flags & INACTIVE != 0,
            name: raw.name,
        },
    })
}
