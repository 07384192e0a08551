# shellcheck shell=bash
# A site of another shape than the standard one: LAPWING_OVERLAY=DIR tests/lab/lab up. DIR may hold
#   hosts.sh       variables, read by every script of the lab: hosts, address, watched
#   packages       Debian packages, one a line
#   files/HOST/    files that replace those of the host
#   append/HOST/   texts that are appended to files of the host
#   site.sh        functions: overlay_configure runs before the servers start, overlay_started after, before Lapwing does.
#                  A function of the lab's name replaces the lab's.
# The lab copies DIR, so that later commands know the same hosts. tests/zoo/shape makes such directories.

overlay_take() {
    [ -n "${LAPWING_OVERLAY:-}" ] || return 0
    mkdir -p "$state"
    cp -a "$LAPWING_OVERLAY" "$overlay"
    # shellcheck source=/dev/null
    . "$lab_dir/lib/common.sh"
    overlay_read
}

# After the libraries, so that functions of the overlay replace theirs.
overlay_read() {
    # shellcheck source=/dev/null
    [ ! -e "$overlay/site.sh" ] || . "$overlay/site.sh"
}

overlay_packages() { [ ! -e "$overlay/packages" ] || cat "$overlay/packages"; }

overlay_files() {
    local host file
    for host in "${hosts[@]}"; do
        [ ! -d "$overlay/files/$host" ] || cp -r "$overlay/files/$host/." "$state/$host/"
        [ -d "$overlay/append/$host" ] || continue
        while IFS= read -r file; do cat "$overlay/append/$host/$file" >>"$state/$host/$file"; done \
            < <(cd "$overlay/append/$host" && find . -type f)
    done
}

# For overlay_configure.
# site_says KEY YAML: what the collector's configuration declares about the site.
site_says() { sed -i "s#^  $1: .*#  $1: $2#" "$state/monitor/etc/lapwing/collector.yaml"; }

# booted HOST [UNIT...]: as if systemd had booted the host, with these units enabled.
booted() {
    local host=$1 unit wants=/etc/systemd/system/multi-user.target.wants
    shift
    inside "$host" mkdir -p /run/systemd/system "$wants"
    for unit in "$@"; do inside "$host" ln -sf "/lib/systemd/system/$unit" "$wants/$unit"; done
}

overlay_configure() { :; }
overlay_started() { :; }
