// Plays one live stream: fragmented MP4 over fetch() into MediaSource, kept close behind the newest data.

const TEXT = {
  en: {
    picture: "Picture", bitrate: "Bitrate", fps: "Frames/s", delay: "Delay", viewers: "Viewers", uptime: "Live for",
    note: "Delay: from the server's newest data to this screen. What camera and encoder took before comes on top.",
    live: "LIVE", waiting: "Off air",
    offline: "Not live yet", offlineMore: "The picture comes by itself as soon as the stream starts.",
    ended: "The stream has ended", endedMore: "If it starts again, the picture comes back by itself.",
    opening: "Connecting…", lost: "The server does not answer", lostMore: "Trying again…",
    noMse: "This browser cannot play live video here",
    noMseMore: "It lacks Media Source Extensions. A current Chrome, Edge, Firefox or Safari can.",
    noCodec: "This browser cannot decode the stream", problem: "This stream cannot be shown in a browser",
    unmute: "Unmute", mute: "Mute", full: "Full screen", play: "Play",
    soundOnly: "sound only",
  },
  zh: {
    picture: "画面", bitrate: "码率", fps: "帧率", delay: "延迟", viewers: "观众", uptime: "已开播",
    note: "延迟：从服务器收到最新数据，到显示在这个屏幕上。摄像头和编码花的时间另算。",
    live: "直播中", waiting: "未开播",
    offline: "还没开播", offlineMore: "一开播，画面会自动出现。",
    ended: "直播已结束", endedMore: "如果重新开播，画面会自动回来。",
    opening: "正在连接…", lost: "服务器没有应答", lostMore: "正在重试…",
    noMse: "这个浏览器无法播放直播", noMseMore: "它不支持 Media Source Extensions。请换用新版 Chrome、Edge、Firefox 或 Safari。",
    noCodec: "这个浏览器无法解码这路直播", problem: "这路直播无法在浏览器中播放",
    unmute: "开声", mute: "静音", full: "全屏", play: "播放",
    soundOnly: "只有声音",
  },
};
const chinese = (navigator.language || "en").toLowerCase().startsWith("zh");
const text = chinese ? TEXT.zh : TEXT.en;
document.documentElement.lang = chinese ? "zh-CN" : "en";

// Seconds behind the newest data: where play starts and jumps to; where catching up begins; where it is faster; where
// a jump is the better way.
const TARGET = 0.25, CATCH_UP = 0.4, HURRY = 0.7, JUMP = 1.5;
// For this long after the first picture a jump is better than minutes of catching up: nobody has settled in yet.
const SETTLE_MS = 2000, JUMP_EARLY = 0.8;
// Played data that is kept, and how much may gather before it is removed.
const KEEP = 4, TRIM = 12;
// Data waiting for the browser beyond this is thrown away with the session: it is not keeping up.
const PENDING_LIMIT = 64 << 20;

const $ = (id) => document.getElementById(id);
const video = $("video");
const path = encodeURIComponent($("watch").dataset.name);
const Source = window.ManagedMediaSource || window.MediaSource;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// What tests and curious people read in the console.
const state = { live: false, delay: null, behind: null, jumps: 0, stalls: 0, sessions: 0, stats: null };
window.kaibo = state;

for (const node of document.querySelectorAll("[data-text]")) node.textContent = text[node.dataset.text];
$("full").lastElementChild.textContent = text.full;

function message(title, more = "", still = false) {
  const box = $("message");
  box.classList.toggle("off", !title);
  box.classList.toggle("still", still);
  if (!title) return;
  box.querySelector("b").textContent = title;
  box.querySelector("span").textContent = more;
}

function badge(live) {
  $("badge").dataset.state = live ? "live" : "waiting";
  $("badge").textContent = live ? text.live : text.waiting;
}

// One session: from the request until the stream ends or breaks.
class Session {
  constructor() {
    this.abort = new AbortController();
    this.pending = [];
    this.pendingBytes = 0;
    this.buffer = null;
    this.playing = false;
    this.received = 0;
    this.failed = null;
  }

  fail(error) {
    this.failed = this.failed || error;
    this.abort.abort();
  }

