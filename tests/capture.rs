//! Screen capture from a real X server (Xvfb): pixels, size, pace, pointer, resize, and a server that goes away.
//!
//! Needs the program `Xvfb`. Where it is missing these tests fail if the variable `CI` is set, and are skipped with a
//! printed reason otherwise.
#![cfg(all(target_os = "linux", feature = "screen-x11"))]
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

#[path = "support/xvfb.rs"]
mod xvfb;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kaibo::capture::screen::ScreenSettings;
use kaibo::capture::screen::area::{Region, ScreenArea, WindowMatch};
use kaibo::capture::supervisor::{SourceEvent, SourceHandle};
use kaibo::capture::{SourceContext, SourceError, SourceSpec, VideoSource, open_video};
use kaibo::media::SourceId;
use kaibo::media::time::{FrameRate, MediaClock};
use kaibo::media::video::{FrameData, Resolution, VideoFrame};
use x11rb::connection::Connection as _;
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo, Rotation};
use x11rb::protocol::xproto::{
    AtomEnum, ChangeGCAux, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt as _,
    CreateGCAux, CreateWindowAux, PropMode, Rectangle, SubwindowMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;
use xvfb::Xvfb;

const SIZE: Resolution = Resolution::new(640, 360);
const GROUND: u32 = 0x33_66_99;
const RED: u32 = 0xff_00_00;
const GREEN: [u8; 3] = [0, 0xff, 0];

/// Another client, which draws.
struct Painter {
    connection: RustConnection,
    root: Window,
}

impl Painter {
    fn new(xvfb: &Xvfb) -> Self {
        let (connection, screen) = x11rb::connect(Some(&xvfb.display)).unwrap();
        let root = connection.setup().roots[screen].root;
        Self { connection, root }
    }

    /// The whole screen in one colour.
    fn ground(&self, color: u32) {
        let pixel = ChangeWindowAttributesAux::new().background_pixel(color);
        self.connection
            .change_window_attributes(self.root, &pixel)
            .unwrap();
        self.connection
            .clear_area(false, self.root, 0, 0, 0, 0)
            .unwrap();
        self.connection.sync().unwrap();
    }

    fn rectangle(&self, color: u32, x: i16, y: i16, width: u16, height: u16) {
        let gc = self.connection.generate_id().unwrap();
        self.connection
            .create_gc(gc, self.root, &CreateGCAux::new().foreground(color))
            .unwrap();
        let through = ChangeGCAux::new().subwindow_mode(SubwindowMode::INCLUDE_INFERIORS);
        self.connection.change_gc(gc, &through).unwrap();
        let area = Rectangle {
            x,
            y,
            width,
            height,
        };
        self.connection
            .poly_fill_rectangle(self.root, gc, &[area])
            .unwrap();
        self.connection.sync().unwrap();
    }

    /// A window filled with one colour, of a program, with a title.
    fn window(&self, class: &str, title: &str, color: u32, width: u16, height: u16) -> Window {
        let c = &self.connection;
        let id = c.generate_id().unwrap();
        let look = CreateWindowAux::new().background_pixel(color);
        c.create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            id,
            self.root,
            20,
            30,
            width,
            height,
            0,
            WindowClass::INPUT_OUTPUT,
            x11rb::COPY_FROM_PARENT,
            &look,
        )
        .unwrap();
        let text = |property, value: &[u8]| {
            let kind = AtomEnum::STRING;
            c.change_property8(PropMode::REPLACE, id, property, kind, value)
                .unwrap();
        };
        text(AtomEnum::WM_NAME, title.as_bytes());
        text(AtomEnum::WM_CLASS, format!("x\0{class}\0").as_bytes());
        c.map_window(id).unwrap();
        c.sync().unwrap();
        id
    }

    /// A pointer that is a green square of 8 pixels with its hot spot at (2, 3).
    fn green_pointer(&self) {
        let c = &self.connection;
        let shape = c.generate_id().unwrap();
        c.create_pixmap(1, shape, self.root, 8, 8).unwrap();
        let gc = c.generate_id().unwrap();
        c.create_gc(gc, shape, &CreateGCAux::new().foreground(1))
            .unwrap();
        let all = Rectangle {
            x: 0,
            y: 0,
            width: 8,
            height: 8,
        };
        c.poly_fill_rectangle(shape, gc, &[all]).unwrap();
        let cursor = c.generate_id().unwrap();
        c.create_cursor(cursor, shape, shape, 0, 0xffff, 0, 0, 0, 0, 2, 3)
            .unwrap();
        let attributes = ChangeWindowAttributesAux::new().cursor(cursor);
        c.change_window_attributes(self.root, &attributes).unwrap();
        c.sync().unwrap();
    }

    fn point_at(&self, x: i16, y: i16) {
        self.connection
            .warp_pointer(x11rb::NONE, self.root, 0, 0, 0, 0, x, y)
            .unwrap();
        self.connection.sync().unwrap();
    }

    /// Makes the screen smaller, as a change of resolution does.
    fn resize(&self, width: u16, height: u16) {
        let c = &self.connection;
        let resources = c.randr_get_screen_resources(self.root).unwrap();
        let resources = resources.reply().unwrap();
        for crtc in resources.crtcs {
            // it shows the old size and would not fit
            let off = c.randr_set_crtc_config(
                crtc,
                x11rb::CURRENT_TIME,
                resources.config_timestamp,
                0,
                0,
                x11rb::NONE,
                Rotation::ROTATE0,
                &[],
            );
            off.unwrap().reply().unwrap();
        }
        c.randr_set_screen_size(self.root, width, height, 100, 100)
            .unwrap()
            .check()
            .unwrap();
    }
}

