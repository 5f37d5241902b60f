import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import {mkdtemp, readdir, rm} from 'node:fs/promises';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import {fileOfPage, findCore, hook, misfit, unhook, watchingWarnings} from '../../src/incremental-ssg/core.js';

const require = createRequire(import.meta.url);
const core = path.dirname(require.resolve('@docusaurus/core/package.json'));
const part = (name) => require(path.join(core, 'lib/ssg', `${name}.js`));
const functions = () => ({...part('ssgExecutor'), ...part('ssgParams'), ...part('ssgUtils'), ...part('ssgGlobalResult')});
const sources = () => ({
  caller: readFileSync(path.join(core, 'lib/commands/build/buildLocale.js'), 'utf8'),
  executor: readFileSync(path.join(core, 'lib/ssg/ssgExecutor.js'), 'utf8'),
});
const {version} = require('@docusaurus/core/package.json');

test('no Docusaurus is found before it runs', () => {
  delete require.cache[path.join(core, 'lib/ssg/ssgExecutor.js')];
  assert.match(findCore().problem, /was not found/);
});

test('the installed Docusaurus fits, and is found once it runs', () => {
  assert.equal(misfit(version, functions(), sources()), undefined);
  const found = findCore();
  assert.equal(found.problem, undefined);
  assert.equal(found.version, version);
});

test('an unknown version does not fit', () => {
  for (const unknown of ['3.8.1', '3.11.0', '4.0.0', '3.10.2-canary', '3.10', '']) {
    assert.match(misfit(unknown, functions(), sources()), /is not known to this version/);
  }
});

test('a function that is gone or says something else does not fit', () => {
  for (const name of ['executeSSG', 'createSSGParams', 'writeStaticFile', 'createGlobalSSGResult']) {
    for (const other of [undefined, 'text', () => {}, async function executeSSG({props, router}) { return {props, router}; }]) {
      assert.match(misfit(version, {...functions(), [name]: other}, sources()), new RegExp(`^${name} of Docusaurus`));
    }
  }
});

test('a caller that does not go through the exports does not fit', () => {
  const inlined = (name, text) => ({...sources(), [name]: sources()[name].replaceAll(text, '')});
  assert.match(misfit(version, functions(), inlined('caller', 'ssgExecutor_1.')), /does not call its renderer/);
  assert.match(misfit(version, functions(), inlined('executor', 'ssgGlobalResult_1.')), /does not call its renderer/);
});

test('a second hook takes the place of the first, also when another plugin has wrapped that', () => {
  const executor = {executeSSG: (args) => `all of ${args}`};
  hook(executor, () => 'first');
  const wrapped = executor.executeSSG;
  executor.executeSSG = (args) => `wrapped ${wrapped(args)}`;
  hook(executor, (original, args) => `second, ${original(args)}`);
  assert.equal(executor.executeSSG('x'), 'wrapped second, all of x');
  unhook(executor);
  assert.equal(executor.executeSSG('x'), 'wrapped all of x');
  hook(executor, () => 'third');
  assert.equal(executor.executeSSG('x'), 'wrapped third');
});

test('taking away a hook that is not there changes nothing', () => {
  const executor = {executeSSG: () => 'all'};
  unhook(executor);
  assert.equal(executor.executeSSG(), 'all');
});

test('a Docusaurus that is hooked already still fits', () => {
  const executor = part('ssgExecutor');
  hook(executor, () => 'mine');
  assert.equal(findCore().problem, undefined);
  unhook(executor);
});

test('pages that warned are told from quiet ones, and the function is put back', async () => {
  const createGlobalSSGResult = (all) => ({collectedData: all.length});
  const results = {createGlobalSSGResult};
  const one = (pathname, warnings, success = true) => ({success, pathname, result: success ? {warnings} : undefined});
  const all = [one('/a', []), one('/b', ['bad']), one('/c', ['Unexpected null character at 3']), one('/d', [], false)];
  const seen = await watchingWarnings(results, async () => results.createGlobalSSGResult(all));
  assert.deepEqual([seen.collectedData, [...seen.quiet]], [4, ['/a', '/c']]);
  await assert.rejects(watchingWarnings(results, async () => { throw new Error('render'); }), /render/);
  assert.equal(results.createGlobalSSGResult, createGlobalSSGResult);
});

test('a page is looked for where Docusaurus writes it', async (t) => {
  const outDir = await mkdtemp(path.join(os.tmpdir(), 'out-'));
  t.after(() => rm(outDir, {recursive: true, force: true}));
  for (const baseUrl of ['/', '/base/']) {
    for (const trailingSlash of [undefined, true, false]) {
      for (const local of ['', 'a', 'a/', 'a/b', '404.html', 'a/x.HTM', 'a.b', 'base/a']) {
        const params = {outDir, baseUrl, trailingSlash};
        const pathname = `${baseUrl}${local}`;
        await part('ssgUtils').writeStaticFile({content: 'x', pathname, params});
        const file = path.join(outDir, fileOfPage(pathname, params));
        assert.ok(existsSync(file), `${pathname} ${JSON.stringify(params)}: ${await readdir(outDir, {recursive: true})}`);
        await rm(path.join(outDir), {recursive: true});
      }
    }
  }
});
