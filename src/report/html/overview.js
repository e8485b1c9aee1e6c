// The overview: a cell a variant, in groups of one scenario and case. Only the lines that are on the screen, and a few
// around them, are in the document: it may be a matter of ten thousand.

const overview = {
  filter: { text: '', end: '', tag: '', persona: '', model: '', window: '' },
  /** The patterns of what is searched for. */
  query: [],
  shown: [], // variants that the filters leave, in order
  lines: [], // {y, height, group, cells, isFirst}
  elements: new Map(), // lines that are in the document
  chosen: null,
  search: 0,
};

const LINE = 58;
const HEADING = 34;
const AROUND = 300;

/** The least width of a cell, and where names stand above the cells rather than beside them. */
const CELL = 190;
const NARROW = 640;

function isAdmitted(variant) {
  const { end, tag } = overview.filter;
  const isOfNames = ['persona', 'model', 'window'].every((name) => {
    const wanted = overview.filter[name];
    return wanted === '' || variant.names[NAMES.indexOf(name)] === wanted;
  });
  return isOfNames && (tag === '' || variant.group.tags.includes(tag)) && (end === '' || hasCome(variant, end));
}

/** Whether a variant ended so, or has a check with that verdict, or that outcome. */
function hasCome(variant, word) {
  if (word === 'not passed') return variant.end !== 'passed';
  if (variant.end === word || verdictsOf(variant).includes(word)) return true;
  return variant.conversations.some((one) => one.checks.some((check) => check.fact?.outcome === word));
}

/** Whether something was said in a turn that is such. */
function hasTextOfTurn({ user, reply, rare }, is) {
  return is(user) || is(reply) || is(rare.thinking) || is(rare.pinned) || is(rare.error);
}

/** Whether something was said or asserted in a conversation that is such. */
function hasText({ system, history, error, turns, checks }, is) {
  return is(system) || is(error) || history.some((message) => is(message.content)) || turns.some((turn) => hasTextOfTurn(turn, is))
    || checks.some((check) => is(title(check)) || is(check.detail));
}

/** Whether every pattern is found somewhere in a variant. */
function hasTexts(variant, query) {
  return query.every((pattern) => {
    const has = (text) => typeof text === 'string' && text.search(pattern) >= 0;
    if (variant.names.some(has) || variant.group.tags.some(has)) return true;
    return variant.conversations.some((one) => hasText(one, has));
  });
}

/** Finds again what the filters leave. It lets the page breathe: a long run takes a while. */
async function applyFilters() {
  const search = (overview.search += 1);
  const query = overview.filter.text.trim().split(/\s+/u).filter((word) => word !== '').map((word) => new RegExp(literally(word), 'giu'));
  const shown = [];
  let since = performance.now();
  for (const variant of run.variants) {
    if (isAdmitted(variant) && hasTexts(variant, query)) shown.push(variant);
    if (performance.now() - since > 12) {
      await new Promise((resolve) => { setTimeout(resolve); });
      if (search !== overview.search) return;
      since = performance.now();
    }
  }
  overview.query = query;
  overview.shown = shown;
  layOut();
  const conversations = (variants) => variants.reduce((sum, variant) => sum + variant.conversations.length, 0);
  const [left, all] = [conversations(shown), conversations(run.variants)];
  const count = document.getElementById('count');
  count.textContent = left === all ? several(all, 'conversation', 'conversations') : `${grouped(left)} of ${several(all, 'conversation', 'conversations')}`;
  document.dispatchEvent(new CustomEvent('filtered'));
}

