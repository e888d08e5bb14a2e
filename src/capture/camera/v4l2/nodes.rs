//! Which cameras there are, and which of them a stable id means. The number in `/dev/videoN` is given anew at each
//! plugging in, so nothing is bound to it.
//!
//! In: the list nokhwa makes, `/dev/v4l`, sysfs, the devices themselves. Out: [`Node`]s. Opening a node to ask it for its
//! name switches no camera on.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use nokhwa::utils::{ApiBackend, CameraIndex};
use v4l::Device;

use super::ioctl::{self, Capability};

/// A camera that is plugged in.
pub(super) struct Node {
    /// `/dev/video0`.
    pub(super) path: PathBuf,
    /// What its maker calls it.
    pub(super) name: String,
    /// Names it answers to, the one to be remembered first.
    pub(super) ids: Vec<String>,
    /// The open device, or why it could not be opened.
    pub(super) device: io::Result<Device>,
}

impl Node {
    /// The name to be remembered.
    pub(super) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }

    fn is(&self, wanted: &str) -> bool {
        self.ids.iter().any(|id| id == wanted)
            || self.path == Path::new(wanted)
            || self.name == wanted
    }
}

/// All cameras, lowest number first. Nodes that carry no pictures (metadata, outputs) are left out.
pub(super) fn nodes() -> Vec<Node> {
    let links = Links::read();
    let mut nodes: Vec<Node> = numbers()
        .into_iter()
        .filter_map(|n| node(n, &links))
        .collect();
    // two cameras of a kind without serial numbers share everything but the place they are plugged into
    let mut seen: HashMap<String, usize> = HashMap::new();
    for id in nodes.iter().flat_map(|n| n.ids.iter()) {
        *seen.entry(id.clone()).or_default() += 1;
    }
    for node in &mut nodes {
        node.ids
            .sort_by_key(|id| seen.get(id).is_some_and(|n| *n > 1)); // stable: the order stays otherwise
    }
    nodes
}

/// Why no camera was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is not plugged in.
    Absent,
    /// There is one that may not be opened, so nobody knows what it is called.
    Forbidden,
}

/// The camera that `wanted` means; the first one when nothing is said.
pub(super) fn find(wanted: Option<&str>) -> Result<Node, Missing> {
    let nodes = nodes();
    let forbidden = nodes.iter().any(|n| {
        let error = n.device.as_ref().err();
        error.is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
    });
    let mut nodes = nodes.into_iter();
    let found = match wanted {
        Some(wanted) => nodes.find(|n| n.is(wanted)),
        None => nodes.next(),
    };
    found.ok_or(if forbidden {
        Missing::Forbidden
    } else {
        Missing::Absent
    })
}

/// Numbers of the device nodes, as nokhwa lists them.
fn numbers() -> Vec<u32> {
    // it panics on a node whose name has no number; then the kernel's own list is read
    let listed = catch_unwind(|| nokhwa::query(ApiBackend::Video4Linux).unwrap_or_default());
    let mut numbers: Vec<u32> = match listed {
        Ok(cameras) => cameras
            .iter()
            .filter_map(|c| match c.index() {
                CameraIndex::Index(n) => Some(*n),
                CameraIndex::String(_) => None,
            })
            .collect(),
        Err(_) => entries(Path::new("/sys/class/video4linux"))
            .filter_map(|e| e.strip_prefix("video")?.parse().ok())
            .collect(),
    };
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn node(number: u32, links: &Links) -> Option<Node> {
    let path = PathBuf::from(format!("/dev/video{number}"));
    let device = Device::with_path(&path);
    let sys = PathBuf::from(format!("/sys/class/video4linux/video{number}"));
    let index: u32 = word(&sys.join("index"))
        .and_then(|w| w.parse().ok())
        .unwrap_or(0);
    let capability = device.as_ref().ok().map(ioctl::capability);
    let capability = match capability {
        Some(Ok(capability)) if capability.captures => Some(capability),
        Some(Ok(_)) => return None,
        Some(Err(_)) | None if index > 0 => return None, // a camera's first node is the one with pictures
        Some(Err(_)) | None => None,
    };
    let name = capability
        .as_ref()
        .map(|c| c.card.clone())
        .or_else(|| word(&sys.join("name")))
        .filter(|n| !n.is_empty())
        .map_or_else(|| format!("video{number}"), |name| plain_name(&name));
    let ids = ids(number, index, &sys, capability.as_ref(), links);
    Some(Node {
        path,
        name,
        ids,
        device,
    })
}

/// UVC cameras give two names, mostly the same one twice, cut off: "Integrated Camera: Integrated C".
fn plain_name(name: &str) -> String {
    match name.split_once(": ") {
        Some((first, second)) if first.starts_with(second) => first.to_owned(),
        _ => name.to_owned(),
    }
}

/// The names of a node: udev's by serial number, our own by serial number, the place it is plugged into.
fn ids(
    number: u32,
    index: u32,
    sys: &Path,
    capability: Option<&Capability>,
    links: &Links,
) -> Vec<String> {
    let suffix = if index == 0 {
        String::new()
    } else {
        format!("-{index}")
    };
    let mut ids = links.of("by-id", number);
    ids.extend(serial_id(sys).map(|id| id + &suffix));
    let bus = capability.map(|c| c.bus.clone()).filter(|b| !b.is_empty());
    ids.extend(bus.map(|bus| bus + &suffix));
    ids.extend(links.of("by-path", number));
    if ids.is_empty() {
        ids.push(format!("/dev/video{number}"));
    }
    ids
}

/// "usb-046d:082d-A1B2C3D4" for a USB camera that has a serial number.
fn serial_id(sys: &Path) -> Option<String> {
    // the node belongs to an interface of the device
    let usb = fs::canonicalize(sys.join("device"))
        .ok()?
        .parent()?
        .to_owned();
    let part = |name: &str| word(&usb.join(name)).filter(|w| !w.is_empty());
    let (vendor, product) = (part("idVendor")?, part("idProduct")?);
    Some(format!("usb-{vendor}:{product}-{}", part("serial")?))
}

/// The links udev makes.
struct Links {
    /// Folder, link, what it points to.
    links: Vec<(&'static str, String, PathBuf)>,
}

impl Links {
    fn read() -> Self {
        let folder = |folder: &'static str| {
            let path = Path::new("/dev/v4l").join(folder);
            let links: Vec<_> = entries(&path)
                .filter_map(|name| {
                    let target = fs::canonicalize(path.join(&name)).ok()?;
                    Some((folder, name, target))
                })
                .collect();
            links
        };
        let mut links = folder("by-id");
        links.extend(folder("by-path"));
        links.sort();
        Self { links }
    }

    fn of(&self, folder: &str, number: u32) -> Vec<String> {
        let node = PathBuf::from(format!("/dev/video{number}"));
        let of_node = self
            .links
            .iter()
            .filter(|(f, _, target)| *f == folder && *target == node);
        of_node.map(|(_, name, _)| name.clone()).collect()
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().into_string().ok())
}

/// The one line of a file in sysfs.
fn word(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|w| w.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_names_are_told_once() {
        assert_eq!(
            plain_name("Integrated Camera: Integrated C"),
            "Integrated Camera"
        );
        assert_eq!(plain_name("HD Pro Webcam C920"), "HD Pro Webcam C920");
        assert_eq!(plain_name("Cam: Front"), "Cam: Front");
    }
}
