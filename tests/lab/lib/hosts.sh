# shellcheck shell=bash
# A host: namespaces for mounts, name, IPC and processes around its network namespace, and private /etc, /var, /srv,
# /run and /tmp, so that every program runs with its standard paths and sees its own machine. The first process
# (lib/init) holds the namespaces. When it ends, the kernel ends all other processes of the host.

# The parts of the machine's /etc that each host gets: enough for the servers, nothing secret.
etc_of_machine=(alternatives bash.bashrc debian_version default haproxy host.conf ld.so.cache ld.so.conf ld.so.conf.d
    localtime login.defs mime.types nginx nsswitch.conf os-release profile protocols python3 python3.11 python3.13
    services ssl/certs ssl/openssl.cnf)

# The smallest id from $1 on that no user and no group of the machine has.
free_id() {
    local id=$1
    while getent passwd "$id" >/dev/null || getent group "$id" >/dev/null; do id=$((id + 1)); done
    printf '%s' "$id"
}

# Adds the users that Lapwing's packages would make, in the hosts only.
host_users() {
    local etc=$1 id=900 name
    getent passwd | grep -v '^lapwing' >"$etc/passwd"
    getent group | grep -v '^lapwing' >"$etc/group"
    for name in lapwing lapwing-collector; do
        id=$(free_id $((id + 1)))
        printf '%s:x:%s:%s::/nonexistent:/usr/sbin/nologin\n' "$name" "$id" "$id" >>"$etc/passwd"
        printf '%s:x:%s:\n' "$name" "$id" >>"$etc/group"
    done
    printf 'lapwing-admin:x:%s:\n' "$(free_id $((id + 1)))" >>"$etc/group"
}

host_files() {
    local host=$1 dir="$state/$1" name other
    mkdir -p "$dir"/{etc/ssl,var/lib,var/log,var/cache,var/tmp,srv/app,srv/www}
    chmod 1777 "$dir/var/tmp"
    ln -s /run "$dir/var/run"
    ln -s /run/lock "$dir/var/lock"
    for name in "${etc_of_machine[@]}"; do
        [ ! -e "/etc/$name" ] || cp -a "/etc/$name" "$dir/etc/$name"
    done
    host_users "$dir/etc"
    printf '%s\n' "$host" >"$dir/etc/hostname"
    tr -d - </proc/sys/kernel/random/uuid >"$dir/etc/machine-id"
    chmod 0444 "$dir/etc/machine-id"
    {
        printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n'
        for other in "${hosts[@]}" "${more_hosts[@]}"; do printf '%s %s\n' "${address[$other]}" "$other"; done
    } >"$dir/etc/hosts"
    mkdir -p "$dir/srv/lab" "$dir/srv/bin" "$dir/srv/disk"
    cp "$lab_dir/lib/svc" "$lab_dir"/services/* "$dir/srv/lab/"
    cp "$lab_dir"/app/* "$dir/srv/app/"
}

host_start() {
    local host=$1 dir="$state/$1" holder
    ip netns exec "$(namespace_of "$host")" \
        setsid unshare --mount --uts --ipc --pid --fork --kill-child --mount-proc \
        /bin/bash "$lab_dir/lib/init" "$host" "$state" </dev/null >"$dir/init.log" 2>&1 9<&- &
    holder=$!
    printf '%s\n' "$holder" >"$dir/holder.pid"
    if ! wait_for 10 "$host's first process" test -e "$dir/ready"; then
        cat "$dir/init.log" >&2
        return 1
    fi
    pgrep -P "$holder" >"$dir/init.pid"
}

# hosts_kill HOST...: ends every process of these hosts. It lists the processes of the namespaces, so that it also works
# after a run whose state is lost.
hosts_kill() {
    local host pid try
    for try in 1 2 3 4 5 6 7 8 9 10; do
        local left=
        for host in "$@"; do
            [ -e "/run/netns/$(namespace_of "$host")" ] || continue
            for pid in $(ip netns pids "$(namespace_of "$host")" 2>/dev/null); do
                left=1
                kill -KILL "$pid" 2>/dev/null || true
            done
        done
        [ -n "$left" ] || return 0
        sleep "0.$try"
    done
    warn "processes of the lab do not end"
    return 1
}
