#!/bin/sh
# Restart the hosts behind the shared Envoy one after the other, without losing a request. Run it in Envoy's folder:
#   roll.sh COMMAND HOST...
# COMMAND gets a HOST, and restarts its service. It returns when the old process has ended.
# A host that is not healthy within WAIT_S seconds (300) ends the script, so that the others keep what they serve.
set -eu

test $# -ge 2 || { echo "usage: roll.sh COMMAND HOST..." >&2; exit 2; }
test -S admin.sock || { echo "$PWD has no admin.sock; run roll.sh in the folder in which Envoy runs" >&2; exit 2; }
restart=$1
shift

count() {
    curl --silent --fail --max-time 5 --unix-socket admin.sock http://envoy/clusters | grep --count "^hosts::.*::health_flags::$1" || true
}

are_healthy() {
    hosts=$(count '')
    test "$hosts" -gt 0 && test "$(count healthy)" = "$hosts"
}

wait_for_all() {
    waited=0
    until are_healthy; do
        test "$waited" -lt "${WAIT_S:-300}" || { echo "$1" >&2; exit 1; }
        sleep 1
        waited=$((waited + 1))
    done
}

wait_for_all "not all hosts are healthy, and nothing was restarted; curl --unix-socket admin.sock http://envoy/clusters"
for host in "$@"; do
    echo "restarting $host"
    "$restart" "$host"
    sleep 1  # two health checks, so that Envoy knows that the host was away
    wait_for_all "$host is not healthy after its restart; the hosts after it were not restarted"
done
