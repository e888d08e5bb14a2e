#!/bin/bash
# What recording the stream's packets costs: CPU seconds of a minute on air, with and without a recording, in turns.
#
#   benches/record-cost.sh [RUNS] [KAIBO] [SECONDS]      default: 3, target/release/kaibo, 60
#
# For each run a line: CPU seconds of the whole process over the stretch, and of the threads rec and rec-sync alone (from
# /proc/PID/task/*/schedstat, in nanoseconds: far finer than the differences between two runs of the whole).
set -u
runs=${1:-3}
kaibo=${2:-target/release/kaibo}
seconds=${3:-60}
dir=$(mktemp -d)
trap 'kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
pid=
cpu() { # PATTERN: nanoseconds of the threads so named; threads that have ended are missing
    for t in /proc/"$pid"/task/*; do
        name=$(cat "$t/comm" 2>/dev/null) || continue
        [[ $name =~ $1 ]] && cut -d' ' -f1 "$t/schedstat" 2>/dev/null
    done | awk '{ s += $1 } END { printf "%.0f", s }'
}
measure() { # WORD OPTIONS...
    local word=$1
    shift
    "$kaibo" push --source test --audio none --size 1280x720 --fps 30 --software-gpu "$@" >/dev/null 2>"$dir/log" &
    pid=$!
    until grep -q 'you are live' "$dir/log"; do
        kill -0 $pid 2>/dev/null || { cat "$dir/log"; exit 1; }
        sleep 0.05
    done
    sleep 3
    local all rec all2 rec2
    all=$(cpu '.') rec=$(cpu '^rec')
    sleep "$seconds"
    all2=$(cpu '.') rec2=$(cpu '^rec')
    kill -INT $pid
    wait $pid
    awk "BEGIN { a = ($all2 - $all) / 1e9; r = ($rec2 - $rec) / 1e9;
        printf \"%-10s all %.3f CPU s, recording threads %.3f CPU s (%.2f %%)\n\", \"$word\", a, r, 100 * r / a }"
}
for n in $(seq "$runs"); do
    measure without
    measure mp4 --record "$dir/$n.mp4"
    measure mkv --record "$dir/$n.mkv"
done
