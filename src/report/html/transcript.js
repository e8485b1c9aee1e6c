// One conversation, and beside it those that differ from it in one name: turns are rows, variants are columns. Whoever points at a
// turn, or comes to it with the keyboard, sees which messages the model was sent for it, and which the window cut.

const view = {
  variant: null, trial: 1, by: undefined, query: '',
  all: [], // the variants that may stand side by side
  from: 0, // the first of them that does
  columns: [], // {variant, conversation, label, messages, places, shown, facts}
  rows: new Map(), // turn -> its element
  waiting: new Map(), // element -> what fills it
};

/** Longer replies are shown from their beginning, with a button for the rest. */
const LONGEST = 8000;
/** So many variants stand side by side at once. */
const COLUMNS = 8;
/** In longer conversations turns are made as they come near the screen. */
const AT_ONCE = 24;

const nearby = new IntersectionObserver((entries) => {
  entries.filter((entry) => entry.isIntersecting).forEach((entry) => fill(entry.target));
}, { rootMargin: '1200px' });

function fill(element) {
  const add = view.waiting.get(element);
  if (add === undefined) return;
  nearby.unobserve(element);
  view.waiting.delete(element);
  element.classList.remove('waiting');
  add();
}

/** The variants that differ from one in the name at this place alone. */
function beside(variant, place) {
  return variant.group.variants.filter((other) => other.names.every((name, at) => at === place || name === variant.names[at]));
}

function columnOf(variant, by) {
  const conversation = variant.conversations.find((one) => one.trial === view.trial) ?? variant.conversations[0];
  const messages = messagesOf(conversation);
  const spellings = conversation.checks.flatMap(({ fact }) => (fact === null ? [] : [fact.value, ...fact.spellings]));
  const values = [...new Set(spellings.filter((value) => value.trim() !== ''))];
  return {
    variant, conversation, messages,
    label: by === null ? label(variant.names, [2, 3, 4]) : nameInWords(variant.names, by) || '–',
    places: new Map(messages.map(({ name }, place) => [name, place])),
    shown: new Map(), // place in the list of messages -> elements
    facts: values.map(factPattern),
  };
}

/** Opens a conversation, with those beside it: `from` is the first of them that is shown, where another than usual is wanted. */
function openTranscript(variant, trial, by = view.by, from = undefined) {
  const choices = [2, 3, 4, 5].filter((place) => beside(variant, place).length > 1);
  const isOf = choices.includes(by) || by === null;
  view.variant = variant;
  view.trial = trial;
  const shownBy = isOf ? by : choices[0] ?? null;
  view.all = shownBy === null ? [variant] : beside(variant, shownBy);
  view.from = from ?? Math.floor(view.all.indexOf(variant) / COLUMNS) * COLUMNS;
  view.columns = view.all.slice(view.from, view.from + COLUMNS).map((one) => columnOf(one, shownBy));
  view.rows.clear();
  view.waiting.clear();
  nearby.disconnect();
  const section = document.getElementById('transcript');
  section.hidden = false;
  section.style.setProperty('--columns', view.columns.length);
  section.classList.toggle('alone', view.columns.length === 1);
  section.replaceChildren(heading(variant, shownBy, choices), legend(), beginnings(), ...turnRows(), ...wholeChecks());
}

function heading(variant, shownBy, choices) {
  const { names, group } = variant;
  const title = make('h2', { id: 'transcript-title' }, names[0], ...(names[1] === '' ? [] : [' · ', names[1]]));
  const fixed = [2, 3, 4, 5].filter((place) => place !== shownBy);
  const by = make('select', {
    id: 'by',
    onchange: () => { view.by = by.value === '' ? null : Number(by.value); openTranscript(view.variant, view.trial); },
  }, ...choices.map((place) => make('option', { value: place, selected: place === shownBy }, place === 5 ? 'variables' : `${NAMES[place]}s`)),
  make('option', { value: '', selected: shownBy === null }, 'nothing, this one alone'));
  const trials = variant.conversations.length < 2 ? null : make('div.trials', { role: 'group', 'aria-label': 'Trials' }, 'trial ',
    ...variant.conversations.map((one) => make('a.trial', { href: address(names, one.trial), 'aria-current': one.trial === view.trial ? 'true' : null }, sign(one.end), String(one.trial))));
  return make('div.title', {},
    make('div', {}, title, make('p.sub', {}, label(names, fixed), group.path === '' ? null : make('span.path', {}, group.path))),
    make('div.controls', {},
      choices.length === 0 ? null : make('label', {}, 'side by side: ', by),
      columnsChoice(shownBy),
      trials,
      make('button', { type: 'button', onclick: () => step(-1), title: 'k' }, '‹ previous'),
      make('button', { type: 'button', onclick: () => step(1), title: 'j' }, 'next ›')));
}

