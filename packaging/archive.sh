#!/usr/bin/env bash
# Packs what a release has for one target: the program, its completions and manual pages, README, CHANGELOG and licences.
#
#   packaging/archive.sh BINARY VERSION TARGET DIR
#
# makes DIR/chat-eval-VERSION-TARGET.tar.gz (.zip for Windows) and a .sha256 beside it. The binary is asked for its completions
# and pages, so it must run on this machine.
set -euo pipefail

binary=$1 version=$2 target=$3 out=$4
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=chat-eval-$version-$target

# The sums of coreutils, or of macOS.
sum() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi; }

said=$("$binary" --version)
if [ "$said" != "chat-eval $version" ]; then
  echo "archive.sh: the binary says \`$said\`, and the release is \`$version\`" >&2
  exit 1
fi

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$name/completions" "$work/$name/schemas"
cp "$binary" "$work/$name/"
cp "$root/README.md" "$root/CHANGELOG.md" "$root/LICENSE-APACHE" "$root/LICENSE-MIT" "$work/$name/"
"$binary" man --out "$work/$name/man/man1" >/dev/null
"$binary" completions bash > "$work/$name/completions/chat-eval.bash"
"$binary" completions zsh > "$work/$name/completions/_chat-eval"
"$binary" completions fish > "$work/$name/completions/chat-eval.fish"
"$binary" completions powershell > "$work/$name/completions/_chat-eval.ps1"
"$binary" completions elvish > "$work/$name/completions/chat-eval.elv"
"$binary" schema > "$work/$name/schemas/scenario.json"
"$binary" schema --config > "$work/$name/schemas/config.json"

case $target in
  *windows*)
    archive=$name.zip
    (cd "$work" && 7z a -bso0 "$archive" "$name")
    ;;
  *)
    archive=$name.tar.gz
    tar -C "$work" -czf "$work/$archive" "$name"
    ;;
esac
mv "$work/$archive" "$out/"
(cd "$out" && sum "$archive" > "$archive.sha256")
echo "$out/$archive"
