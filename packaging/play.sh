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

# What is older than this is of no run of ours.
began=$(mktemp "${RUNNER_TEMP:-/tmp}/chat-eval-XXXXXX")
trap 'rm -f "$began"' EXIT

code=0
chat-eval run ${words[@]+"${words[@]}"} || code=$?

out=${CHAT_EVAL_OUT:-results}
for ((at = 0; at < ${#words[@]}; at++)); do
  case ${words[at]} in
    --out) out=${words[at + 1]:-$out} ;;
    --out=*) out=${words[at]#--out=} ;;
  esac
done
# The run's folder is told by its name and by a journal that was written just now. `latest` and `LATEST` are not asked: a checkout may have
# them, and whatever they name would be uploaded.
run=
for folder in "$out"/*; do
  name=${folder##*/}
  [[ $name =~ ^[0-9]{8}T[0-9]{6}Z-[0-9a-z]+$ && ! -L $folder && ! -L $folder/journal.jsonl ]] || continue
  if [ "$folder/journal.jsonl" -nt "${run:+$run/journal.jsonl}" ] && [ "$folder/journal.jsonl" -nt "$began" ]; then run=$folder; fi
done
if [ -n "$run" ]; then
  # Artifacts are not looked for behind a link.
  results=$(cd "$run" && pwd -P)
  # A name with a line break would be read as outputs of its own.
  if [[ $results != *$'\n'* ]]; then echo "results=$results" >> "$GITHUB_OUTPUT"; fi
fi
echo "exit-code=$code" >> "$GITHUB_OUTPUT"
exit "$code"
