#!/bin/sh
# Build stock git clients of several versions for the compat command, one after the other.
#
#   tests/compat/build_gits.sh SOURCE TARGET TAG...
#
# SOURCE is a local clone of git's own repository (bare or not) that has the tags. Each version lands in
# TARGET/<version>/bin/git and is left alone when it is already there. Needs a C compiler, make and the
# headers of libcurl and zlib (Debian: apt-get install gcc make libcurl4-openssl-dev zlib1g-dev).
set -eu

if [ $# -lt 3 ]; then
  echo "usage: $0 SOURCE TARGET TAG..." >&2
  exit 2
fi
source=$1
mkdir -p "$2"
target=$(cd "$2" && pwd)
shift 2

for tag in "$@"; do
  version=${tag#v}
  if [ -x "$target/$version/bin/git" ]; then
    echo "$version is there"
    continue
  fi
  echo "building $version"
  build=$(mktemp -d)
  trap 'rm -rf "$build"' EXIT
  git -C "$source" archive "$tag" | tar -x -C "$build"
  rm -rf "$target/$version.part"
  # Only the clients are wanted: no scripts in Perl or Python, no texts, no windows, no Rust.
  set -- prefix="$target/$version" CFLAGS='-O1 -w' NO_GETTEXT=1 NO_TCLTK=1 NO_PERL=1 NO_PYTHON=1 \
    NO_EXPAT=1 NO_OPENSSL=1 NO_ICONV=1 NO_RUST=1 NO_INSTALL_HARDLINKS=1 INSTALL_SYMLINKS=1 \
    SKIP_DASHED_BUILT_INS=1 DESTDIR="$target/$version.part"
  nice -n 10 make -C "$build" -j2 "$@" install >"$build/log" 2>&1 || {
    tail -n 20 "$build/log" >&2
    exit 1
  }
  mv "$target/$version.part$target/$version" "$target/$version"
  rm -rf "$target/$version.part" "$build"
  trap - EXIT
  "$target/$version/bin/git" --version
done