  async run() {
    const response = await fetch(`/stream/${path}.mp4`, { signal: this.abort.signal, cache: "no-store" });
    if (!response.ok) return;
    const type = response.headers.get("Content-Type");
    if (!Source.isTypeSupported(type)) {
      this.abort.abort();
      message(text.noCodec, type, true);
      await sleep(5000);
      return;
    }
    await this.open(type);
    state.sessions += 1;
    state.live = true;
    badge(true);
    const reader = response.body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        this.received += value.length;
        this.take(value);
      }
    } finally {
      this.close();
    }
    if (this.failed) throw this.failed;
  }

  async open(type) {
    this.source = new Source();
    const opened = new Promise((done) => this.source.addEventListener("sourceopen", done, { once: true }));
    this.url = URL.createObjectURL(this.source);
    video.src = this.url;
    await opened;
    this.buffer = this.source.addSourceBuffer(type);
    this.buffer.addEventListener("updateend", () => this.pump());
    this.buffer.addEventListener("error", () => this.fail(new Error("the browser refused the data")));
  }

  take(bytes) {
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    if (this.pendingBytes > PENDING_LIMIT) this.fail(new Error("the browser does not keep up"));
    this.pump();
  }

  pump() {
    const { buffer } = this;
    if (!buffer || buffer.updating || this.source.readyState !== "open") return;
    try {
      const start = buffer.buffered.length ? buffer.buffered.start(0) : 0;
      if (buffer.buffered.length && video.currentTime - start > TRIM) {
        buffer.remove(0, video.currentTime - KEEP);
      } else if (this.pending.length) {
        const all = this.pending.length === 1 ? this.pending[0] : new Uint8Array(this.pendingBytes);
        if (this.pending.length > 1) {
          let at = 0;
          for (const part of this.pending) { all.set(part, at); at += part.length; }
        }
        buffer.appendBuffer(all);
        this.pending = [];
        this.pendingBytes = 0;
      }
    } catch (error) {
      this.fail(error);
    }
    this.follow();
  }

  // Keeps the playhead close behind the end of the data.
  follow() {
    const ranges = video.buffered;
    if (!ranges.length) return;
    const last = ranges.length - 1;
    const end = ranges.end(last);
    const behind = end - video.currentTime;
    state.behind = behind;
    const target = Math.max(ranges.start(last), end - TARGET);
    if (!this.playing) {
      this.playing = true;
      video.currentTime = target;
      play();
    } else if (!this.settled) {
      // The group of pictures that a viewer begins with arrives in pieces: jump along, one jump at a time.
      if (video.seeking || video.readyState < 3) return;
      this.shown = this.shown || performance.now();
      if (behind > JUMP_EARLY) video.currentTime = target;
      else this.settled = performance.now() - this.shown > SETTLE_MS;
    } else if (!video.seeking && (behind > JUMP || video.currentTime < ranges.start(last))) {
      state.jumps += 1;
      video.currentTime = target;
    }
    const rate = behind > HURRY ? 1.1 : behind > CATCH_UP ? 1.05 : 1;
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  close() {
    if (this.source && this.source.readyState === "open" && !(this.buffer && this.buffer.updating)) {
      try { this.source.endOfStream(); } catch { /* a failed source is closed already */ }
    }
    if (this.url) URL.revokeObjectURL(this.url);
    this.buffer = null;
  }
}

function play() {
  const started = video.play();
  if (!started) return;
  started.catch((error) => {
    if (error.name !== "NotAllowedError") return;
    $("sound").hidden = false;
    $("sound").classList.add("muted");
    $("sound").lastElementChild.textContent = text.play;
  });
}

function soundButton() {
  const sound = state.stats && state.stats.audio_codec;
  $("sound").hidden = !sound;
  $("sound").classList.toggle("muted", video.muted);
  $("sound").lastElementChild.textContent = video.muted ? text.unmute : text.mute;
}

$("sound").addEventListener("click", () => {
  if (video.paused) play(); else video.muted = !video.muted;
  soundButton();
});
$("full").hidden = !document.fullscreenEnabled && !video.webkitEnterFullscreen;
$("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else if ($("stage").requestFullscreen) $("stage").requestFullscreen();
  else video.webkitEnterFullscreen();
});

let session = null;
video.addEventListener("playing", () => { message(""); soundButton(); });
video.addEventListener("waiting", () => { if (session && session.settled) state.stalls += 1; });
video.addEventListener("error", () => session && session.fail(new Error("the browser cannot decode this")));
setInterval(() => session && session.buffer && session.follow(), 100);
document.addEventListener("visibilitychange", () => { if (!document.hidden && session && session.playing) play(); });

function clock(seconds) {
  const pad = (n) => String(n).padStart(2, "0");
  const h = Math.floor(seconds / 3600), m = Math.floor(seconds / 60) % 60, s = seconds % 60;
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

function figures(stats) {
  const set = (id, value) => { $(id).textContent = value; };
  if (!stats.live) {
    for (const id of ["picture", "bitrate", "fps", "delay", "viewers", "uptime"]) set(id, "–");
    state.delay = null;
    return;
  }
  set("picture", stats.height ? `${stats.width}×${stats.height}` : text.soundOnly);
  const kbps = stats.video_kbps + stats.audio_kbps;
  set("bitrate", kbps >= 10000 ? `${(kbps / 1000).toFixed(1)} Mbit/s` : `${kbps} kbit/s`);
  set("fps", stats.height ? stats.fps.toFixed(stats.fps < 9.95 ? 1 : 0) : "–");
  set("viewers", stats.viewers);
  set("uptime", clock(stats.uptime_s));
  if (session && session.shown && !video.paused) {
    state.delay = Math.max(stats.newest_ms / 1000, state.behind + video.currentTime) - video.currentTime;
    set("delay", `${Math.max(0, state.delay).toFixed(2)} s`);
  }
}

async function readStats() {
  const response = await fetch(`/stats/${path}`, { cache: "no-store" });
  const stats = await response.json();
  state.stats = stats;
  figures(stats);
  return stats;
}

async function watchFigures() {
  for (;;) {
    await sleep(1000);
    if (session) await readStats().catch(() => {});
  }
}

async function watch() {
  let seen = false;
  badge(false);
  message(text.opening);
  for (;;) {
    try {
      const stats = await readStats();
      if (stats.live && stats.problem) {
        message(text.problem, stats.problem, true);
      } else if (stats.live) {
        session = new Session();
        await session.run();
        seen = seen || session.received > 0;
      } else if (seen) {
        message(text.ended, text.endedMore);
      } else {
        message(text.offline, text.offlineMore);
      }
    } catch (error) {
      console.warn("kaibo:", error);
      if (!session) message(text.lost, text.lostMore);
    }
    const again = session !== null;
    session = null;
    state.live = false;
    badge(false);
    // A stream that was just cut often comes back at once.
    await sleep(again ? 300 : 1000);
  }
}

if (Source) {
  if (window.ManagedMediaSource) video.disableRemotePlayback = true;
  watchFigures();
  watch();
} else {
  badge(false);
  message(text.noMse, text.noMseMore, true);
}
