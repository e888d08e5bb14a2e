//! Cameras as sources. Linux is in `v4l2`, other systems in `system.rs` (nokhwa); what they share is beside them: the
//! choice of a mode, time stamps, pixel formats, JPEG, controls.
//!
//! In: [`CameraSettings`]. Out: frames in a layout the renderer takes. A device is open only while a scene uses it.

pub mod control;
#[cfg(feature = "camera")]
pub mod convert;
#[cfg(feature = "camera")]
mod mjpeg;
pub mod mode;
#[cfg(feature = "camera")]
mod stamp;
#[cfg(all(not(target_os = "linux"), feature = "camera"))]
mod system;
#[cfg(all(target_os = "linux", feature = "camera"))]
mod v4l2;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{SourceContext, SourceError, VideoSource};
use control::Control;
use mode::CameraMode;
#[cfg(all(not(target_os = "linux"), feature = "camera"))]
use system as platform;
#[cfg(all(target_os = "linux", feature = "camera"))]
use v4l2 as platform;

/// Which camera, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CameraSettings {
    /// Stable id as `kaibo devices` lists it; the first camera when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What its maker calls it: for messages while it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What to ask it for; what suits the show best when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<CameraMode>,
    /// Controls that are not left as they are: name and value. Changed while the camera runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<String, i64>,
}

impl CameraSettings {
    /// What a person calls it.
    pub fn called(&self) -> String {
        let name = self.name.as_ref().or(self.device.as_ref());
        name.map_or_else(|| "camera".to_owned(), |name| format!("camera {name}"))
    }

    /// The same device in the same mode: what differs can be changed while it runs.
    pub fn is_same_stream(&self, other: &Self) -> bool {
        (&self.device, self.mode) == (&other.device, other.mode)
    }
}

impl CameraInfo {
    /// What opens it.
    pub fn settings(&self) -> CameraSettings {
        CameraSettings {
            device: Some(self.id.clone()),
            name: Some(self.name.clone()),
            ..CameraSettings::default()
        }
    }
}

/// A camera that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CameraInfo {
    /// What it is remembered by: the same after a replug, whatever number it gets.
    pub id: String,
    /// What its maker calls it.
    pub name: String,
    /// Where it is now: "/dev/video0".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What it can deliver.
    pub modes: Vec<CameraMode>,
    /// What can be set.
    pub controls: Vec<Control>,
    /// Why it cannot be used now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Opens the camera.
pub fn open(
    settings: &CameraSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    #[cfg(feature = "camera")]
    return platform::open(settings, cx);
    #[cfg(not(feature = "camera"))]
    {
        let _ = (settings, cx);
        Err(SourceError::NotBuilt {
            what: "the camera".to_owned(),
            feature: "camera",
        })
    }
}

/// Cameras that are there now, with what they can do. Asks each one, which switches none on.
pub fn list() -> Vec<CameraInfo> {
    #[cfg(feature = "camera")]
    return platform::list();
    #[cfg(not(feature = "camera"))]
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_and_what_is_left_out_has_its_default() {
        let settings = CameraSettings {
            device: Some("usb-046d_C920-video-index0".to_owned()),
            name: Some("HD Pro Webcam C920".to_owned()),
            mode: Some("mjpeg:1280x720@29.97".parse().unwrap()),
            controls: [("brightness".to_owned(), 140)].into(),
        };
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(
            toml::from_str::<CameraSettings>(&text).unwrap(),
            settings,
            "{text}"
        );
        let first: CameraSettings = toml::from_str("").unwrap();
        assert_eq!(first, CameraSettings::default());
        assert_eq!(
            (first.called(), settings.called()),
            ("camera".to_owned(), "camera HD Pro Webcam C920".to_owned())
        );
    }

    #[test]
    fn controls_need_no_new_opening_and_another_mode_does() {
        let settings = CameraSettings::default();
        let mut brighter = settings.clone();
        brighter.controls.insert("brightness".to_owned(), 200);
        assert!(settings.is_same_stream(&brighter) && settings != brighter);
        let mode = Some("nv12:640x480@30".parse().unwrap());
        let other = CameraSettings {
            mode,
            ..settings.clone()
        };
        assert!(!settings.is_same_stream(&other));
    }
}
