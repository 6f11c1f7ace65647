#!/bin/sh
# Run the cases of libgit2's own online suite that take the address of a server, against one.
#
#   tests/compat/libgit2_online.sh SOURCE URL [BUILD]
#
# SOURCE is a clone of libgit2's repository (bare or not; its newest release is taken), URL the address of a
# repository that may be changed at will, with the token as the password in it. What is built lands in BUILD,
# and is used again; without BUILD it is built in a folder that is removed. Prints what the suite prints, in
# the form of the Test Anything Protocol. Needs a C compiler, make and cmake.
set -eu

if [ $# -lt 2 ]; then
  echo "usage: $0 SOURCE URL [BUILD]" >&2
  exit 2
fi
source=$1
secret=$(printf '%s' "$2" | sed -n 's|^[a-z]*://[^:/]*:\([^@]*\)@.*|\1|p')
url=$(printf '%s' "$2" | sed 's|//[^@/]*@|//|')
tag=$(git -C "$source" tag --list 'v[0-9]*' | grep -E '^v[0-9]+\.[0-9]+\.[0-9]+$' | sort -V | tail -n 1)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
build=${3:-$scratch}/$tag

if [ ! -x "$build/libgit2_tests" ]; then
  mkdir -p "$build/source"
  git -C "$source" archive "$tag" | tar -x -C "$build/source"
  (
    cmake -S "$build/source" -B "$build" -DBUILD_CLI=OFF -DUSE_HTTPS=OFF -DUSE_SSH=OFF -DCMAKE_C_FLAGS=-w
    nice -n 10 make -C "$build" -j2 libgit2_tests
  ) >"$build/log" 2>&1 || {
    tail -n 20 "$build/log" >&2
    exit 1
  }
fi

echo "# libgit2 ${tag#v}"
cd "$scratch"
status=0
for expects in "" 1; do
  # Once more with Expect: 100-continue before every body.
  env -i PATH="$PATH" HOME="$scratch" GITTEST_REMOTE_URL="$url" GITTEST_REMOTE_USER=git \
    GITTEST_REMOTE_PASS="$secret" GITTEST_REMOTE_SSL_NOVERIFY=1 \
    ${expects:+GITTEST_REMOTE_EXPECTCONTINUE=1} \
    "$build/libgit2_tests" -t -sonline::push -sonline::clone::credentials || status=$?
done
exit "$status"