/** Which columns are shown, and a way to the others, where there are more than stand side by side. */
function columnsChoice(shownBy) {
  const { all, from } = view;
  if (all.length <= COLUMNS) return null;
  const name = (variant) => nameInWords(variant.names, shownBy) || '–';
  const starts = Array.from({ length: Math.ceil(all.length / COLUMNS) }, (_, page) => page * COLUMNS);
  const options = starts.map((start) => {
    const shown = all.slice(start, start + COLUMNS);
    return make('option', { value: start, selected: start === from }, `${start + 1}–${start + shown.length} of ${grouped(all.length)}: ${name(shown[0])} … ${name(shown.at(-1))}`);
  });
  const select = make('select', { id: 'columns', onchange: () => showColumns(Number(select.value), 'columns') }, ...options);
  const button = (id, by, text, key) => make('button', { type: 'button', id, title: key, disabled: starts.includes(from + by) ? null : true, onclick: () => showColumns(from + by, id) }, text);
  return make('span.columns', { role: 'group', 'aria-label': 'Columns' }, button('columns-back', -COLUMNS, '‹', 'C'), make('label', {}, 'columns ', select), button('columns-on', COLUMNS, '›', 'c'));
}

/** Shows the columns from one on, at the turn at hand. `id` names the control that has the keyboard. */
function showColumns(from, id = undefined) {
  const turn = document.activeElement?.closest?.('.turn')?.dataset.turn;
  openTranscript(view.variant, view.trial, view.by, from);
  if (turn !== undefined) goToTurn(turnOfText(turn));
  const control = id === undefined ? null : document.getElementById(id);
  (control?.disabled ? document.getElementById('columns') : control)?.focus({ preventScroll: true });
  say(`columns ${from + 1} to ${from + view.columns.length} of ${view.all.length}`);
}

function stepColumns(by) {
  const from = view.from + by * COLUMNS;
  if (from >= 0 && from < view.all.length) showColumns(from);
  else tell(by > 0 ? 'There are no further columns.' : 'There are no columns before these.');
}

function legend() {
  const needs = view.columns.some(({ conversation }) => conversation.turns.some((turn) => turn.sent.length > 0));
  if (!needs) return '';
  return make('p.legend', {}, 'Point at a reply, or go to it with Tab: ', make('span.sample.is-sent', {}, 'what the model was sent'),
    ' stays, ', make('span.sample.is-cut', {}, 'what the window cut'), ' fades. ',
    ...(view.columns.some(({ facts }) => facts.length > 0) ? [make('u.fact', {}, 'Underlined'), ': a fact, wherever its value stands.'] : []));
}

/** System prompts, messages that stand before turn 1, and what else is to be said of whole conversations: once where it is the same in all columns. */
function beginnings() {
  const part = make('div.row.begin', {});
  const put = (said, shown) => {
    const several = new Set(view.columns.map(({ conversation }) => JSON.stringify(said(conversation)))).size > 1;
    if (!several) return part.append(make('div.cell.across', {}, ...shown(view.columns)));
    return view.columns.forEach((column, place) => part.append(make('div.cell', { 'data-column': place }, who(column), ...shown([column]))));
  };
  put(({ isWhole, system }) => [isWhole, system], systemShown);
  if (view.columns.some(({ conversation }) => conversation.history.length > 0)) put(({ history }) => history, historyShown);
  if (view.columns.some(({ conversation }) => conversation.error !== null)) put(({ error }) => error, errorShown);
  return part;
}

function systemShown([column, ...others]) {
  const { isWhole, system } = column.conversation;
  if (!isWhole) return [make('p.error', {}, 'What was said has no room on this page: it is in transcripts.csv and in the journal.')];
  if (system === null) return [make('p.quiet', {}, 'No system prompt is sent.')];
  const element = make('details.message.system', { open: system.length < 400 }, make('summary', {}, 'system prompt'), body(system, column));
  return [shownMessage([column, ...others], 'system', element)];
}

function historyShown([column, ...others]) {
  return column.conversation.history.map(({ role, content }, place) => shownMessage([column, ...others], `h${place + 1}`, message(role, `before turn 1 · ${role}`, content, column)));
}

function errorShown([{ conversation: { error } }]) {
  return error === null ? [] : [make('p.error', {}, ...marked(error, [], overview.query))];
}

