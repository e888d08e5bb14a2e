#!/usr/bin/env bash
# benches/sound.sh: Kaibo with real sound servers and a real ALSA card: microphone and desktop sound recorded and mixed,
# then what happens when the server dies, a device is pulled out, another one becomes the default, the card is busy.
#
#   DESKTOPLAB=DIR benches/sound.sh desktop [OUT]    a private PulseAudio, then a private PipeWire (SERVERS="pulse pipewire")
#   CAMLAB=DIR benches/sound.sh alsa [OUT]           a virtual machine with a sound card (snd-aloop) and no sound server
#   benches/sound.sh long                            ten minutes (KAIBO_MINUTES) at nginx-rtmp: flash and beep together
#
# DESKTOPLAB has audio-up KIND, audio-down, audio-server start|crash|plug DEVICE|unplug DEVICE, audio-check --wav FILE: a
# server with the source "microphone" ("Lab microphone", 1 kHz beep each second), the sink "speakers" ("Lab speakers",
# 2 kHz beep each half second) and a second sink "headset". They keep their files in DESKTOPLAB_DIR, and the environment
# for programs in its file env. CAMLAB has camlab [--rw DIR] CMD..., which runs a command in the machine on the host's
# own files. Needs: ffmpeg, ffprobe, pactl, parec, alsa-utils, python3. KAIBO: the program to test (default: the debug
# build). Prints "ok" or "FAILED" for each check and ends with 1 if one failed; OUT gets recordings and logs.
set -u
here=$(cd "$(dirname "$0")" && pwd)

failed=0
check() { # WHAT CONDITION...
  local what=$1
  shift
  if "$@"; then echo "ok      $what"; else
    echo "FAILED  $what"
    failed=1
  fi
}
since() { tail -n "+$mark" "$events"; }
mark() { mark=$(($(wc -l <"$events") + 1)); }
told() { # SECONDS WORDS: an event with these words comes in time; says how long it took
  local began=${EPOCHREALTIME/./} limit=$1
  until since | grep '"event"' | grep -q "$2"; do
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    [ "$took" -lt $((limit * 1000)) ] || return 1
    sleep 0.05
  done
  took=$(((${EPOCHREALTIME/./} - began) / 1000))
}
began() { # OPTIONS...: a show of one colour, with these sounds (and SOUNDS, in TOML), recorded
  cat >"$out/show.toml" <<T
[video]
size = "${SIZE:-320x180}"
fps = ${FPS:-10}
[encoder]
preset = "ultrafast"
[server]
rtmp = "127.0.0.1:0"
http = "127.0.0.1:0"
[[scene.layer]]
source = { kind = "color", color = "#204060" }
${SOUNDS:-}
T
  rm -f "$out/show.flv"
  events=$out/show.json mark=1
  : >"$events"
  "$kaibo" push --config "$out/show.toml" --stats json --software-gpu --record "$out/show.flv" "$@" >"$events" \
    2>"$out/show.log" &
  show=$!
}
ended() {
  check "the stream went on" kill -0 $show
  kill -INT $show
  wait $show
  check "it ended in time, code $?" [ $? = 0 ]
  local gaps
  gaps=$(ffprobe -v error -select_streams a -show_entries packet=pts_time -of csv=p=0 "$out/show.flv" |
    awk -F, 'NR > 1 && ($1 - t < 0.019 || $1 - t > 0.024) { n++ } { t = $1 } END { print n + 0, NR }')
  check "AAC never stopped: ${gaps% *} gaps in ${gaps#* } packets" [ "${gaps% *}" = 0 ]
}
beeps() { # HZ FROM TO: how many beeps the recording has in these seconds
  "$DESKTOPLAB/audio-check" --wav "$out/show.wav" |
    awk -v f="$1" -v a="$2" -v b="$3" '$1 == f { for (i = 5; i <= NF; i++) if ($i >= a && $i < b) n++ } END { print n + 0 }'
}

desktop() {
  : "${DESKTOPLAB:?the folder with audio-up}"
  local kind
  for kind in ${SERVERS:-pulse pipewire}; do
    echo "--- $kind"
    desktop_with "$kind"
  done
}

