#!/usr/bin/env bash
# What libx264's presets give for their processor time, on footage and on a screen: PSNR and SSIM of the decoded picture
# at the same bitrate, and CPU milliseconds a picture. Prints the table of encoders.md.
# Usage: benches/encoders.sh FOLDER [seconds]   (FOLDER holds bigbuckbunny.mp4, bikes.mp4, carphone_pristine.mp4)
# Needs ffmpeg with libx264, and a font for the screen. CPU time, not wall time: others may use the machine.
set -euo pipefail
media=${1:?folder with footage}
seconds=${2:-4}
size=1280x720 rate=30 kbps=2500
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
font=$(fc-match -f '%{file}' monospace)
ff() { ffmpeg -v error -nostdin -y "$@"; }

raw=(-t "$seconds" -r $rate -pix_fmt nv12 -f rawvideo)
fill="scale=1280:720:force_original_aspect_ratio=increase,crop=1280:720,setsar=1"
for clip in bigbuckbunny bikes carphone_pristine; do
    ff -stream_loop -1 -i "$media/$clip.mp4" -an -vf "$fill" "${raw[@]}" "$work/$clip"
done
# a page of text that scrolls for half of the time, a window that moves, a clock
cat "$(dirname "$0")/../README.md" "$(dirname "$0")/../CHANGELOG.md" | tr -d "%:\\\\'" | head -c 12000 >"$work/text"
ff -f lavfi -i "color=0xf4f4f4:size=$size:rate=$rate" -vf "drawtext=fontfile=$font:textfile=$work/text:fontsize=17:\
fontcolor=0x202020:x=40:y=20-if(gt(mod(t\,4)\,2)\,120*(mod(t\,4)-2)\,0):expansion=none,drawbox=x=700+120*sin(t):y=200:w=380:h=260:\
color=0x3060a0:t=fill,drawtext=fontfile=$font:text='%{pts}':fontsize=40:x=1000:y=30:box=1" "${raw[@]}" "$work/screen"

echo "| tune | preset | CPU ms | $(printf '%s dB, SSIM | ' bigbuckbunny bikes carphone screen)mean dB | dB gained per extra ms |"
echo "|---|---|---|---|---|---|---|---|---|"
for tune in low-latency quality; do
    last_db= last_ms=
    for preset in ultrafast superfast veryfast faster fast medium slow; do
        line= sum_ms=0 sum_db=0
        for clip in bigbuckbunny bikes carphone_pristine screen; do
            options=(-preset "$preset" -b:v ${kbps}k -maxrate ${kbps}k -g 60 -sc_threshold 0 -bf 0 -threads 1)
            if [ $tune = low-latency ]; then
                options+=(-tune zerolatency -bufsize $((kbps / 2))k)
            else
                options+=(-bf 2 -rc-lookahead 12 -bufsize $((kbps * 7 / 10))k)
            fi
            input=(-f rawvideo -pix_fmt nv12 -s $size -r $rate -i "$work/$clip")
            /usr/bin/time -f '%U' -o "$work/time" ffmpeg -v error -nostdin -y "${input[@]}" -c:v libx264 \
                "${options[@]}" "$work/out.mp4"
            both=$(ffmpeg -v info -nostdin -i "$work/out.mp4" "${input[@]}" -lavfi \
                "[0:v]format=yuv420p,split[a][b];[1:v]format=yuv420p,split[c][d];[a][c]psnr[p];[b][d]ssim[q]" \
                -map '[p]' -map '[q]' -f null - 2>&1)
            db=$(sed -n 's/.*PSNR.*average:\([0-9.]*\).*/\1/p' <<<"$both")
            ssim=$(sed -n 's/.*SSIM.*All:\([0-9.]*\).*/\1/p' <<<"$both")
            ms=$(awk -v t="$(cat "$work/time")" -v n=$((seconds * rate)) 'BEGIN{print t * 1000 / n}')
            line+=$(printf '%.2f, %.4f | ' "$db" "$ssim")
            sum_ms=$(awk -v a="$sum_ms" -v b="$ms" 'BEGIN{print a + b}')
            sum_db=$(awk -v a="$sum_db" -v b="$db" 'BEGIN{print a + b}')
        done
        gain=$(awk -v d="$sum_db" -v m="$sum_ms" -v ld="$last_db" -v lm="$last_ms" \
            'BEGIN{if (lm == "" || m - lm < 0.4) print "-"; else printf "%.2f", (d - ld) / (m - lm)}')
        awk -v t=$tune -v p=$preset -v m="$sum_ms" -v d="$sum_db" -v l="$line" -v g="$gain" \
            'BEGIN{printf "| %s | %s | %.1f | %s %.2f | %s |\n", t, p, m / 4, l, d / 4, g}'
        last_db=$sum_db last_ms=$sum_ms
    done
done
