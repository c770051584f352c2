#!/usr/bin/env bash
# Instructions (callgrind, user space) and system calls (strace) of the server for each call: an empty one, and Submit.
# Of Submit's instructions, those of the threads behind the call are named: device thread, interrupt thread, engines.
# Needs valgrind and strace, which the product itself does not.
#
#   tests/bench/count.sh [BUILD_FOLDER] [OUTSTANDING] [OUTPUT_FOLDER]
#
# Two runs that differ in the number of calls, so that what a server does once cancels out.
set -euo pipefail
cd "$(dirname "$0")/../.."
bench=${1:-build/release}/tests/bench/bench_service
outstanding=${2:-1}
out=${3:-$(mktemp -d)}
few=1000
many=5000
mkdir -p "$out"

run() { "$bench" --only "$1" --calls "$2" --outstanding "$outstanding" --wrap "$3" >/dev/null 2>&1; }

for kind in empty submit; do
  for calls in $few $many; do
    run $kind $calls "valgrind -q --tool=callgrind --callgrind-out-file=$out/callgrind.$kind.$calls"
    callgrind_annotate --inclusive=yes --threshold=100 "$out/callgrind.$kind.$calls" >"$out/inclusive.$kind.$calls"
    run $kind $calls "strace -f -c -U name,calls -o $out/strace.$kind.$calls"
  done
done

# each COUNT KIND PATTERN: what the count says per call
each() {
  echo $(($("$1" "$2" $many "$3") - $("$1" "$2" $few "$3"))) | awk -v calls=$((many - few)) '{ print $1 / calls }'
}
# The first line that holds the pattern: totals, or a function with all that it calls.
instructions() { awk -v name="$3" 'index($0, name) { gsub(",", "", $1); print $1; exit }' "$out/inclusive.$1.$2"; }
syscalls() { awk -v name="$3" '$1 == name { calls = $2 } END { print calls + 0 }' "$out/strace.$1.$2"; }

echo "$outstanding outstanding, server side, for each call; raw files in $out"
empty=$(each instructions empty "PROGRAM TOTALS")
submit=$(each instructions submit "PROGRAM TOTALS")
behind=0
for thread in DeviceLoop::Run "XeDevice::RunInterruptThread" "Engine::RunThread"; do
  cost=$(each instructions submit "$thread(")
  printf '  instructions of %-29s %9.0f\n' "$thread" "$cost"
  behind=$(awk -v a="$behind" -v b="$cost" 'BEGIN { print a + b }')
done
awk -v empty="$empty" -v submit="$submit" -v behind="$behind" 'BEGIN {
  printf "instructions, empty call       %9.0f  x 1.000\n", empty
  printf "instructions, Submit, the call %9.0f  x %.3f\n", submit - behind, (submit - behind) / empty
  printf "instructions, Submit, all      %9.0f  x %.3f\n", submit, submit / empty
}'
for name in total futex epoll_wait recvmsg sendmsg poll read write; do
  printf 'system calls, %-11s empty %5.2f  Submit %5.2f\n' $name "$(each syscalls empty $name)" \
    "$(each syscalls submit $name)"
done
