//! A media file, a folder or a list of them, as a source: from file to file without a gap, told what to do by a person
//! while it plays. Runs on the source's thread.

use std::path::PathBuf;
use std::time::Duration;

use super::list::Playlist;
use super::player::{Player, Step};
use super::{MediaFileSettings, SourceContext, SourceError, VideoSource};
use crate::capture::SourceSpec;
use crate::capture::play::{PlayOrder, Playback};
use crate::media::time::MediaTime;
use crate::media::video::VideoFrame;

pub(super) fn open(
    settings: &MediaFileSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    Ok(Box::new(Show::open(settings, cx)?))
}

/// Plays the files of a list, one after another.
pub(super) struct Show {
    cx: SourceContext,
    settings: MediaFileSettings,
    list: Playlist,
    player: Player,
    /// The file that plays, and its place in the list, which may be a file ahead.
    file: PathBuf,
    index: usize,
    /// The file after this one, opened before this one ends.
    next: Option<Player>,
    /// The next one was looked for.
    looked: bool,
    finished: bool,
    described: String,
    trouble: Option<String>,
    /// Of files that were played.
    corrupt: u64,
    /// Pictures given so far: their numbers go on from file to file.
    seq: u64,
}

impl Show {
    pub(super) fn open(
        settings: &MediaFileSettings,
        cx: &SourceContext,
    ) -> Result<Self, SourceError> {
        let mut list = Playlist::open(settings)?;
        let mut trouble = None;
        let mut player = open_next(&mut list, settings, cx, &mut trouble, true)?;
        player.connect(None, cx);
        Ok(Self {
            cx: cx.clone(),
            settings: settings.clone(),
            described: player.description.clone(),
            file: list.file().to_owned(),
            index: list.index(),
            player,
            list,
            next: None,
            looked: false,
            finished: false,
            trouble,
            corrupt: 0,
            seq: 0,
        })
    }

    pub(super) fn step(&mut self, now: MediaTime) -> Result<Step, SourceError> {
        let mut step = self.player.step(now)?;
        if let Some(frame) = &mut step.frame {
            frame.seq = self.seq;
            self.seq += 1;
        }
        let list = self.list.count() > 1;
        if list && !self.looked && self.player.is_near_its_end() {
            self.looked = true;
            self.next = self.open_after();
        }
        // its sound must be under way before this one's ends
        let over = self.next.is_some() && !self.player.is_paused() && self.player.exhausted();
        if over || self.player.finished {
            self.go_on();
            step.wake = now;
        }
        Ok(step)
    }

    /// The next file that can be played; `None` at the end of the list.
    fn open_after(&mut self) -> Option<Player> {
        if !self.list.next() {
            return None;
        }
        match open_next(
            &mut self.list,
            &self.settings,
            &self.cx,
            &mut self.trouble,
            false,
        ) {
            Ok(player) => Some(player),
            Err(error) => {
                self.trouble = Some(error.to_string());
                None
            }
        }
    }

    /// This file is over.
    fn go_on(&mut self) {
        if self.list.count() == 1 && !self.settings.looped {
            self.finished = true;
            return;
        }
        let end = self.player.end();
        let next = match self.next.take() {
            None if !self.looked || self.list.count() == 1 => self.open_after(),
            next => next,
        };
        match next {
            Some(mut next) => {
                next.begin = end;
                self.change(next);
            }
            None => self.finished = true,
        }
    }

    /// Another file from now on, with the sound in the same ring.
    fn change(&mut self, mut next: Player) {
        let sink = self.player.sink.take();
        next.connect(sink, &self.cx);
        if self.player.is_paused() {
            next.pause(self.cx.clock.now());
            next.show_one();
        }
        self.corrupt += self.player.corrupt();
        self.player = next;
        self.next = None;
        self.looked = false;
        self.list.file().clone_into(&mut self.file);
        self.index = self.list.index();
    }

