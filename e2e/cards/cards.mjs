// The cards in the real UI5, and the live page: what people see, from the callback on.
import { assert, cardText, complete, eventually, odata, openCards } from './harness.mjs';
import { ANSWERS, folded } from './hostile.mjs';

const TITLES = {
  satisfaction: 'Satisfaction', nps: 'Net promoter score', trend: 'Trend', 'trend-table': 'Trend by week', rating: 'Rating',
  distribution: 'Answers', live: 'Live comments', comments: 'Latest comments', projects: 'Projects', 'take-survey': 'Give feedback',
};

export async function checkCards(tally, browser, demo) {
  const page = await openCards(browser, demo);
  const names = await page.$$eval('#cards > section', (sections) => sections.map((section) => section.dataset.card));
  await tally.check('every kind of card is there', () => {
    assert(Object.keys(TITLES).every((name) => names.includes(name)), names.join(' '));
    return names.join(' ');
  });
  for (const name of names) {
    await tally.check(`card ${name} shows data`, async () => {
      const text = await cardText(page, name);
      assert(text.includes(TITLES[name]), text);
      assert(/live|on their way|complete up to/.test(text), `no freshness in ${text}`);
      assert(/\d/.test(text) && !/No connection|Nothing to show|Unable to load|undefined|NaN|\[object/.test(text), text);
      if (!['take-survey', 'live', 'comments', 'projects'].includes(name)) assert(/\d+ answers/.test(text), `no n in ${text}`);
    });
  }
  await tally.check('question texts are shown, not tags', async () => {
    const text = await cardText(page, 'satisfaction');
    assert(text.includes('Overall, how satisfied are you with the project?') && !/\bQ1\b/.test(text), text);
  });
  await tally.check('the average is that of OData', async () => {
    const { value: [{ average, n }] } = await odata(demo, 'ProjectFeedback?$apply=filter(Q1 ne null)/aggregate(Q1 with average as average,$count as n)');
    const text = await cardText(page, 'satisfaction');
    assert(text.includes(average.toFixed(2)) && text.includes(`${n} answers`), `${average} of ${n} is not in ${text}`);
    return `${average.toFixed(2)} of ${n}`;
  });
  await tally.check('the figures of choices add up to all answers', async () => {
    const rows = await page.locator('[data-card="distribution"] tr.sapMLIB').allInnerTexts();
    const counts = rows.map((row) => Number(/(\d+)\s*$/.exec(row)?.[1]));
    const text = await cardText(page, 'distribution');
    for (const label of ['Very satisfied', 'Dissatisfied', 'Neither satisfied nor dissatisfied']) assert(text.includes(label), text);
    const sum = counts.reduce((total, count) => total + count, 0);
    assert(text.includes(`${sum} answers`), `${counts.join(' + ')} in ${text}`);
    return `${counts.join(' + ')} = ${sum}`;
  });
  await checkFilter(tally, page, demo);
  await checkPages(tally, page);
  await checkBehind(tally, page);
  await checkSettings(tally, page);
  await tally.check('nothing was complained about by the browser', () => quiet(browser));
  await page.close();
}

export function quiet(browser) {
  const complaints = browser.take();
  assert(complaints.length === 0, complaints.slice(0, 5).join(' | '));
}

async function checkFilter(tally, page, demo) {
  await tally.check('the filter of the comments works', async () => {
    const { value } = await odata(demo, "ProjectFeedback?$apply=filter(Q18 ne null and Q18 ne '' and AccountID ne null)/groupby((AccountID),aggregate($count as n))&$orderby=n desc&$top=1");
    const [{ AccountID: account, n }] = value;
    const card = page.locator('[data-card="comments"]');
    await card.locator('.sapMSlt').click();
    await page.locator('.sapMSelectListItem:visible', { hasText: account }).first().click();
    await eventually(`${n} comments of ${account}`, 5000, async () => (await cardText(page, 'comments')).includes(n === 1 ? '1 comment' : `${n} comments`));
    const text = await cardText(page, 'comments');
    assert(text.includes(account), text);
    await page.locator('.sapMSelectListItem:visible').first().waitFor({ state: 'hidden' });
    await card.locator('.sapMSlt').click();
    await page.locator('.sapMSelectListItem:visible', { hasText: 'AccountID: all' }).click();
    return `${n} of ${account}`;
  });
}

async function checkPages(tally, page) {
  await tally.check('older comments follow page by page', async () => {
    const card = page.locator('[data-card="comments"]');
    await eventually('all comments', 5000, () => card.getByRole('button', { name: 'Older comments' }).isVisible());
    const first = await cardText(page, 'comments');
    await card.getByRole('button', { name: 'Older comments' }).click();
    await eventually('the second page', 5000, async () => (await cardText(page, 'comments')) !== first && card.getByRole('button', { name: 'Newer comments' }).isVisible());
    await card.getByRole('button', { name: 'Newer comments' }).click();
    await eventually('the first page', 5000, async () => (await cardText(page, 'comments')) === first);
  });
}

async function checkBehind(tally, page) {
  await tally.check('a click on a figure opens the comments behind it', async () => {
    await page.locator('[data-card="rating"] tr.sapMLIB').first().click();
    const dialog = page.locator('.sapMDialog');
    await dialog.waitFor({ timeout: 10000 });
    await eventually('comments', 5000, async () => /\d+ comments?/.test(await dialog.innerText()));
    const text = await dialog.innerText();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached', timeout: 5000 });
    return /\d+ comments?/.exec(text)[0];
  });
  await tally.check('a click on the average does too', async () => {
    await page.locator('[data-card="satisfaction"] .sapMLnk').first().click();
    const dialog = page.locator('.sapMDialog');
    await eventually('comments', 10000, async () => /\d+ comments?/.test(await dialog.innerText().catch(() => '')));
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached', timeout: 5000 });
  });
}

async function checkSettings(tally, page) {
  await tally.check('parameters are offered as drop-downs and change the card', async () => {
    const section = page.locator('[data-card="satisfaction"]');
    await section.locator('summary').click();
    const question = section.locator('select[name="question"]');
    await question.waitFor({ timeout: 10000 });
    const offered = await question.locator('option').allInnerTexts();
    assert(offered.some((text) => text.includes('Quality of the results')), offered.join(' | '));
    await question.selectOption('Q8_1');
    await eventually('the other question', 8000, async () => (await cardText(page, 'satisfaction')).includes('Quality of the results'));
    return `${offered.length} questions`;
  });
  await tally.check('figures of few answers are grey and say so', async () => {
    const section = page.locator('[data-card="satisfaction"]');
    await section.locator('input[name="minimum"]').fill('100000');
    await section.locator('input[name="minimum"]').press('Tab');
    await eventually('few answers', 8000, async () => (await cardText(page, 'satisfaction')).includes('few answers'));
    assert(await section.locator('.sapFCardNumericIndicators .sapMNCNeutral, .sapFCardNumericIndicators .Neutral').count() > 0, 'the number is not grey');
  });
}

/** From the callback to the screen: the service has the callback when the event's row carries it. */
export async function checkLive(tally, browser, demo) {
  const cards = await openCards(browser, demo);
  await tally.check('a completed response is in the live card within 1 s of the callback', async () => {
    const times = [];
    for (let round = 0; round < 3; round += 1) times.push(await seen(demo, cards, '[data-card="live"]'));
    assert(Math.max(...times) <= 1000, times.join(', '));
    return `${times.join(', ')} ms`;
  });
  await tally.check('and raises the figures of the other cards', async () => {
    const { value: [{ n }] } = await odata(demo, 'ProjectFeedback?$apply=filter(Q1 ne null)/aggregate($count as n)');
    await eventually(`${n} answers`, 3000, async () => (await cardText(cards, 'satisfaction')).includes(`${n} answers`));
  });
  await cards.close();
  const live = await browser.page();
  await live.goto(demo.url);
  await live.locator('#rows li').first().waitFor({ timeout: 10000 });
  await tally.check('a completed response is on the live page within 1 s of the callback', async () => {
    const times = [];
    for (let round = 0; round < 3; round += 1) times.push(await seen(demo, live, '#rows'));
    assert(Math.max(...times) <= 1000, times.join(', '));
    assert(/row after \d+/.test(await live.locator('#rows li').first().innerText()), 'no event-to-row time');
    return `${times.join(', ')} ms`;
  });
  await tally.check('the live region tells of it', async () => {
    assert(/new response/.test(await live.locator('#news').textContent()), 'silence');
  });
  await tally.check('the live page shows freshness, inbox and links', async () => {
    const text = await live.locator('body').innerText();
    for (const words of ['On their way', 'Dead letters', 'Event to row', 'live', 'Fill in the survey', 'CSV', 'Cards', 'Complete up to']) assert(text.includes(words), words);
    const form = await live.getByRole('link', { name: 'Fill in the survey' }).getAttribute('href');
    assert((await fetch(form)).ok, `${form} can't be filled in`);
  });
  await tally.check('nothing was complained about by the browser', () => quiet(browser));
  await live.close();
}

async function seen(demo, page, place) {
  const words = `Landed ${Date.now()}`;
  const shown = page.waitForFunction(([selector, text]) => document.querySelector(selector)?.innerText.includes(text), [place, words], { timeout: 10000, polling: 20 });
  const begun = Date.now();
  await complete(demo, { Q18: words });
  await shown;
  return Date.now() - begun;
}

export async function checkHostileAnswers(tally, browser, demo) {
  const long = `${'x'.repeat(60)} `.repeat(330);
  for (const answer of [...ANSWERS, long]) await complete(demo, { Q18: answer, AccountID: ANSWERS[0], ProjectID: '"}]{= 1 }\'' });
  await eventually('rows', 5000, async () => (await odata(demo, `ProjectFeedback?$filter=ProjectID ne null and startswith(Q18,'xxxx')`)).value.length === 1);
  const live = await browser.page();
  await live.goto(demo.url);
  await live.locator('#rows li').nth(6).waitFor({ timeout: 10000 });
  await tally.check('hostile answers show literally on the live page', async () => {
    const text = folded(await live.locator('#rows').innerText());
    for (const answer of ANSWERS) assert(text.includes(folded(answer)), `${answer} in ${text.slice(0, 1500)}`);
    assert(await live.locator('#rows img, #rows script').count() === 0, 'markup');
  });
  await live.close();
  const cards = await openCards(browser, demo);
  await tally.check('hostile answers show literally in cards', async () => {
    const pages = [];
    for (const step of [0, 1]) {
      if (step > 0) {
        const before = await cardText(cards, 'comments');
        await cards.locator('[data-card="comments"]').getByRole('button', { name: 'Older comments' }).click();
        await eventually('the second page', 5000, async () => (await cardText(cards, 'comments')) !== before);
      }
      pages.push(await cardText(cards, 'comments'));
    }
    const text = folded(pages.join(' '));
    for (const answer of ANSWERS) assert(text.includes(folded(answer)), `${answer} in ${text.slice(0, 1500)}`);
    assert(text.includes('xxxxx'), 'the long answer');
    assert(await cards.locator('#cards img[src="x"], #cards script').count() === 0, 'markup');
  });
  await tally.check('hostile embedded data shows literally, filters and opens', async () => {
    const rating = folded(await cardText(cards, 'rating'));
    assert(rating.includes(ANSWERS[0]), rating);
    assert(folded(await cardText(cards, 'projects')).includes('"}]{= 1 }\''), await cardText(cards, 'projects'));
    await cards.locator('[data-card="comments"] .sapMSlt').click();
    await cards.locator('.sapMSelectListItem:visible', { hasText: ANSWERS[0] }).first().click();
    await eventually('7 comments', 5000, async () => (await cardText(cards, 'comments')).includes('7 comments'));
    await cards.locator('[data-card="rating"] tr.sapMLIB', { hasText: ANSWERS[0] }).click();
    const dialog = cards.locator('.sapMDialog');
    await eventually('7 comments', 10000, async () => (await dialog.innerText().catch(() => '')).includes('7 comments'));
  });
  await tally.check('nothing was complained about by the browser', () => quiet(browser));
  await cards.close();
}

/** A survey whose author wrote such texts. */
export async function checkHostileTexts(tally, browser, demo) {
  for (const answer of ANSWERS) await complete(demo, { Q18: answer, Q1: 5 });
  const cards = await openCards(browser, demo);
  await tally.check('hostile question texts show literally in cards', async () => {
    const text = folded(await cardText(cards, 'satisfaction'));
    assert(text.includes(folded(ANSWERS[1])), text);
    assert(folded(await cardText(cards, 'nps')).includes(ANSWERS[2]), await cardText(cards, 'nps'));
    assert((await cardText(cards, 'distribution')).includes('{= window.alert(4) } {{choice}}'), await cardText(cards, 'distribution'));
    assert(folded(await cardText(cards, 'take-survey')).includes(ANSWERS[2]), await cardText(cards, 'take-survey'));
  });
  const live = await browser.page();
  await live.goto(demo.url);
  await live.locator('#surveys li').first().waitFor({ timeout: 10000 });
  await tally.check('hostile question texts show literally on the live page', async () => {
    const text = folded(await live.locator('main').innerText());
    assert(text.includes(folded(ANSWERS[1])) && text.includes(ANSWERS[2]), text.slice(0, 1000));
  });
  await tally.check('nothing was complained about by the browser', () => quiet(browser));
  await cards.close();
  await live.close();
}

/** Empty, forbidden and broken are told apart. */
export async function checkStates(tally, browser, demo) {
  const states = [
    ['forbidden', 403, 'No access'],
    ['broken', 500, 'No connection'],
  ];
  for (const [name, status, words] of states) {
    await tally.check(`a card that is ${name} says so`, async () => {
      const page = await browser.page();
      await page.route('**/odata/v4/feedback/**', (route) => route.fulfill({ status, contentType: 'application/json', body: '{"error":{"code":"x","message":"x"}}' }));
      await page.goto(`${demo.url}cards/`);
      for (const card of ['satisfaction', 'rating', 'comments']) {
        await eventually(words, 60000, async () => (await cardText(page, card).catch(() => '')).includes(words));
      }
      await page.close();
      browser.take();
    });
  }
  await tally.check('a card without answers says so', async () => {
    const page = await browser.page();
    await page.route('**/odata/v4/feedback/ProjectFeedback?**', (route) => route.fulfill({ contentType: 'application/json', body: '{"@odata.count":0,"value":[]}' }));
    await page.goto(`${demo.url}cards/`);
    for (const card of ['satisfaction', 'rating', 'comments', 'nps']) {
      let text = '';
      const empty = eventually('it', 60000, async () => { text = await cardText(page, card).catch(() => ''); return text.includes('Nothing to show'); });
      await empty.catch(() => { throw new Error(`${card}: ${folded(text)}`); });
    }
    await page.close();
  });
  await tally.check('a card of a survey that is behind is amber', async () => {
    const page = await browser.page();
    await page.route('**/odata/v4/feedback/Surveys?**', async (route) => {
      const response = await route.fetch();
      const body = await response.json();
      Object.assign(body.value[0], { PendingEvents: 12, OldestPendingSeconds: 90 });
      await route.fulfill({ response, json: body });
    });
    await page.goto(`${demo.url}cards/`);
    const button = page.locator('[data-card="satisfaction"] .sapMBtnAttention, [data-card="satisfaction"] .sapMBtn:has(.sapMBtnAttention)').first();
    await button.waitFor({ timeout: 60000 });
    assert((await button.innerText()).includes('12 responses on their way'), await button.innerText());
    await page.close();
  });
}