fn context() -> SourceContext {
    SourceContext {
        id: SourceId(4),
        clock: MediaClock::start(),
        rate: FrameRate::FPS_30,
        resolution: Resolution::HD,
        taps: crossbeam_channel::bounded(1).0,
    }
}

fn spec(display: &str, cursor: bool) -> SourceSpec {
    area_spec(display, cursor, ScreenArea::Whole)
}

fn area_spec(display: &str, cursor: bool, area: ScreenArea) -> SourceSpec {
    SourceSpec::Screen(ScreenSettings {
        display: Some(display.to_owned()),
        area,
        cursor,
    })
}

fn open(display: &str, cursor: bool) -> Result<Box<dyn VideoSource>, SourceError> {
    open_video(&spec(display, cursor), &context())
}

fn open_area(display: &str, area: ScreenArea) -> Result<Box<dyn VideoSource>, SourceError> {
    open_video(&area_spec(display, false, area), &context())
}

fn grab(source: &mut dyn VideoSource) -> VideoFrame {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(frame) = source.next(Duration::from_millis(100)).unwrap() {
            return frame;
        }
    }
    panic!("no frame within 10 s");
}

/// Blue, green, red of a pixel.
fn pixel(frame: &VideoFrame, x: usize, y: usize) -> [u8; 3] {
    let FrameData::Bgra(plane) = &frame.data else {
        panic!("{:?}", frame.data.format());
    };
    let at = y * plane.stride + x * 4;
    plane.data[at..at + 3].try_into().unwrap()
}

fn bgr(color: u32) -> [u8; 3] {
    let [b, g, r, _] = color.to_le_bytes();
    [b, g, r]
}

/// Pixels that have this colour, as columns and rows from first to last, and their number.
fn extent(frame: &VideoFrame, color: [u8; 3]) -> (Vec<usize>, Vec<usize>, usize) {
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for y in 0..frame.resolution.height as usize {
        for x in 0..frame.resolution.width as usize {
            if pixel(frame, x, y) == color {
                xs.push(x);
                ys.push(y);
            }
        }
    }
    let ends = |v: &[usize]| {
        v.iter()
            .min()
            .into_iter()
            .chain(v.iter().max())
            .copied()
            .collect()
    };
    (ends(&xs), ends(&ys), xs.len())
}