    /// Away from the file that plays, forwards or backwards.
    fn skip(&mut self, backwards: bool) {
        if self.list.count() < 2 {
            self.player.seek(Duration::ZERO);
            return;
        }
        if backwards {
            // the next one may have been looked for already: the list stands there then
            while self.list.index() != self.index {
                self.list.previous();
            }
            self.list.previous();
            let trouble = &mut self.trouble;
            match open_next(&mut self.list, &self.settings, &self.cx, trouble, false) {
                Ok(player) => self.change(player),
                Err(error) => self.trouble = Some(error.to_string()),
            }
            return;
        }
        let next = match self.next.take() {
            None if !self.looked => self.open_after(),
            next => next,
        };
        match next {
            Some(next) => self.change(next),
            None => self.finished = !self.settings.looped,
        }
    }

    /// Plays on from the same place with other tracks.
    fn reopen(&mut self) {
        let now = self.cx.clock.now();
        let at = self.player.position(now);
        let looped = self.list.loops_inside();
        match Player::open(&self.file, looped, &self.settings, &self.cx) {
            Ok(mut player) => {
                player.seek(at);
                // the list may be a file ahead, and that file open: both stay so
                let (next, looked) = (self.next.take(), self.looked);
                let (file, index) = (std::mem::take(&mut self.file), self.index);
                self.change(player);
                (self.next, self.looked) = (next, looked);
                (self.file, self.index) = (file, index);
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }
}

/// Opens the file at which the list stands; `first` begins with the error, otherwise files that cannot be played are told
/// of and left out, until none in the list can.
fn open_next(
    list: &mut Playlist,
    settings: &MediaFileSettings,
    cx: &SourceContext,
    trouble: &mut Option<String>,
    first: bool,
) -> Result<Player, SourceError> {
    let mut left = list.count();
    loop {
        match Player::open(list.file(), list.loops_inside(), settings, cx) {
            Ok(player) => return Ok(player),
            Err(error) if left <= 1 || (first && list.count() == 1) => return Err(error),
            Err(error) => {
                *trouble = Some(format!("{error}: it is left out"));
                left -= 1;
                if !list.next() {
                    return Err(error);
                }
            }
        }
    }
}

impl VideoSource for Show {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        let clock = self.cx.clock;
        let deadline = clock.now() + timeout;
        loop {
            let now = clock.now();
            let step = self.step(now)?;
            if step.frame.is_some() || self.finished || now >= deadline {
                return Ok(step.frame);
            }
            let wait = clock.until(step.wake.min(deadline));
            std::thread::sleep(wait.max(Duration::from_millis(1)));
        }
    }

    fn describe(&self) -> String {
        self.player.description.clone()
    }

    fn reworded(&mut self) -> bool {
        let changed = self.described != self.player.description;
        self.described.clone_from(&self.player.description);
        changed
    }

    fn finished(&self) -> bool {
        self.finished
    }

    fn may_be_still(&self) -> bool {
        true // slide shows and covers have one picture in a long time
    }

    fn corrupt(&self) -> u64 {
        self.corrupt + self.player.corrupt()
    }

    fn trouble(&mut self) -> Option<String> {
        self.trouble.take().or_else(|| self.player.take_trouble())
    }

    fn playback(&self) -> Option<Playback> {
        let name = self.file.file_name().unwrap_or_default();
        Some(Playback {
            file: name.to_string_lossy().into_owned(),
            index: self.index,
            count: self.list.count(),
            ..self.player.playback(self.cx.clock.now())
        })
    }

    fn play(&mut self, order: PlayOrder) {
        let now = self.cx.clock.now();
        match order {
            PlayOrder::Pause => self.player.pause(now),
            PlayOrder::Resume => self.player.resume(now),
            PlayOrder::Seek(to) => {
                if !self.player.seek(to) {
                    self.trouble = Some(format!(
                        "{} cannot be searched: it plays on",
                        self.file.display()
                    ));
                }
            }
            PlayOrder::Next => self.skip(false),
            PlayOrder::Previous => self.skip(true),
        }
    }

    fn adjust(&mut self, spec: &SourceSpec) {
        let SourceSpec::File(settings) = spec else {
            return;
        };
        let tracks = |s: &MediaFileSettings| (s.picture_track, s.sound_track);
        let other_tracks = tracks(settings) != tracks(&self.settings);
        self.settings.clone_from(settings);
        self.list.set_looped(settings.looped);
        self.player.set_looped(self.list.loops_inside());
        if self.next.is_none() {
            self.looked = false; // the end may be none now
        }
        if other_tracks {
            self.reopen();
        }
    }
}
