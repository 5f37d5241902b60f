import assert from 'node:assert/strict';
import {test} from 'node:test';
import {readWords, settingWords, withSite} from '../../src/hook/words.js';

test('words that are not ours go on: the builder\'s before Docusaurus, Docusaurus\' where it is run', () => {
  assert.deepEqual(readWords('c', ['--book-id', 'x'], false).builder, ['--book-id', 'x']);
  const {site, builder} = readWords('c', ['--locale', 'de', '--', '--book-id', 'x', '--help'], true);
  assert.deepEqual([site, builder], [['--locale', 'de'], ['--book-id', 'x', '--help']]);
});

test('ours are read in both forms', () => {
  const wishes = readWords('c', ['--ingest', '--on-unavailable=use-cache'], true);
  assert.deepEqual([wishes.ingest, wishes.onUnavailable, wishes.site], [true, 'use-cache', []]);
  assert.equal(readWords('c', ['--on-unavailable', 'fail'], true).onUnavailable, 'fail');
});

test('a policy that is none is a usage error', () => {
  for (const words of [['--on-unavailable'], ['--on-unavailable', 'x'], ['--on-unavailable='], ['--on-unavailable', '--ingest']]) {
    assert.throws(() => readWords('c', words, true), {exitStatus: 2, message: /^c: --on-unavailable: takes fail or use-cache/});
  }
});

test('the words that decide which settings there are, in both forms; the site is here unless another is named', () => {
  assert.deepEqual(withSite(['--book-id', 'x']), ['--site-dir', '.', '--book-id', 'x']);
  for (const site of [['--site-dir', '..'], ['--site-dir=..']]) {
    assert.deepEqual(withSite(site), site);
    for (const server of [['--server-url', 'https://a'], ['--server-url=https://a']]) {
      assert.deepEqual(settingWords(['--verify', ...server, '--book-id', 'x', ...site]), [...server, ...site]);
    }
  }
});