#[test]
fn a_screen_is_grabbed_whole_and_pixel_for_pixel() {
    // with shared memory, without the extension, and through a network socket
    for (more, host, how) in [
        (&[][..], "", "640x360, 30 fps, BGRA, shared memory"),
        (
            &["-extension", "MIT-SHM"][..],
            "",
            "640x360, 30 fps, BGRA, slow: no shared memory",
        ),
        (
            &["-listen", "tcp", "-ac"][..],
            "127.0.0.1",
            "640x360, 30 fps, BGRA, slow: no shared memory",
        ),
    ] {
        let Some(xvfb) = Xvfb::start("640x360x24", more) else {
            return;
        };
        let painter = Painter::new(&xvfb);
        painter.ground(GROUND);
        painter.rectangle(RED, 100, 50, 40, 30);
        let mut source = open(&format!("{host}{}", xvfb.display), false).unwrap();
        let frame = grab(&mut *source);
        assert_eq!(source.describe(), how);
        assert_eq!((frame.resolution, frame.source), (SIZE, SourceId(4)));
        let red = extent(&frame, bgr(RED));
        assert_eq!(red, (vec![100, 139], vec![50, 79], 40 * 30), "{how}");
        let ground = extent(&frame, bgr(GROUND));
        assert_eq!(ground, (vec![0, 639], vec![0, 359], 640 * 360 - 1200));

        // a frame that somebody keeps does not change any more
        painter.ground(RED);
        let later = grab(&mut *source);
        assert_eq!(extent(&later, bgr(RED)).2, 640 * 360);
        assert_eq!(extent(&frame, bgr(RED)).2, 1200);
        let held: Vec<_> = (0..8)
            .map(|i| {
                painter.rectangle(GROUND, 10 * i, 0, 5, 5);
                source.next(Duration::from_millis(100))
            })
            .collect();
        let frames = held.iter().filter(|f| matches!(f, Ok(Some(_)))).count();
        assert!(held.iter().all(Result::is_ok) && frames >= 3, "{frames}");
        drop((held, frame, later));
        painter.ground(GROUND);
        grab(&mut *source);
    }
}

#[test]
fn frames_come_at_the_rate_with_stamps_of_their_own() {
    let Some(xvfb) = Xvfb::start("1280x720x24", &[]) else {
        return;
    };
    let painter = Painter::new(&xvfb);
    let mut source = open(&xvfb.display, true).unwrap();
    let frames: Vec<_> = (0..15)
        .map(|i| {
            painter.rectangle(RED, 10 * i, 0, 5, 5);
            let f = grab(&mut *source);
            (f.pts, f.seq)
        })
        .collect();
    let mut gaps: Vec<i64> = frames
        .windows(2)
        .map(|w| w[1].0.nanos_since(w[0].0))
        .collect();
    assert!(gaps.iter().all(|g| *g > 0) && frames.windows(2).all(|w| w[0].1 < w[1].1));
    gaps.sort_unstable();
    // the median, because a busy computer may miss a tick now and then
    assert!((28_000_000..39_000_000).contains(&gaps[7]), "{gaps:?}");
}

#[test]
fn the_pointer_is_drawn_where_it_points() {
    let Some(xvfb) = Xvfb::start("640x360x24", &[]) else {
        return;
    };
    let painter = Painter::new(&xvfb);
    painter.ground(GROUND);
    painter.green_pointer();
    painter.point_at(200, 100);
    let (mut with, mut without) = (
        open(&xvfb.display, true).unwrap(),
        open(&xvfb.display, false).unwrap(),
    );
    let green = |source: &mut dyn VideoSource| extent(&grab(source), GREEN);
    assert_eq!(green(&mut *with), (vec![198, 205], vec![97, 104], 64));
    assert_eq!(green(&mut *without).2, 0);
    // over the edge of the screen, and nothing is left where it was
    painter.point_at(639, 359);
    assert_eq!(green(&mut *with), (vec![637, 639], vec![356, 359], 12));
    painter.point_at(0, 0);
    assert_eq!(green(&mut *with), (vec![0, 5], vec![0, 4], 30));
}

