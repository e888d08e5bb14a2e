#!/usr/bin/env bash
# benches/destinations.sh: several destinations of one encode. What ten cost beside one, in CPU seconds of the pushing
# process; and what two lose while a third takes nothing for a minute.
#
#   benches/destinations.sh [SECONDS]     (default 60; KAIBO: the program to test, default target/release/kaibo; SIZE:
#   of the picture, default 1280x720: a busy machine that skips pictures still gives CPU time per picture)
#
# The destinations are built-in servers of their own on this machine; their CPU time is not counted. Needs: python3.
set -u
here=$(cd "$(dirname "$0")" && pwd)
kaibo=${KAIBO:-${CARGO_TARGET_DIR:-$here/../target}/release/kaibo}
seconds=${1:-60}
dir=$(mktemp -d)
servers=()
trap 'kill -CONT "${servers[@]}" 2>/dev/null; kill "${servers[@]}" 2>/dev/null; rm -rf "$dir"' EXIT

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

serve() { # starts a server; its port is in $rtmp
  rtmp=$(port)
  "$kaibo" serve --rtmp "127.0.0.1:$rtmp" --http "127.0.0.1:$(port)" >"$dir/server-$rtmp.log" 2>&1 &
  servers+=($!)
  python3 - "$rtmp" <<'PY'
import socket, sys, time
for _ in range(200):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        time.sleep(0.1)
PY
}

push=(push --source test --audio none --size "${SIZE:-1280x720}" --fps 30 --video-bitrate 2500k --no-adapt --software-gpu --stats json)

cpu() { # COUNT: CPU seconds of pushing to so many destinations, and milliseconds for each picture
  local also=() n
  for ((n = 1; n < $1; n++)); do also+=(--also "rtmp://127.0.0.1:$rtmp/live/s$n"); done
  python3 - "$dir/$1.json" "$kaibo" "${push[@]}" --duration "${seconds}s" --url "rtmp://127.0.0.1:$rtmp/live/s0" "${also[@]}" <<'PY'
import json, os, subprocess, sys
with open(sys.argv[1], "w") as out:
    subprocess.run(sys.argv[2:], stdout=out, stderr=subprocess.DEVNULL)
t = os.times()
cpu = t.children_user + t.children_system
lines = [json.loads(line).get("status") for line in open(sys.argv[1])]
pictures = max(s["encoder"]["frames"] for s in lines if s and s.get("encoder"))
print(f"{cpu:.2f} {1000 * cpu / pictures:.2f}")
PY
}

losses() { # FILE: what each destination lost, at the end
  python3 - "$1" <<'PY'
import json, sys
last = None
for line in open(sys.argv[1]):
    status = json.loads(line).get("status")
    if status and status.get("stream"):
        last = status
for n, o in enumerate([last["stream"], *last["more"]]):
    print(f"  destination {n}: {o['sent_bytes'] >> 10} KiB, {o['dropped']} dropped, frozen {o['frozen_ms']} ms, "
          f"{o['reconnects']} reconnects")
print(f"  encoder: {last['encoder']['frames']} pictures, {last['render']['skipped']} skipped")
PY
}

serve
read -r one one_each <<<"$(cpu 1)"
read -r ten ten_each <<<"$(cpu 10)"
echo "CPU of ${seconds} s: one destination $one s ($one_each ms a picture), ten $ten s ($ten_each ms a picture):" \
  "$(python3 -c "print(f'{$ten_each / $one_each:.3f}')") times a picture"
losses "$dir/10.json"

ports=()
for _ in 1 2 3; do serve; ports+=("$rtmp"); done
stalled=${servers[2]} # the first served the CPU runs
"$kaibo" "${push[@]}" --url "rtmp://127.0.0.1:${ports[0]}/live/a" --also "rtmp://127.0.0.1:${ports[1]}/live/b" \
  --also "rtmp://127.0.0.1:${ports[2]}/live/c" >"$dir/three.json" 2>/dev/null &
pusher=$!
sleep 5
kill -STOP "$stalled"
sleep "$seconds"
kill -CONT "$stalled"
kill -INT "$pusher"
wait "$pusher"
echo "three destinations, number 1 takes nothing for $seconds s:"
losses "$dir/three.json"
