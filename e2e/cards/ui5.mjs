// Serves OpenUI5 from the npm packages as a distribution would: sources under /resources/, themes compiled when they are
// first asked for, and with `charts` a stand-in for the chart library, which OpenUI5 does not have.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import less from 'less-openui5';

const here = path.dirname(fileURLToPath(import.meta.url));
const packages = path.join(here, 'node_modules', '@openui5');
const roots = fs.readdirSync(packages).map((name) => path.join(packages, name, 'src'));
const standIn = path.join(here, 'standin');
const cache = path.join(here, 'node_modules', '.cache', 'themes');
const types = {
  '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.properties': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.woff': 'font/woff', '.ttf': 'font/ttf', '.xml': 'application/xml', '.png': 'image/png',
};

function find(relative, extra = []) {
  return [...extra, ...roots].map((root) => path.join(root, relative)).find((file) => fs.existsSync(file) && fs.statSync(file).isFile());
}

/** All files of the packages as one tree, as the theme compiler wants them. */
const tree = {
  readFile(name, options, callback) {
    const done = callback ?? options;
    const file = find(name);
    if (file) fs.readFile(file, callback ? options : 'utf8', done);
    else done(Object.assign(new Error(`no ${name}`), { code: 'ENOENT' }));
  },
  stat(name, callback) {
    const file = find(name);
    if (file) fs.stat(file, callback);
    else callback(Object.assign(new Error(`no ${name}`), { code: 'ENOENT' }));
  },
};

const building = new Map();

/** A library's theme: library.css and its neighbours, compiled once and kept. */
function theme(folder) {
  if (!building.has(folder)) building.set(folder, build(folder));
  return building.get(folder);
}

async function build(folder) {
  const kept = path.join(cache, `${createHash('sha1').update(folder).digest('hex')}.json`);
  if (fs.existsSync(kept)) return JSON.parse(fs.readFileSync(kept, 'utf8'));
  const builder = new less.Builder({ fs: tree });
  const [, library] = /^(.*)\/themes\//.exec(folder);
  const { css, cssRtl, variables } = await builder.build({
    lessInputPath: `${folder}/library.source.less`,
    library: { name: library.replaceAll('/', '.') },
    compiler: { compress: true },
  });
  const built = { 'library.css': css, 'library-RTL.css': cssRtl, 'library-parameters.json': JSON.stringify(variables) };
  fs.mkdirSync(cache, { recursive: true });
  fs.writeFileSync(kept, JSON.stringify(built));
  return built;
}

/** A distribution bundles loader and core; the source's own file would write inline scripts. */
function bootstrap() {
  const optimized = 'window["sap-ui-optimized"] = true;';
  const sources = ['ui5loader.js', 'ui5loader-autoconfig.js'].map((name) => fs.readFileSync(find(name), 'utf8'));
  return [optimized, ...sources, 'sap.ui.require(["sap/ui/core/Core"], (Core) => { if (Core.boot) { Core.boot(); } });'].join('\n');
}

/** What the build makes of a library's description, as far as texts need it. */
function manifest(library) {
  const i18n = { bundleUrl: 'messagebundle.properties', supportedLocales: ['', 'de', 'en'], fallbackLocale: 'en' };
  return JSON.stringify({ 'sap.app': { id: library.replaceAll('/', '.'), type: 'library', applicationVersion: { version: '1.146.0' } }, 'sap.ui5': { library: { i18n } } });
}

async function content(relative, charts) {
  if (relative === 'sap-ui-version.json') {
    const libraries = fs.readdirSync(packages).filter((name) => name.startsWith('sap.')).concat(charts ? ['sap.viz'] : []);
    return JSON.stringify({ name: 'openui5', version: '1.146.0', libraries: libraries.map((name) => ({ name, version: '1.146.0' })) });
  }
  const themed = /^(.*\/themes\/[^/]+)\/(library(?:-RTL)?\.css|library-parameters\.json)$/.exec(relative);
  if (themed) {
    return find(`${themed[1]}/library.source.less`) ? (await theme(themed[1]))[themed[2]] : '';
  }
  if (relative === 'sap-ui-core.js') return bootstrap();
  if (relative.endsWith('/library-preload.js')) return '/* nothing bundled: modules are loaded one by one */';
  const [, library] = /^(.*)\/manifest\.json$/.exec(relative) ?? [];
  if (library && find(`${library}/library.js`)) return manifest(library);
  const file = find(relative, charts ? [standIn] : []);
  if (!file) return /\/messagebundle_\w+\.properties$/.test(relative) ? '' : null;
  return relative.endsWith('.js') ? fs.readFileSync(file, 'utf8').replaceAll('${version}', '1.146.0') : fs.readFileSync(file);
}

/** Starts on a free port; answers the base URL and a function that ends it. */
export async function serve({ charts = false } = {}) {
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const relative = path.posix.normalize(decodeURIComponent(pathname)).replace(/^\/resources\//, '');
    const body = relative.startsWith('..') ? null : await content(relative, charts).catch((problem) => { console.error(problem); return null; });
    response.setHeader('Access-Control-Allow-Origin', '*');
    if (body === null) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('Cache-Control', 'max-age=3600');
    response.setHeader('Content-Type', types[path.extname(relative)] ?? 'application/octet-stream');
    response.end(body);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() };
}

/** Compiles the themes that the checks use, so that no page waits for them. */
export async function warm(themes) {
  const libraries = ['sap/ui/core', 'sap/m', 'sap/f', 'sap/ui/layout', 'sap/ui/unified', 'sap/ui/integration'];
  for (const name of themes) {
    for (const library of libraries) {
      const folder = `${library}/themes/${name}`;
      if (find(`${folder}/library.source.less`)) await theme(folder);
    }
  }
}