desktop_with() {
  "$DESKTOPLAB/audio-up" "$1" 2>/dev/null || { check "$1 is up" false; return; }
  . "$DESKTOPLAB_DIR/env"
  local list
  list=$("$kaibo" devices 2>/dev/null)
  check "the microphone is listed" grep -q 'Lab microphone (default).*--mic "microphone"' <<<"$list"
  check "desktop sound is listed" grep -q 'Monitor of Lab speakers (default).*--desktop-sound "speakers.monitor"' <<<"$list"
  "$DESKTOPLAB/audio-server" plug headset
  began --mic "default;name=Host" --desktop-sound "default;name=Game" --monitor mix --monitor-device headset
  check "the microphone is heard" told 20 'Host: Lab microphone'
  mark=1
  check "desktop sound is heard" told 20 'Game: Monitor of Lab speakers'
  mark=1
  check "somebody listens in" told 20 'you listen in on Lab headset'
  local start=$SECONDS
  sleep 12
  timeout 6 parec -d headset.monitor --rate=48000 --channels=1 --format=s16le >"$out/heard.raw" 2>/dev/null
  ffmpeg -v error -y -f s16le -ar 48000 -ac 1 -i "$out/heard.raw" "$out/heard.wav" </dev/null
  local heard
  heard=$("$DESKTOPLAB/audio-check" --wav "$out/heard.wav" | awk '{ print NF - 4 }' | tr '\n' ' ')
  check "what is listened to: beeps of microphone and desktop $heard in 6 s" \
    awk -v h="$heard" 'BEGIN { split(h, n, " "); exit !(n[1] >= 4 && n[2] >= 4) }'

  echo "- the server is killed"
  mark
  "$DESKTOPLAB/audio-server" crash
  check "told" told 5 'Host is silent'
  sleep 3
  mark
  "$DESKTOPLAB/audio-server" start
  check "the microphone is back ${took:-?} ms after the server" told 3 'Host: Lab microphone'
  check "desktop sound is back as well" told 3 'Game: Monitor of Lab speakers'
  check "nothing else was taken for a microphone" eval '! since | grep -q "Host: Monitor"'
  sleep 5

  echo "- the microphone is pulled out and put in again"
  mark
  "$DESKTOPLAB/audio-server" unplug microphone
  check "told" told 5 'Host is silent\|no microphone was found'
  sleep 3
  check "desktop sound does not take its place" eval '! since | grep -q "\"event\":\"sound_up\""'
  mark
  "$DESKTOPLAB/audio-server" plug microphone
  pactl set-default-source microphone
  check "it is heard again" told 5 'Host: Lab microphone'
  echo "  ($took ms)"

  echo "- another output becomes the default"
  "$DESKTOPLAB/audio-server" plug headset # it went with the server
  mark
  pactl set-default-sink headset
  check "it is followed" told 5 'Game: Monitor of Lab headset'
  echo "  ($took ms)"
  check "it comes back as an echo: told" told 8 'viewers hear it again as an echo'
  pactl set-default-sink speakers
  sleep 3
  grep '"status"' "$events" | tail -1 | grep -o '"audio":{.*"delay_ms":[0-9]*'
  ended
  ffmpeg -v error -y -i "$out/show.flv" -ac 1 -ar 48000 -af aresample=async=0 "$out/show.wav" </dev/null
  check "the recording: $(beeps 1000 3 15) beeps of the microphone, $(beeps 2000 3 15) of the desktop in 12 s" \
    eval '[ "$(beeps 1000 3 15)" -ge 10 ] && [ "$(beeps 2000 3 15)" -ge 10 ]'
  cp "$out/show.json" "$out/$1.json"
  "$DESKTOPLAB/audio-down" 2>/dev/null
}

alsa() {
  : "${CAMLAB:?the folder with camlab}"
  ffmpeg -v error -y -f lavfi -i "sine=1000:r=48000:d=600" -ac 2 -c:a pcm_s16le "$out/tone.wav" </dev/null
  "$CAMLAB/camlab" --timeout 560 --rw "$out" --no-vivid bash "$here/sound.sh" --inside "$(realpath "$kaibo")" "$out"
}

inside() {
  kaibo=$1 out=$2
  unset PULSE_SERVER PULSE_RUNTIME_PATH XDG_RUNTIME_DIR
  SIZE=160x90 FPS=5 # an emulated processor
  # plughw: what plays and what records on the loopback must use the same format, and whoever comes first chooses it
  play() { aplay -q -D plughw:Loopback,1,0 --period-size=2048 --buffer-size=16384 "$out/tone.wav" & player=$!; }
  play
  "$kaibo" devices 2>/dev/null | sed -n '/Sound inputs/,$p'
  check "the card is listed" grep -q 'hw:CARD=Loopback' <<<"$("$kaibo" devices 2>/dev/null)"
  # from a settings file: what is named on the command line must be there at once, and an emulated processor is slow
  SOUNDS='[[audio.sound]]
name = "Card"
source = { kind = "microphone", device = "hw:CARD=Loopback,DEV=0" }'
  began
  check "the card is heard" told 150 'Card: Loopback'
  sleep 8
  local level
  level() { grep '"status"' "$events" | tail -1 | grep -o '"rms_dbfs":\[[-0-9.]*' | head -1 | grep -o '[-0-9.]*$'; }
  check "its tone has a level of $(level) dBFS" awk -v l="$(level)" 'BEGIN { exit !(l > -40) }'
  echo "- pulled out and put in again"
  mark
  kill $player
  wait $player 2>/dev/null
  echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/unbind
  check "told" told 20 'Card is silent'
  sleep 4
  mark
  echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/bind
  sleep 1
  play
  check "it is heard again" told 60 'Card: '
  echo "  ($took ms)"
  sleep 6
  check "its tone has a level of $(level) dBFS" awk -v l="$(level)" 'BEGIN { exit !(l > -40) }'
  ended
  cp "$out/show.json" "$out/alsa.json"
  cp "$out/show.flv" "$out/alsa.flv"
  echo "- in use by another program"
  arecord -q -D plughw:Loopback,0,0 -f S16_LE -r 48000 -c 2 --period-size=2048 --buffer-size=16384 /dev/null &
  local other=$!
  sleep 2
  began
  check "told" told 120 'in use by another program'
  kill $other $show 2>/dev/null
  wait $other $show 2>/dev/null
  kill $player
  exit "$failed"
}

took=
case ${1:-} in
--inside) inside "$2" "$3" ;;
long)
  cd "$here/.." && cargo test --test cli -- --ignored --nocapture flash_and_beep
  exit
  ;;
desktop | alsa)
  out=${2:-$(mktemp -d)}
  mkdir -p "$out"
  out=$(realpath "$out")
  kaibo=${KAIBO:-${CARGO_TARGET_DIR:-$here/../target}/debug/kaibo}
  export DESKTOPLAB_DIR=${DESKTOPLAB_DIR:-/tmp/desktoplab-kaibo}
  "$1"
  exit "$failed"
  ;;
*)
  sed -n '2,/^set -u/p' "$0" | sed '$d'
  exit 2
  ;;
esac
