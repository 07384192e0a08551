# shellcheck shell=bash disable=SC2034  # what is set here is used by those who read this file
# What the lab's scripts share: the hosts with their addresses, where state is kept, and the ways into a host.

lab_dir=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
repo_dir=$(dirname "$(dirname "$lab_dir")")
state=/var/lib/lapwing-lab
bridge=lapwing0
bridge_address=10.77.0.1

hosts=(lb-01 web-01 web-02 monitor client)
# Those that come later, if at all (faults/second-load-balancer).
more_hosts=(lb-02)
declare -A address=([lb-01]=10.77.0.10 [lb-02]=10.77.0.13 [web-01]=10.77.0.11 [web-02]=10.77.0.12 [monitor]=10.77.0.20 [client]=10.77.0.30)
# An address of each host that nobody would put on an allow-list.
declare -A second_address=([lb-01]=10.77.0.110 [web-01]=10.77.0.111 [web-02]=10.77.0.112 [monitor]=10.77.0.120)

say() { printf '%s\n' "$*"; }
warn() { printf 'lab: %s\n' "$*" >&2; }
die() {
    warn "$1"
    exit "${2:-1}"
}

need_root() { [ "$(id -u)" = 0 ] || die "network namespaces need root: run it with sudo" 2; }

namespace_of() { printf 'lapwing-%s' "$1"; }

known_host() {
    local host
    for host in "${hosts[@]}" "${more_hosts[@]}"; do [ "$host" != "$1" ] || return 0; done
    return 1
}

# The first process of a host, as this machine numbers it; fails when the host does not run.
init_of() {
    local pid
    pid=$(cat "$state/$1/init.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "$(readlink "/proc/$pid/ns/net" 2>/dev/null)" = "$(namespace_link "$1")" ] || return 1
    printf '%s' "$pid"
}

# As /proc/PID/ns/net writes it, for the namespace of a host.
namespace_link() {
    local inode
    inode=$(stat -Lc %i "/run/netns/$(namespace_of "$1")" 2>/dev/null) || return 1
    printf 'net:[%s]' "$inode"
}

# inside HOST COMMAND...: runs it in all the host's namespaces, with a clean environment and without the lab's lock.
inside() {
    local host=$1 pid
    shift
    pid=$(init_of "$host") || die "$host does not run: tests/lab/lab up" 3
    nsenter --target "$pid" --mount --uts --ipc --net --pid -- \
        env -i PATH=/srv/lab:/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@" 9<&-
}

# wait_for SECONDS WHAT COMMAND...: asks again and again until the command succeeds; says what did not happen.
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            warn "gave up waiting: $what"
            return 1
        fi
        sleep 0.2
    done
}
