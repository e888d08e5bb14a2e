//! What is worth asking of plain ALSA, on Linux machines without a sound server.

use std::path::Path;

/// There is a card that records, or somebody has configured ALSA by hand.
pub(crate) fn may_capture() -> bool {
    let pcm = std::fs::read_to_string("/proc/asound/pcm").unwrap_or_default();
    has_capture(&pcm) || is_configured()
}

fn is_configured() -> bool {
    let user = std::env::var_os("HOME").map(|home| Path::new(&home).join(".asoundrc"));
    Path::new("/etc/asound.conf").exists() || user.is_some_and(|file| file.exists())
}

/// There is a card that plays, or somebody has configured ALSA by hand.
pub(crate) fn may_play() -> bool {
    let pcm = std::fs::read_to_string("/proc/asound/pcm").unwrap_or_default();
    pcm.contains(": playback ") || is_configured()
}

/// Lines look like `00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1`.
fn has_capture(pcm: &str) -> bool {
    pcm.lines().any(|line| line.contains(": capture "))
}

/// The default and, once each, the hardware by name.
pub(crate) fn is_worth_showing(id: &str) -> bool {
    let by_name = |card: &str| !card.starts_with(|c: char| c.is_ascii_digit());
    id == "default" || id.strip_prefix("hw:CARD=").is_some_and(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_that_only_play_do_not_count() {
        assert!(!has_capture(""));
        assert!(!has_capture("00-03: HDMI 0 : HDMI 0 : playback 1\n"));
        assert!(has_capture(
            "00-00: ALC257 : ALC257 : playback 1 : capture 1\n"
        ));
    }

    #[test]
    fn each_card_is_shown_once() {
        let ids = [
            "null",
            "default",
            "sysdefault:CARD=PCH",
            "front:CARD=PCH,DEV=0",
            "hw:CARD=PCH,DEV=0",
            "plughw:CARD=PCH,DEV=0",
            "hw:CARD=0,DEV=0",
        ];
        let shown: Vec<_> = ids.into_iter().filter(|id| is_worth_showing(id)).collect();
        assert_eq!(shown, ["default", "hw:CARD=PCH,DEV=0"]);
    }
}
