#!/usr/bin/env bash
# benches/netlab.sh: Kaibo and nginx-rtmp over links that change, emulated exactly: how late pictures are, how many are
# missing, how much of the link is used, and how soon a lost stream is back. Prints one row of Markdown for each case.
#
#   NETLAB=DIR benches/netlab.sh [CASE...]     (default: all of step-down mobile-lte slow-start steady-6m uplink-1200
#                                               blackout-20s restart stall; any other name is a trace of the lab)
#
# DIR has `netlab` (two network namespaces, a link between them, nginx-rtmp with an arrival log, a score) and `traces/`;
# needs root, python3, ffmpeg and nginx with its rtmp module. OUT keeps the details (default: a temporary folder, named at the end);
# KAIBO is the program (default target/release/kaibo), SIZE the picture (1280x720), RATE the ceiling in kbit/s (2500),
# SOURCE the picture source (default: a film made here with ffmpeg that needs all bits it may have), ARGS more arguments. A case takes as long as its trace: one to three minutes. Leave the machine alone meanwhile.
set -u
here=$(cd "$(dirname "$0")" && pwd)
lab=${NETLAB:?the folder of the network lab}
kaibo=${KAIBO:-${CARGO_TARGET_DIR:-$here/../target}/release/kaibo}
out=${OUT:-$(mktemp -d)}
rate=${RATE:-2500}
name=kb$$
mkdir -p "$out"
film=$out/film.mp4
if [ -z "${SOURCE:-}" ] && [ ! -s "$film" ]; then
  ffmpeg -hide_banner -loglevel error -f lavfi -i testsrc2=size=1280x720:rate=30:duration=12,noise=alls=12:allf=t \
    -c:v libx264 -preset ultrafast -crf 23 -g 30 -pix_fmt yuv420p "$film" || exit 1
fi
[ $# -gt 0 ] || set -- step-down mobile-lte slow-start-300k steady-6m uplink-1200 blackout-20s restart stall

# what the lab runs in the pusher's namespace; `exec` so that its signal arrives
push=(env KAIBO_URL=rtmp://10.77.0.2/live/x "$kaibo" -v push --source "${SOURCE:-$film}" --loop --audio none --size "${SIZE:-1280x720}" --fps 30
  --video-bitrate "${rate}k" --audio-bitrate 128k --preset "${PRESET:-veryfast}" --software-gpu --stats json)
read -ra more <<<"${ARGS:-}"
push+=(${more[@]+"${more[@]}"})

trace() { # the case's trace on standard output
  case $1 in
  uplink-1200) printf '%s\n' '0 push.rate=6000 back.rate=20000 delay=20 push.queue=150000B back.queue=200ms' \
    '20 push.rate=1200' '60 push.rate=6000' '90 end' ;;
  stall) printf '%s\n' '0 rate=6000 delay=20 queue=200ms' '20 down' '40 up' '70 end' ;; # the server never lets go by itself
  restart) printf '%s\n' '0 rate=6000 delay=20 queue=200ms' '60 end' ;;
  *) cat "$lab/traces/$1.trace" ;;
  esac
}

server() { # DIR: a server that is killed after 20 s and comes back 10 s later
  cat <<SH
'$lab/netlab' ingest --dir '$1/first' & p=\$!
trap 'kill \$p; exit' TERM INT
sleep 20; pkill -KILL -P \$p nginx; kill -KILL \$p; wait \$p 2>/dev/null
sleep 10; date +%s >/dev/null; python3 -c 'import time; print(time.monotonic())' >'$1/back'
'$lab/netlab' ingest --dir '$1/second' & p=\$!
wait \$p
SH
}

