#!/usr/bin/env bash
# Makes the demo media beside this script: a 24 s loop in two H.264 renditions and one AAC rendition, as CMAF
# (4 s segments of eight 0.5 s fragments). Needs ffmpeg with libx264 and drawtext, and Node 20.
#
# Everything lands on exact boundaries, so that `meshedflow origin loop` can repeat it for ever without a
# discontinuity: 24 s are 576 video frames at 24 fps and 1125 AAC frames at 48 kHz. The audio signal is
# repeated three times before encoding and only the middle repetition is kept, which removes the encoder's
# priming and makes the last frame overlap with the first one of the next round.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
font="${FONT:-$(fc-match -f '%{file}' 'DejaVu Sans Mono:bold')}"
ff=(ffmpeg -hide_banner -loglevel error -y -nostdin)

video() { # name width height bitrate bufsize fontsize
  local clock="drawtext=fontfile=$font:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=6:fontsize=$6"
  "${ff[@]}" -f lavfi -i "testsrc2=size=$2x$3:rate=24:duration=24" -vf "noise=alls=9:allf=t,\
$clock:x=(w-tw)/2:y=h*0.72:text='%{eif\:floor(n/24)\:d\:2}.%{eif\:mod(n\,24)\:d\:2}  frame %{eif\:n\:d\:3}',\
$clock:x=8:y=8:text='$1'" \
    -c:v libx264 -preset veryslow -threads 2 -profile:v main -pix_fmt yuv420p -b:v "$4" -maxrate "$4" -bufsize "$5" \
    -x264-params "keyint=96:min-keyint=96:scenecut=0:open-gop=0:bframes=0" -bitexact \
    -movflags +empty_moov+default_base_moof+frag_keyframe+skip_trailer \
    -frag_duration 500000 -use_editlist 0 -video_track_timescale 12288 "$work/$1.mp4"
}

video v360 640 360 500k 500k 30
video v216 384 216 220k 220k 18

# A soft chord, a tick each second, a little noise so that the bit rate is real.
"${ff[@]}" -f lavfi -i "aevalsrc='0.10*(sin(440*PI*t)+sin(550*PI*t)+sin(660*PI*t))*(0.6+0.4*cos(PI*t/6))\
+0.4*sin(2000*PI*t)*lt(mod(t\,1)\,0.05)':s=48000:d=24" \
  -f lavfi -i "anoisesrc=color=pink:amplitude=0.03:seed=7:sample_rate=48000:duration=24" \
  -filter_complex "[0][1]amix=inputs=2:normalize=0,pan=stereo|c0=c0|c1=c0" -bitexact "$work/once.wav"
"${ff[@]}" -stream_loop 2 -i "$work/once.wav" -c:a aac -b:a 64k -ac 2 -bitexact "$work/a64.aac"
# delay_moov: the decoder configuration is known only once the first packet went through the filter.
"${ff[@]}" -i "$work/a64.aac" -c copy -bsf:a aac_adtstoasc -bitexact -t 1 -use_editlist 0 \
  -movflags +empty_moov+delay_moov+default_base_moof+skip_trailer "$work/a64.mp4"

node "$here/cut.mjs" "$work" "$here"
