//! The real window on a real display: it opens, shows the test pattern, and Go live by mouse leads to a watch page that
//! plays in a browser; then it closes cleanly.
#![cfg(all(target_os = "linux", feature = "gui", feature = "screen-x11"))]
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/browser.rs"]
mod browser;
mod support;
#[path = "support/xvfb.rs"]
mod xvfb;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use browser::Browser;
use kaibo::capture::test_pattern::barcode;
use kaibo::media::video::Resolution;
use support::{free_port, have, wait_for};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ClientMessageEvent, ConnectionExt as _, EventMask, ImageFormat};
use x11rb::rust_connection::RustConnection;
use xvfb::Xvfb;

/// The display; the window opens smaller, at its top left corner as there is no window manager.
const SCREEN: Resolution = Resolution::new(1280, 800);
/// Generous: software graphics and a browser share two cores.
const SLOW: Duration = Duration::from_secs(60);

struct Window {
    child: Child,
    display: String,
    connection: RustConnection,
    root: u32,
}

impl Window {
    fn open(display: &str, config: &std::path::Path) -> Self {
        let log = fs::File::create(config.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_kaibo"))
            .env("DISPLAY", display)
            .env("XDG_CONFIG_HOME", config)
            .env("LANG", "en_US.UTF-8")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let (connection, screen) = x11rb::connect(Some(display)).unwrap();
        let root = connection.setup().roots[screen].root;
        Self {
            child,
            display: display.to_owned(),
            connection,
            root,
        }
    }

    /// Brightness of the screen's pixels.
    fn luma(&self) -> Vec<u8> {
        let (w, h) = (SCREEN.width as u16, SCREEN.height as u16);
        let image = self
            .connection
            .get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, w, h, !0);
        let image = image.unwrap().reply().unwrap();
        image
            .data
            .chunks_exact(4)
            .map(|p| ((u32::from(p[0]) + u32::from(p[1]) * 2 + u32::from(p[2])) / 4) as u8)
            .collect()
    }

    /// Time in the barcode of the preview: found by trying where the picture may begin and how large it may be.
    fn preview_time(&self) -> Option<u32> {
        let luma = self.luma();
        let width = SCREEN.width as usize;
        for (left, top) in [230, 234, 238, 240, 242, 246]
            .iter()
            .flat_map(|x| (50..70).map(move |y| (*x, y)))
        {
            for picture in (560..=620).step_by(2) {
                let size = Resolution::new(picture, picture * 9 / 16);
                let part = &luma[top * width + left..];
                if let Some(mark) = barcode::read(part, width, size) {
                    return Some(mark.monotonic_ms);
                }
            }
        }
        None
    }

    fn xdotool(&self, args: &[&str]) -> String {
        let output = Command::new("xdotool")
            .env("DISPLAY", &self.display)
            .args(args)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The program's window: the largest one on the display (there is no window manager). Its place and size.
    fn frame(&self) -> (u32, i16, i16, u16, u16) {
        let tree = self
            .connection
            .query_tree(self.root)
            .unwrap()
            .reply()
            .unwrap();
        let frames = tree.children.iter().filter_map(|id| {
            let g = self.connection.get_geometry(*id).ok()?.reply().ok()?;
            Some((*id, g.x, g.y, g.width, g.height))
        });
        frames
            .max_by_key(|(.., w, h)| u32::from(*w) * u32::from(*h))
            .unwrap()
    }

    /// Clicks so far from the window's right and bottom edges.
    fn click_from_corner(&self, right: i32, bottom: i32) {
        let (_, x, y, w, h) = self.frame();
        let x = i32::from(x) + i32::from(w) - right;
        let y = i32::from(y) + i32::from(h) - bottom;
        self.xdotool(&[
            "mousemove",
            &x.to_string(),
            &y.to_string(),
            "sleep",
            "0.2",
            "click",
            "1",
        ]);
    }

    /// Asks the window to close, as a window manager's button does.
    fn close(&self) {
        let atom = |name: &str| {
            self.connection
                .intern_atom(false, name.as_bytes())
                .unwrap()
                .reply()
                .unwrap()
                .atom
        };
        let (window, ..) = self.frame();
        let data = [atom("WM_DELETE_WINDOW"), 0, 0, 0, 0];
        let message = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS"), data);
        self.connection
            .send_event(false, window, EventMask::NO_EVENT, message)
            .unwrap();
        self.connection.flush().unwrap();
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok();
    }
}

#[test]
fn go_live_by_mouse_leads_to_a_playing_watch_page() {
    if !have(&["xdotool"]) {
        return;
    }
    let Some(xvfb) = Xvfb::start(&format!("{SCREEN}x24"), &[]) else {
        return;
    };
    let Some(browser) = Browser::start() else {
        return;
    };
    let config = tempfile::tempdir().unwrap();
    let (rtmp, http) = (free_port(), free_port());
    fs::create_dir(config.path().join("kaibo")).unwrap();
    let settings = format!(
        "[video]\nsize = \"640x360\"\nfps = 15\n[audio]\ninput = \"none\"\n\
         [server]\nrtmp = \"127.0.0.1:{rtmp}\"\nhttp = \"127.0.0.1:{http}\"\n"
    );
    fs::write(config.path().join("kaibo/settings.toml"), settings).unwrap();

    let mut window = Window::open(&xvfb.display, config.path());
    let first = wait_for("the preview shows the test pattern", SLOW, || {
        window.preview_time()
    });
    wait_for("the preview moves", SLOW, || {
        window.preview_time().filter(|t| *t != first)
    });

    window.click_from_corner(128, 38); // the large button at the bottom of the right column
    browser.open(&format!("http://127.0.0.1:{http}/watch/kaibo"));
    let playing = "const v = document.querySelector('video'); return v && v.currentTime > 0.5 ? v.currentTime : null";
    let at = browser
        .wait_for("the page plays", playing, SLOW)
        .as_f64()
        .unwrap();
    let later = format!(
        "const t = document.querySelector('video').currentTime; return t > {} ? t : null",
        at + 1.0
    );
    browser.wait_for("the page goes on", &later, SLOW);
    let sample = "const v = document.querySelector('video'); const c = document.createElement('canvas'); \
        c.width = v.videoWidth; c.height = v.videoHeight; const x = c.getContext('2d'); x.drawImage(v, 0, 0); \
        return Array.from(x.getImageData(0, 0, c.width, c.height).data).reduce((a, b) => (a * 31 + b) | 0, 7)";
    let picture = browser.execute(sample);
    wait_for("the page's picture changes", SLOW, || {
        (browser.execute(sample) != picture).then_some(())
    });

    window.click_from_corner(128, 38); // stop
    let gone = "const v = document.querySelector('video'); return v.readyState === 0 || v.ended || v.paused || \
        document.body.innerText.match(/not live|has ended|还没开播/i) ? true : null";
    browser.wait_for("the page notices the end", gone, SLOW);
    window.close();
    wait_for("the program ends", Duration::from_secs(10), || {
        window.child.try_wait().unwrap()
    });
}