/** Puts the variants that are shown into lines, as many cells in each as there is room for. */
function layOut() {
  const list = document.getElementById('list');
  const width = list.clientWidth;
  const isNarrow = width < NARROW;
  const room = isNarrow ? width : width - Math.min(300, width * 0.28);
  const perLine = Math.max(1, Math.floor(room / CELL));
  const lines = [];
  let y = 0;
  const put = (line) => { lines.push({ ...line, y }); y += line.height; };
  for (let from = 0; from < overview.shown.length; ) {
    const { group } = overview.shown[from];
    let to = from;
    while (to < overview.shown.length && overview.shown[to].group === group) to += 1;
    if (isNarrow) put({ group, cells: [], isFirst: true, height: HEADING });
    for (let at = from; at < to; at += perLine) {
      put({ group, cells: overview.shown.slice(at, Math.min(to, at + perLine)), isFirst: !isNarrow && at === from, height: LINE });
    }
    from = to;
  }
  overview.lines = lines;
  overview.perLine = perLine;
  overview.elements.forEach((element) => element.remove());
  overview.elements.clear();
  list.classList.toggle('narrow', isNarrow);
  const space = list.querySelector('.space');
  space.style.height = `${y}px`;
  space.style.setProperty('--cells', perLine);
  draw();
}

