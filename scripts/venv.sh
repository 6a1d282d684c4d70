# Sourced by the other scripts: makes .venv with the first Python of 3.11 or newer, once.
# Sets PYTHON to its interpreter. FLIGHTLOG_PYTHON names another one to start from.

PYTHON=.venv/bin/python

find_python() {
    for candidate in "${FLIGHTLOG_PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "flightlog needs Python 3.11 or newer, and there is none on the PATH. Install it (Debian: apt-get install python3 python3-venv), or set FLIGHTLOG_PYTHON to one." >&2
    return 1
}

make_venv() {
    if "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
        "$PYTHON" -m pip --version >/dev/null 2>&1; then
        return
    fi
    base=$(find_python) || return 1
    if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$base has no venv module, which setting up needs. Install it (Debian and Ubuntu: apt-get install python3-venv), then run this again." >&2
        return 1
    fi
    "$base" -m venv --clear .venv
}

install() {
    "$PYTHON" -m pip install --quiet --disable-pip-version-check "$@"
}
