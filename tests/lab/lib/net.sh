# shellcheck shell=bash
# The bridge, the hosts' network namespaces and their end.

net_up() {
    local host
    ip link add "$bridge" type bridge
    ip address add "$bridge_address/24" dev "$bridge"
    ip link set "$bridge" up
    for host in "${hosts[@]}"; do host_net_up "$host"; done
}

host_net_up() {
    local host=$1 ns
    ns=$(namespace_of "$host")
    ip netns add "$ns"
    ip link add "lw-$host" type veth peer name eth0 netns "$ns"
    ip link set "lw-$host" master "$bridge" up
    ip -n "$ns" link set lo up
    ip -n "$ns" address add "${address[$host]}/24" dev eth0
    [ -z "${second_address[$host]:-}" ] || ip -n "$ns" address add "${second_address[$host]}/24" dev eth0
    ip -n "$ns" link set eth0 up
}

# Succeeds when no part of the lab's network exists.
net_is_down() {
    local host
    ! ip link show dev "$bridge" >/dev/null 2>&1 || return 1
    for host in "${hosts[@]}" "${more_hosts[@]}"; do
        [ ! -e "/run/netns/$(namespace_of "$host")" ] || return 1
        ! ip link show dev "lw-$host" >/dev/null 2>&1 || return 1
    done
}

host_net_down() {
    ip link delete "lw-$1" 2>/dev/null || true
    ip netns delete "$(namespace_of "$1")" 2>/dev/null || true
    # An interrupted `ip netns add` leaves a file without a mount.
    rm -f "/run/netns/$(namespace_of "$1")" 2>/dev/null || true
}

net_down() {
    local host
    for host in "${hosts[@]}" "${more_hosts[@]}"; do host_net_down "$host"; done
    ip link delete "$bridge" 2>/dev/null || true
    # iproute2 made this directory for the machine's first namespace, and mounted it on itself.
    if [ -d /run/netns ] && [ -z "$(ls -A /run/netns)" ]; then
        umount /run/netns 2>/dev/null || true
        rmdir /run/netns 2>/dev/null || true
    fi
}
