#!/usr/bin/env bash
# Goal: the programs work as the README says. Method: xeqd as a process of its own; xeqctl, the C++ example and its
# Python twin against it, over TCP and over a Unix socket; then SIGTERM.
#
#   programs_test.sh XEQD XEQCTL HELLO PROTO_DIR HELLO_PY
set -euo pipefail
xeqd=$1 xeqctl=$2 hello=$3 protos=$4 hello_py=$5
dir=$(mktemp -d)
pid=
cleanup() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

"$xeqd" --listen "unix:$dir/xeq.sock" --listen 127.0.0.1:0 --metrics 127.0.0.1:0 2>"$dir/log" &
pid=$!
export XEQ_ADDRESS="unix:$dir/xeq.sock"
until "$xeqctl" --timeout-ms 200 version >/dev/null 2>&1; do
  kill -0 "$pid" || { cat "$dir/log"; fail "xeqd does not run"; }
done
tcp=$(sed -nE 's/.*API on (127.*)$/\1/p' "$dir/log")
metrics=$(sed -nE 's|.*metrics on (http.*)$|\1|p' "$dir/log")
[ "$(stat -c %a "$dir/xeq.sock")" = 600 ] || fail "the socket is not its owner's alone"

"$hello" "$XEQ_ADDRESS" | grep -qx 'the GPU says 42' || fail "hello over a Unix socket"
"$hello" "$tcp" | grep -qx 'the GPU says 42' || fail "hello over TCP"

mkdir "$dir/stubs"
protoc -I "$protos" --python_out="$dir/stubs" --grpc_python_out="$dir/stubs" \
  --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" \
  "$protos"/xeq/v1/*.proto "$protos"/google/rpc/*.proto
PYTHONPATH="$dir/stubs" /usr/bin/python3 "$hello_py" "$tcp" | grep -qx 'the GPU says 42' || fail "hello.py"

"$xeqctl" demo --size 5m >"$dir/demo" || { cat "$dir/demo"; fail "demo"; }
grep -q ' same$' "$dir/demo" && grep -q 'dependency wait' "$dir/demo" || fail "the demo's table"
head -c 1234567 "$xeqd" >"$dir/file"
"$xeqctl" --json demo --file "$dir/file" >"$dir/json"
sum=$(sha256sum "$dir/file" | cut -d' ' -f1)
grep -q "\"sha256_out\": \"$sum\"" "$dir/json" || fail "the sum of the demo's file"
"$xeqctl" --json device | grep -q '"backend": "model"' || fail "device"
"$xeqctl" --json queues | grep -qx '\[\]' || fail "queues"
"$xeqctl" completion | bash -n || fail "completion"
status=0; "$xeqctl" wait --session 1 1:1 2>"$dir/err" || status=$?
[ "$status" = 1 ] && grep -q SESSION_NOT_FOUND "$dir/err" || fail "wait on an unknown session"
status=0; "$xeqctl" wait --session 1 nonsense 2>/dev/null || status=$?
[ "$status" = 2 ] || fail "wait on nonsense"
status=0; "$xeqctl" demo --size 0 >/dev/null 2>&1 || status=$?
[ "$status" = 2 ] || fail "demo of nothing"

/usr/bin/python3 - "$metrics" >"$dir/page" <<'PYTHON'
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())
PYTHON
grep -qE '^xeq_jobs_completed_total\{.*engine="bcs",outcome="ok"\} [1-9]' "$dir/page" || fail "metrics"

# A second service does not steal the socket.
status=0; "$xeqd" --listen "unix:$dir/xeq.sock" --metrics off 2>"$dir/second" || status=$?
[ "$status" = 1 ] && grep -q 'another process' "$dir/second" || fail "a second service on the socket"
status=0; "$xeqd" --device vfio:0000:03:00.0 2>"$dir/second" || status=$?
[ "$status" = 1 ] || fail "a device that cannot be had"
status=0; "$xeqd" --queues-max 0 2>"$dir/second" || status=$?
[ "$status" = 2 ] && grep -q -- '--queues-max' "$dir/second" || fail "a setting out of range"

kill -TERM "$pid"
wait "$pid" || fail "xeqd ended with $?"
pid=
[ ! -e "$dir/xeq.sock" ] || fail "the socket is left behind"
echo "all good"
