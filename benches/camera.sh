#!/usr/bin/env bash
# benches/camera.sh: Kaibo with real V4L2 devices, in a virtual machine whose kernel has a virtual camera (vivid) and a USB
# camera (uvcvideo on a virtual bus): formats and rates, then what happens when a camera goes away, stalls, is busy.
#
#   CAMLAB=DIR benches/camera.sh [OUT]
#
# DIR has two programs: `camlab [--rw DIR] [--modules LIST] CMD...` runs a command in such a machine on the host's own files
# (read only, but for --rw), and `uvccam [--mjpeg WxH@FPS=FILE]... [--yuyv WxH@FPS]...` in it plugs in a USB camera with the
# serial number "camlab-0", prints its nodes, and takes TERM (unplug), USR1 (stop, go on) and USR2 (cut a picture short).
# Needs: ffmpeg, v4l-utils, setpriv. KAIBO: the program to test (default: the debug build). Prints "ok" or "FAILED" for each
# check and ends with 1 if one failed; OUT gets the recording of the show and its log.
# SHARE: what share of the pictures must arrive of formats that are only copied (default 0.4: an emulated processor on a
# busy machine drops some; where bytes are moved or JPEG is decoded it manages a few a second, so a twentieth is enough).
set -u
here=$(cd "$(dirname "$0")" && pwd)

outside() {
  : "${CAMLAB:?the folder with camlab and uvccam}"
  local kaibo=${KAIBO:-${CARGO_TARGET_DIR:-$here/../target}/debug/kaibo} out=${1:-}
  [ -n "$out" ] || out=$(mktemp -d)
  mkdir -p "$out"
  local size
  for size in 320x240 640x480 1280x720; do
    ffmpeg -v error -y -f lavfi -i "testsrc2=s=$size:r=30:d=2" -pix_fmt yuvj422p -q:v 6 -c:v mjpeg -f mjpeg \
      "$out/$size.mjpeg" </dev/null
  done
  "$CAMLAB/camlab" --timeout 900 --rw "$out" --modules 'vhci-hcd uvcvideo' \
    bash "$here/camera.sh" --inside "$(realpath "$kaibo")" "$CAMLAB/uvccam" "$out"
}

failed=0
check() { # WHAT CONDITION...
  local what=$1
  shift
  if "$@"; then echo "ok      $what"; else
    echo "FAILED  $what"
    failed=1
  fi
}

figure() { sed -n "s/^ *\"$1\": //; T; s/,\$//; s/\"//g; p" <<<"$json"; }

rate() { # CAMERA MODE FPS [SHARE]: what the driver numbers comes at the rate, enough of it reaches us, time runs forward
  json=$("$kaibo" devices test "$1" --camera-mode "$2" --seconds 3 --json 2>/tmp/rate.err) || json=
  local frames lost fps corrupt
  frames=$(figure frames) lost=$(figure lost) fps=$(figure fps) corrupt=$(figure corrupt)
  check "$2: $(figure negotiated); ${fps:-no} fps, $lost lost, jitter $(figure jitter_ms) ms, monotonic $(figure monotonic)" \
    awk -v f="${frames:-0}" -v l="${lost:-0}" -v r="${fps:-0}" -v w="$3" -v s="${4:-${SHARE:-0.4}}" -v c="${corrupt:-1}" \
    -v m="$(figure monotonic)" 'BEGIN {
      n = f > 1 ? r * (f - 1 + l) / (f - 1) : 0
      exit !(n > w * 0.9 && n < w * 1.1 && f >= s * (f + l) && m == "true" && c == 0) }'
}

since() { tail -n "+$mark" /tmp/show.json; }
mark() { mark=$(($(wc -l </tmp/show.json) + 1)); }
told() { # SECONDS WORDS: an event with these words comes in time
  local end=$((SECONDS + $1))
  until since | grep '"event"' | grep -q "$2"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.3
  done
}
lost_and_back() { # WHAT LOST-WORDS BACK-WORDS, with the functions away and back in between
  mark
  away
  check "$1: told" told 20 "$2"
  mark
  back
  check "$1: back" told 40 "$3"
}
counter() { grep '"status"' /tmp/show.json | tail -1 | grep -o "\"name\":\"$1\".*" | grep -o "\"$2\":[0-9]*" | head -1 | grep -o '[0-9]*$'; }

