// Puts the page together: what the run came to, addresses, keys, light and dark, printing.

function say(text) {
  document.getElementById('said').textContent = text;
}

/** Says it to those too who see the page, for a moment. */
function tell(text) {
  const said = document.getElementById('said');
  say(text);
  said.classList.remove('hidden');
  clearTimeout(tell.ends);
  tell.ends = setTimeout(() => said.classList.add('hidden'), 4000);
}

function complain(text) {
  const trouble = document.getElementById('trouble');
  trouble.textContent = text;
  trouble.hidden = false;
  trouble.scrollIntoView({ block: 'nearest' });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    tell('The address is copied.');
  } catch {
    tell('The address is in the address bar.');
  }
}

function showSums() {
  const { head, tail } = run;
  const commit = head.commit === undefined ? '' : ` · ${head.commit.slice(0, 12)}`;
  const shard = head.shard === undefined ? '' : ` · shard ${head.shard.number}/${head.shard.of}`;
  document.getElementById('what').textContent = `run of ${day(head.started)}${commit}${shard}`;
  document.title = `${head.run} · chat-eval`;
  const { totals } = tail;
  const sums = document.getElementById('sums');
  const put = (number, word, end) => sums.append(make('li', {}, end === undefined ? null : sign(end, false), make('b', {}, number), ` ${word}`));
  const sum = (counts) => Object.values(counts).reduce((all, number) => all + number, 0);
  const ends = (counts) => Object.entries(counts).filter(([word, number]) => number > 0 || word === 'passed');
  const [all, variants] = [sum(totals.conversations), sum(tail.variants)];
  // Of several trials some may fail: what the run came to is what its variants did.
  const isRepeated = variants < all;
  if (isRepeated) put(grouped(variants), variants === 1 ? 'variant' : 'variants');
  else put(grouped(all), all === 1 ? 'conversation' : 'conversations');
  for (const [word, number] of ends(isRepeated ? tail.variants : totals.conversations)) put(grouped(number), word, word);
  if (isRepeated) put(grouped(all), `conversations: ${ends(totals.conversations).map(([word, number]) => `${grouped(number)} ${word}`).join(', ')}`);
  if (totals.not_begun > 0) put(grouped(totals.not_begun), 'not begun');
  if (tail.failed_snapshots > 0) put(grouped(tail.failed_snapshots), tail.failed_snapshots === 1 ? 'snapshot failed' : 'snapshots failed', 'failed');
  if (tail.pending_snapshots > 0) put(grouped(tail.pending_snapshots), 'waiting for review', 'unknown');
  if (totals.tokens_sent !== null) {
    const saved = Math.min(99, Math.round((tail.saved ?? 0) * 100));
    put(grouped(totals.tokens_sent), `tokens sent${saved >= 1 ? ` (−${saved} % against full history)` : ''}`);
  }
  if (totals.judge_tokens !== undefined) put(grouped(totals.judge_tokens), 'tokens beside the turns, of judges and their like');
  if (totals.cost_usd !== null) put(money(totals.cost_usd), 'spent');
  if (tail.wall_ms !== undefined) put(time(tail.wall_ms), `for ${several(totals.calls, 'call', 'calls')}`);
  if (totals.replies.builtin > 0) document.getElementById('instrument').textContent = 'Replies of builtin come from a measuring instrument, no language model.';
  const { transcripts, conversations } = tail.left_out;
  if (transcripts + conversations > 0) {
    const note = document.getElementById('left-out');
    note.hidden = false;
    note.textContent = `This run says more than one page can hold: ${[
      transcripts > 0 ? `of ${several(transcripts, 'conversation', 'conversations')} only the verdicts are here` : '',
      conversations > 0 ? `${several(conversations, 'conversation is', 'conversations are')} not here at all` : '',
    ].filter((part) => part !== '').join(', and ')}. All of it is in transcripts.csv, checks.csv and the journal, in the same folder.`;
  }
}

/** Opens what the address names. Gives whether it names something that is there. */
function openAddress() {
  const parts = location.hash.slice(1).split('/');
  // Without a slash it is one of the page's own places, or none.
  if (parts.length < 2) return false;
  let names;
  try {
    names = parts.map(decodeURIComponent);
  } catch {
    names = [];
  }
  if (names.length < 7) {
    complain('The address is none of a conversation: it is not whole.');
    return false;
  }
  const variant = run.variants.find((one) => one.names.every((name, place) => name === names[place]));
  if (variant === undefined) {
    complain('The address names a conversation that this run does not have.');
    return false;
  }
  document.getElementById('trouble').hidden = true;
  const conversation = variant.conversations.find((one) => String(one.trial) === names[6]);
  const { trial, turns, isWhole } = conversation ?? variant.conversations[0];
  if (view.variant !== variant || view.trial !== trial) openTranscript(variant, trial);
  choose(variant);
  const isThere = names[7] === undefined || goToTurn(turnOfText(names[7])) || !isWhole;
  if (conversation === undefined) complain(`The address names trial ${names[6]}, and this run has none of that number here: this is trial ${trial}.`);
  else if (!isThere) complain(`The address names turn ${names[7]}, which this conversation does not have: ${turns.length === 0 ? 'none was played' : `its last is ${turnInWords(turns.at(-1).turn)}`}.`);
  else if (found.seek === 0 && names[7] === undefined) bringUp();
  say(`${label(variant.names, [0, 1, 2, 3, 4, 5])}: ${variant.end}`);
  if (found.seek !== 0) enter(found.seek);
  return true;
}

