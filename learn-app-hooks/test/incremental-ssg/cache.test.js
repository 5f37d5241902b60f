import assert from 'node:assert/strict';
import {mkdtemp, readdir, readFile, rm, utimes, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import {PageCache} from '../../src/incremental-ssg/cache.js';

const KEY = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const BOUNDS = {maxEntries: 100, maxBytes: 10 ** 6, maxAge: 10 ** 14};

async function fresh(t) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'pages-'));
  t.after(() => rm(folder, {recursive: true, force: true}));
  return new PageCache(path.join(folder, 'cache'));
}

async function filled(cache, key = KEY, text = 'record', writtenAt = 1) {
  const digest = await cache.keep(Buffer.from(text));
  const page = {key: KEY, digest, bytes: text.length, renderedAt: 1};
  await cache.keepState(key, {site: 'en', writtenAt, shared: {code: 'x'}, pages: {'/a': page}});
  return digest;
}

const pagesIn = async (cache) => (await readdir(path.join(cache.folder, 'pages'), {recursive: true})).filter((name) => name.length > 10);

test('an empty cache remembers nothing', async (t) => {
  assert.deepEqual(await (await fresh(t)).states(), {states: [], damaged: []});
});

test('what was kept comes back', async (t) => {
  const cache = await fresh(t);
  const digest = await filled(cache);
  const {states: [state]} = await cache.states();
  assert.deepEqual([state.file, state.pages['/a'].digest], [PageCache.fileOf(KEY), digest]);
  assert.deepEqual(await cache.record(digest), Buffer.from('record'));
});

test('a record with one bit changed, cut off or gone is not believed, and can be kept again', async (t) => {
  const cache = await fresh(t);
  const digest = await filled(cache);
  const file = path.join(cache.folder, 'pages', digest.slice(0, 2), digest);
  for (const content of ['rEcord', 'rec', '']) {
    await writeFile(file, content);
    assert.equal(await cache.record(digest), undefined);
  }
  await rm(file);
  assert.equal(await cache.record(digest), undefined);
  await cache.keep(Buffer.from('record'));
  assert.deepEqual(await cache.record(digest), Buffer.from('record'));
});

test('a state that is damaged or of another format is named as such', async (t) => {
  const cache = await fresh(t);
  await filled(cache);
  const file = path.join(cache.folder, PageCache.fileOf(KEY));
  const whole = await readFile(file, 'utf8');
  for (const content of [whole.slice(0, -20), '{}', 'null', '', whole.replace('"schema_version":1', '"schema_version":2'), whole.replace('"bytes":6', '"bytes":"6"')]) {
    await writeFile(file, content);
    assert.deepEqual(await cache.states(), {states: [], damaged: [PageCache.fileOf(KEY)]});
  }
});

test('a folder that is none cannot be read, and that is an error', async (t) => {
  const cache = await fresh(t);
  await writeFile(cache.folder, 'a file');
  await assert.rejects(cache.states(), {code: 'ENOTDIR'});
});

test('pruning keeps what a state needs and what may still be written, and deletes the rest', async (t) => {
  const cache = await fresh(t);
  const digest = await filled(cache);
  const stray = await cache.keep(Buffer.from('stray'));
  await writeFile(path.join(cache.folder, PageCache.fileOf(OTHER)), 'damaged');
  await writeFile(path.join(cache.folder, 'mine.txt'), 'not of this cache');
  await cache.prune(BOUNDS, Date.now());
  assert.equal((await pagesIn(cache)).length, 2);
  const long = new Date(Date.now() - 2 * 60 * 60 * 1000);
  for (const name of [stray, digest]) {
    await utimes(path.join(cache.folder, 'pages', name.slice(0, 2), name), long, long);
  }
  await cache.prune(BOUNDS, Date.now());
  assert.deepEqual((await pagesIn(cache)).map((name) => path.basename(name)), [digest]);
  assert.deepEqual((await readdir(cache.folder)).sort(), ['mine.txt', 'pages', PageCache.fileOf(KEY)]);
});

test('many that write the same at once leave whole files', async (t) => {
  const cache = await fresh(t);
  const digests = await Promise.all(Array.from({length: 20}, () => filled(cache)));
  assert.equal(new Set(digests).size, 1);
  assert.deepEqual(await cache.record(digests[0]), Buffer.from('record'));
  assert.equal((await pagesIn(cache)).length, 1);
});
