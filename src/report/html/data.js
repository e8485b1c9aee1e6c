'use strict';
// Reads the run's data, which stand deflated and in base64 in an element of their own, into plain objects. What a line has in
// its places is said in rows.rs; nothing but this file knows that.

const NAMES = ['scenario', 'case', 'persona', 'model', 'window', 'vars'];

const run = {
  head: null,
  tail: null,
  groups: [], // of one scenario and case: {scenario, case, tags, path, variants}
  variants: [], // {names, label, group, end, conversations, checks, outcomes, place}
};

/** The bytes that a text in base64 stands for, piece by piece: one call for all of them would need room for them thrice. */
function* bytesOf(base64) {
  const step = 1 << 18;
  for (let from = 0; from < base64.length; from += step) {
    const text = atob(base64.slice(from, from + step));
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    yield bytes;
  }
}

/** Calls `take` with each line of the data. */
async function readLines(take) {
  const element = document.getElementById('data');
  const inflated = new Blob([...bytesOf(element.textContent.trim())]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  element.textContent = '';
  const decoder = new TextDecoder();
  let rest = '';
  for (const reader = inflated.getReader(); ; ) {
    const { done, value } = await reader.read();
    const lines = (rest + decoder.decode(value, { stream: !done })).split('\n');
    rest = lines.pop();
    lines.forEach(take);
    if (done) break;
  }
  if (run.tail === null) throw new Error('the end is missing');
}

/** What the last conversation said that is there whole: a 0 in the same place says the same. */
let before = { system: null, history: [], users: [], checks: [] };

function takeLine(line) {
  const row = JSON.parse(line);
  if (!Array.isArray(row)) {
    if (run.head === null) run.head = row;
    else run.tail = row;
  } else if (row[0] === 'variant') {
    const variant = run.variants.at(-1);
    variant.end = row[1];
    variant.decided = row[2].map(([, verdict]) => verdict);
  } else {
    addConversation(conversationOf(row));
  }
}

function conversationOf([names, [trial, trials], end, error, system, history, turns, checks]) {
  const isWhole = turns !== null;
  // Of one that had no room the line says 0 for everything, and the last one's texts are not its own.
  const own = (said, last, none) => (!isWhole ? none : said === 0 ? last : said);
  const conversation = {
    names, trial, trials, end, error, isWhole,
    system: own(system, before.system, null),
    history: own(history, before.history, []),
    turns: isWhole ? turns.map(turnOf) : [],
    checks: checks.map(checkOf),
  };
  if (isWhole) {
    const { turns: played, checks: asked } = conversation;
    before = { system: conversation.system, history: conversation.history, users: played.map((turn) => turn.user), checks: asked };
  }
  return conversation;
}

function turnOf([turn, user, reply, source, sent, tokensSent, tokensReply, tokensFull, latency, rare], place) {
  return {
    turn, reply, source, sent, tokensSent, tokensReply, tokensFull, rare,
    user: user === 0 ? before.users[place] : user,
    latency: latency === null ? null : latency / 1000,
  };
}

function checkOf([asserted, verdict, detail, fact], place) {
  const [turn, key, name, expected, line, known] = asserted === 0 ? before.checks[place].asserted : asserted;
  const kept = asserted === 0 ? before.checks[place].asserted : asserted;
  return { asserted: kept, turn, key, name, expected, line, known, verdict, detail, fact: factOf(fact) };
}

function factOf(fact) {
  if (fact === null) return null;
  const [name, value, visible, distance, outcome, spellings] = fact;
  return { name, value, visible, distance, outcome, spellings };
}

function addConversation(conversation) {
  const { names } = conversation;
  let variant = run.variants.at(-1);
  if (variant === undefined || names.some((name, place) => name !== variant.names[place])) {
    variant = { names, end: conversation.end, conversations: [], decided: null, place: run.variants.length };
    run.variants.push(variant);
    groupOf(names).variants.push(variant);
    variant.group = run.groups.at(-1);
  }
  variant.conversations.push(conversation);
}

function groupOf([scenario, name]) {
  const last = run.groups.at(-1);
  if (last !== undefined && last.scenario === scenario && last.case === name) return last;
  const [, path, tags] = run.head.scenarios.find(([known]) => known === scenario) ?? [scenario, '', []];
  const group = { scenario, case: name, path, tags, variants: [] };
  run.groups.push(group);
  return group;
}

/** The verdicts of a variant's checks, each decided over its trials. */
function verdictsOf(variant) {
  return variant.decided ?? variant.conversations[0].checks.map((check) => check.verdict);
}

/** What of the names tells the variants of a group apart, as places in NAMES. */
function varying(variants) {
  return [2, 3, 4, 5].filter((place) => variants.some((variant) => variant.names[place] !== variants[0].names[place]));
}

/** Turns are numbers, probes are texts such as p1. */
function isProbe(turn) {
  return typeof turn === 'string';
}

/** A turn as it stands in an address. */
function turnOfText(text) {
  return text.startsWith('p') ? text : Number(text);
}

/** The short name of what is asked in a turn. */
function questionOf(turn) {
  return isProbe(turn) ? turn : `u${turn}`;
}

/** The conversation's own list of messages, to which the ranges of a turn point: the short name of each, and its text. */
function messagesOf({ system, history, turns }) {
  const messages = [];
  if (system !== null) messages.push({ name: 'system', role: 'system', text: system });
  history.forEach(({ role, content }, place) => messages.push({ name: `h${place + 1}`, role, text: content }));
  for (const { turn, user, reply, rare } of turns) {
    messages.push({ name: questionOf(turn), role: 'user', text: user, turn });
    // What is said to a probe is in no history.
    const heard = isProbe(turn) ? null : rare.pinned ?? reply;
    if (heard !== null) messages.push({ name: `a${turn}`, role: 'assistant', text: heard, turn });
  }
  return messages;
}
