//! [`preflight`](super::preflight) on Linux: display variables, and the libraries winit loads while running.

use x11_dl::{xcursor, xinput2, xlib, xlib_xcb};

use super::preflight::PreflightError;

/// Checks display and libraries the way winit 0.30 chooses them: Wayland before X11.
pub(super) fn check() -> Result<(), PreflightError> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let wayland = set("WAYLAND_DISPLAY") || set("WAYLAND_SOCKET");
    if !wayland && !set("DISPLAY") {
        return Err(PreflightError::NoDisplay);
    }
    let xkb = (
        "libxkbcommon",
        "libxkbcommon0",
        xkbcommon_dl::xkbcommon_option().is_some(),
    );
    let needed = if wayland {
        vec![xkb]
    } else {
        vec![
            ("libX11", "libx11-6", xlib::Xlib::open().is_ok()),
            (
                "libX11-xcb",
                "libx11-xcb1",
                xlib_xcb::Xlib_xcb::open().is_ok(),
            ),
            (
                "libXcursor",
                "libxcursor1",
                xcursor::Xcursor::open().is_ok(),
            ),
            ("libXi", "libxi6", xinput2::XInput2::open().is_ok()),
            xkb,
            (
                "libxkbcommon-x11",
                "libxkbcommon-x11-0",
                xkbcommon_dl::x11::xkbcommon_x11_option().is_some(),
            ),
        ]
    };
    missing(&needed)
}

/// Names what is not there, out of (library, Debian package, there).
fn missing(needed: &[(&str, &str, bool)]) -> Result<(), PreflightError> {
    let absent: Vec<_> = needed.iter().filter(|(.., there)| !there).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let join = |pick: fn(&(&str, &str, bool)) -> String, with: &str| {
        absent
            .iter()
            .map(|n| pick(n))
            .collect::<Vec<_>>()
            .join(with)
    };
    Err(PreflightError::Libraries {
        libraries: join(|n| n.0.to_owned(), ", "),
        packages: join(|n| n.1.to_owned(), " "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        assert_eq!(missing(&[("libXi", "libxi6", true)]), Ok(()));
        let needed = [
            ("libX11", "libx11-6", true),
            ("libXi", "libxi6", false),
            ("libXcursor", "libxcursor1", false),
        ];
        let text = missing(&needed).unwrap_err().to_string();
        assert!(
            text.contains("libXi, libXcursor") && text.contains("apt install libxi6 libxcursor1"),
            "{text}"
        );
    }
}
