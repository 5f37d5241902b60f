import assert from 'node:assert/strict';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import {readServerBundle, steadyEntry, viewOf} from '../../src/incremental-ssg/server-bundle.js';

const view = (source) => viewOf(Buffer.from(source));

test('modules of Node whose answers change are seen, pure ones are not', () => {
  const source = ['fs', 'node:child_process', 'stream', 'node:util'].map((name) => `module.exports = require("${name}");`).join('\n');
  assert.deepEqual(view(source).builtins, ['child_process', 'fs']);
});

test('a lesson that only talks about a module does not use it', () => {
  assert.deepEqual(view('children: \'module.exports = require("fs");\'').builtins, []);
});

test('environment variables are seen in every spelling', () => {
  const source = 'process.env.ONE, process.env["TWO"], process.env[\'THREE\']; const { FOUR, FIVE: five } = process.env;';
  assert.deepEqual(view(source).variables, ['FIVE', 'FOUR', 'ONE', 'THREE', 'TWO', 'five']);
});

test('a description that names a variable does not read it', () => {
  const source = 'module.exports = JSON.parse(\'{"description":"set process.env.ONE"}\')\nprocess.env.TWO';
  assert.deepEqual(view(source).variables, ['TWO']);
  assert.deepEqual(view('module.exports = /*#__PURE__*/JSON.parse(\'{"description":"set process.env.ONE"}\');').variables, []);
});

const RUNTIME = '__webpack_require__.u = (id) => { return "" + {"1": "aaaaaaaa","2": "bbbbbbbb",}[id]; };\n// webpack/runtime/x\n';

test('only the content hashes that were named go, and only where chunks are named', () => {
  const source = `const text = {"1": "aaaaaaaa"};\n${RUNTIME}const more = {"1": "aaaaaaaa"};`;
  const steady = steadyEntry(source, new Set(['aaaaaaaa']), new Map());
  assert.equal(steady, source.replace('{"1": "aaaaaaaa","2"', '{"1": "","2"'));
});

test('an entry without the function that names chunks stays as it is', () => {
  assert.equal(steadyEntry('{"1": "aaaaaaaa"}', new Set(['aaaaaaaa']), new Map()), '{"1": "aaaaaaaa"}');
});

test('the hash in the name of a route goes wherever it is the key or the argument of that route', () => {
  const keys = new Map([['/a/b-1-0ab', '/a/b-1-#0']]);
  const source = 'JSON.parse(\'{"/a/b-1-0ab":{"content":"x"},"/c-0ab":{}}\'); create(\'/a/b-1\', \'0ab\'); create(\'/c\', \'0ab\'); "/a/b-1-0ab"';
  const steady = 'JSON.parse(\'{"/a/b-1-#0":{"content":"x"},"/c-0ab":{}}\'); create("/a/b-1-#0", ""); create(\'/c\', \'0ab\'); "/a/b-1-0ab"';
  assert.equal(steadyEntry(source, new Set(), keys), steady);
});

test('every file of the bundle is read, with its chunk name and hash where its name has them', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'bundle-'));
  t.after(() => rm(folder, {recursive: true}));
  await mkdir(path.join(folder, 'assets', 'js'), {recursive: true});
  await writeFile(path.join(folder, 'server.bundle.js'), 'process.env.A');
  await writeFile(path.join(folder, 'assets', 'js', 'x.0123abcd.js'), 'process.env.B');
  await writeFile(path.join(folder, 'notes.txt'), 'text');
  const {entry, view: seen, chunks} = await readServerBundle(path.join(folder, 'server.bundle.js'));
  assert.deepEqual([entry, seen.variables], ['process.env.A', ['A']]);
  assert.deepEqual(chunks.map(({chunk, hash, file, variables}) => [chunk, hash, file, variables]), [
    ['x', '0123abcd', 'assets/js/x.js', ['B']],
    [undefined, undefined, 'notes.txt', []],
  ]);
});
