// UI5's own card editor, which Work Zone shows to page designers, over the cards' editor configuration.
import { assert, openCards } from './harness.mjs';

export async function checkEditor(tally, browser, demo, question) {
  const page = await openCards(browser, demo);
  const offered = await page.evaluate((name) => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('the editor is not ready')), 40000);
    sap.ui.require(['sap/ui/integration/designtime/editor/CardEditor', 'sap/ui/core/Element'], (CardEditor, Element) => {
      const [host] = Element.registry.filter((element) => element.isA('sap.ui.integration.Host'));
      const place = document.createElement('div');
      document.body.prepend(place);
      const baseUrl = new URL(`${name}/`, document.baseURI).href;
      const editor = new CardEditor({ mode: 'admin', host: host.getId(), card: { manifest: `${baseUrl}manifest.json`, baseUrl, host: host.getId() } });
      editor.attachReady(() => {
        const boxes = Element.registry.filter((element) => element.isA('sap.m.ComboBox') && place.contains(element.getDomRef()));
        resolve(boxes.map((box) => ({ key: box.getSelectedKey(), texts: box.getItems().map((item) => item.getText()) })));
      });
      editor.placeAt(place);
    }, reject);
  }), 'rating').catch((problem) => problem);
  await tally.check("UI5's card editor offers surveys, questions, dimensions and periods", () => {
    assert(Array.isArray(offered), offered.message);
    const texts = offered.flatMap((box) => box.texts);
    for (const words of [question, 'AccountID', 'Last 28 days']) assert(texts.includes(words), `${words} in ${texts.join(' | ')}`);
    assert(offered.filter((box) => box.texts.length > 0).length === 5, JSON.stringify(offered));
    return `${offered.filter((box) => box.texts.length > 0).map((box) => box.texts.length).join(', ')} choices`;
  });
  await page.close();
  // The editor asks for the texts of every language that it knows.
  return browser.take().filter((complaint) => !/i18n_\w+\.properties|Failed to load resource/.test(complaint));
}