/** Probes stand behind the turns. */
function inOrder(one, other) {
  if (isProbe(one) !== isProbe(other)) return isProbe(one) ? 1 : -1;
  return isProbe(one) ? Number(one.slice(1)) - Number(other.slice(1)) : one - other;
}

function turnInWords(turn) {
  return `${isProbe(turn) ? 'probe' : 'turn'} ${turn}`;
}

function turnRows() {
  const numbers = [...new Set(view.columns.flatMap(({ conversation }) => conversation.turns.map((turn) => turn.turn)))].sort(inOrder);
  const parting = numbers.find(isParting);
  return numbers.map((number, place) => {
    const row = make('section.turn', { 'data-turn': number, 'aria-label': turnInWords(number), tabindex: '-1' });
    view.rows.set(number, row);
    const add = () => row.append(...turnParts(number, number === parting));
    if (place < AT_ONCE) add();
    else {
      row.classList.add('waiting');
      view.waiting.set(row, add);
      nearby.observe(row);
    }
    return row;
  });
}

/** Whether the columns in which checks of this turn were asked do not agree: in their verdict, or in what became of a fact. */
function isParting(number) {
  const asked = view.columns.map(({ conversation }) => conversation.checks.filter((check) => check.turn === number && check.verdict !== 'skip'));
  const verdicts = asked.filter((checks) => checks.length > 0).map((checks) => VERDICTS.find((verdict) => checks.some((check) => check.verdict === verdict)));
  const outcomes = new Map();
  for (const check of asked.flat()) {
    if (check.fact === null || check.fact.outcome === null) continue;
    const before = outcomes.get(title(check));
    if (before !== undefined && before !== check.fact.outcome) return true;
    outcomes.set(title(check), check.fact.outcome);
  }
  return new Set(verdicts).size > 1;
}

function turnParts(number, isFirstParting) {
  const turns = view.columns.map(({ conversation }) => conversation.turns.find((turn) => turn.turn === number));
  const played = view.columns.filter((column, place) => turns[place] !== undefined);
  const link = make('a.link', {
    href: address(view.variant.names, view.trial, number),
    title: 'Copies the address of this turn',
    onclick: (event) => copy(event.currentTarget.href),
  }, 'link');
  const head = make('div.turn-head', {}, make('h3', {}, turnInWords(number)), isFirstParting ? make('span.parting', {}, '◂ verdicts part here') : null, link);
  const isSame = new Set(turns.filter((turn) => turn !== undefined).map((turn) => turn.user)).size === 1;
  const user = (columns, text) => shownMessage(columns, questionOf(number), message('user', 'user', text, columns[0]));
  const row = make('div.row', {});
  if (isSame) row.append(make('div.across', {}, user(played, turns.find((turn) => turn !== undefined).user)));
  view.columns.forEach((column, place) => {
    const turn = turns[place];
    const cell = make('article.cell.reply', { tabindex: '0', 'data-turn': number, 'data-column': place, 'aria-label': `${column.label}, ${turnInWords(number)}` });
    if (view.columns.length > 1) cell.append(who(column, number));
    if (turn === undefined) cell.append(make('p.quiet', {}, column.conversation.isWhole ? 'not played' : 'left out'));
    else cell.append(...(isSame ? [] : [user([column], turn.user)]), ...replyParts(column, turn));
    point(cell, column, turn);
    row.append(cell);
  });
  return [head, row];
}

function replyParts(column, turn) {
  const { conversation, variant } = column;
  const parts = [];
  if (turn.rare.thinking !== undefined) parts.push(make('details.thinking', {}, make('summary', {}, 'what the model thought'), body(turn.rare.thinking, column)));
  if (turn.reply !== null) parts.push(shownMessage(turn.rare.pinned === undefined ? [column] : [], `a${turn.turn}`, message('assistant', 'reply', turn.reply, column)));
  if (turn.rare.pinned !== undefined) parts.push(shownMessage([column], `a${turn.turn}`, message('assistant', 'what later turns see instead (pinned)', turn.rare.pinned, column)));
  if (turn.rare.error !== undefined) parts.push(make('p.error', {}, 'The call failed: ', ...marked(turn.rare.error, [], overview.query)));
  parts.push(make('p.facts', {}, measures(turn)));
  const checks = conversation.checks.filter((check) => check.turn === turn.turn);
  if (checks.length > 0) parts.push(make('div.chips', {}, ...checks.map((check) => chip(check, variant))));
  if (turn.sent.length > 0) parts.push(sentLine(column, turn));
  return parts;
}

