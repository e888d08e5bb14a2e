#!/bin/bash
# Kills `kaibo record` with SIGKILL at random moments and says how much of each file plays.
#
#   benches/record-kill.sh [MOMENTS] [KAIBO]      default: 20, target/debug/kaibo
#
# For each container (mp4, mkv, flv) a line per moment: seconds recorded until the kill, seconds in the file (end of its last
# picture, decoded by ffmpeg), what is missing, and what the decoder complains of. Fails when more than 1 s is missing or nothing
# decodes. The clock starts with the first bytes in the file, which come when a quarter of a second is recorded: before that a
# busy machine compiles shaders. A picture's own way to the encoder and through it (some 50 ms) is not in the figure.
set -u
moments=${1:-20}
kaibo=${2:-target/debug/kaibo}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
for format in mp4 mkv flv; do
    for n in $(seq "$moments"); do
        file=$dir/$format-$n.$format
        "$kaibo" record "$file" --source test --audio none --size 640x360 --software-gpu >/dev/null 2>"$dir/log" &
        pid=$!
        until [ -s "$file" ]; do
            kill -0 $pid 2>/dev/null || { cat "$dir/log"; exit 1; }
            sleep 0.005
        done
        began=$(date +%s%N)
        sleep "$(awk "BEGIN { srand($RANDOM * 32768 + $RANDOM); print 1.5 + rand() * 5 }")"
        ended=$(date +%s%N)
        kill -9 $pid
        wait $pid 2>/dev/null
        ran=$(awk "BEGIN { print ($ended - $began) / 1e9 + 0.25 }")
        # the last picture as it decodes, not what a header claims
        last=$(ffmpeg -v error -i "$file" -map 0:v -f framecrc - 2>"$dir/complaints" |
            awk -F, '/^#tb/ { split($0, t, /[ \/]/); num = t[3]; den = t[4] } !/^#/ { end = ($3 + $4) * num / den } END { print end + 0 }')
        missing=$(awk "BEGIN { print $ran - $last }")
        verdict=ok
        awk "BEGIN { exit !($missing > 1 || $last <= 0) }" && verdict=FAILED && failed=1
        printf '%s %2d: recorded %.3f s, plays %.3f s, missing %.3f s, %s; %s\n' \
            "$format" "$n" "$ran" "$last" "$missing" "$verdict" "$(tr '\n' ' ' <"$dir/complaints" | cut -c1-120)"
        rm -f "$file"*
    done
done
exit $failed