row() { # CASE DIR
  python3 - "$1" "$2" "$rate" "$lab/netlab" <<'PY'
import csv, json, os, subprocess, sys
case, d, rate, netlab = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
t0 = None
for line in open(f"{d}/link.csv"):
    if line.startswith("# netlab t0_mono_ns="):
        t0 = int(line.split("=")[1].split()[0]) / 1e9
parts = [f"{d}/{p}/arrivals.csv" for p in ("in", "first", "second") if os.path.exists(f"{d}/{p}/arrivals.csv")]
frames = []  # seconds of the run, part and session, media time, key
for part, path in enumerate(parts):
    for r in csv.DictReader(open(path)):
        if r["kind"] == "v":
            frames.append((int(r["arrival_mono_ns"]) / 1e9 - t0, (part, r["session"]), int(r["ts_ms"]) / 1000, int(r["key"]), int(r["bytes"])))
score = json.loads(subprocess.run([netlab, "score", "--arrivals", parts[0], "--link", f"{d}/link.csv", "--target", str(rate + 128),
                                   "--series", f"{d}/series.csv"], capture_output=True, text=True).stdout)
json.dump(score, open(f"{d}/score.json", "w"), indent=1)
def after(t):  # first picture of what was captured after t
    late = [f[0] for f in frames if f[0] >= t]
    return min(late) - t if late else None
notes = []
if case in ("blackout-20s", "stall"):
    notes.append(f"picture {after(40.0):.2f} s after the link is back" if after(40.0) is not None else "never back")
if case == "restart":
    for k in ("link_utilisation_of_useful", "stall_count", "stall_seconds", "missing_percent", "sessions"):
        score[k] = None  # of the first server's life only
    back = float(open(f"{d}/back").read()) - t0
    notes.append(f"picture {after(back):.2f} s after the server is back" if after(back) is not None else "never back")
if case == "uplink-1200":
    off = {}
    for f in frames:
        off[f[1]] = min(off.get(f[1], 1e9), f[0] - f[2])
    later = [f[0] - f[2] - off[f[1]] for f in frames if 23 <= f[0] < 60]
    if later:
        notes.append(f"delay at most {max(later):.2f} s from 3 s after the fall on")
    told = []
    for line in open(f"{d}/push.json"):
        try:
            s = json.loads(line).get("status")
        except ValueError:
            continue
        if s and s.get("stream") and s["stream"].get("adapt"):
            told.append((s.get("now_ms", 0) / 1000, s["stream"]["adapt"]["target_bps"]))
    # what the encoder made, by the second: the first of three seconds in a row over nine tenths of the ceiling
    per = {}
    for f in frames:
        if f[0] >= 60:
            per[int(f[0] - 60)] = per.get(int(f[0] - 60), 0) + f[4] * 8
    for s in sorted(per):
        if s + 3 in per and sum(per[s + i] for i in range(4)) / 4 >= 0.9 * rate * 1000:
            notes.append(f"90 % of the ceiling {s} s after release")
            break
    else:
        notes.append("90 % of the ceiling not reached after release")
cpu = [json.loads(l)["status"] for l in open(f"{d}/push.json") if l.startswith('{') and '"status"' in l]
skipped = cpu[-1]["render"]["skipped"] if cpu else -1
n = lambda k, f="{:.2f}": f.format(score[k]) if isinstance(score.get(k), (int, float)) else "-"
print(f"| {case} | {n('link_utilisation_of_useful')} | {n('delay_p50_s')} | {n('delay_p95_s')} | {n('delay_max_s')} | "
      f"{n('stall_count', '{}')} | {n('stall_seconds', '{:.1f}')} | {n('missing_percent', '{:.1f}')} | {n('video_kbps_mean', '{:.0f}')} | "
      f"{skipped} | {score.get('sessions', '-')} | {'; '.join(notes)} |")
PY
}

echo "| trace | used | delay p50 s | p95 | max | stalls | stalled s | missing % | video kbit/s | not drawn | sessions | |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
for case; do
  dir=$out/$case
  rm -rf "$dir"
  mkdir -p "$dir"
  trace "$case" >"$dir/trace" || exit 1
  served=(--ingest "$dir/in" --idle-drop "$([ "$case" = stall ] && echo 300 || echo 10)")
  if [ "$case" = restart ]; then
    server "$dir" >"$dir/server.sh"
    served=(--server "bash $dir/server.sh" --wait-port 1935)
  fi
  "$lab/netlab" run --name "$name" --trace "$dir/trace" --log "$dir/link.csv" "${served[@]}" --for trace -- \
    bash -c 'exec "$@" >"$0/push.json" 2>"$0/push.log"' "$dir" "${push[@]}" >"$dir/lab.log" 2>&1
  row "$case" "$dir"
  rm -rf "$dir"/*/rec
done
echo "details: $out" >&2
