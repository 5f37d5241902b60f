import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {main} from '../../src/site-check/main.js';
import {folder, put} from '../support/folders.js';

const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const CONFIG = `
  console.log('the site speaks');
  const folder = 'bo' + 'ok';
  export default async () => ({title: 'x', url: 'https://x', baseUrl: '/', plugins: [['@docusaurus/plugin-content-docs', {path: folder}]]});`;

function site(test, config = CONFIG) {
  const place = folder(test, {'package.json': '{}', 'docusaurus.config.js': config});
  symlinkSync(MODULES, join(place, 'node_modules'));
  return place;
}

async function check(...words) {
  const said = {out: '', err: ''};
  const status = await main(words, {environ: {}, out: (text) => { said.out += text; }, err: (text) => { said.err += text; }});
  return {status, ...said};
}

test('a computed configuration is seen as it is, and what it prints is not the answer', async (t) => {
  const {status, out} = await check(site(t), '--format', 'json');
  const {schema_version: version, findings} = JSON.parse(out);
  assert.equal(version, 1);
  assert.equal(status, 0);
  assert.equal(findings[0].says, 'the docs plugin reads book, which hydrate fills');
});

test('the text form says what to do, with a mark a line', async (t) => {
  const place = site(t);
  put(place, {'src/a.jsx': "import x from '@site/docs/x.md'"});
  const {status, out} = await check(place, '--output-dir', 'content');
  assert.equal(status, 15);
  assert.match(out, /^✗ docs folder: the docs plugin reads book, hydrate fills content\n {4}In docusaurus\.config\.js: path: 'content'\n/);
  assert.match(out, /! imports: 1 file imports from @site\/docs\n.*\n {4}src\/a\.jsx\n/);
});

test('a configuration that cannot be loaded is a finding, not a crash', async (t) => {
  for (const config of ['export default {', 'throw new Error("no\\u001b[31m")', 'export default 1', 'import "nowhere"; export default {}']) {
    const {status, out} = await check(site(t, config));
    assert.equal(status, 14, config);
    assert.match(out, /^✗ configuration: .*docusaurus\.config\.js cannot be loaded: [^\u001b]+\n/);
  }
});

test('a folder that is no site, and wrong words, are told', async (t) => {
  const {status, out} = await check(folder(t));
  assert.deepEqual([status, /holds no docusaurus\.config file/.test(out)], [15, true]);
  for (const words of [['a', 'b'], ['--format', 'xml'], ['--colour'], ['--format']]) {
    const wrong = await check(...words);
    assert.equal(wrong.status, 2, words.join(' '));
    assert.match(wrong.err, /^book-check: usage: .*See book-check --help\.\n$/);
  }
  assert.match((await check('--help')).out, /^usage: book-check/);
});

test('git says what is ignored', async (t) => {
  const place = site(t);
  if (spawnSync('git', ['init', '-q', place]).status !== 0) {
    t.skip('git is not installed');
    return;
  }
  assert.match((await check(place)).out, /! gitignore: not ignored: book\//);
  put(place, {'.gitignore': '/book/\n'});
  assert.match((await check(place)).out, /✓ gitignore: book\/ is ignored/);
});