inside() {
  kaibo=$1 uvccam=$2 out=$3
  local vivid=platform:vivid-000 usb=usb-1209:0001-camlab-0 v4l2="v4l2-ctl -d /dev/video0"
  plug() {
    coproc CAM { exec "$uvccam" --mjpeg "320x240@10=$out/320x240.mjpeg" --mjpeg "640x480@30=$out/640x480.mjpeg" \
      --mjpeg "1280x720@30=$out/1280x720.mjpeg"; }
    read -r node _ <&"${CAM[0]}"
    cam=$CAM_PID
  }
  plug
  "$kaibo" devices 2>/dev/null | grep -A3 'camera:'

  for mode in yuyv:640x480 yuyv:1280x720 nv12:640x480 nv12:1280x720 i420:640x480 grey:640x480; do
    rate $vivid "$mode@30" 30
  done
  for mode in uyvy:640x480 rgb24:640x480 bgr24:640x480; do rate $vivid "$mode@30" 30 0.05; done
  $v4l2 -c timestamp_source=1
  rate $vivid nv12:640x480@30 30
  rate $usb mjpeg:640x480@30 30 0.05
  rate $usb mjpeg:1280x720@30 30 0.02

  $v4l2 --set-fmt-video=width=640,height=480,pixelformat=UYVY -p 12.5 >/dev/null
  json=$("$kaibo" devices test $vivid --size 640x480 --seconds 1 --json)
  check "left in UYVY at 12.5 fps by another program: $(figure negotiated)" \
    [ "$(figure negotiated)" = "640x480, 30 fps, NV12" ]
  $v4l2 --stream-mmap --stream-count=100000 >/dev/null 2>&1 &
  local other=$!
  sleep 3
  words=$("$kaibo" devices test $vivid --seconds 1 2>&1)
  check "busy: $words" grep -q 'in use by another program' <<<"$words"
  kill $other
  wait $other 2>/dev/null
  words=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$kaibo" devices test $vivid --seconds 1 2>&1)
  check "forbidden: $words" grep -q 'no permission' <<<"$words"

  show
  exit "$failed"
}

show() {
  # BT.709 as the encoder wants it: no picture has to be drawn, which an emulated processor cannot do at any rate
  $v4l2 -c colorspace=1
  cat >/tmp/show.toml <<T
[video]
size = "320x180"
fps = 10
[encoder]
preset = "ultrafast"
[audio]
input = "none"
[[scene.layer]]
visible = false
source = { kind = "camera", device = "$usb", mode = { format = "mjpeg", size = "320x240", rate = 10 } }
[[scene.layer]]
source = { kind = "camera", device = "$vivid", name = "Vivid", mode = { format = "nv12", size = "320x180", rate = 10 }, controls = { brightness = 200 } }
T
  : >/tmp/show.json
  "$kaibo" push --config /tmp/show.toml --stats json --software-gpu --record "$out/show.flv" >/tmp/show.json \
    2>"$out/show.log" &
  local pid=$! mark=1
  check "the show is on" told 60 'you are live'
  check "the first camera is up" told 30 '320x180, 10 fps, NV12'
  check "its brightness is set: $($v4l2 -C brightness)" [ "$($v4l2 -C brightness)" = "brightness: 200" ]
  check "the USB camera is up" told 30 '320x240, 10 fps, MJPEG'

  away() { $v4l2 -c disconnect=1; }
  back() { :; } # it is back when the last program has closed it
  mark
  away
  check "disconnected: told" told 20 'Vivid went away'
  check "disconnected: back" told 40 'Vivid: 320x180'
  away() { $v4l2 -c percentage_of_dropped_buffers=100; }
  back() { $v4l2 -c percentage_of_dropped_buffers=0; }
  lost_and_back stalled 'Vivid has delivered nothing' 'Vivid: 320x180'
  away() { echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind; }
  back() {
    sleep 3
    echo vivid.0 >/sys/bus/platform/drivers/vivid/bind
    sleep 1
    v4l2-ctl -d /dev/video0 -c colorspace=1
  }
  lost_and_back unbound 'Vivid went away' 'Vivid: 320x180'

  local before
  before=$(counter "camera $usb" corrupt)
  kill -USR2 "$cam"
  mark
  local end=$((SECONDS + 15))
  until [ "$(counter "camera $usb" corrupt)" -gt "$before" ] || [ $SECONDS -ge $end ]; do sleep 0.5; done
  check "a picture cut short is counted ($before, then $(counter "camera $usb" corrupt))" \
    [ "$(counter "camera $usb" corrupt)" -gt "$before" ]
  check "and is no failure" eval '! since | grep -q source_lost'
  away() { kill -USR1 "$cam"; }
  back() { kill -USR1 "$cam"; }
  lost_and_back "USB camera stalled" "$usb has delivered nothing" "$usb: 320x240"
  local old=$node
  sleep 1000 <"$node" & # somebody still holds the number
  local holder=$!
  away() { kill "$cam" && wait "$cam" 2>/dev/null; }
  back() { plug; }
  lost_and_back "USB camera pulled out and put in" 'went away' "$usb: 320x240"
  check "under another number ($old, then $node)" [ "$old" != "$node" ]
  kill $holder

  check "the stream went on" kill -0 $pid
  sleep 3
  grep '"status"' /tmp/show.json | tail -1 | grep -o '"state":"[a-z]*"'
  cp /tmp/show.json "$out/show.json"
  kill -INT $pid
  wait $pid
  check "it ended in time, code $?" [ $? = 0 ]
}

case ${1:-} in
--inside) inside "$2" "$3" "$4" ;;
*) outside "$@" ;;
esac
