# Sourced by run and test: installs what is missing on Debian and Ubuntu, names it elsewhere. Quiet when all is there.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What the build needs, what the program needs, what the tests need besides.
BUILD_PACKAGES=(gcc libc6-dev pkg-config libclang-dev libavcodec-dev libavformat-dev libavutil-dev libswscale-dev
  libswresample-dev libasound2-dev libpipewire-0.3-dev ca-certificates)
RUN_PACKAGES=(mesa-vulkan-drivers libvulkan1 libx11-6 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon-x11-0
  fonts-noto-cjk fonts-noto-color-emoji tzdata)
TEST_PACKAGES=(xvfb xauth xdotool x11-utils ffmpeg nginx-light libnginx-mod-rtmp curl)
# Left out, with a word, where a system has no such package or would have to remove another one for it; the tests that
# need them then say so.
OPTIONAL_TEST_PACKAGES=(pulseaudio pulseaudio-utils chromium chromium-driver)

die() {
  echo "$0: $*" >&2
  exit 1
}

missing_of() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "needs root to install packages, and there is no sudo: as root, run: $*"
  fi
}

# install_packages PACKAGE...: installs those that are missing; never removes another package for them.
install_packages() {
  local missing
  mapfile -t missing < <(missing_of "$@")
  [ ${#missing[@]} = 0 ] && return 0
  echo "installing: ${missing[*]}" >&2
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
  if [ -z "${KAIBO_APT_UPDATED:-}" ]; then
    as_root "${apt[@]}" update >&2 || die "apt-get update failed: is the network there?"
    KAIBO_APT_UPDATED=1
  fi
  as_root "${apt[@]}" install -y --no-install-recommends --no-remove "${missing[@]}" >/dev/null
}

# ensure_packages PACKAGE...: as install_packages, but ends with one line when that fails or the system is another one.
ensure_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    [ -n "${KAIBO_SKIP_PACKAGES:-}" ] && return 0
    die "this system has no apt. Install the equivalents of: $* -- then run with KAIBO_SKIP_PACKAGES=1"
  fi
  install_packages "$@" || die "these packages could not be installed: $*"
}

# ensure_optional PACKAGE...: one by one, going on without those that cannot be had.
ensure_optional() {
  command -v apt-get >/dev/null || return 0
  local package
  for package in "$@"; do
    # Ubuntu's chromium is a wrapper around a snap, which does not run headless in containers
    case "$package" in chromium*) grep -qs '^ID=ubuntu' /etc/os-release && continue ;; esac
    install_packages "$package" || echo "going on without $package: the tests that need it are skipped" >&2
  done
}

ensure_rust() {
  if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
    . "$HOME/.cargo/env"
  fi
  command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs (1.95 or newer)"
  local version
  version=$(rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n1.95\n' "$version" | sort -V | head -1)" = 1.95 ] ||
    die "Rust $version is too old: 1.95 or newer is needed (rustup update)"
}
