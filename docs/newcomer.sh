#!/bin/sh
# A newcomer's first four commands, with times: from an installed clone to a report of one's own roster.
#
#   sh docs/newcomer.sh [FOLDER]     writes to FOLDER (default: a new temporary folder)
#
# SOCIETY is the command, if it is not on the PATH; TIER is the tier that answers (default: simulated).
set -eu
society=${SOCIETY:-society}
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
cd "$folder"
commands=0
start=$(date +%s%N)

timed() {
    printf '$ society %s\n' "$*"
    before=$(date +%s%N)
    "$society" "$@"
    commands=$((commands + 1))
    printf '  %s s\n' "$(seconds "$before")"
}

seconds() {
    awk -v from="$1" -v to="$(date +%s%N)" 'BEGIN { printf "%.1f", (to - from) / 1e9 }'
}

timed new roster mine.yaml --teams 2
timed new scenario play.yaml --mode team_battle --game prisoners_dilemma --roster mine.yaml
timed run play.yaml --tier "${TIER:-simulated}"
timed report runs/* --out report.html
printf '%s commands, %s s, %s\n' "$commands" "$(seconds "$start")" "$folder/report.html"
