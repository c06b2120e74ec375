# The environment shared by the scripts beside this file; sourced, not run.
#
# Leaves the shell in the checkout with `.venv` holding exactly what requirements.lock pins, and the
# package itself in editable mode. An environment that already matches the lock is reused as it is.

# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

unset CDPATH
cd "$(dirname "$0")/.." || exit 1
ROOT=$(pwd -P)
VENV=$ROOT/.venv
unset PYTHONHOME PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USER=0 PIP_NO_INPUT=1

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Prints the first interpreter that is new enough; PYTHON names another one.
find_python() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.13 python3.12 python3.11; fi
    for candidate in "$@"; do
        if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo 'no python3')
    die "Python 3.11 or newer is needed; found ${PYTHON:-$found}.
       Install one, or name it: PYTHON=/path/to/python3.12 $0"
}

digest() { # PYTHON FILE... - one digest over the interpreter, the place and the contents
    "$1" - "$ROOT" "$@" <<'PY'
import hashlib, pathlib, sys
parts = [sys.version, sys.argv[1], *(pathlib.Path(name).read_text() for name in sys.argv[3:])]
print(hashlib.sha256("\0".join(parts).encode()).hexdigest())
PY
}

run_quietly() { # COMMAND... - its output is shown only when it fails
    "$@" >"$VENV/install.log" 2>&1 || { cat "$VENV/install.log" >&2; die "failed: $*"; }
}

make_environment() {
    # What is there is asked with its own interpreter, so that another python3 on the PATH changes nothing.
    if [ -n "${PYTHON:-}" ] || ! new_enough "$VENV/bin/python"; then
        python=$(find_python) || exit 1
    else
        python=$VENV/bin/python
    fi
    locked=$(digest "$python" requirements.lock) || exit 1
    if [ "$(cat "$VENV/locked" 2>/dev/null)" != "$locked" ]; then
        python=$(find_python) || exit 1
        "$python" -c 'import ensurepip, venv' 2>/dev/null || die "$("$python" --version) has no ensurepip, which a virtual environment needs.
       On Debian or Ubuntu: apt-get install python3-venv"
        say "Making the environment in .venv from requirements.lock (once; about a minute) ..."
        "$python" -m venv --clear "$VENV" || die "no virtual environment could be made in $VENV"
        # Two locked packages come as source only. setuptools goes in first, from the same lock, and builds
        # them without isolation: so nothing is ever installed without its hash.
        awk '/^[a-zA-Z]/ { keep = /^setuptools==/ } keep' requirements.lock >"$VENV/setuptools.lock"
        run_quietly "$VENV/bin/python" -m pip install --require-hashes -r "$VENV/setuptools.lock"
        run_quietly "$VENV/bin/python" -m pip install --require-hashes --no-build-isolation --use-pep517 -r requirements.lock
        digest "$VENV/bin/python" requirements.lock >"$VENV/locked"
    fi
    described=$(digest "$VENV/bin/python" pyproject.toml src/tenure/core/version.py) || exit 1
    if [ "$(cat "$VENV/described" 2>/dev/null)" != "$described" ]; then
        run_quietly "$VENV/bin/python" -m pip install --no-deps --no-build-isolation -e .
        printf '%s\n' "$described" >"$VENV/described"
    fi
    PATH=$VENV/bin:$PATH
    export PATH
}

make_environment
