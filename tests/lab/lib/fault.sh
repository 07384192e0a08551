# shellcheck shell=bash
# Shared by the fault scripts: `faults/NAME inject|clear` calls the function of that name. Both may be repeated.

# shellcheck source=tests/lab/lib/common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

fault() {
    need_root
    case ${1:-} in
    inject | clear) "$1" ;;
    *)
        printf 'usage: %s inject|clear\n' "$0" >&2
        exit 2
        ;;
    esac
}
