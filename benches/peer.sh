#!/usr/bin/env bash
# benches/peer.sh run VARIANT [URL]: Kaibo in the foreground on the work other broadcasters are measured with: grabs
# $SCENE_DISPLAY with sound, x264 veryfast high, AAC 128 kbit/s, keyframe each 2 s; ends on SIGINT or SIGTERM.
# VARIANT: words joined by "-": 720 (default) | 1080; 60 (fps); zerolat (no look-ahead; without it the encoder looks
# ahead as ffmpeg and OBS do by default). AUDIO=pulse (default) | silent. See benches/README.md.
set -eu
[ "${1:-}" = run ] || { echo "usage: $0 run VARIANT [URL]" >&2; exit 2; }
v=-${2:-720}-
url=${3:-rtmp://127.0.0.1:${RTMP_PORT:-1935}/live/$(basename "$0" .sh)}
size=1280x720 rate=2500 fps=30 tune=quality
case $v in *-1080-*) size=1920x1080 rate=5000 ;; esac
case $v in *-60-*) fps=60 ;; esac
case $v in *-zerolat-*) tune=low-latency ;; esac
audio=none
if [ "${AUDIO:-pulse}" = pulse ]; then
  # the sound server of the comparison, else the system's
  [ -n "${PULSE_SERVER:-}" ] || [ -z "${LAB:-}" ] || export PULSE_SERVER=unix:$LAB/pulse/native
  audio=${PULSE_SOURCE:-lab.monitor}
fi
here=$(cd "$(dirname "$0")" && pwd)
bin=${KAIBO:-${CARGO_TARGET_DIR:-$here/../target}/release/kaibo}
exec "$bin" push --source screen --display "${SCENE_DISPLAY:-:0}" --no-cursor --url "$url" --size "$size" --fps "$fps" \
  --video-bitrate "${RATE:-$rate}k" --audio-bitrate 128k --preset veryfast --keyint 2 --tune "$tune" --audio "$audio" \
  2>"${LAB:-/tmp}/kaibo.log"