#[test]
fn a_change_of_size_goes_on_with_the_new_one() {
    for more in [&[][..], &["-extension", "MIT-SHM"][..]] {
        let Some(xvfb) = Xvfb::start("640x360x24", more) else {
            return;
        };
        let painter = Painter::new(&xvfb);
        painter.ground(GROUND);
        let mut source = open(&xvfb.display, false).unwrap();
        let before = grab(&mut *source);
        assert_eq!(before.resolution, SIZE);
        painter.resize(400, 222);
        let after = (0..100)
            .map(|_| grab(&mut *source))
            .find(|f| f.resolution != SIZE)
            .expect("the new size comes");
        assert_eq!(after.resolution, Resolution::new(400, 222));
        assert_eq!(extent(&after, bgr(GROUND)).2, 400 * 222);
        assert!(source.describe().starts_with("400x222, "));
        assert_eq!(extent(&before, bgr(GROUND)).2, 640 * 360, "still readable");
    }
}

#[test]
fn a_server_that_goes_away_is_lost_at_once() {
    let Some(mut xvfb) = Xvfb::start("640x360x24", &[]) else {
        return;
    };
    let (tx, events) = crossbeam_channel::bounded(8);
    let listener = Arc::new(move |event| tx.send(event).unwrap());
    let handle = SourceHandle::start_video(spec(&xvfb.display, true), context(), listener);
    let up = events.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(matches!(up, SourceEvent::Up { .. }), "{up:?}");
    assert_eq!(handle.stats().resolution, Some(SIZE));
    xvfb.server.kill().unwrap();
    xvfb.server.wait().unwrap();
    let down = events.recv_timeout(Duration::from_secs(1)).unwrap();
    let SourceEvent::Down { error, retrying } = down else {
        panic!("{down:?}");
    };
    assert!(
        retrying && matches!(error, SourceError::Lost { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with(&format!("screen {} went away", xvfb.display))
    );
    handle.request_stop();
    assert!(handle.join_until(Instant::now() + Duration::from_millis(500)));
}

#[test]
fn a_server_that_freezes_does_not_freeze_the_source() {
    let Some(xvfb) = Xvfb::start("640x360x24", &[]) else {
        return;
    };
    let mut source = open(&xvfb.display, false).unwrap();
    grab(&mut *source);
    xvfb.signal("STOP");
    let asked = Instant::now();
    let error = loop {
        match source.next(Duration::from_millis(100)) {
            Ok(_) => assert!(asked.elapsed() < Duration::from_secs(10)),
            Err(error) => break error,
        }
    };
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert!(matches!(error, SourceError::Lost { .. }), "{error}");
    let error = open(&xvfb.display, false)
        .err()
        .expect("a frozen server cannot be opened");
    assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
    xvfb.signal("CONT");
}

#[test]
fn what_cannot_be_captured_says_why() {
    let error = open(":64999", true)
        .err()
        .expect("there is no such display");
    assert!(
        error.to_string().starts_with("screen :64999 was not found"),
        "{error}"
    );
    let error = open("nonsense", true).err().expect("this is no display");
    assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
    let Some(xvfb) = Xvfb::start("320x240x16", &[]) else {
        return;
    };
    let error = open(&xvfb.display, true)
        .err()
        .expect("16 bits are refused");
    let text = error.to_string();
    assert!(text.contains("16-bit colour; set it to 24 bits"), "{text}");
}

#[test]
fn a_still_screen_is_left_alone_until_something_changes_in_view() {
    let Some(xvfb) = Xvfb::start("640x360x24", &[]) else {
        return;
    };
    let painter = Painter::new(&xvfb);
    painter.ground(GROUND);
    painter.green_pointer();
    painter.point_at(600, 300);
    let area = ScreenArea::Region(Region {
        left: 100,
        top: 50,
        size: Resolution::new(200, 100),
    });
    let spec = area_spec(&xvfb.display, true, area);
    let mut source = open_video(&spec, &context()).unwrap();
    let first = grab(&mut *source);
    assert_eq!(first.resolution, Resolution::new(200, 100));
    assert!(source.may_be_still());
    // ten ticks, less than the second after which it looks anyway
    let mut quiet = |act: &mut dyn FnMut(i16)| {
        let ticks = (0..10).map(|i| {
            act(i);
            source.next(Duration::from_millis(40)).unwrap()
        });
        ticks.flatten().collect::<Vec<_>>()
    };
    assert_eq!(quiet(&mut |_| {}).len(), 0, "nothing changes");
    let outside = quiet(&mut |i| painter.rectangle(RED, 400 + i, 200, 20, 20));
    assert!(
        outside.len() <= 1,
        "it looks once a second: {}",
        outside.len()
    );
    // the pointer is drawn, and what is drawn in view is seen
    painter.point_at(150, 75);
    let frame = grab(&mut *source);
    assert_eq!(extent(&frame, GREEN), (vec![48, 55], vec![22, 29], 64));
    painter.rectangle(RED, 110, 60, 5, 5);
    let frame = grab(&mut *source);
    assert_eq!(extent(&frame, bgr(RED)), (vec![10, 14], vec![10, 14], 25));
    // the pointer is switched off while it runs
    let SourceSpec::Screen(settings) = &spec else {
        panic!("{spec:?}");
    };
    source.adjust(&SourceSpec::Screen(ScreenSettings {
        cursor: false,
        ..settings.clone()
    }));
    assert_eq!(extent(&grab(&mut *source), GREEN).2, 0);
    // and the region is moved; a place outside is not taken
    for (left, size) in [(0, 110), (5000, 110)] {
        source.adjust(&SourceSpec::Screen(ScreenSettings {
            area: ScreenArea::Region(Region {
                left,
                top: 60,
                size: Resolution::new(size, 20),
            }),
            ..settings.clone()
        }));
        let moved = (0..5)
            .map(|_| grab(&mut *source))
            .find(|f| f.resolution.width == 110);
        let red = extent(&moved.expect("the new size comes"), bgr(RED));
        assert_eq!(red.0, Vec::<usize>::new(), "just left of it: {red:?}");
    }
}

#[test]
fn a_region_is_cut_at_the_edge_and_refused_outside() {
    let Some(xvfb) = Xvfb::start("640x360x24", &[]) else {
        return;
    };
    let region = |left, top| {
        ScreenArea::Region(Region {
            left,
            top,
            size: Resolution::new(200, 100),
        })
    };
    let mut source = open_area(&xvfb.display, region(600, 300)).unwrap();
    assert_eq!(grab(&mut *source).resolution, Resolution::new(40, 60));
    let error = open_area(&xvfb.display, region(640, 0)).err().unwrap();
    let text = error.to_string();
    assert!(
        text.contains("region 200x100+640+0 of the screen cannot be used: it lies outside"),
        "{text}"
    );
}

#[test]
fn a_monitor_is_followed_by_its_name() {
    let Some(xvfb) = Xvfb::start("640x360x24", &[]) else {
        return;
    };
    let painter = Painter::new(&xvfb);
    painter.ground(GROUND);
    painter.rectangle(RED, 320, 0, 320, 360);
    let set = |name: &str, x: i16, width: u16| {
        let c = &painter.connection;
        let name = c.intern_atom(false, name.as_bytes()).unwrap();
        let info = MonitorInfo {
            name: name.reply().unwrap().atom,
            x,
            width,
            height: 360,
            ..MonitorInfo::default()
        };
        c.randr_set_monitor(painter.root, info).unwrap();
        c.sync().unwrap();
    };
    set("LEFT", 0, 320);
    set("RIGHT", 320, 320);
    let monitor = |name: &str| ScreenArea::Monitor {
        name: name.to_owned(),
    };
    let mut source = open_area(&xvfb.display, monitor("RIGHT")).unwrap();
    let frame = grab(&mut *source);
    assert_eq!(frame.resolution, Resolution::new(320, 360));
    assert_eq!(extent(&frame, bgr(RED)).2, 320 * 360);
    let name = painter.connection.intern_atom(false, b"RIGHT").unwrap();
    let name = name.reply().unwrap().atom;
    painter
        .connection
        .randr_delete_monitor(painter.root, name)
        .unwrap();
    painter.resize(320, 360);
    let error = (0..100).find_map(|_| source.next(Duration::from_millis(40)).err());
    let error = error.expect("it is unplugged");
    assert!(
        error.to_string().starts_with("monitor RIGHT went away"),
        "{error}"
    );
    let error = open_area(&xvfb.display, monitor("HDMI-7")).err().unwrap();
    assert!(
        error
            .to_string()
            .starts_with("monitor HDMI-7 was not found"),
        "{error}"
    );
}

#[test]
fn a_window_is_seen_while_covered_through_a_resize_minimised_and_closed() {
    let Some(xvfb) = Xvfb::start("640x360x24", &[]) else {
        return;
    };
    let painter = Painter::new(&xvfb);
    let c = &painter.connection;
    let level = painter.window("Game", "Level 1", RED, 320, 180);
    let window = |title: &str| ScreenArea::Window(WindowMatch::parse(title));
    let mut source = open_area(&xvfb.display, window("level")).unwrap();
    let red = |frame: &VideoFrame, width: u32, height: u32| {
        assert_eq!(frame.resolution, Resolution::new(width, height));
        let all = frame.resolution.pixels();
        assert_eq!(extent(frame, bgr(RED)).2 as u64, all);
    };
    red(&grab(&mut *source), 320, 180);
    // covered by another one
    let other = painter.window("Other", "in front", GROUND, 640, 360);
    red(&grab(&mut *source), 320, 180);
    // resized under it
    let bigger = ConfigureWindowAux::new().width(400).height(200);
    c.configure_window(level, &bigger).unwrap();
    c.sync().unwrap();
    let resized = (0..100)
        .map(|_| grab(&mut *source))
        .find(|f| f.resolution.width == 400)
        .expect("the new size comes");
    red(&resized, 400, 200);
    // minimised: nothing comes, and nothing is wrong
    c.unmap_window(level).unwrap();
    c.sync().unwrap();
    let hidden = (0..10).map(|_| source.next(Duration::from_millis(40)).unwrap());
    assert!(hidden.flatten().count() <= 1 && source.may_be_still());
    assert!(source.reworded() && source.describe().starts_with("minimised"));
    c.map_window(level).unwrap();
    c.sync().unwrap();
    red(&grab(&mut *source), 400, 200);
    assert!(source.reworded() && source.describe().starts_with("400x200"));
    // closed: gone, and there again when its program opens one like it
    c.destroy_window(level).unwrap();
    c.sync().unwrap();
    let error = (0..100).find_map(|_| source.next(Duration::from_millis(40)).err());
    let error = error.expect("it is gone");
    assert!(matches!(error, SourceError::Lost { .. }), "{error}");
    assert!(
        error.to_string().starts_with("window level went away"),
        "{error}"
    );
    let closed = open_area(&xvfb.display, window("level")).err().unwrap();
    assert!(matches!(closed, SourceError::NotFound { .. }), "{closed}");
    painter.window("Game", "Level 2", RED, 300, 100);
    let mut again = open_area(&xvfb.display, window("level")).unwrap();
    red(&grab(&mut *again), 300, 100);
    c.destroy_window(other).unwrap();
}

/// Prints the list; run by the test below, with a `DISPLAY` of its choice.
#[test]
#[ignore = "a helper of listing_follows_the_display_variable"]
fn print_list() {
    for device in kaibo::capture::list_video() {
        println!("device {}", device.name);
    }
}

#[test]
fn listing_follows_the_display_variable() {
    let list = |display: Option<&str>| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "print_list", "--ignored", "--nocapture", "-q"]);
        child
            .env_remove("DISPLAY")
            .envs(display.map(|d| ("DISPLAY", d)));
        let out = child.output().unwrap();
        assert!(out.status.success());
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "silent");
        let out = String::from_utf8(out.stdout).unwrap();
        out.lines()
            .filter_map(|l| l.strip_prefix("device ").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(None), ["Test pattern"]);
    assert_eq!(list(Some(":64999")), ["Test pattern"]);
    if let Some(xvfb) = Xvfb::start("640x360x24", &[]) {
        let screen = format!("Screen {} (640x360)", xvfb.display);
        assert_eq!(
            list(Some(&xvfb.display)),
            ["Test pattern".to_owned(), screen]
        );
    }
}
