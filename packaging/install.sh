#!/usr/bin/env bash
# Installs a release of chat-eval for the GitHub Action: downloads it, holds it to its checksum, and puts it on the path of later
# steps. With CHAT_EVAL_VERSION=source it builds the action's own checkout instead.
#
# Reads CHAT_EVAL_VERSION, CHAT_EVAL_RELEASES (where releases are) and what GitHub sets: RUNNER_OS, RUNNER_ARCH, RUNNER_TEMP,
# GITHUB_PATH.
set -euo pipefail

version=${CHAT_EVAL_VERSION#v}
releases=${CHAT_EVAL_RELEASES:-https://github.com/chat-eval/chat-eval/releases/download}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$RUNNER_TEMP/chat-eval/bin
mkdir -p "$bin"

fail() {
  echo "::error::$1"
  exit 1
}

if [ "$version" = source ]; then
  command -v cargo >/dev/null || fail 'chat-eval: there is no cargo to build it with; name a released version'
  cargo install --quiet --locked --path "$root" --root "$RUNNER_TEMP/chat-eval"
else
  # It becomes a part of an address and of a path.
  [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || fail 'chat-eval: version must be like 0.1.0, or source'
  ending=tar.gz exe=''
  case $RUNNER_OS-$RUNNER_ARCH in
    Linux-X64) target=x86_64-unknown-linux-musl ;;
    Linux-ARM64) target=aarch64-unknown-linux-musl ;;
    macOS-X64) target=x86_64-apple-darwin ;;
    macOS-ARM64) target=aarch64-apple-darwin ;;
    Windows-X64) target=x86_64-pc-windows-msvc ending=zip exe=.exe ;;
    *) fail "chat-eval: no release for $RUNNER_OS on $RUNNER_ARCH; version: source builds it" ;;
  esac
  name=chat-eval-$version-$target
  work=$(mktemp -d "$RUNNER_TEMP/chat-eval.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  for file in "$name.$ending" "$name.$ending.sha256"; do
    curl --fail --silent --show-error --location --retry 3 --output "$file" "$releases/v$version/$file" ||
      fail "chat-eval: cannot download $file"
  done
  if command -v sha256sum >/dev/null; then check=(sha256sum --check); else check=(shasum -a 256 --check); fi
  # The sum is for this very file, and for no other that the line may name.
  read -r sum _ < "$name.$ending.sha256"
  echo "$sum  $name.$ending" | "${check[@]}" >/dev/null || fail "chat-eval: $name.$ending is not what its checksum says"
  if [ "$ending" = zip ]; then 7z x -bso0 "$name.zip"; else tar -xzf "$name.tar.gz"; fi
  cp "$name/chat-eval$exe" "$bin/"
fi
echo "$bin" >> "$GITHUB_PATH"
"$bin/chat-eval" --version
