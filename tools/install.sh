#!/usr/bin/env bash
# Install what the project needs beside it: a virtual environment, test peers, Debian packages. Says what it does; changes nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '== %s\n' "$*"; }

debian() { # debian COMMAND PACKAGE... : make a command available, or say exactly what is missing
  local command=$1; shift
  command -v "$command" >/dev/null 2>&1 && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing Debian packages: $*"
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  else
    printf 'Missing: %s. Install it with:  sudo apt-get install %s\n' "$command" "$*" >&2
    return 1
  fi
}

venv() {
  if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      say "installing Debian packages: python3-venv"
      apt-get update -qq >/dev/null
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
      echo "Missing: the venv module. Install it with:  sudo apt-get install python3-venv" >&2
      exit 1
    fi
  fi
  say "creating .venv"
  [ -x .venv/bin/python ] || python3 -m venv .venv
  say "installing packages into .venv (about a minute, more on a slow line)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/develop.txt
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
  touch .venv/.installed
}

peers() {
  say "installing client libraries of other makers as test peers into .peers"
  rm -rf .peers
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --ignore-requires-python \
    --target .peers -r requirements/peers.txt
  touch .peers/.installed
}

browser() { # what the tests of pages, of foreign clients and of tokens need; without them those tests are skipped, in CI they fail
  debian chromium chromium fonts-liberation || true
  debian curl curl || true
  debian openssl openssl || true
  debian softhsm2-util softhsm2 || true
  [ -e "$(openssl version -e 2>/dev/null | cut -d'"' -f2)/pkcs11.so" ] || debian the-pkcs11-engine-of-openssl libengine-pkcs11-openssl || true
}

anchor() { # the C library that the benchmarks name as the far limit; without it its line is missing from the table
  [ -e /usr/include/sml/sml_file.h ] && command -v cc >/dev/null 2>&1 && return 0
  debian the-header-of-libsml libsml-dev gcc libc6-dev || true
}

"$@"
