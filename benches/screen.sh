#!/usr/bin/env bash
# benches/screen.sh: Kaibo with a real Wayland desktop (headless compositor, portal, PipeWire) and a real X server: rate, the
# user's answers, a compositor that dies and comes back, and what a grab of the screen costs.
#
#   DESKTOPLAB=DIR benches/screen.sh
#
# DIR has `wayland-up [--ask]`, `wayland-down`, `answer allow|cancel|SECONDS`, `compositor crash|start|portal-crash`,
# `picture`, which shows a moving picture, and reads its state from $DESKTOPLAB_DIR (default /tmp/desktoplab), whose `env` the
# programs in the desktop need. Needs: xvfb, xdotool. KAIBO: the program to test (default: the debug build).
# Prints "ok" or "FAILED" for each check and ends with 1 if one failed.
# SHARE: what share of 30 pictures a second must come (default 0.8: a busy machine misses some).
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${DESKTOPLAB:?the folder with wayland-up}"
export DESKTOPLAB_DIR=${DESKTOPLAB_DIR:-/tmp/desktoplab}
kaibo=$(realpath "${KAIBO:-${CARGO_TARGET_DIR:-$here/../target}/debug/kaibo}")
work=$(mktemp -d)
export XDG_STATE_HOME=$work/state XDG_CONFIG_HOME=$work/config
failed=0 pid=

check() { # WHAT CONDITION...
  local what=$1
  shift
  if "$@"; then echo "ok      $what"; else
    echo "FAILED  $what"
    failed=1
  fi
}
mark() { mark=$(($(wc -l <"$work/show.json") + 1)); }
told() { # SECONDS WORDS: an event with these words comes in time
  local end=$((SECONDS + $1))
  until tail -n "+$mark" "$work/show.json" | grep '"event"' | grep -q "$2"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.2
  done
}
show() { # SOURCE: broadcasts it to the built-in server
  stop
  : >"$work/show.json"
  mark=1
  "$kaibo" push --source "$1" --audio none --stats json >"$work/show.json" 2>"$work/show.err" &
  pid=$!
}
stop() {
  [ -z "$pid" ] || { kill -INT "$pid" && wait "$pid"; } 2>/dev/null
  pid=
}
live() { kill -0 "$pid" 2>/dev/null; }
trap 'stop; "$DESKTOPLAB/wayland-down" >/dev/null 2>&1; rm -rf "$work"' EXIT

up() {
  "$DESKTOPLAB/wayland-down" >/dev/null 2>&1
  rm -rf "$DESKTOPLAB_DIR/answer"
  "$DESKTOPLAB/wayland-up" "$@" >/dev/null 2>&1 || { echo "FAILED  the desktop does not start"; exit 1; }
  # shellcheck disable=SC1091
  . "$DESKTOPLAB_DIR/env"
  export XDG_STATE_HOME=$work/state XDG_CONFIG_HOME=$work/config
}
rate() {
  local json fps
  json=$("$kaibo" devices test portal --seconds 5 --json 2>/dev/null) || return 1
  fps=$(sed -n 's/^ *"fps": //; T; s/,$//; p' <<<"$json")
  echo "        $fps fps, longest gap $(sed -n 's/^ *"longest_gap_ms": //; T; s/,$//; p' <<<"$json") ms"
  awk -v f="$fps" -v s="${SHARE:-0.8}" 'BEGIN { exit !(f > 30 * s && f < 31) }'
}
dialogs() { wc -l <"$DESKTOPLAB_DIR/log/dialogs.log" 2>/dev/null || echo 0; }

echo "Wayland: the user allows, cancels, is not asked again"
up --client wayland --ask
check "a moving picture comes at its rate" rate
check "what was allowed is kept, for the user only" test "$(stat -c %a "$XDG_STATE_HOME/kaibo/screen-sharing.json")" = 600
asked=$(dialogs)
check "it comes again, with or without a question" rate
echo "        questions before and after: $asked, $(dialogs)"
sed -i 's/"monitor":"[^"]*"/"monitor":"0:no such token"/' "$XDG_STATE_HOME/kaibo/screen-sharing.json"
check "a token that the desktop refuses is one more question" rate
rm -rf "$XDG_STATE_HOME/kaibo"
"$DESKTOPLAB/answer" cancel
show portal
check "a cancelled dialogue is told in words" told 10 'was not allowed: choose it again'
sleep 2
check "the user is not asked for ever" test "$(grep -c '"event"' <<<"$(grep 'was not allowed' "$work/show.json")")" = 1
check "with nothing else to show the program ends" eval '! live'
"$DESKTOPLAB/answer" 4
show portal
sleep 2
check "while the user thinks the stream is on" live
began=$(date +%s%N)
stop
check "and ends at once when asked ($((($(date +%s%N) - began) / 1000000)) ms)" test $((($(date +%s%N) - began) / 1000000)) -lt 3000

echo "Wayland: the desktop goes away"
up --client wayland
show portal
check "the screen is shown" told 15 '"source_up"'
sleep 2
mark
"$DESKTOPLAB/compositor" crash >/dev/null 2>&1
check "a compositor that dies is told as lost" told 10 'the shared screen went away'
check "the stream goes on" live
mark
# the wlr portal leaves with its compositor and comes back with it
"$DESKTOPLAB/compositor" start >/dev/null 2>&1
check "it is shown again when the desktop is back" told 70 '"source_up"'
stop

echo "X11: what a grab costs (1280x720, with the pointer, 30 fps, CPU time of the source's thread)"
"$DESKTOPLAB/wayland-down" >/dev/null 2>&1
unset WAYLAND_DISPLAY XDG_SESSION_TYPE
exec 3< <(exec Xvfb -displayfd 1 -screen 0 1280x720x24 2>/dev/null)
xvfb=$!
read -r display <&3
export DISPLAY=:$display
ticks() { # CPU ticks (10 ms) of the thread vsrc-1
  for task in /proc/"$pid"/task/*; do
    grep -q '^vsrc' "$task/comm" && awk '{ print $14 + $15 }' "$task/stat"
  done | head -1
}
cost() { # a picture, in ms, over 20 s
  local before
  before=$(ticks)
  sleep 20
  awk -v t=$(($(ticks) - before)) 'BEGIN { printf "%.3f", t * 10 / 600 }'
}
show screen
check "the screen is shown" told 15 '"source_up","source":"screen"'
still=$(cost)
check "a still screen: $still ms a tick" awk -v c="$still" 'BEGIN { exit !(c <= 0.1) }'
"$DESKTOPLAB/picture" --size 1280x720 >/dev/null 2>&1 &
painter=$!
sleep 2
moving=$(cost)
check "a moving screen: $moving ms a picture" awk -v c="$moving" 'BEGIN { exit !(c <= 1.0) }'
kill "$painter" 2>/dev/null
stop
kill "$xvfb" 2>/dev/null
exit "$failed"
