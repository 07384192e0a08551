# shellcheck shell=bash disable=SC2034  # the scripts that source this file use its variables
# Shared by the lab's scripts: the hosts with their addresses, the place of their state, and the ways into a host.

lab_dir=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
repo_dir=$(dirname "$(dirname "$lab_dir")")
state=/var/lib/lapwing-lab
bridge=lapwing0
bridge_address=10.77.0.1

hosts=(lb-01 web-01 web-02 monitor client)
# Hosts that a fault adds (faults/second-load-balancer).
more_hosts=(lb-02)
# Hosts with HAProxy; with Nginx and the application; with MariaDB, the primary first; with an agent.
balancers=(lb-01)
webs=(web-01 web-02)
databases=(web-01 web-02)
watched=(monitor web-01 web-02)
declare -gA address=([lb-01]=10.77.0.10 [lb-02]=10.77.0.13 [web-01]=10.77.0.11 [web-02]=10.77.0.12 [monitor]=10.77.0.20 [client]=10.77.0.30)
# A second address of each host, which no allow-list would name.
declare -gA second_address=([lb-01]=10.77.0.110 [web-01]=10.77.0.111 [web-02]=10.77.0.112 [monitor]=10.77.0.120)

# A site of another shape (tests/zoo): more hosts, here; other files and steps, in lib/overlay.sh.
overlay=$state/overlay
# shellcheck source=/dev/null
[ ! -e "$overlay/hosts.sh" ] || . "$overlay/hosts.sh"

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

# The process id, on this machine, of the first process of a host. Fails when the host does not run.
init_of() {
    local pid
    pid=$(cat "$state/$1/init.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "$(readlink "/proc/$pid/ns/net" 2>/dev/null)" = "$(namespace_link "$1")" ] || return 1
    printf '%s' "$pid"
}

# The network namespace of a host, as /proc/PID/ns/net shows it.
namespace_link() {
    local inode
    inode=$(stat -Lc %i "/run/netns/$(namespace_of "$1")" 2>/dev/null) || return 1
    printf 'net:[%s]' "$inode"
}

# inside HOST COMMAND...: runs a command in all namespaces of a host, with a clean environment and without the lab's lock.
inside() {
    local host=$1 pid
    shift
    pid=$(init_of "$host") || die "$host does not run: tests/lab/lab up" 3
    nsenter --target "$pid" --mount --uts --ipc --net --pid -- \
        env -i PATH=/srv/lab:/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@" 9<&-
}

# wait_for SECONDS EVENT COMMAND...: repeats the command until it succeeds. Fails after SECONDS, naming the event.
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
