# shellcheck shell=bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck disable=SC2034 # the lists are for the scripts that source this
# Debian packages of gst-privacy: the one list, and the one way to install from it. Meant to be sourced.

# What fetch-assets needs: the registries' own clients and Python for the conversion.
PACKAGES_FETCH=(ca-certificates python3 python3-pip)

# What building needs besides Rust.
PACKAGES_BUILD=(build-essential git pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev)

# What running the elements and the examples needs: decoders, encoders and muxers; Vulkan for the GPU.
PACKAGES_RUN=(
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    gstreamer1.0-plugins-ugly gstreamer1.0-libav libvulkan1
)

# What the tests need besides: a software Vulkan driver, Python's GStreamer, clips, the meson build, valgrind to
# count instructions; Go's transparency log to read registers with, strace to record what a writer does to its files,
# age to decrypt exported files.
PACKAGES_TEST=(
    mesa-vulkan-drivers ffmpeg meson ninja-build python3-gi gir1.2-gstreamer-1.0
    gir1.2-gst-plugins-base-1.0 valgrind golang-go golang-golang-x-mod-dev strace age
)

# say TEXT…: one line for the reader, apart from the output that a caller may want to read.
say() { printf '%s\n' "$*" >&2; }

# die TEXT…: each argument is one line; ends the script.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# = 0 ] || printf '%s\n' "$@" | sed 's/^/       /' >&2
    exit 1
}

# as_root COMMAND…: runs it as root, through sudo where needed.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: $*" "run this script as root, or install sudo"
    fi
}

# update_lists: apt-get update, once per script, and only when something is about to be installed.
update_lists() {
    if [ -z "${APT_LISTS_UPDATED-}" ]; then
        say "reading Debian's package lists (apt-get update)"
        as_root apt-get update -qq || die "apt-get update failed" "look at /etc/apt/sources.list and at the network"
        APT_LISTS_UPDATED=1
    fi
}

# install_packages NAME…: installs those that are missing; touches neither apt nor the network when none is.
install_packages() {
    local missing=() name
    if ! command -v dpkg-query >/dev/null; then
        say "no dpkg here: make sure that the equivalents of these Debian packages are installed: $*"
        return
    fi
    for name in "$@"; do
        case "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" in
        installed) ;;
        *) missing+=("$name") ;;
        esac
    done
    [ ${#missing[@]} = 0 ] && return
    update_lists
    say "installing from Debian: ${missing[*]}"
    # At a terminal apt shows its own progress; elsewhere hundreds of its lines help only when it fails.
    local log=/dev/stderr
    [ -t 2 ] || log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" \
        >"$log" 2>&1; then
        [ "$log" = /dev/stderr ] || tail -n 15 "$log" >&2
        die "apt-get could not install: ${missing[*]}"
    fi
    [ "$log" = /dev/stderr ] || rm -f "$log"
}

# need_rust: there must be a cargo at least as new as the workspace asks for. Debian 12's own (1.63) is not.
need_rust() {
    local want have
    want=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    # Run from a desktop menu or under sudo, the shell may not have read what rustup added.
    command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || have=
    if [ -z "$have" ] || [ "$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n1)" != "$want" ]; then
        die "Rust $want or later is needed, found: ${have:-none}" \
            "install it with rustup: https://rustup.rs" "Debian 12's own package rustc (1.63) is too old"
    fi
}
