// What is uploaded and what goes over the wire: manifests against UI5's schema, the content package, sizes and headers.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { gunzipSync, inflateRawSync } from 'node:zlib';

import { assert } from './harness.mjs';

const require = createRequire(import.meta.url);

/** UI5's schema, with the two documents that it refers to given by hand: nothing is fetched. */
function validator() {
  const Ajv = require('ajv/dist/2020').default;
  const ajv = new Ajv({ strict: false, unicodeRegExp: false, validateFormats: false, allErrors: true, logger: false });
  ajv.addMetaSchema(require('ajv/dist/refs/json-schema-draft-07.json'), 'http://json-schema.org/draft-07/schema');
  ajv.addSchema({ $id: 'https://adaptivecards.io/schemas/adaptive-card.json', definitions: { AdaptiveCard: true } });
  return ajv.compile(require('@ui5/manifest/schema.json'));
}

function assertValid(validate, manifest) {
  if (validate(manifest)) return;
  const problems = validate.errors.filter(({ keyword }) => !['anyOf', 'oneOf', 'if', 'not'].includes(keyword));
  throw new Error(problems.slice(0, 4).map((one) => `${one.instancePath} ${one.message} ${JSON.stringify(one.params)}`).join(' | '));
}

/** The entries of a zip, by its central directory. */
export function unzip(bytes) {
  const entries = new Map();
  let end = bytes.length - 22;
  while (bytes.readUInt32LE(end) !== 0x06054b50) end -= 1;
  let at = bytes.readUInt32LE(end + 16);
  for (let index = 0; index < bytes.readUInt16LE(end + 10); index += 1) {
    const [method, size] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20)];
    const [name, extra, comment] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    const header = bytes.readUInt32LE(at + 42);
    const start = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
    const data = bytes.subarray(start, start + size);
    entries.set(bytes.toString('utf8', at + 46, at + 46 + name), method === 8 ? inflateRawSync(data) : data);
    at += 46 + name + extra + comment;
  }
  return entries;
}

const json = (entries, name) => JSON.parse(entries.get(name).toString('utf8'));

export async function checkFiles(tally, demo, binary) {
  const validate = validator();
  const { cards } = await (await fetch(`${demo.url}cards/cards.json`)).json();
  for (const { name } of cards) {
    await tally.check(`manifest of ${name} is valid`, async () => {
      const get = async (file) => (await fetch(`${demo.url}cards/${name}/${file}`)).json();
      const manifest = await get('manifest.json');
      assertValid(validate, manifest);
      if (JSON.stringify(manifest).includes('behind.json')) assertValid(validate, await get('behind.json'));
      assert(manifest['sap.app'].id.length <= 37, manifest['sap.app'].id);
    });
  }
  await checkPackage(tally, demo, binary, validate);
  await checkWire(tally, demo);
}

