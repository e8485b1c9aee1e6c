// The page of a run as people use it. Run with `npm ci --prefix tests/browser && node --test tests/browser/`.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { close, opened, played, skip } from './run.mjs';

const HOSTILE = '</script><script>window.hit = 1</script><img src=x onerror="window.hit = 2"><!-- --> \u2028 & <b>bold</b>';

const MEMORY = `name: name
tags: [memory]
windows: [2, full]
facts: {name: Priya}
turns:
  - user: My name is Priya.
  - user: I work at Google.
  - user: I'm learning ML.
  - {user: "What's my name?", expect: [{retains_iff_visible: name}]}
`;
const PERSONAS = `name: tone
model: builtin:echo
personas:
  - {name: tutor, system: Be kind., expect: [{max_words: 4}]}
  - {name: reviewer, system: "${HOSTILE.replaceAll('"', '\\"').replaceAll('\u2028', '\\u2028')}", expect: [{max_words: 90}]}
turns:
  - user: "Hi"
  - {user: ${JSON.stringify(HOSTILE)}, expect: [{contains: "<b>nothing</b> of the kind"}]}
`;

after(close);

describe('the page of a run', { skip }, () => {
  let run;
  before(() => { run = played({ 's/name.yaml': MEMORY, 's/tone.yaml': PERSONAS }); });
  after(() => run?.remove());

  /** Runs a test on the page, which must do nothing that it must not. */
  const on = (name, act, options) => test(name, async () => {
    const window = await opened(run.page, options);
    await act(window.page);
    assert.deepEqual(await window.wrongs(), []);
    await window.close();
  });
  const shown = (page) => page.locator('#list a.cell').allInnerTexts();
  const status = (page, text) => page.locator('#count', { hasText: text }).waitFor();

  on('says what the run came to, and opens what failed', async (page) => {
    const sums = (await page.locator('#sums li').allInnerTexts()).join(' | ').replaceAll(/\s+/g, ' ');
    assert.match(sums, /^4 conversations \| ✓ ?2 passed \| ✗ ?2 failed \| .* tokens sent \(−\d+ % against full history\)/);
    assert.equal(await page.locator('#transcript-title').innerText(), 'tone');
    assert.equal(await page.locator('#list a[aria-current]').getAttribute('aria-label'), 'failed: tone · tutor · builtin:echo · window full; checks 1/3');
  });

  on('shows a hostile text as text, and runs none of it', async (page) => {
    assert.equal(await page.evaluate(() => window.hit), undefined);
    assert.equal(await page.locator('img, #transcript b:not(.went b)').count(), 0);
    assert.equal(await page.locator('.turn[data-turn="2"] .message.user .text').innerText(), HOSTILE);
    const replies = await page.locator('.turn[data-turn="2"] .message.assistant .text').allInnerTexts();
    assert.ok(replies.length === 2 && replies.every((reply) => reply.includes(HOSTILE)));
    assert.ok((await page.locator('.message.system .text').allInnerTexts()).includes(HOSTILE));
  });

  on('sets personas side by side, and says where verdicts part and why', async (page) => {
    const columns = await page.locator('.turn[data-turn="2"] .who').allTextContents();
    assert.deepEqual(columns, ['✗ fail tutor', '✗ fail reviewer']);
    assert.equal(await page.locator('.parting').count(), 0, 'both fail in turn 2');
    const chips = page.locator('.turn[data-turn="2"] .chip.is-fail');
    assert.match(await chips.filter({ hasText: 'max_words' }).innerText(), /the reply has \d+ words/);
    await page.selectOption('#by', '');
    assert.equal(await page.locator('.turn[data-turn="1"] .reply').count(), 1);
  });

  on('marks the turn where verdicts part', async (page) => {
    assert.deepEqual(await page.locator('.parting').evaluateAll((marks) => marks.map((mark) => mark.closest('.turn').dataset.turn)), ['4']);
  }, { hash: '#name//default/builtin/2//1' });

  on('fades what the window cut while a turn is pointed at or has the focus', async (page) => {
    const faded = () => page.locator('.message.is-cut .text').allInnerTexts();
    assert.deepEqual(await faded(), []);
    const replies = page.locator('.turn[data-turn="4"] .reply');
    await replies.nth(0).hover();
    assert.deepEqual(await faded(), ['My name is Priya.', 'Noted.', 'I work at Google.']);
    assert.deepEqual(await page.locator('.message.is-sent .text').allInnerTexts(), ['Noted.', "I'm learning ML.", 'Noted.', "What's my name?"]);
    await replies.nth(1).hover();
    assert.deepEqual(await faded(), [], 'full history cuts nothing');
    await page.mouse.move(5, 5);
    await replies.nth(0).focus();
    assert.equal((await faded()).length, 3);
    const opacity = await page.locator('.message.is-cut').first().evaluate((element) => { element.getAnimations().forEach((one) => one.finish()); return Number(getComputedStyle(element).opacity); });
    assert.ok(opacity < 0.6, String(opacity));
    assert.equal(await replies.nth(0).locator('.went').innerText(), 'sent a2 · u3 · a3 · u4 cut u1 · a1 · u2');
    assert.deepEqual(await page.locator('u.fact').evaluateAll((facts) => facts.filter((fact) => fact.closest('.turn') !== null).map((fact) => fact.textContent)), ['Priya', 'Priya']);
  }, { hash: '#name//default/builtin/2//1' });

  on('finds texts, and filters by outcome, tag and persona', async (page) => {
    await page.fill('#search', 'google');
    await status(page, '2 of 4');
    assert.ok((await shown(page)).every((cell) => cell.includes('window')));
    assert.equal(await page.locator('#list .name b').innerText(), 'name');
    await page.press('#search', 'Escape');
    await status(page, /^4 conversations/);
    await page.selectOption('select[name=end]', 'forgotten');
    await status(page, '1 of 4');
    await page.click('#clear');
    await status(page, /^4 conversations/);
    await page.selectOption('select[name=tag]', 'memory');
    await status(page, '2 of 4');
    await page.click('#clear');
    await page.selectOption('select[name=persona]', 'reviewer');
    await status(page, '1 of 4');
    await page.fill('#search', 'nowhere to be found');
    await status(page, '0 of 4');
  });

  on('marks what is searched for', async (page) => {
    await page.fill('#search', 'BOLD');
    await page.locator('#transcript mark').first().waitFor();
    assert.ok((await page.locator('#transcript mark').allInnerTexts()).every((text) => text === 'bold'));
  });

  on('has an address for every turn, which leads back there, and the back button works', async (page) => {
    assert.equal(await page.locator('#transcript-title').innerText(), 'name');
    assert.equal(await page.locator('.turn.here').getAttribute('data-turn'), '3');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.turn), '3');
    await page.locator('#list a', { hasText: 'tutor' }).click();
    await page.locator('#transcript-title', { hasText: 'tone' }).waitFor();
    assert.match(page.url(), /#tone\/\/tutor\/builtin%3Aecho\/full\/\/1$/);
    await page.locator('.turn[data-turn="2"] .link').click();
    assert.match(page.url(), /\/1\/2$/);
    await page.goBack();
    await page.goBack();
    await page.locator('#transcript-title', { hasText: 'name' }).waitFor();
    assert.equal(await page.locator('.turn.here').getAttribute('data-turn'), '3');
  }, { hash: '#name//default/builtin/2//1/3' });

  test('says that an address names nothing, and that data are cut off', async () => {
    const lost = await opened(run.page, { hash: '#nothing//a/b/c//1' });
    assert.match(await lost.page.locator('#trouble').innerText(), /does not have/);
    assert.equal(await lost.page.locator('#transcript-title').innerText(), 'tone', 'the rest is there');
    await lost.close();
    const text = readFileSync(run.page, 'utf8');
    const broken = run.page.replace('report.html', 'broken.html');
    writeFileSync(broken, text.replace(/(id="data">.{400})[^<]*/, '$1'));
    const cut = await opened(broken, { ready: '#trouble:not([hidden])' });
    assert.match(await cut.page.locator('#trouble').innerText(), /cut off or damaged. chat-eval report writes it again/);
    await cut.close();
  });

  test('says that the file is cut off wherever it is cut off', async () => {
    const text = readFileSync(run.page, 'utf8');
    const places = { style: text.indexOf('.list {'), data: text.indexOf('id="data">') + 300, charts: text.indexOf('</figure>'), script: text.lastIndexOf('async function start') };
    for (const [place, end] of Object.entries(places)) {
      assert.ok(end > 0, place);
      const broken = run.page.replace('report.html', `cut-in-${place}.html`);
      writeFileSync(broken, text.slice(0, end));
      const cut = await opened(broken, { ready: 'body > p:not([hidden])' });
      assert.match(await cut.page.locator('body').innerText(), /the file is cut off before its end. chat-eval report writes it again/, place);
      assert.ok(!(await cut.page.locator('body').innerText()).includes('Reading'), place);
      // Half a style is none that the policy allows.
      assert.deepEqual(place === 'style' ? [] : await cut.wrongs(), [], place);
      await cut.close();
    }
  });

  test('says that an address names a turn or a trial that is not there, or is not whole', async () => {
    for (const [hash, words] of [
      ['#name//default/builtin/2//1/99', 'The address names turn 99, which this conversation does not have: its last is turn 4.'],
      ['#name//default/builtin/2//1/p1', 'The address names turn p1, which this conversation does not have: its last is turn 4.'],
      ['#name//default/builtin/2//7', 'The address names trial 7, and this run has none of that number here: this is trial 1.'],
      ['#name//default', 'The address is none of a conversation: it is not whole.'],
    ]) {
      const window = await opened(run.page, { hash });
      assert.equal(await window.page.locator('#trouble').innerText(), words);
      assert.ok(await window.page.evaluate(() => { const { top, bottom } = document.getElementById('trouble').getBoundingClientRect(); return top >= 0 && bottom <= innerHeight; }), hash);
      if (hash.includes('builtin')) assert.equal(await window.page.locator('#transcript-title').innerText(), 'name');
      await window.page.goto(`${window.page.url().split('#')[0]}#name//default/builtin/2//1/4`);
      await window.page.locator('.turn.here[data-turn="4"]').waitFor();
      assert.ok(!await window.page.locator('#trouble').isVisible());
      assert.deepEqual(await window.wrongs(), []);
      await window.close();
    }
  });

  on('goes from match to match, through its own column and on to the next conversation', async (page) => {
    const here = () => page.evaluate(() => {
      const mark = document.querySelector('mark.here');
      return mark === null ? null : [document.querySelector('#list a[aria-current] .label').textContent, mark.closest('.turn')?.dataset.turn ?? 'begin', mark.textContent];
    });
    const goes = async (key, to) => {
      await page.keyboard.press(key);
      await page.waitForFunction((to) => {
        const mark = document.querySelector('mark.here');
        return mark !== null && JSON.stringify([document.querySelector('#list a[aria-current] .label').textContent, mark.closest('.turn')?.dataset.turn ?? 'begin', mark.textContent]) === JSON.stringify(to);
      }, to).catch(async (error) => { throw new Error(`${key}: ${JSON.stringify(await here())}, and not ${JSON.stringify(to)}`, { cause: error }); });
      assert.ok(await page.evaluate(() => { const { top, bottom } = document.querySelector('mark.here').getBoundingClientRect(); return top >= 0 && bottom <= innerHeight; }));
    };
    await page.keyboard.press('/');
    await page.keyboard.type('google');
    // Without waiting for what is searched for to be applied.
    await goes('Enter', ['window 2', '2', 'Google']);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'search', 'one can type on');
    await goes('Enter', ['window full', '2', 'Google']);
    await goes('Shift+Enter', ['window 2', '2', 'Google']);
    await page.evaluate(() => document.activeElement.blur());
    await goes('n', ['window full', '2', 'Google']);
    await goes('n', ['window 2', '2', 'Google']);
    assert.match(await page.locator('#said').innerText(), /That was the last match: here is the first/);
    await goes('p', ['window full', '2', 'Google']);
    await page.fill('#search', 'tutor');
    await status(page, '1 of 4');
    await page.keyboard.press('Enter');
    await page.locator('#said', { hasText: 'It is found in names alone.' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('n');
    await page.locator('#list a[aria-current][aria-label*="tutor"]').waitFor();
  }, { hash: '#name//default/builtin/2//1' });

  test('a conversation that had no room shows no texts of another as its own', async () => {
    // Such a page has 64 MB of texts: here a line of a small one is written as it would be there.
    const without = (line) => {
      const row = JSON.parse(line);
      if (row[0]?.[2] !== 'reviewer') return line;
      const [names, trials, end, error, , , , checks] = row;
      return JSON.stringify([names, trials, end, error, 0, 0, null, checks]);
    };
    const shorter = (all, base64) => {
      const lines = inflateRawSync(Buffer.from(base64, 'base64')).toString().split('\n');
      return `id="data">${deflateRawSync(lines.map((line) => (line === '' ? '' : without(line))).join('\n')).toString('base64')}<`;
    };
    const page = run.page.replace('report.html', 'shorter.html');
    writeFileSync(page, readFileSync(run.page, 'utf8').replace(/id="data">([^<]*)</, shorter));
    const window = await opened(page, { hash: '#tone//reviewer/builtin%3Aecho/full//1' });
    await window.page.selectOption('#by', '');
    assert.match(await window.page.locator('.row.begin').innerText(), /no room on this page/);
    assert.equal(await window.page.locator('.message').count(), 0, 'the system prompt of the tutor');
    assert.deepEqual(await window.wrongs(), []);
    await window.close();
  });

  on('is all within reach of the keyboard', async (page) => {
    const current = () => page.locator('#list a[aria-current]').getAttribute('aria-label');
    const goes = async (key, to) => {
      await page.keyboard.press(key);
      await page.waitForFunction((to) => document.querySelector('#list a[aria-current]')?.getAttribute('aria-label').includes(to), to);
    };
    await goes('j', 'reviewer');
    await goes('k', 'tutor');
    await goes('k', 'window full');
    await goes('n', 'tutor');
    assert.match(await current(), /^failed/);
    await page.keyboard.press('t');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.turn), '1');
    await page.keyboard.press('t');
    await page.keyboard.press('T');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.turn), '1');
    await page.keyboard.press('?');
    assert.ok(await page.locator('dialog').isVisible());
    await page.keyboard.press('Escape');
    assert.ok(!await page.locator('dialog').isVisible());
    await page.keyboard.press('/');
    await page.keyboard.type('jk');
    assert.equal(await page.inputValue('#search'), 'jk', 'letters are letters there');
    assert.equal(await page.locator('main').count(), 1);
    const nameless = await page.locator('button, select, input, a').evaluateAll((all) => all.filter((one) => (one.getAttribute('aria-label') ?? one.textContent + (one.labels?.[0]?.textContent ?? '')).trim() === '').map((one) => one.outerHTML));
    assert.deepEqual(nameless, []);
  });

  on('is light or dark as the system is, until it is told', async (page) => {
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(await paper(), 'rgb(20, 23, 27)');
    await page.click('#theme');
    assert.equal(await paper(), 'rgb(255, 255, 255)');
  }, { colorScheme: 'dark' });

  on('puts replies below one another on a phone, and nothing sticks out', async (page) => {
    const boxes = await page.locator('.turn[data-turn="1"] .reply').evaluateAll((cells) => cells.map((cell) => cell.getBoundingClientRect().x));
    assert.equal(new Set(boxes).size, 1);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  }, { viewport: { width: 390, height: 844 } });

  on('prints the open transcript without its controls', async (page) => {
    await page.emulateMedia({ media: 'print' });
    assert.ok(!await page.locator('#filters').isVisible() && !await page.locator('#list').isVisible());
    assert.ok(await page.locator('.turn[data-turn="2"] .reply').first().isVisible());
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)');
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
    const open = await page.locator('details.chip').evaluateAll((chips) => chips.map((chip) => chip.open === chip.classList.contains('is-fail')));
    assert.ok(open.length > 3 && !open.includes(false));
  }, { colorScheme: 'dark' });

  test('says without scripts where the same is to be had', async () => {
    const context = await (await opened(run.page)).page.context().browser().newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`file://${run.page}`);
    assert.match(await page.locator('noscript').innerText(), /summary\.md/);
    await context.close();
  });
});

