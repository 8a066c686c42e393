#!/usr/bin/env bash
# Browser tests use Debian's chromium: installed here where it is missing and this user may; else they say why they skip.
set -u
[ -n "${BACKSTOCK_CHROMIUM:-}" ] && exit 0
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing chromium for the browser tests"
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-dejavu-core) >/dev/null 2>&1 \
    || echo "chromium could not be installed: the browser tests will skip"
else
  echo "chromium is missing (as root: apt-get install chromium): the browser tests will skip"
fi
exit 0
