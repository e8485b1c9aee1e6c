#!/usr/bin/env bash
# Plays the conversations for the GitHub Action. The summary of the step is written by chat-eval itself, and what it says goes to the
# log as annotations.
#
# Reads CHAT_EVAL_ARGS, which is taken apart at blanks and quotes as a shell would, and never run by one. Writes the outputs
# `results` and `exit-code`, and ends as chat-eval did.
set -uo pipefail

words=()
if [[ ${CHAT_EVAL_ARGS:-} == *[![:space:]]* ]]; then
  if ! lines=$(printf '%s' "$CHAT_EVAL_ARGS" | xargs -n 1 printf '%s\n'); then
    echo '::error::chat-eval: args has a quote that is never closed'
    exit 2
  fi
  while IFS= read -r word; do
    words+=("$word")
  done <<< "$lines"
fi

code=0
chat-eval run ${words[@]+"${words[@]}"} || code=$?

out=${CHAT_EVAL_OUT:-results}
for ((at = 0; at < ${#words[@]}; at++)); do
  case ${words[at]} in
    --out) out=${words[at + 1]:-$out} ;;
    --out=*) out=${words[at]#--out=} ;;
  esac
done
run=latest
# Where links do not work, a file names the run.
if [ -f "$out/LATEST" ]; then run=$(cat "$out/LATEST"); fi
if [ -d "$out/$run" ]; then
  # Artifacts are not looked for behind a link.
  echo "results=$(cd "$out/$run" && pwd -P)" >> "$GITHUB_OUTPUT"
fi
echo "exit-code=$code" >> "$GITHUB_OUTPUT"
exit "$code"
