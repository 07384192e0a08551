#!/bin/bash
# Real database servers for tests, several versions on one machine:
#
#   servers.sh root NAME                  makes NAME's root (once; below build/cache/roots) and prints it
#   servers.sh start NAME DIR [--netns NS] [--address A] [--port P] [--env NAME=VALUE]... [--clock +30s]
#                                       [SERVER OPTION]...
#                                         initialises a missing DIR/data, starts the server, returns when it answers
#   servers.sh sql DIR [STATEMENT]        runs SQL as the account root, over DIR/s.sock; without STATEMENT from standard input
#   servers.sh stop DIR [SIGNAL]          ends the server (default: TERM) and waits for its end
#
# NAME is mariadb-10.11 (this machine's own), mariadb-11.8 or mysql-9.7. The account root is known by its OS user over the
# socket (MySQL: it has no password). DIR holds data/, s.sock, pid and log; it must be short, since a socket's path may have
# 107 characters. --clock shows the server another time of day (libfaketime). LAPWING_ROOTS: where the roots are.
# Needs root, and mmdebstrap for all but mariadb-10.11.
set -euo pipefail
repo=$(cd "$(dirname "$(readlink -f "$0")")/../../.." && pwd)
roots=${LAPWING_ROOTS:-$repo/build/cache/roots}

fail() {
    echo "servers.sh: $*" >&2
    exit 1
}

# What the scripts and programs of a root need besides the server, since extracting runs no maintainer script.
base="base-files,dash,bash,coreutils,sed,grep"

make_root() {
    local name=$1 suite packages
    case $name in
    mariadb-10.11)
        [ -x /usr/sbin/mariadbd ] || fail "mariadb-server is not installed"
        echo /
        return
        ;;
    mariadb-11.8)
        suite=trixie
        packages=mariadb-server-core,mariadb-server,mariadb-client-core
        ;;
    mysql-9.7)
        suite=sid
        packages=mysql-server-core
        ;;
    *) fail "$name: mariadb-10.11, mariadb-11.8 or mysql-9.7" ;;
    esac
    local root=$roots/$name
    mkdir -p "$roots"
    # Two tests may want it at once.
    exec 9>"$roots/.$name.lock"
    flock 9
    if [ ! -e "$root/.complete" ]; then
        # A command substitution does not end at an error by itself.
        "$repo/tests/debian-root" "$root" "$suite" "$base,$packages" --variant=extract >&2 ||
            fail "$name: its packages could not be fetched"
        rm -rf "$root"/usr/share/{doc,man,locale} "$root"/var/{cache,lib}/apt
        touch "$root/.complete"
    fi
    exec 9>&-
    echo "$root"
}

# enter ROOT DIR COMMAND...: with DIR as /srv and this machine's accounts, so that both sides know a user by the same number.
enter() {
    local root=$1 dir=$2
    shift 2
    if [ "$root" = / ]; then exec "$@"; fi
    # shellcheck disable=SC2016  # expands in the inner shell
    exec unshare --mount --propagation private /bin/sh -ec 'root=$1 dir=$2
        shift 2
        mkdir -p "$root/srv" "$root/proc" "$root/dev" "$root/tmp"
        mount --bind "$dir" "$root/srv"
        for file in passwd group; do
            [ -e "$root/etc/$file" ] || : >"$root/etc/$file"
            mount --bind "/etc/$file" "$root/etc/$file"
        done
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmpfs "$root/tmp"
        exec chroot "$root" "$@"' enter "$root" "$dir" "$@"
}

initialise() {
    local name=$1 root=$2 dir=$3 seen=$4
    local -x TMPDIR=$seen/tmp
    case $name in
    mariadb-*)
        (enter "$root" "$dir" /usr/bin/mariadb-install-db --no-defaults --user=root --datadir="$seen/data" \
            --auth-root-authentication-method=socket --skip-test-db --skip-name-resolve --force)
        ;;
    mysql-*)
        (enter "$root" "$dir" /usr/sbin/mysqld --no-defaults --user=root --datadir="$seen/data" --initialize-insecure)
        ;;
    esac >"$dir/install.log" 2>&1 || {
        cat "$dir/install.log" >&2
        rm -rf "$dir/data"
        fail "$name cannot be initialised in $dir"
    }
}

answers() { sql "$1" 'SELECT 1' >/dev/null 2>&1; }

start() {
    local name=$1 dir=$2 netns='' address=127.0.0.1 port=0 clock='' root seen
    shift 2
    local environment=() options=()
    while [ $# -gt 0 ]; do
        case $1 in
        --netns) netns=$2 && shift 2 ;;
        --address) address=$2 && shift 2 ;;
        --port) port=$2 && shift 2 ;;
        --env) environment+=("$2") && shift 2 ;;
        --clock) clock=$2 && shift 2 ;;
        *) options+=("$1") && shift ;;
        esac
    done
    root=$(make_root "$name") || exit 1
    mkdir -p "$dir"
    dir=$(readlink -f "$dir")
    seen=$dir
    [ "$root" = / ] || seen=/srv
    # A server that starts deletes every server's temporary tables in its folder for them.
    mkdir -p "$dir/tmp"
    [ -d "$dir/data" ] || initialise "$name" "$root" "$dir" "$seen"
    local program=/usr/sbin/mariadbd
    if [[ $name == mysql-* ]]; then
        program=/usr/sbin/mysqld
        options=(--mysqlx=OFF --secure-file-priv=NULL "${options[@]}")
    fi
    if [ -n "$clock" ]; then
        cp /usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1 "$dir/libfaketime.so"
        environment+=("LD_PRELOAD=$seen/libfaketime.so" "FAKETIME=$clock" FAKETIME_DONT_FAKE_MONOTONIC=1)
        # Otherwise libfaketime lets InnoDB's waits on the monotonic clock end at once, and its threads spin.
        if [[ $name == mysql-* ]]; then environment+=(FAKETIME_FORCE_MONOTONIC_FIX=0); fi
    fi
    local command=(/usr/bin/env "${environment[@]}" "$program" --no-defaults --user=root --datadir="$seen/data" --socket="$seen/s.sock" --pid-file="$seen/server.pid" --tmpdir="$seen/tmp"
        --bind-address="$address" --port="$port" --skip-name-resolve --innodb-buffer-pool-size=16M "${options[@]}")
    (
        if [ -n "$netns" ]; then
            nsenter --net="/run/netns/$netns" -- "$0" enter "$root" "$dir" "${command[@]}" &
        else
            setsid "$0" enter "$root" "$dir" "${command[@]}" &
        fi
        echo $! >"$dir/pid"
    ) >>"$dir/log" 2>&1 </dev/null
    for _ in $(seq 600); do
        if answers "$dir"; then return; fi
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$dir/log" >&2
    fail "$name does not answer in $dir"
}

sql() {
    local dir=$1
    shift
    if [ $# -gt 0 ]; then
        mariadb --no-defaults --batch --skip-column-names --user=root --socket="$dir/s.sock" -e "$*"
    else
        mariadb --no-defaults --batch --skip-column-names --user=root --socket="$dir/s.sock"
    fi
}

stop() {
    local dir=$1 pid
    [ -e "$dir/pid" ] || return 0
    pid=$(cat "$dir/pid")
    kill -s CONT "$pid" 2>/dev/null || true
    kill -s "${2:-TERM}" "$pid" 2>/dev/null || true
    for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -s KILL "$pid" 2>/dev/null || true
    rm -f "$dir/pid" "$dir/s.sock"
}

case ${1:-} in
root) make_root "$2" ;;
start | sql | stop | enter) "$@" ;;
*)
    sed -n '2,/^set -euo/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