async function checkPackage(tally, demo, binary, validate) {
  const folder = demo.folder;
  const configuration = path.join(folder, 'ingester.toml');
  fs.writeFileSync(configuration, `[[survey]]\nid = "${demo.survey}"\nname = "ProjectFeedback"\n`);
  const environment = { PATH: process.env.PATH, INGESTER_DATABASE_URL: `sqlite:${path.join(folder, 'feedback.db')}` };
  const run = (extra, ...parameters) => execFileSync(binary, ['--config', configuration, ...parameters], { env: { ...environment, ...extra }, encoding: 'utf8' });
  const address = { QUALTRICS_BASE_URL: demo.sandbox };
  const file = (name) => path.join(folder, name);
  await tally.check('cards list says what is left out and why', () => {
    const lines = JSON.parse(run({}, 'cards', 'list', '--output', 'json'));
    const left = lines.filter((line) => line.leftOut !== null);
    assert(left.some((line) => line.name === 'take-survey' && line.leftOut.includes('QUALTRICS_BASE_URL')), JSON.stringify(left));
    const all = JSON.parse(run(address, 'cards', 'list', '--output', 'json'));
    assert(all.every((line) => line.leftOut === null), 'the address is set');
    return `${lines.length - left.length} cards, ${left.length} left out; with the address ${all.length}`;
  });
  await tally.check('cards package: the same bytes for an unchanged set', () => {
    run({}, 'cards', 'package', '-o', file('one.zip'));
    run({}, 'cards', 'package', '-o', file('two.zip'));
    assert(fs.readFileSync(file('one.zip')).equals(fs.readFileSync(file('two.zip'))), 'they differ');
    return `${fs.statSync(file('one.zip')).size} bytes`;
  });
  await tally.check('the package unzips to the structure that Work Zone reads', () => {
    const entries = unzip(fs.readFileSync(file('one.zip')));
    const top = json(entries, 'manifest.json');
    const { contents, cdmEntities, id, packageVersion } = top['sap.package'];
    assert(id.length <= 20 && /^\d+\.\d+\.\d+$/.test(packageVersion.version), id);
    assert(Object.keys(top).sort().join() === '_version,sap.package', Object.keys(top).join());
    assert(contents.length === cdmEntities.length && contents.length > 5, `${contents.length} contents`);
    for (const { baseURL, manifest } of contents) {
      assert(JSON.stringify(json(entries, `${baseURL}/manifest.json`)) === JSON.stringify(manifest), baseURL);
      const card = unzip(entries.get(`${baseURL}/data.zip`));
      assertValid(validate, json(card, 'dist/manifest.json'));
      assert(json(card, 'dist/manifest.json')['sap.app'].applicationVersion.version === packageVersion.version, 'versions differ');
      for (const name of ['dist/Feedback.js', 'dist/dt/Configuration.js', 'dist/i18n/i18n_de.properties']) assert(card.has(name), name);
    }
    return `${entries.size} files`;
  });
  await tally.check('unzip(1) reads it too', () => execFileSync('unzip', ['-tq', file('one.zip')], { encoding: 'utf8' }).trim());
  await tally.check('a changed set raises both versions', () => {
    fs.writeFileSync(configuration, `[[survey]]\nid = "${demo.survey}"\nname = "ProjectFeedback"\nscore = "Q8_1"\n`);
    run({}, 'cards', 'package', '-o', file('three.zip'));
    const entries = unzip(fs.readFileSync(file('three.zip')));
    const { version } = json(entries, 'manifest.json')['sap.package'].packageVersion;
    assert(version === '1.1.0', version);
    const card = unzip(entries.get('artifacts/satisfaction/data.zip'));
    assert(json(card, 'dist/manifest.json')['sap.app'].applicationVersion.version === '1.1.0', 'the card');
  });
  await tally.check('cards show prints a manifest, a fixed one too', () => {
    assertValid(validate, JSON.parse(run({}, 'cards', 'show', 'nps')));
    assertValid(validate, JSON.parse(run({}, 'cards', 'show', `nps-${demo.survey}`)));
  });
}

async function checkWire(tally, demo) {
  await tally.check('the live page is at most 60 KB on the wire', async () => {
    const sizes = [];
    for (const file of ['', 'live/live.css', 'live/live.js', 'live/icon.svg', 'live/state.json', 'odata/v4/feedback/Surveys']) {
      sizes.push(Number(execFileSync('curl', ['-s', '-o', '/dev/null', '-H', 'Accept-Encoding: gzip', '-w', '%{size_download}', `${demo.url}${file}`], { encoding: 'utf8' })));
    }
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert(total <= 60000, `${total}`);
    return `${total} bytes (${sizes.join(' + ')})`;
  });
  await tally.check('pages say what they may load and who may embed them', async () => {
    const policy = async (file) => (await fetch(`${demo.url}${file}`)).headers.get('content-security-policy');
    const [live, cards] = [await policy(''), await policy('cards/')];
    assert(!live.includes('unsafe') && live.includes("frame-ancestors 'none'") && !live.includes('http'), live);
    assert(!/script-src[^;]*unsafe/.test(cards) && cards.includes("frame-ancestors 'none'"), cards);
  });
  await tally.check('a known file is answered with 304, another path with 404', async () => {
    const first = await fetch(`${demo.url}live/live.js`);
    const etag = first.headers.get('etag');
    assert(/^"/.test(etag), `${etag} is not strong`);
    assert((await fetch(`${demo.url}live/live.js`, { headers: { 'If-None-Match': etag } })).status === 304, 'not 304');
    for (const file of ['cards/nothing/manifest.json', 'cards/nps/../../etc/passwd', 'cards/nps/nothing.js', 'live/nothing.js']) {
      assert((await fetch(`${demo.url}${file}`)).status === 404, file);
    }
    const redirect = await fetch(`${demo.url}cards`, { redirect: 'manual' });
    assert(new URL(redirect.headers.get('location'), `${demo.url}cards`).pathname === '/cards/', redirect.headers.get('location'));
  });
  await tally.check('the bytes are those of the source, packed', async () => {
    const packed = execFileSync('curl', ['-s', '-H', 'Accept-Encoding: gzip', `${demo.url}live/live.js`]);
    assert(gunzipSync(packed).equals(Buffer.from(await (await fetch(`${demo.url}live/live.js`)).arrayBuffer())), 'they differ');
  });
}