function measures({ source, tokensSent, tokensFull, tokensReply, latency, rare }) {
  const about = rare.estimated ? '≈ ' : '';
  const full = tokensFull !== null && tokensFull > tokensSent ? ` of ${grouped(tokensFull)}` : '';
  return [
    source,
    tokensSent === null ? null : `${about}${grouped(tokensSent)}${full} tokens sent, ${grouped(tokensReply)} back`,
    latency === null ? null : time(latency),
    rare.ttft === undefined ? null : `first token ${time(rare.ttft / 1000)}`,
    rare.cost_usd === undefined ? null : money(rare.cost_usd),
    rare.attempts === undefined ? null : `${rare.attempts} attempts`,
    rare.finish_reason === undefined ? null : `ended by ${rare.finish_reason}`,
  ].filter((part) => part !== null).join(' · ');
}

/** Whose column it is, with how the conversation came out, or its checks on one turn where it has any. */
function who({ label: text, conversation }, turn) {
  const checks = conversation.checks.filter((check) => check.turn === turn);
  const word = turn === undefined ? conversation.end : VERDICTS.find((verdict) => checks.some((check) => check.verdict === verdict));
  return make('p.who', {}, word === undefined ? null : sign(word), text);
}

function message(role, called, text, column) {
  return make(`div.message.${role}`, {}, make('p.role', {}, called), body(text, column));
}

function body(text, column) {
  const element = make('div.text', {});
  const show = (shown) => element.replaceChildren(...marked(shown, column.facts, overview.query));
  if (text.length <= LONGEST) show(text);
  else {
    show(text.slice(0, LONGEST));
    element.append('… ', make('button.quiet.more', { type: 'button', onclick: () => show(text) }, `show all ${grouped(text.length)} characters`));
  }
  return text.trim() === '' ? make('p.quiet', {}, 'empty') : element;
}

/** Notes where the message of this name is shown, for these columns. */
function shownMessage(columns, name, element) {
  for (const column of columns) {
    const place = column.places.get(name);
    if (place !== undefined) column.shown.set(place, [...(column.shown.get(place) ?? []), element]);
  }
  return element;
}

/** Which messages a turn was sent, and which that stood before it were cut: places in the conversation's list. */
function sentAndCut(column, turn) {
  const own = column.places.get(questionOf(turn.turn));
  const sent = new Set(turn.sent.flatMap(([from, to]) => Array.from({ length: to - from }, (_, at) => from + at)));
  // A bot that keeps its history itself may see what was not sent.
  if (turn.rare.keeps_history) return { sent: [...sent].sort((one, other) => one - other), cut: [] };
  // What another probe asked was never to be sent.
  const cut = Array.from({ length: own }, (_, place) => place).filter((place) => !sent.has(place) && !isProbe(column.messages[place].turn));
  return { sent: [...sent].sort((one, other) => one - other), cut };
}

/** Names of messages; of a long stretch the first and the last. */
function stretches(column, places) {
  const stretched = [];
  for (const place of places) {
    const last = stretched.at(-1);
    if (last !== undefined && last.at(-1) === place - 1 && column.messages[last[0]].role !== 'system') last.push(place);
    else stretched.push([place]);
  }
  const name = (place) => column.messages[place]?.name ?? '?';
  return stretched.flatMap((stretch) => (stretch.length > 4 ? [`${name(stretch[0])} … ${name(stretch.at(-1))}`] : stretch.map(name))).join(' · ');
}

function sentLine(column, turn) {
  const { sent, cut } = sentAndCut(column, turn);
  return make('p.went', {}, make('b', {}, 'sent '), stretches(column, sent), turn.rare.keeps_history ? '; the bot keeps its history itself' : '', ...(cut.length === 0 ? [] : [make('b', {}, ' cut '), make('s', {}, stretches(column, cut))]));
}

function seen(visible) {
  if (visible === 'unknown') return 'whether the bot saw it is not known';
  return visible === 'no' ? 'not in the request' : `in the request (${visible})`;
}

/** Of a bot that keeps its history itself only the half of an outcome is known that its reply shows. */
function inOutcome({ outcome, visible }) {
  if (visible !== 'unknown') return outcome;
  return `${outcome}: ${outcome === 'retained' ? 'recalled' : 'not recalled'}, visible unknown`;
}

