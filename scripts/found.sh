# shellcheck shell=bash
# Sourced by scripts/setup and scripts/test: whether this machine has what some tests need.

has() { command -v "$1" >/dev/null 2>&1; }

found() {
    case $1 in
        # The names that the tests try.
        compiler) { [ -n "${CXX:-}" ] && has "$CXX"; } || has c++ || has g++ || has clang++ ;;
        chromium) has chromium || has chromium-browser || has google-chrome || has chrome ;;
        fonts)
            # A Mac always has some. Folders that are not there are no matter.
            [ "$(uname -s)" = Darwin ] ||
                [ -n "$(find /usr/share/fonts /usr/local/share/fonts "${HOME:-/nowhere}/.fonts" \
                    \( -name '*.ttf' -o -name '*.otf' \) 2>/dev/null)" ]
            ;;
        shellcheck) has shellcheck ;;
    esac
}