/** The first line that ends below a height. */
function lineAt(y) {
  let [low, high] = [0, overview.lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (overview.lines[middle].y + overview.lines[middle].height <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Puts the lines that are on the screen into the document, and takes all others out. */
function draw() {
  const list = document.getElementById('list');
  const [from, to] = [list.scrollTop - AROUND, list.scrollTop + list.clientHeight + AROUND];
  const wanted = new Map();
  for (let at = lineAt(from); at < overview.lines.length && overview.lines[at].y < to; at += 1) wanted.set(at, overview.lines[at]);
  for (const [at, element] of overview.elements) {
    // Whoever has the keyboard's focus keeps it.
    if (!wanted.has(at) && !element.contains(document.activeElement)) {
      element.remove();
      overview.elements.delete(at);
    }
  }
  const space = list.querySelector('.space');
  for (const [at, line] of wanted) {
    if (overview.elements.has(at)) continue;
    const element = lineElement(line);
    element.style.transform = `translateY(${line.y}px)`;
    element.style.height = `${line.height}px`;
    const next = [...overview.elements.keys()].filter((other) => other > at).sort((one, other) => one - other)[0];
    space.insertBefore(element, next === undefined ? null : overview.elements.get(next));
    overview.elements.set(at, element);
  }
}

function lineElement({ group, cells, isFirst }) {
  const name = make('div.name', {});
  if (isFirst) {
    name.append(make('b', { title: group.scenario }, group.scenario));
    const more = [group.case, ...group.tags.map((tag) => `#${tag}`)].filter((text) => text !== '').join(' ');
    if (more !== '') name.append(make('small', { title: more }, more));
  }
  const places = varying(group.variants);
  return make(`div.row${isFirst ? '.first' : ''}`, {}, name, make('div.cells', {}, ...cells.map((variant) => cellElement(variant, places))));
}

function cellElement(variant, places) {
  const { names, end, conversations } = variant;
  const verdicts = verdictsOf(variant);
  const count = (verdict) => verdicts.filter((one) => one === verdict).length;
  const [passed, known] = [count('pass'), count('known_failure')];
  const asked = verdicts.length - known - count('skip');
  const checks = verdicts.length === 0 ? 'no checks' : `${passed}/${asked}${known > 0 ? ` ~${known}` : ''}`;
  const trials = conversations.length > 1 ? ` · ${conversations.filter((one) => one.end === 'passed').length}/${conversations.length} trials` : '';
  const shown = label(names, places.length > 0 ? places : names[2] === 'default' ? [3, 4] : [2, 3, 4]);
  const said = `${inWords(end)}: ${label(names, [0, 1, 2, 3, 4, 5])}; checks ${checks}${trials}`;
  return make(`a.cell.is-${end}`, {
    href: address(names, conversations[0].trial),
    title: said,
    'aria-label': said,
    'aria-current': variant === overview.chosen ? 'true' : null,
    'data-place': variant.place,
  }, make('span.head', {}, sign(end, false), make('span.label', {}, shown)),
  make('span.sub', {}, make('span', {}, checks + trials), make('span.dots', {}, ...dots(variant))));
}

/** What became of the facts: a sign each, or with many of them a sign and how many. */
function dots(variant) {
  const outcomes = variant.conversations.flatMap((one) => one.checks.map((check) => check.fact?.outcome ?? null)).filter((outcome) => outcome !== null);
  if (outcomes.length <= 6) return outcomes.map((outcome) => sign(outcome, false));
  return OUTCOMES.filter((outcome) => outcomes.includes(outcome))
    .flatMap((outcome) => [sign(outcome, false), String(outcomes.filter((one) => one === outcome).length)]);
}

/** Marks a variant as the one that is open, and brings it on the screen. */
function choose(variant) {
  overview.chosen = variant;
  const list = document.getElementById('list');
  const line = overview.lines.find(({ cells }) => cells.includes(variant));
  if (line !== undefined && (line.y < list.scrollTop || line.y + line.height > list.scrollTop + list.clientHeight)) {
    list.scrollTop = Math.max(0, line.y - list.clientHeight / 3);
  }
  draw();
  list.querySelectorAll('[aria-current]').forEach((cell) => cell.removeAttribute('aria-current'));
  list.querySelector(`[data-place="${variant.place}"]`)?.setAttribute('aria-current', 'true');
}

/** The controls that narrow the list: only such as leave a choice. */
function makeFilters() {
  const form = document.getElementById('filters');
  const values = (get) => [...new Set(run.variants.flatMap(get))].sort();
  const ends = values((variant) => [variant.end, ...verdictsOf(variant)]);
  const outcomes = values((variant) => variant.conversations.flatMap((one) => one.checks.flatMap((check) => check.fact?.outcome ?? [])));
  const notPassed = run.variants.some((variant) => variant.end !== 'passed') ? ['not passed'] : [];
  const words = [...notPassed, ...['passed', 'failed', 'errored', 'skipped', 'interrupted', 'known_failure', 'unknown'].filter((word) => ends.includes(word)), ...OUTCOMES.filter((word) => outcomes.includes(word))];
  const choices = [
    ['end', 'came out', words],
    ['tag', 'tag', values((variant) => variant.group.tags)],
    ...['persona', 'model', 'window'].map((name) => [name, name, values((variant) => variant.names[NAMES.indexOf(name)])]),
  ];
  for (const [name, shown, options] of choices.filter(([name, , options]) => options.length > (name === 'tag' ? 0 : 1))) {
    const select = make('select', { name, onchange: () => { overview.filter[name] = select.value; applyFilters(); } },
      make('option', { value: '' }, `any ${name === 'end' ? 'end' : shown}`),
      ...options.map((option) => make('option', { value: option }, `${SIGNS[option] ?? ''} ${inWords(option)}`.trim())));
    form.append(make('label', {}, make('span.hidden', {}, shown), select));
  }
  const clear = () => {
    Object.keys(overview.filter).forEach((name) => { overview.filter[name] = ''; });
    form.reset();
    document.getElementById('search').value = '';
    applyFilters();
  };
  form.append(make('button.quiet', { type: 'button', id: 'clear', hidden: true, onclick: clear }, 'clear filters'));
  form.addEventListener('submit', (event) => event.preventDefault());
  document.addEventListener('filtered', () => {
    document.getElementById('clear').hidden = Object.values(overview.filter).every((value) => value === '');
  });
}

function startOverview() {
  const list = document.getElementById('list');
  list.append(make('div.space'));
  let isDue = false;
  list.addEventListener('scroll', () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; draw(); });
  }, { passive: true });
  let width = list.clientWidth;
  new ResizeObserver(() => {
    if (list.clientWidth === width) draw();
    else { width = list.clientWidth; layOut(); }
  }).observe(list);
  makeFilters();
  return applyFilters();
}
