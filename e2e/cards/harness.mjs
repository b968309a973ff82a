// What the checks share: the service with its sandbox, a browser that reports everything it should not do, and a tally.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

/** Counts what held and what did not. */
export class Tally {
  passed = 0;
  failed = 0;

  async check(what, test) {
    try {
      const detail = await test();
      this.passed += 1;
      console.log(`ok    ${what}${detail ? `: ${detail}` : ''}`);
    } catch (problem) {
      this.failed += 1;
      console.log(`FAIL  ${what}: ${String(problem.message ?? problem).split('\n').slice(0, 6).join(' | ')}`);
    }
  }
}

export function assert(holds, message) {
  if (!holds) throw new Error(message);
}

/** Waits until something holds. */
export async function eventually(what, milliseconds, test) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const found = await test();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${milliseconds} ms`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

/** The built binary as anybody starts it, one response an hour beside those that the checks complete. */
export async function startDemo(binary, ui5Url, definition) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cards-demo-'));
  const parameters = ['demo', '--listen', '127.0.0.1:0', '--data-dir', folder, '--rate', '0.0003'];
  if (definition) parameters.push('--survey-definition', definition);
  const environment = { PATH: process.env.PATH, HOME: process.env.HOME, UI5_URL: ui5Url };
  const child = spawn(binary, parameters, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => { output += data; });
  const link = (name) => new RegExp(`${name}\\s+(http\\S+)`).exec(output)?.[1];
  await eventually('the demo', 20000, () => link('cards') && / rows /.test(output));
  const [url, form] = [link('live page'), link('fill in')];
  return { url, sandbox: new URL(form).origin, survey: /SV_\w+/.exec(form)[0], folder, stop: () => stop(child, folder) };
}

async function stop(child, folder) {
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  child.kill('SIGTERM');
  await ended;
  fs.rmSync(folder, { recursive: true, force: true });
}

/** Completes a response at the sandbox, which calls the service back. */
export async function complete(demo, values, others = {}) {
  const response = await fetch(`${demo.sandbox}/control/complete`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ survey: demo.survey, values, ...others }),
  });
  assert(response.ok, `the sandbox says ${response.status}: ${await response.clone().text()}`);
  return (await response.json()).responses;
}

export async function odata(demo, query) {
  const response = await fetch(`${demo.url}odata/v4/feedback/${query}`);
  assert(response.ok, `${query}: HTTP ${response.status}`);
  return response.json();
}

/** A browser without a past. `complaints` are errors, and requests elsewhere than to `allowed` origins. */
export class Browser {
  static async start(allowed, options = {}) {
    const browser = new Browser();
    browser.profile = fs.mkdtempSync(path.join(os.tmpdir(), 'cards-browser-'));
    browser.complaints = [];
    browser.allowed = allowed;
    browser.context = await chromium.launchPersistentContext(browser.profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS, locale: 'en-GB',
      viewport: { width: 1280, height: 900 }, ...options,
    });
    browser.context.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol.startsWith('http') && !allowed.includes(origin)) browser.complaints.push(`request to ${request.url()}`);
    });
    browser.context.on('response', (response) => {
      if (response.status() >= 400) browser.complaints.push(`${response.status()} ${response.url()}`);
    });
    browser.context.on('weberror', (error) => browser.complaints.push(`page error: ${error.error().message}`));
    browser.context.on('console', (message) => {
      if (message.type() === 'error') browser.complaints.push(`console: ${message.text()}`);
    });
    browser.context.on('dialog', (dialog) => {
      browser.complaints.push(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    return browser;
  }

  page() {
    return this.context.newPage();
  }

  /** What was complained about since the last time. */
  take() {
    return this.complaints.splice(0);
  }

  async stop() {
    await this.context.close();
    fs.rmSync(this.profile, { recursive: true, force: true });
  }
}

/** Opens `/cards/` and waits until every card has its figures. */
export async function openCards(browser, demo, query = '') {
  const page = await browser.page();
  await page.goto(`${demo.url}cards/${query}`);
  await page.waitForFunction(() => {
    const cards = [...document.querySelectorAll('#cards > section')];
    return cards.length >= 5 && cards.every((section) => /live|way|unterwegs|complete|vollst/i.test(section.querySelector('.sapFCardFooter')?.innerText ?? ''));
  }, null, { timeout: 60000 });
  await page.waitForTimeout(500);
  return page;
}

export const cardText = (page, name) => page.locator(`[data-card="${name}"] .sapFCard`).innerText();
