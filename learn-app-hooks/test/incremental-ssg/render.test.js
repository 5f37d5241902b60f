/** One rendering from end to end, with a Docusaurus that only writes what it is asked for. */
import assert from 'node:assert/strict';
import {chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import {fileOfPage} from '../../src/incremental-ssg/core.js';
import {readOptions} from '../../src/incremental-ssg/options.js';
import {renderSite} from '../../src/incremental-ssg/render.js';

const PAGES = ['/404.html', '/a', '/b', '/c'];

/** A site of three lessons below `folder`; `texts` are its lessons. */
class Site {
  constructor(folder) {
    Object.assign(this, {folder, texts: {a: 'A', b: 'B', c: 'C'}, build: 0, options: {}, environment: {}, warns: [], now: 10 ** 12});
    this.out = path.join(folder, 'out');
    this.generated = path.join(folder, 'generated');
    this.server = path.join(this.out, '__server');
    this.results = {createGlobalSSGResult: (all) => ({collectedData: Object.fromEntries(all.map((one) => [one.pathname, one.result.collectedData]))})};
  }

  get #main() {
    return `assets/js/main.${String(this.build).padStart(8, '0')}.js`;
  }

  async #bundle() {
    await rm(this.out, {recursive: true, force: true});
    await mkdir(path.join(this.server, 'assets', 'js'), {recursive: true});
    await mkdir(this.generated, {recursive: true});
    await writeFile(path.join(this.server, 'server.bundle.js'), this.entry ?? 'entry');
    const names = Object.keys(this.texts);
    for (const name of names) {
      const file = `${name}.${Buffer.from(this.texts[name].padEnd(4).slice(0, 4)).toString('hex')}.js`;
      await writeFile(path.join(this.server, 'assets', 'js', file), this.texts[name]);
    }
    const chunkNames = Object.fromEntries(names.map((name) => [`/${name}-000`, {content: name}]));
    await writeFile(path.join(this.generated, 'routesChunkNames.json'), JSON.stringify(chunkNames));
    const manifest = {entrypoints: ['main'], origins: {main: [1]}, assets: {1: {js: [{file: this.#main}]}}};
    await writeFile(path.join(this.generated, 'manifest.json'), JSON.stringify(manifest));
  }

  #page(pathname) {
    return `<script src=/${this.#main}></script>${this.texts[pathname.slice(1)] ?? 'none'}${this.secret ?? ''}`;
  }

  async #original({props}) {
    this.rendered = props.routesPaths;
    const all = [];
    for (const pathname of props.routesPaths) {
      await writeFile(path.join(this.out, fileOfPage(pathname, {baseUrl: '/', trailingSlash: false})), this.#page(pathname));
      const collectedData = {links: [this.texts[pathname.slice(1)] ?? 'none'], anchors: []};
      all.push({success: true, pathname, result: {collectedData, warnings: this.warns.includes(pathname) ? ['odd'] : []}});
    }
    return this.results.createGlobalSSGResult(all);
  }

  /** One build; what it answered is in `result`, `rendered`, `said` and the files of `out`. */
  async run(mode = 'on') {
    this.build += 1;
    this.rendered = [];
    this.said = [];
    await this.#bundle();
    const {out, generated, folder} = this;
    const props = {
      routes: Object.keys(this.texts).map((name) => ({path: `/${name}`, exact: true})),
      routesPaths: ['/404.html', ...Object.keys(this.texts).map((name) => `/${name}`)],
      siteDir: folder, generatedFilesDir: generated, outDir: out, siteConfigPath: path.join(folder, 'config.js'),
      i18n: {currentLocale: 'en'}, siteConfig: {future: {v4: {removeLegacyPostBuildHeadAttribute: true, ...this.v4}}},
    };
    const core = {
      folder: generated, version: '3.10.2', results: this.results,
      createSSGParams: async () => ({manifest: JSON.parse(await readFile(path.join(generated, 'manifest.json'), 'utf8')), outDir: out, baseUrl: '/', trailingSlash: false, headTags: this.headTags ?? ''}),
      writeStaticFile: async ({content, pathname, params}) => writeFile(path.join(params.outDir, fileOfPage(pathname, params)), content),
    };
    this.result = await renderSite({
      original: (args) => this.#original(args), core, environment: this.environment, now: this.now,
      args: {props, serverBundlePath: path.join(this.server, 'server.bundle.js'), clientManifestPath: '', router: this.router ?? 'browser'},
      settings: {...readOptions(this.options), mode}, say: (line) => this.said.push(line),
    });
    await this.#check();
  }

  /** Every page is what a full rendering of today would write, in the order of the site. */
  async #check() {
    assert.deepEqual(Object.keys(this.result.collectedData), ['/404.html', ...Object.keys(this.texts).map((name) => `/${name}`)]);
    for (const [pathname, {links}] of Object.entries(this.result.collectedData)) {
      const html = await readFile(path.join(this.out, fileOfPage(pathname, {baseUrl: '/', trailingSlash: false})), 'utf8');
      assert.deepEqual([html, links], [this.#page(pathname), [this.texts[pathname.slice(1)] ?? 'none']], pathname);
    }
  }

  get cache() {
    return path.join(this.folder, 'node_modules', '.cache', 'incremental-ssg');
  }
}

async function built(t, more = {}) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'site-'));
  t.after(() => rm(folder, {recursive: true, force: true}));
  const site = Object.assign(new Site(folder), more);
  await site.run();
  assert.deepEqual(site.rendered, PAGES);
  return site;
}

test('the first build renders everything and says so', async (t) => {
  const site = await built(t);
  assert.deepEqual(site.said, ['incremental-ssg: rendered all 4 (first build: no page is remembered)']);
});

test('without a change nothing is rendered, and pages name the files of today', async (t) => {
  const site = await built(t);
  await site.run();
  assert.deepEqual([site.rendered, site.said], [[], ['incremental-ssg: rendered 0, reused 4 (nothing changed)']]);
});

test('a changed lesson is rendered and the rest reused', async (t) => {
  const site = await built(t);
  site.texts.b = 'B2';
  await site.run();
  assert.deepEqual([site.rendered, site.said], [['/b'], ['incremental-ssg: rendered 1, reused 3 (1 changed)']]);
});

test('a change of what pages share renders everything, and coming back is quick', async (t) => {
  const site = await built(t);
  site.headTags = '<meta>';
  await site.run();
  assert.deepEqual(site.said, ['incremental-ssg: rendered all 4 (changed since the last build: head tags, the template or settings of the site)']);
  site.headTags = '';
  await site.run();
  assert.deepEqual(site.rendered, []);
});

test('an added lesson is rendered where the rest of the site does not change, and a deleted one is forgotten', async (t) => {
  const site = await built(t);
  site.texts.d = 'D';
  await site.run();
  assert.deepEqual([site.rendered, site.said], [['/d'], ['incremental-ssg: rendered 1, reused 4 (1 new)']]);
  delete site.texts.d;
  await site.run();
  assert.deepEqual(site.rendered, []);
});

test('an opted-out page is always rendered, an extra input renders its page', async (t) => {
  const site = await built(t, {options: {always: ['/a'], inputs: [{routes: ['/c'], files: ['config.js'], env: ['WORD']}]}}).catch((fault) => fault);
  assert.ok(site instanceof Site);
  await writeFile(path.join(site.folder, 'config.js'), '1');
  await site.run();
  await site.run();
  assert.deepEqual(site.rendered, ['/a']);
  await writeFile(path.join(site.folder, 'config.js'), '2');
  await site.run();
  assert.deepEqual(site.rendered, ['/a', '/c']);
  site.environment = {WORD: 'x'};
  await site.run();
  assert.deepEqual(site.rendered, ['/a', '/c']);
});

test('an extra input that is not there renders everything and is named', async (t) => {
  const site = await built(t);
  site.options = {inputs: [{files: ['data.json']}]};
  await site.run();
  assert.deepEqual(site.said, ['incremental-ssg: rendered all 4 (the extra input data.json cannot be read (ENOENT))']);
});

test('a page that warned warns again with the next build', async (t) => {
  const site = await built(t, {warns: ['/b']});
  await site.run();
  assert.deepEqual(site.rendered, ['/b']);
});

test('a page remembered too long ago is rendered again', async (t) => {
  const site = await built(t, {options: {maxAgeDays: 1}});
  site.now += 2 * 86400000;
  await site.run();
  assert.deepEqual(site.rendered, PAGES);
});

test('no more pages are remembered than allowed', async (t) => {
  const site = await built(t, {options: {maxEntries: 3}});
  await site.run();
  assert.deepEqual(site.rendered, ['/c']);
});

const SPOILS = {
  'cut off': (file) => writeFile(file, 'x'),
  gone: (file) => rm(file),
};
for (const [how, spoil] of Object.entries(SPOILS)) {
  test(`a record that is ${how} is rendered, and only that page`, async (t) => {
    const site = await built(t);
    const records = (await readdir(path.join(site.cache, 'pages'), {recursive: true})).filter((name) => name.length > 60).sort();
    await spoil(path.join(site.cache, 'pages', records[0]));
    await site.run();
    assert.equal(site.rendered.length, 1);
    assert.deepEqual(site.said, ['incremental-ssg: rendered 1, reused 3 (1 unreadable in the cache)']);
    await site.run();
    assert.deepEqual(site.rendered, []);
  });
}

test('a damaged or foreign cache renders everything, says so, and is replaced', async (t) => {
  const site = await built(t);
  for (const content of ['', '{"schema_version": 9}', '{"schema_version":1,"site":"x"']) {
    const [name] = (await readdir(site.cache)).filter((one) => one.startsWith('state-'));
    await writeFile(path.join(site.cache, name), content);
    await site.run();
    assert.deepEqual(site.said, [`incremental-ssg: rendered all 4 (what the cache remembers is damaged or foreign: ${name})`]);
    await site.run();
    assert.deepEqual(site.rendered, []);
  }
});

test('a cache that is a file renders everything and cannot be written, and both are said', async (t) => {
  const site = await built(t);
  await rm(site.cache, {recursive: true});
  await writeFile(site.cache, 'a file');
  await site.run();
  assert.deepEqual(site.rendered, PAGES);
  assert.match(site.said[0], /this build is not remembered/);
  assert.match(site.said[1], /rendered all 4 \(the cache .* cannot be read \(ENOTDIR\)\)/);
});

test('a cache without rights renders everything', {skip: process.getuid?.() === 0}, async (t) => {
  const site = await built(t);
  await chmod(site.cache, 0);
  t.after(() => chmod(site.cache, 0o700));
  await site.run();
  assert.match(site.said.at(-1), /rendered all 4 \(the cache .* cannot be read \(EACCES\)\)/);
});

test('the hash router, and plugins that want the head of every page, render everything', async (t) => {
  const site = await built(t);
  site.v4 = {removeLegacyPostBuildHeadAttribute: false};
  await site.run();
  assert.match(site.said[0], /rendered all 4 \(plugins may ask for the head of every page\. Set future\.v4/);
  site.v4 = {};
  site.router = 'hash';
  await site.run();
  assert.match(site.said[0], /the hash router has no pages/);
});

test('code of one page that reads files is always rendered, shared code renders everything', async (t) => {
  const site = await built(t);
  site.texts.b = 'module.exports = require("fs");';
  await site.run();
  await site.run();
  assert.deepEqual(site.rendered, ['/b']);
  site.entry = 'module.exports = require("fs");';
  await site.run();
  assert.match(site.said[0], /rendered all 4 \(code that pages share uses the Node module fs/);
});

test('verify renders everything and agrees', async (t) => {
  const site = await built(t);
  await site.run('verify');
  assert.deepEqual([site.rendered, site.said], [PAGES, ['incremental-ssg: rendered all 4 (verify: 4 remembered pages are as rendered)']]);
  await site.run();
  assert.deepEqual(site.rendered, []);
});

test('verify finds what is in no chunk, fails, and forgets', async (t) => {
  const site = await built(t);
  site.secret = 'read from somewhere';
  await assert.rejects(site.run('verify'), /incremental-ssg: verify: \/404\.html, \/a, \/b and 1 more: the remembered page is not what was rendered now\. Something/);
  await site.run();
  assert.deepEqual(site.rendered, PAGES);
});

test('what Docusaurus throws is passed on and nothing is remembered', async (t) => {
  const site = await built(t);
  site.texts.b = 'B2';
  const create = site.results.createGlobalSSGResult;
  site.results.createGlobalSSGResult = () => { throw new Error('cannot render /b'); };
  await assert.rejects(site.run(), /cannot render \/b/);
  site.results.createGlobalSSGResult = create;
  await site.run();
  assert.deepEqual(site.rendered, ['/b']);
});
