// How things are worded and signed, and the making of elements. A text becomes a text node, never markup.

const SIGNS = {
  pass: '✓', fail: '✗', unknown: '?', skip: '–', known_failure: '~',
  passed: '✓', failed: '✗', errored: '?', skipped: '–', interrupted: '–',
  retained: '●', forgotten: '○', missed: '◐', leaked: '▲', stale: '◇',
};
/** From the worst on. */
const VERDICTS = ['fail', 'unknown', 'known_failure', 'pass', 'skip'];
const OUTCOMES = ['retained', 'forgotten', 'missed', 'leaked', 'stale'];

/** An element: `make('p.note', {id: 'x'}, 'text', other)`. Attributes that are null, undefined or false are left out. */
function make(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  const element = document.createElement(tag);
  if (classes.length > 0) element.className = classes.join(' ');
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return element;
}

/** A sign in its colour; the word beside it, or one that only readers of the screen hear, says the same. */
function sign(word, spoken = true) {
  const shown = make(`span.sign.is-${word}`, { 'aria-hidden': 'true' }, SIGNS[word] ?? '?');
  if (!spoken) return shown;
  return make('span.said', {}, shown, make('span.hidden', {}, ` ${inWords(word)} `));
}

function inWords(word) {
  return word.replaceAll('_', ' ');
}

function grouped(number) {
  return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, ',');
}

function several(number, one, many) {
  return `${grouped(number)} ${number === 1 ? one : many}`;
}

function time(milliseconds) {
  if (milliseconds < 1000) return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  return seconds < 120 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

function money(usd) {
  return `$${usd >= 1 ? usd.toFixed(2) : usd >= 0.001 || usd === 0 ? usd.toFixed(3) : usd.toFixed(6)}`;
}

/** `22 Nov 2026, 10:15 UTC`, of a time as RFC 3339 has it in UTC; whatever is none stays as it is. */
function day(rfc3339) {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d)/.exec(rfc3339);
  if (parts === null) return rfc3339;
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  return `${Number(parts[3])} ${months[Number(parts[2]) - 1]} ${parts[1]}, ${parts[4]} UTC`;
}

/** Matrix values as `gap=4, tone=dry`. */
function varsInWords(vars) {
  if (vars === '') return '';
  try {
    return Object.entries(JSON.parse(vars)).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ');
  } catch {
    return vars;
  }
}

/** One of the names of a variant, as people read it. */
function nameInWords(names, place) {
  if (place === 4) return `window ${names[4]}`;
  return place === 5 ? varsInWords(names[5]) : names[place];
}

/** The names at these places, with dots between them. */
function label(names, places) {
  return places.map((place) => nameInWords(names, place)).filter((name) => name !== '').join(' · ');
}

/** What a check asserts, in one line. */
function title({ key, name, expected }) {
  return name ?? (expected === '' ? key : `${key} ${expected}`);
}

/** The address of a conversation in this page, or of one of its turns. */
function address(names, trial, turn) {
  return `#${[...names, trial, ...(turn === undefined ? [] : [turn])].map(encodeURIComponent).join('/')}`;
}

/** What must be escaped where a text is looked for. */
function literally(text) {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}

/** What finds a fact's value in a text: without regard to case and to the kind of white space, as a whole word. */
function factPattern(value) {
  const words = value.normalize('NFKC').trim().split(/\s+/u).map(literally);
  const edge = (letter) => /[\p{L}\p{N}]/u.test(letter) && !/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u.test(letter);
  const [first, last] = [edge([...value.trim()][0] ?? ''), edge([...value.trim()].at(-1) ?? '')];
  return new RegExp(`${first ? '(?<![\\p{L}\\p{N}])' : ''}${words.join('\\s+')}${last ? '(?![\\p{L}\\p{N}])' : ''}`, 'giu');
}

/** The text with facts underlined and what is searched for marked. */
function marked(text, facts, query) {
  const found = [];
  const note = (pattern, tag) => {
    for (const match of text.matchAll(pattern)) {
      if (match[0].length > 0 && found.length < 2000) found.push({ from: match.index, to: match.index + match[0].length, tag });
    }
  };
  facts.forEach((pattern) => note(pattern, 'u.fact'));
  query.forEach((pattern) => note(pattern, 'mark'));
  found.sort((one, other) => one.from - other.from || other.to - one.to);
  const nodes = [];
  let at = 0;
  for (const { from, to, tag } of found) {
    if (from < at) continue;
    nodes.push(text.slice(at, from), make(tag, {}, text.slice(from, to)));
    at = to;
  }
  return [...nodes, text.slice(at)].filter((node) => node !== '');
}
