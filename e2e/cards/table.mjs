// UI5's own table over UI5's own OData V4 model, as a list page has it: it lists, counts, grows, sorts and filters.
import http from 'node:http';

import { assert, eventually, odata } from './harness.mjs';
import { quiet } from './cards.mjs';

const page = (ui5) => `<!doctype html><html><head><meta charset="utf-8"><title>Table</title><link rel="icon" href="data:,">
<script id="sap-ui-bootstrap" src="${ui5}resources/sap-ui-core.js" data-sap-ui-async="true" data-sap-ui-theme="sap_horizon"
 data-sap-ui-compat-version="edge" data-sap-ui-log-level="ERROR" data-sap-ui-libs="sap.m" data-sap-ui-on-init="module:table/main"
 data-sap-ui-resource-roots='{"table":"/table"}'></script></head><body class="sapUiBody" id="place"></body></html>`;

const script = `sap.ui.define(["sap/m/Column","sap/m/ColumnListItem","sap/m/Table","sap/m/Text","sap/ui/model/Filter","sap/ui/model/FilterOperator",
 "sap/ui/model/Sorter","sap/ui/model/odata/v4/ODataModel"], (Column, ColumnListItem, Table, Text, Filter, FilterOperator, Sorter, ODataModel) => {
  const model = new ODataModel({ serviceUrl: "/odata/v4/feedback/", operationMode: "Server", autoExpandSelect: true, earlyRequests: true });
  const properties = ["ResponseId", "AccountID", "Q1", "RecordedDate"];
  const table = new Table({ growing: true, growingThreshold: 10, columns: properties.map((name) => new Column({ header: new Text({ text: name }) })) });
  table.setModel(model);
  table.bindItems({ path: "/ProjectFeedback", parameters: { $count: true },
    template: new ColumnListItem({ cells: properties.map((name) => new Text({ text: "{" + name + "}" })) }) });
  table.placeAt("place");
  window.table = table;
  window.ui5 = { Filter, FilterOperator, Sorter };
});`;

/** The page and the service at one address, as an approuter does it. */
async function approuter(demo, ui5) {
  const files = { '/': ['text/html', page(ui5)], '/table/main.js': ['text/javascript', script] };
  const server = http.createServer((request, response) => {
    const file = files[request.url];
    if (file) {
      response.writeHead(200, { 'Content-Type': file[0] }).end(file[1]);
      return;
    }
    const { hostname, port } = new URL(demo.url);
    const onward = http.request({ hostname, port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() };
}

export async function checkTable(tally, browser, demo, ui5) {
  const router = await approuter(demo, ui5);
  browser.allowed.push(new URL(router.url).origin);
  const tab = await browser.page();
  await tab.goto(router.url);
  const rows = () => tab.evaluate(() => window.table?.getItems().map((item) => item.getCells().map((cell) => cell.getText())) ?? []);
  const total = (await odata(demo, 'ProjectFeedback?$top=0&$count=true'))['@odata.count'];
  await tally.check('sap.m.Table lists and counts rows of the OData V4 model', async () => {
    await eventually('10 rows', 30000, async () => (await rows()).length === 10);
    const count = await tab.evaluate(() => window.table.getBinding('items').getLength());
    assert(count === total, `${count} of ${total}`);
    return `10 of ${count}`;
  });
  await tally.check('it grows', async () => {
    await tab.locator('.sapMGrowingListTrigger').click();
    await eventually('20 rows', 10000, async () => (await rows()).length === 20);
  });
  await tally.check('it sorts', async () => {
    await tab.evaluate(() => window.table.getBinding('items').sort(new window.ui5.Sorter('Q1', true)));
    await eventually('the best first', 10000, async () => {
      const scores = (await rows()).map(([, , score]) => Number(score));
      return scores.length > 0 && scores.every((score, index) => index === 0 || score <= scores[index - 1]) && scores[0] >= 4;
    });
  });
  await tally.check('it filters', async () => {
    const account = (await rows())[0][1];
    await tab.evaluate((value) => {
      const { Filter, FilterOperator } = window.ui5;
      window.table.getBinding('items').filter(new Filter({ filters: [
        new Filter('AccountID', FilterOperator.EQ, value),
        new Filter({ path: 'AccountID', operator: FilterOperator.Contains, value1: value.toLowerCase(), caseSensitive: false }),
      ], and: true }));
    }, account);
    const { '@odata.count': n } = await odata(demo, `ProjectFeedback?$top=0&$count=true&$filter=${encodeURIComponent(`AccountID eq '${account.replaceAll("'", "''")}'`)}`);
    await eventually(`${n} rows of ${account}`, 10000, () => tab.evaluate((count) => window.table.getBinding('items').getLength() === count, n));
    assert((await rows()).every(([, value]) => value === account), 'other accounts');
    return `${n} of ${account}`;
  });
  await tally.check('nothing was complained about by the browser', () => quiet(browser));
  await tab.close();
  router.stop();
}