function chip(check, variant) {
  const { verdict, detail, known, fact, line } = check;
  const outcome = fact === null || fact.outcome === null ? [] : [make('span.outcome', {}, sign(fact.outcome, false), inOutcome(fact))];
  const where = variant.group.path === '' ? '' : `${variant.group.path}:${line}`;
  const evidence = fact === null ? '' : [
    `“${fact.value}”`, seen(fact.visible),
    fact.distance === null ? '' : `last mentioned ${several(fact.distance, 'exchange', 'exchanges')} before the one at hand`,
  ].filter((part) => part !== '').join(', ');
  const lines = [detail, known === null ? '' : `known failure: ${known}`, evidence].filter((text) => text !== '');
  return make(`details.chip.is-${verdict}`, { open: verdict === 'fail' || verdict === 'unknown' },
    make('summary', {}, sign(verdict), make('span', {}, ...marked(title(check), [], overview.query)), ...outcome),
    ...lines.map((text) => make('p', {}, ...marked(text, [], overview.query))), where === '' ? null : make('p.path', {}, where));
}

/** Checks on the whole transcript. */
function wholeChecks() {
  const checks = view.columns.map(({ conversation }) => conversation.checks.filter((check) => check.turn === null));
  const strays = view.columns.map(({ conversation }) => conversation.checks.filter((check) => check.turn !== null && !conversation.turns.some((turn) => turn.turn === check.turn)));
  return [['whole transcript', checks], ['checks of turns that are not here', strays]].filter(([, each]) => each.some((one) => one.length > 0)).map(([called, each]) => make('section.turn', {}, make('div.turn-head', {}, make('h3', {}, called)),
    make('div.row', {}, ...view.columns.map((column, place) => make('div.cell', { 'data-column': place }, who(column), make('div.chips', {}, ...each[place].map((check) => chip(check, column.variant))))))));
}

/** Shows what a turn was sent while somebody points at its cell or has the focus in it. */
function point(cell, column, turn) {
  if (turn === undefined || turn.sent.length === 0) return;
  const show = () => {
    unpoint();
    const { sent, cut } = sentAndCut(column, turn);
    cell.classList.add('pointed');
    sent.forEach((place) => column.shown.get(place)?.forEach((element) => element.classList.add('is-sent')));
    cut.forEach((place) => column.shown.get(place)?.forEach((element) => element.classList.add('is-cut')));
  };
  const leave = () => {
    unpoint();
    const focused = document.activeElement?.closest?.('.reply');
    if (focused !== null && focused !== undefined && focused !== cell) focused.dispatchEvent(new Event('shown'));
  };
  cell.addEventListener('mouseenter', show);
  cell.addEventListener('focusin', show);
  cell.addEventListener('shown', show);
  cell.addEventListener('mouseleave', () => { if (!cell.contains(document.activeElement)) leave(); });
  cell.addEventListener('focusout', leave);
}

function unpoint() {
  document.querySelectorAll('#transcript .is-cut, #transcript .is-sent, #transcript .pointed').forEach((element) => {
    if (!element.classList.contains('sample')) element.classList.remove('is-cut', 'is-sent', 'pointed');
  });
}

/** Brings a turn on the screen, and to the keyboard. */
function goToTurn(number) {
  const row = view.rows.get(number);
  if (row === undefined) return false;
  fill(row);
  document.querySelectorAll('.turn.here').forEach((other) => other.classList.remove('here'));
  row.classList.add('here');
  const place = Math.max(0, view.columns.findIndex((column) => column.variant === view.variant));
  const cell = row.querySelectorAll('.reply')[place];
  (cell ?? row).focus({ preventScroll: true });
  stay(row);
  return true;
}

/** Holds an element where it is on the screen, a turn at its top, while turns above it are made, which are taller or lower than the room that was kept
    for them, until nothing moves any more or the reader moves the page. */
function stay(row, block = 'start') {
  view.stopStaying?.();
  let still = 0;
  const moves = ['wheel', 'touchmove', 'pointerdown', 'keydown'];
  const stop = () => {
    still = Infinity;
    moves.forEach((move) => removeEventListener(move, stop));
  };
  view.stopStaying = stop;
  const hold = () => {
    if (still > 20 || !row.isConnected) return stop();
    const before = row.getBoundingClientRect().top;
    row.scrollIntoView({ block, behavior: 'instant' });
    still = Math.abs(row.getBoundingClientRect().top - before) < 1 ? still + 1 : 0;
    requestAnimationFrame(hold);
  };
  row.scrollIntoView({ block, behavior: 'instant' });
  requestAnimationFrame(() => {
    // The key that led here is no move of the reader's.
    if (still === 0) moves.forEach((move) => addEventListener(move, stop, { passive: true }));
    hold();
  });
}
