// usage: node main.mjs cards <binary>                 runs the checks
//        node main.mjs screenshots <binary> <folder>  takes the pictures
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { checkAccess } from './access.mjs';
import { checkCards, checkHostileAnswers, checkHostileTexts, checkLive, checkStates } from './cards.mjs';
import { checkEditor } from './editor.mjs';
import { checkFiles } from './files.mjs';
import { Browser, Tally, complete, openCards, startDemo } from './harness.mjs';
import { ANSWERS, definition } from './hostile.mjs';
import { checkTable } from './table.mjs';
import * as ui5 from './ui5.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [what, binary, target] = process.argv.slice(2);

async function cards() {
  const tally = new Tally();
  await ui5.warm(['sap_horizon', 'sap_horizon_dark']);
  const source = await ui5.serve({ charts: true });
  const demo = await startDemo(binary, source.url);
  await complete(demo, {}, { count: 60 });
  const allowed = [new URL(source.url).origin, new URL(demo.url).origin];
  const browser = await Browser.start(allowed);
  await checkFiles(tally, demo, binary);
  await checkCards(tally, browser, demo);
  await checkEditor(tally, browser, demo, 'Overall, how satisfied are you with the project?');
  await checkTable(tally, browser, demo, source.url);
  await checkLive(tally, browser, demo);
  await checkStates(tally, browser, demo);
  await checkAccess(tally, browser, demo);
  await checkHostileAnswers(tally, browser, demo);
  await browser.stop();
  await demo.stop();
  await hostile(tally, source);
  source.stop();
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0;
}

async function hostile(tally, source) {
  const original = JSON.parse(fs.readFileSync(path.join(here, '../../crates/sandbox/surveys/project-feedback.json'), 'utf8'));
  const file = path.join(fs.mkdtempSync('/tmp/cards-survey-'), 'survey.json');
  fs.writeFileSync(file, JSON.stringify(definition(original)));
  const demo = await startDemo(binary, source.url, file);
  const browser = await Browser.start([new URL(source.url).origin, new URL(demo.url).origin]);
  await checkHostileTexts(tally, browser, demo);
  await checkEditor(tally, browser, demo, ANSWERS[1]);
  await browser.stop();
  await demo.stop();
  fs.rmSync(path.dirname(file), { recursive: true });
}

async function screenshots() {
  fs.mkdirSync(target, { recursive: true });
  await ui5.warm(['sap_horizon', 'sap_horizon_dark']);
  const source = await ui5.serve({ charts: true });
  const demo = await startDemo(binary, source.url);
  await complete(demo, {}, { count: 150 });
  const looks = [
    ['light', { colorScheme: 'light' }, 'sap_horizon'],
    ['dark', { colorScheme: 'dark' }, 'sap_horizon_dark'],
    ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }, 'sap_horizon'],
  ];
  for (const [name, options, theme] of looks) {
    const browser = await Browser.start([new URL(source.url).origin, new URL(demo.url).origin], options);
    const live = await browser.page();
    await live.goto(demo.url);
    await live.locator('#rows li').nth(3).waitFor();
    for (let count = 0; count < 4; count += 1) {
      await complete(demo, {});
      await live.waitForTimeout(900);
    }
    await live.screenshot({ path: path.join(target, `live-${name}.png`), fullPage: true });
    await live.close();
    const cards = await openCards(browser, demo, `?sap-ui-theme=${theme}`);
    await cards.waitForTimeout(1500);
    await cards.screenshot({ path: path.join(target, `cards-${name}.png`), fullPage: true });
    await browser.stop();
    console.log(`${target}: live-${name}.png, cards-${name}.png`);
  }
  await demo.stop();
  source.stop();
  return true;
}

const works = await { cards, screenshots }[what]();
process.exit(works ? 0 : 1);
