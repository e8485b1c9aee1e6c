// Runs chat-eval in a folder of its own, and opens the page that it writes in a browser that reports whatever a page must not do.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const program = process.env.CHAT_EVAL_BIN ?? join(root, 'target', 'debug', 'chat-eval');
const browsers = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/opt/google/chrome/chrome'];

/** The browser and what drives it, or a reason why there is none. */
async function findBrowser() {
  const executablePath = browsers.find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) return { reason: 'no Chromium: install it, or name it in CHROMIUM' };
  if (!existsSync(program)) return { reason: `no ${program}: cargo build, or name it in CHAT_EVAL_BIN` };
  try {
    const { chromium } = await import('playwright-core');
    // A process without a user of its own has no sandbox.
    return { browser: await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] }) };
  } catch (error) {
    return { reason: `no playwright-core: npm ci --prefix tests/browser (${error.message})` };
  }
}

const found = await findBrowser();
if (found.reason !== undefined) {
  if (process.env.CHAT_EVAL_REQUIRE_BROWSER) throw new Error(found.reason);
  console.error(`\n!!! LEFT OUT: the page in a browser: ${found.reason}\n`);
}

/** Why the tests are left out; false where they run. */
export const skip = found.reason ?? false;

export async function close() {
  await found.browser?.close();
}

/** The folder of a run of these files. */
export function played(files, ...args) {
  const folder = mkdtempSync(join(tmpdir(), 'chat-eval-browser-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  try {
    execFileSync(program, ['run', 's', '--snapshots', 'off', ...args], { cwd: folder, env: { PATH: process.env.PATH }, stdio: 'ignore' });
  } catch (error) {
    if (error.status !== 1) throw error;
  }
  return { page: join(folder, 'results', 'latest', 'report.html'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The page in a window of its own, once it is ready. `wrongs` gathers what it must not do: errors, requests, violations of its policy. */
export async function opened(path, { hash = '', ready = 'html[data-ready]', ...options } = {}) {
  const context = await found.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrongs = [];
  const url = pathToFileURL(path).href + hash;
  page.on('pageerror', (error) => wrongs.push(`error: ${error.message}`));
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) wrongs.push(`console: ${message.text()}`); });
  page.on('request', (request) => { if (!request.isNavigationRequest()) wrongs.push(`request: ${request.url()}`); });
  page.on('dialog', (dialog) => { wrongs.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  await page.waitForSelector(ready);
  return {
    page,
    wrongs: async () => [...wrongs, ...await page.evaluate(() => window.violations)],
    close: () => context.close(),
  };
}
