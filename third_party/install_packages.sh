#!/usr/bin/env bash
# Installs what is missing of third_party/packages.txt:
#   bash third_party/install_packages.sh build [test] [tidy] [fuzz] [browser] [mpi]
# Does nothing, and needs no network, when everything is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

command -v dpkg-query >/dev/null || {
  echo "Not a Debian system: install what third_party/packages.txt lists by your own means." >&2
  exit 0
}
wanted=$(awk -v purposes=" $* " '
  !/^#/ && NF {
    if (NF == 1) $2 = "build"
    for (i = 2; i <= NF; ++i) if (index(purposes, " " $i " ")) { print $1; next }
  }' "$here/packages.txt")
missing=()
for package in $wanted; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "Missing packages. As root: apt-get install ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "Installing ${missing[*]}" >&2
"${as_root[@]}" apt-get -q update || echo "apt-get update failed; going on with what it knows" >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get -q install --yes --no-install-recommends "${missing[@]}"