/** Scrolls to the transcript where too little of it is on the screen. */
function bringUp() {
  const section = document.getElementById('transcript');
  const { top } = section.getBoundingClientRect();
  if (top > innerHeight * 0.7 || top < -80) section.scrollIntoView({ block: 'start' });
}

/** Goes to another of the variants that are shown. */
function step(by, isWanted = () => true) {
  const { shown } = overview;
  let at = shown.indexOf(view.variant);
  if (at < 0) at = by > 0 ? -1 : shown.length;
  for (at += by; at >= 0 && at < shown.length; at += by) {
    if (isWanted(shown[at])) {
      location.hash = address(shown[at].names, shown[at].conversations[0].trial);
      return;
    }
  }
  tell(by > 0 ? 'There is no further one.' : 'There is none before it.');
}

/** Whoever searches wants the next match, and else the next that did not pass. */
function stepToWanted(by) {
  if (overview.query.length > 0) stepMatch(by);
  else step(by, (variant) => variant.end !== 'passed');
}

function stepTurn(by) {
  const numbers = [...view.rows.keys()];
  const focused = document.activeElement?.closest?.('.turn')?.dataset.turn;
  const at = focused === undefined ? (by > 0 ? -1 : 1) : numbers.indexOf(turnOfText(focused));
  if (numbers[at + by] !== undefined) goToTurn(numbers[at + by]);
}

const KEYS = {
  '/': () => document.getElementById('search').focus(),
  '?': () => document.getElementById('keys').showModal(),
  j: () => step(1),
  k: () => step(-1),
  n: () => stepToWanted(1),
  p: () => stepToWanted(-1),
  c: () => stepColumns(1),
  C: () => stepColumns(-1),
  t: () => stepTurn(1),
  T: () => stepTurn(-1),
};

function onKey(event) {
  const search = document.getElementById('search');
  if (event.key === 'Escape' && event.target === search) {
    search.value = '';
    search.dispatchEvent(new Event('input'));
    search.blur();
    return;
  }
  const isTyping = event.target.matches?.('input, select, textarea');
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.getElementById('keys').open) return;
  const act = KEYS[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}

/** Light, dark, or as the system has it; remembered where the browser lets a file remember. */
function startTheme() {
  const button = document.getElementById('theme');
  const shown = { '': '◐ auto', light: '☀ light', dark: '☾ dark' };
  const memory = { get: () => { try { return localStorage.getItem('chat-eval-theme') ?? ''; } catch { return ''; } }, set: (theme) => { try { localStorage.setItem('chat-eval-theme', theme); } catch { /* it is not remembered */ } } };
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = shown[theme];
    button.setAttribute('aria-label', `Colours: ${theme === '' ? 'as the system has them' : theme}`);
  };
  set(memory.get() in shown ? memory.get() : '');
  button.addEventListener('click', () => {
    const themes = Object.keys(shown);
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
    memory.set(next);
    set(next);
  });
}

function startSearch() {
  const search = document.getElementById('search');
  let waiting = 0;
  const apply = () => {
    clearTimeout(waiting);
    overview.filter.text = search.value;
    return applyFilters();
  };
  search.addEventListener('input', () => {
    clearTimeout(waiting);
    // What is cleared is cleared at once: whatever key comes next.
    if (search.value.trim() === '') apply();
    else waiting = setTimeout(apply, 120);
  });
  search.addEventListener('keydown', async (event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();
    if (overview.filter.text !== search.value) await apply();
    stepMatch(event.shiftKey ? -1 : 1);
  });
  document.addEventListener('filtered', () => {
    // What is searched for is marked in the transcript too.
    const query = overview.query.join(' ');
    if (view.variant !== null && query !== view.query) {
      const [from, turn] = [view.from, document.querySelector('.turn.here')?.dataset.turn];
      const hasKeyboard = document.getElementById('transcript').contains(document.activeElement);
      openTranscript(view.variant, view.trial, view.by, from);
      if (turn !== undefined && hasKeyboard) goToTurn(turnOfText(turn));
      else if (turn !== undefined) view.rows.get(turnOfText(turn))?.classList.add('here');
    }
    view.query = query;
    if (view.variant !== null) choose(view.variant);
  });
}

/** All of the open transcript goes on paper, with the reasons of what did not pass. */
function beforePrint() {
  [...view.waiting.keys()].forEach(fill);
  document.querySelectorAll('#transcript details:not(.is-pass, .is-skip)').forEach((element) => { element.open = true; });
}

async function start() {
  startTheme();
  document.getElementById('help').addEventListener('click', KEYS['?']);
  try {
    await readLines(takeLine);
  } catch (error) {
    document.getElementById('count').textContent = '';
    complain(`The data of this page cannot be read (${error.message}): the file is cut off or damaged. chat-eval report writes it again.`);
    return;
  }
  showSums();
  document.getElementById('charts').hidden = document.querySelector('.chart') === null;
  startSearch();
  await startOverview();
  document.addEventListener('keydown', onKey);
  addEventListener('hashchange', openAddress);
  addEventListener('beforeprint', beforePrint);
  // The one that wants to be looked at is open from the start.
  const first = run.variants.find((variant) => variant.end !== 'passed') ?? run.variants[0];
  if (!openAddress() && first !== undefined) {
    openTranscript(first, first.conversations[0].trial);
    choose(first);
  }
  document.documentElement.dataset.ready = 'yes';
}

start();
