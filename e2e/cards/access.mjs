// Accessibility by axe, without serious findings; keyboard; no motion for those who want none.
import fs from 'node:fs';
import { createRequire } from 'node:module';

import { assert, openCards } from './harness.mjs';
import { quiet } from './cards.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function serious(page) {
  // Through the debugger, which the page's policy does not concern.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ target }) => target.join(' ')).join(', ')}`);
}

export async function checkAccess(tally, browser, demo) {
  const live = await browser.page();
  for (const colorScheme of ['light', 'dark']) {
    await tally.check(`axe finds nothing serious on the live page, ${colorScheme}`, async () => {
      await live.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await live.goto(demo.url);
      await live.locator('#surveys li').first().waitFor({ timeout: 10000 });
      const found = await serious(live);
      assert(found.length === 0, found.join(' | '));
    });
  }
  await tally.check('the live page is used by keyboard, and stands still where that is wanted', async () => {
    await live.keyboard.press('Tab');
    assert(await live.evaluate(() => document.activeElement.classList.contains('skip')), 'no skip link first');
    await live.keyboard.press('Enter');
    assert(await live.evaluate(() => document.activeElement.id === 'rows'), 'it does not skip');
    const animations = await live.evaluate(() => document.getAnimations().length);
    assert(animations === 0, `${animations} animations`);
  });
  await tally.check('nothing is wider than a phone', async () => {
    await live.setViewportSize({ width: 360, height: 740 });
    const width = await live.evaluate(() => document.documentElement.scrollWidth);
    assert(width <= 360, `${width} pixels`);
  });
  await live.close();
  for (const theme of ['sap_horizon', 'sap_horizon_dark']) {
    await tally.check(`axe finds nothing serious on the cards, ${theme}`, async () => {
      const cards = await openCards(browser, demo, `?sap-ui-theme=${theme}`);
      const found = await serious(cards);
      await cards.close();
      assert(found.length === 0, found.join(' | '));
    });
  }
  await tally.check('German cards are German', async () => {
    const cards = await openCards(browser, demo, '?sap-ui-language=de');
    const text = await cards.locator('#cards').innerText();
    await cards.close();
    for (const words of ['Zufriedenheit', 'Letzte 7 Tage', 'Kommentare', 'Umfrage öffnen']) assert(text.includes(words), words);
  });
  await tally.check('nothing was complained about by the browser', () => quiet(browser));
}
