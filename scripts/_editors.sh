# The language server that tests/editors drive, as tests/editors/package-lock.json pins it; sourced after _env.sh.
#
# Without npm, or where it cannot be fetched, those tests are skipped and say so.

# shellcheck shell=sh

install_language_server() {
    editors=$ROOT/tests/editors
    installed=$editors/node_modules/.tenure-lock
    command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 || return 0
    if ! cmp -s "$editors/package-lock.json" "$installed"; then
        say "Installing the language server for the tests of editors (once; some seconds) ..."
        if (cd "$editors" && npm ci --no-progress) >"$VENV/install.log" 2>&1; then
            cp "$editors/package-lock.json" "$installed"
        else
            say "warning: the language server could not be installed ($VENV/install.log); its tests will be skipped"
        fi
    fi
}
