# shellcheck shell=bash
# What every fault script begins with: `faults/NAME inject|clear` calls the function of that name, as often as one likes.

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
