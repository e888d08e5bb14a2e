#!/usr/bin/env bash
# benches/peer.sh run VARIANT [URL]: Kaibo in the foreground on the work other broadcasters are measured with: grabs
# $SCENE_DISPLAY with sound, x264 veryfast high, AAC 128 kbit/s, keyframe each 2 s; ends on SIGINT or SIGTERM.
# VARIANT: words joined by "-": 720 (default) | 1080; 60 (fps); zerolat (no look-ahead; without it the encoder looks
# ahead as ffmpeg and OBS do by default); filters (colour correction and sharpening) | beauty (skin smoothing), both with two
# watermarks: the text $WM_TEXT and the picture $WM_PNG (by default what the others of the comparison put on theirs).
# AUDIO=pulse (default) | silent. See benches/README.md.
set -eu
[ "${1:-}" = run ] || { echo "usage: $0 run VARIANT [URL]" >&2; exit 2; }
v=-${2:-720}-
url=${3:-rtmp://127.0.0.1:${RTMP_PORT:-1935}/live/$(basename "$0" .sh)}
size=1280x720 rate=2500 fps=30 tune=quality
case $v in *-1080-*) size=1920x1080 rate=5000 ;; esac
case $v in *-60-*) fps=60 ;; esac
case $v in *-zerolat-*) tune=low-latency ;; esac
filter=()
case $v in
*-filters-*) filter=('kind = "color"' 'contrast = 1.1' 'brightness = 0.02' 'saturation = 1.2' 'gamma = 1.05' \
  '[[scene.layer.filter]]' 'kind = "sharpen"' 'strength = 30.0') ;;
*-beauty-*) filter=('kind = "beauty"' 'smoothing = 60.0') ;;
esac
config=()
if [ ${#filter[@]} -gt 0 ]; then
  scene=${LAB:-/tmp}/kaibo-scene.toml
  png=${WM_PNG:-${LAB:-/tmp}/watermark.png}
  [ -s "$png" ] || { echo "$0: no picture for the watermark at $png: set WM_PNG" >&2; exit 2; }
  # margins of 24 pixels, letters of 32
  h=${size#*x} w=${size%x*}
  margin_x=$(awk "BEGIN { print 2400 / $w }") margin_y=$(awk "BEGIN { print 2400 / $h }")
  letters=$(awk "BEGIN { print 3200 / $h }")
  printf '%s\n' '[[scene.layer]]' "source = { kind = \"screen\", display = \"${SCENE_DISPLAY:-:0}\", cursor = false }" \
    '[[scene.layer.filter]]' "${filter[@]}" \
    '[[scene.watermark]]' 'anchor = "bottom_right"' "margin_x = $margin_x" "margin_y = $margin_y" \
    "content = { kind = \"text\", text = \"${WM_TEXT:-LIVE LAB 0123456789}\", font = \"DejaVu Sans\", size = $letters }" \
    '[[scene.watermark]]' 'anchor = "bottom_left"' "margin_x = $margin_x" "margin_y = $margin_y" \
    "content = { kind = \"image\", path = \"$png\", size = 0.0 }" >"$scene"
  config=(--config "$scene")
fi
audio=none
if [ "${AUDIO:-pulse}" = pulse ]; then
  # the sound server of the comparison, else the system's
  [ -n "${PULSE_SERVER:-}" ] || [ -z "${LAB:-}" ] || export PULSE_SERVER=unix:$LAB/pulse/native
  audio=${PULSE_SOURCE:-lab.monitor}
fi
here=$(cd "$(dirname "$0")" && pwd)
bin=${KAIBO:-${CARGO_TARGET_DIR:-$here/../target}/release/kaibo}
[ ${#config[@]} -gt 0 ] || config=(--source screen --display "${SCENE_DISPLAY:-:0}" --no-cursor)
exec "$bin" push "${config[@]}" --url "$url" --size "$size" --fps "$fps" \
  --video-bitrate "${RATE:-$rate}k" --audio-bitrate 128k --preset veryfast --keyint 2 --tune "$tune" --audio "$audio" \
  2>"${LAB:-/tmp}/kaibo.log"