describe('what columns have of their own', { skip }, () => {
  const on = (name, files, act, options) => test(name, async () => {
    const run = played(files);
    const window = await opened(run.page, options);
    await act(window.page);
    assert.deepEqual(await window.wrongs(), []);
    await window.close();
    run.remove();
  });

  const many = { 's/many.yaml': `model: builtin:echo\npersonas:\n${Array.from({ length: 500 }, (_, at) => `  - {name: p${at}, system: "Be ${at}."}\n`).join('')}turns: [{user: Hi}, {user: Ho}]\n` };
  on('stand side by side eight at a time, and the others are a key away', many, async (page) => {
    const shown = () => page.locator('.turn[data-turn="1"] .who').allTextContents();
    const wide = () => page.evaluate(() => [document.documentElement.scrollWidth <= innerWidth, document.getElementById('transcript').scrollWidth]);
    assert.deepEqual(await shown(), Array.from({ length: 8 }, (_, at) => `p${at}`));
    const [fits, width] = await wide();
    assert.ok(fits && width < 3000, String(width));
    assert.ok(await page.evaluate(() => document.querySelectorAll('main :not(option)').length) < 700);
    await page.keyboard.press('t');
    await page.keyboard.press('c');
    assert.deepEqual((await shown())[0], 'p8');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.turn), '1', 'at the same turn');
    await page.keyboard.press('C');
    await page.keyboard.press('C');
    await page.locator('#said', { hasText: 'There are no columns before these.' }).waitFor();
    await page.click('#columns-on');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'columns-on');
    assert.equal(await page.locator('#columns option:checked').innerText(), '9–16 of 500: p8 … p15');
    await page.selectOption('#columns', { label: '497–500 of 500: p496 … p499' });
    assert.deepEqual(await shown(), ['p496', 'p497', 'p498', 'p499']);
    assert.ok(await page.locator('#columns-on').isDisabled());
    // Whoever opens another sees it.
    await page.goto(`${page.url().split('#')[0]}#many//p42/builtin%3Aecho/full//1/2`);
    await page.locator('.turn.here[data-turn="2"]').waitFor();
    assert.deepEqual(await page.locator('.turn.here .who').allTextContents(), Array.from({ length: 8 }, (_, at) => `p${at + 40}`));
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'p42, turn 2');
  });

  const history = { 's/history.yaml': 'model: builtin:echo\nmatrix: {city: [Lisbon, Oslo]}\nhistory: [{role: user, content: "I live in {{ city }}."}, {role: assistant, content: Nice.}]\nturns: [{user: Hi}]\n' };
  on('have their own history where it differs', history, async (page) => {
    const cells = await page.locator('.begin > .cell:has(.message.user)').allInnerTexts();
    assert.deepEqual(cells.map((cell) => /(city=\w+)[^]*I live in (\w+)\./.exec(cell)?.slice(1)), [['city=Lisbon', 'Lisbon'], ['city=Oslo', 'Oslo']]);
    await page.locator('.turn[data-turn="1"] .reply').nth(1).hover();
    assert.deepEqual(await page.locator('.message.is-sent .text').allInnerTexts(), ['I live in Oslo.', 'Nice.', 'Hi']);
  });

  const aliases = { 's/alias.yaml': 'facts: {employer: {value: Google, aliases: [Alphabet], asks: [Where do I work]}}\nturns: [{user: I work at Alphabet.}, {user: "Where do I work?", expect: [{recalls: employer}]}]\n' };
  on('underline a fact by its other names too', aliases, async (page) => {
    assert.deepEqual(await page.locator('.turn u.fact').allInnerTexts(), ['Alphabet', 'Google']);
  });

  const skipped = { 's/skip.yaml': 'models: ["builtin", "builtin:echo"]\nturns: [{user: One., expect: [{contains: e, models: [builtin]}]}, {user: Two., expect: [{contains: Two}]}]\n' };
  on('part where one fails, and not where one was not asked', skipped, async (page) => {
    assert.deepEqual(await page.locator('.parting').evaluateAll((marks) => marks.map((mark) => mark.closest('.turn').dataset.turn)), ['2']);
  });
});

