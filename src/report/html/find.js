// From one place where something that is searched for stands to the next: in the open conversation, its own column and what stands
// across all columns, and then in the next conversation of those that are shown.

const found = {
  mark: null, // where one is
  seek: 0, // which way one goes into the conversation that is being opened; 0: not at all
  note: null, // what is to be said there
};

/** Whether something that is searched for is in a text. */
function isFound(text) {
  return typeof text === 'string' && overview.query.some((pattern) => text.search(pattern) >= 0);
}

/** The marks of the open conversation in a part of the transcript, which is made for that where it was not yet. */
function marksOf(part) {
  const place = view.columns.findIndex((column) => column.variant === view.variant);
  if (view.waiting.has(part)) {
    const { conversation } = view.columns[place];
    const isOf = ({ turn }) => String(turn) === part.dataset.turn;
    if (!conversation.turns.some((turn) => isOf(turn) && hasTextOfTurn(turn, isFound)) && !conversation.checks.some((check) => isOf(check) && (isFound(title(check)) || isFound(check.detail)))) return [];
    fill(part);
  }
  const isOwn = (element) => [null, String(place)].includes(element.closest('[data-column]')?.dataset.column ?? null);
  // Of a long text the end may have it.
  [...part.querySelectorAll('button.more')].filter(isOwn).forEach((button) => button.click());
  return [...part.querySelectorAll('mark')].filter(isOwn);
}

function showMark(mark) {
  found.mark?.classList.remove('here');
  found.mark = mark;
  mark.classList.add('here');
  for (let around = mark.closest('details'); around !== null; around = around.parentElement.closest('details')) around.open = true;
  stay(mark, 'center');
  const turn = mark.closest('.turn')?.dataset.turn;
  say(`match in ${turn === undefined ? 'what belongs to no turn' : turnInWords(turnOfText(turn))}`);
}

/** Goes to the next match, or with -1 to the one before. */
function stepMatch(by) {
  if (overview.query.length === 0) return;
  if (overview.shown.includes(view.variant) && stepMatchHere(by)) return;
  const all = overview.shown.flatMap((variant) => variant.conversations.map((conversation) => ({ variant, conversation })));
  const open = all.findIndex(({ variant, conversation }) => variant === view.variant && conversation.trial === view.trial);
  const from = open < 0 && by > 0 ? -1 : Math.max(0, open);
  for (let ahead = 1; ahead <= all.length; ahead += 1) {
    const at = (from + by * ahead + all.length * 2) % all.length;
    if (!hasText(all[at].conversation, isFound)) continue;
    const isAround = by > 0 ? at <= from : at >= from;
    found.note = isAround ? (by > 0 ? 'That was the last match: here is the first.' : 'That was the first match: here is the last.') : null;
    if (at === open) {
      found.mark = null;
      enter(by);
    } else {
      found.seek = by;
      location.hash = address(all[at].variant.names, all[at].conversation.trial);
    }
    return;
  }
  tell(all.length === 0 ? 'Nothing is found.' : 'It is found in names alone.');
}

/** Goes to the first match of the open conversation, or the last, as one comes to it. */
function enter(by) {
  stepMatchHere(by);
  if (found.note !== null) tell(found.note);
  found.seek = 0;
  found.note = null;
}

/** The same within the open conversation. Gives whether there was one. */
function stepMatchHere(by) {
  if (!view.columns.some((column) => column.variant === view.variant)) openTranscript(view.variant, view.trial);
  const parts = [...document.querySelectorAll('#transcript > .begin, #transcript > .turn')];
  let at = parts.findIndex((part) => part.contains(found.mark));
  if (at >= 0) {
    const marks = marksOf(parts[at]);
    const next = marks[marks.indexOf(found.mark) + by];
    if (next !== undefined) {
      showMark(next);
      return true;
    }
  } else if (by < 0) at = parts.length;
  for (at += by; at >= 0 && at < parts.length; at += by) {
    const marks = marksOf(parts[at]);
    if (marks.length > 0) {
      showMark(by > 0 ? marks[0] : marks.at(-1));
      return true;
    }
  }
  return false;
}
