//! What a window needs from the system, asked for before one is opened: winit panics when a library is missing, and a
//! panic tells nobody what to install.

/// Why no window can be opened here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreflightError {
    /// Neither X11 nor Wayland.
    #[error(
        "no display: run it in a desktop session, or use kaibo push to stream without a window"
    )]
    NoDisplay,
    /// Libraries are not installed.
    #[error(
        "the window needs libraries that are not installed: {libraries} (Debian, Ubuntu: apt install {packages})"
    )]
    Libraries {
        /// What is missing.
        libraries: String,
        /// Debian packages that bring it.
        packages: String,
    },
}

/// Checks display and libraries.
#[cfg(target_os = "linux")]
pub fn check() -> Result<(), PreflightError> {
    super::preflight_linux::check()
}

/// Other systems bring all that a window needs.
#[cfg(not(target_os = "linux"))]
pub fn check() -> Result<(), PreflightError> {
    Ok(())
}