describe('the page of a long conversation', { skip }, () => {
  let run;
  before(() => {
    const long = 'word '.repeat(3000);
    run = played({ 's/long.yaml': `model: builtin:echo\nwindow: 2\nfacts: {name: Priya}\nturns:\n  - {user: "${long}"}\n  - user: My name is Priya.\n  - filler: 100\n  - {user: "What's my name?", expect: [{forgets: name}]}\n` });
  });
  after(() => run?.remove());

  test('makes turns as they come near the screen, and all of them for paper', async () => {
    const window = await opened(run.page, { hash: '#long//default/builtin%3Aecho/2//1' });
    const { page } = window;
    assert.ok(await page.locator('.turn.waiting').count() > 50);
    await page.goto(`${page.url()}/103`);
    const last = page.locator('.turn.here[data-turn="103"]');
    await last.waitFor();
    assert.equal(await last.locator('.went').innerText(), 'sent a101 · u102 · a102 · u103 cut u1 … u101');
    await page.waitForFunction(() => {
      const { top } = document.querySelector('.turn.here').getBoundingClientRect();
      return top >= 0 && top < innerHeight;
    });
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
    assert.equal(await page.locator('.turn.waiting').count(), 0);
    assert.deepEqual(await window.wrongs(), []);
    await window.close();
  });

  test('stays at the turn of an address while short turns above it are made', async () => {
    const short = played({ 's/short.yaml': 'model: builtin:echo\nwindow: 2\nturns: [{filler: 118}, {user: Here}, {filler: 80}]\n' });
    const window = await opened(short.page, { hash: '#short//default/builtin%3Aecho/2//1/119' });
    const top = () => window.page.evaluate(() => document.querySelector('.turn.here').getBoundingClientRect().top);
    await window.page.waitForFunction(() => Math.abs(document.querySelector('.turn.here').getBoundingClientRect().top) < 60);
    // Whatever comes near the screen there is made by now.
    await window.page.waitForFunction(() => view.stopStaying !== undefined);
    await window.page.evaluate(() => new Promise((done) => { let frames = 40; const next = () => (frames-- > 0 ? requestAnimationFrame(next) : done()); next(); }));
    assert.ok(Math.abs(await top()) < 60, `${await top()}`);
    await window.close();
    short.remove();
  });

  test('shows the beginning of a very long text, and all of it on demand', async () => {
    const window = await opened(run.page);
    const text = window.page.locator('.turn[data-turn="1"] .message.user .text');
    assert.ok((await text.innerText()).length < 9000);
    await text.locator('button', { hasText: 'show all 15,000 characters' }).click();
    assert.equal((await text.textContent()).length, 15_000);
    await window.close();
  });
});

describe('the page of a long run', { skip }, () => {
  let run;
  before(() => {
    const words = ['window', 'memory', 'persona', 'history', 'request', 'exchange', 'verdict', 'transcript'];
    const rows = Array.from({ length: 10_000 }, (_, row) => `${row},${Array.from({ length: 40 }, (_, at) => words[(row * 7 + at * at * (row % 13) + at) % words.length]).join(' ')}`);
    const turns = Array.from({ length: 5 }, (_, turn) => `  - user: "${turn}: {{ text }}"\n`).join('');
    run = played({ 's/cases.csv': `id,text\n${rows.join('\n')}\n`, 's/long.yaml': `model: builtin:echo\ncases: cases.csv\nturns:\n${turns}` });
  });
  after(() => run?.remove());

  test('has little of it in the document, wherever one scrolls', async () => {
    const started = performance.now();
    const window = await opened(run.page);
    const ready = performance.now() - started;
    const { page } = window;
    const size = () => page.evaluate(() => document.querySelectorAll('*').length);
    assert.ok(await size() < 1500, String(await size()));
    await page.locator('#list').evaluate((list) => { list.scrollTop = list.scrollHeight / 2; });
    await page.waitForFunction(() => [...document.querySelectorAll('#list small')].some((name) => /^50\d\d$/.test(name.textContent)));
    assert.ok(await size() < 1500, String(await size()));
    await page.fill('#search', '9999');
    await page.locator('#count', { hasText: '1 of 10,000' }).waitFor();
    await page.keyboard.press('Escape');
    await page.goto(`${page.url().split('#')[0]}#long/9998/default/builtin%3Aecho/full//1/5`);
    await page.locator('.turn.here[data-turn="5"]').waitFor();
    assert.deepEqual(await window.wrongs(), []);
    console.log(`10,000 conversations of 5 turns: ready after ${Math.round(ready)} ms, ${(readFileSync(run.page).length / 1e6).toFixed(1)} MB`);
    await window.close();
  });
});
