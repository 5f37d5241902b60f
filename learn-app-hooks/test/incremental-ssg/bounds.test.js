import assert from 'node:assert/strict';
import test from 'node:test';

import {planPages} from '../../src/incremental-ssg/plan.js';
import {fitting, staying} from '../../src/incremental-ssg/retention.js';

const page = (key, renderedAt = 10) => ({key, renderedAt, digest: key, bytes: 1});

test('a page is reused when its key is the remembered one, and else there is a reason', () => {
  const keys = new Map([['/same', 'k'], ['/changed', 'k2'], ['/new', 'k'], ['/always', undefined], ['/old', 'k']]);
  const pages = {'/same': page('k'), '/changed': page('k'), '/always': page('k'), '/old': page('k', 1), '/gone': page('k')};
  const {render, reuse} = planPages([...keys.keys()], keys, pages, 5);
  assert.deepEqual(reuse, ['/same']);
  assert.deepEqual([...render], [['/changed', 'changed'], ['/new', 'new'], ['/always', 'always'], ['/old', 'too old']]);
});

test('a page named twice is planned once, and names of objects are not pages', () => {
  const keys = new Map([['constructor', 'k'], ['/a', 'k']]);
  const {render, reuse} = planPages(['/a', '/a', 'constructor'], keys, {'/a': page('k')}, 0);
  assert.deepEqual([reuse, [...render.keys()]], [['/a'], ['constructor']]);
});

test('a state holds no more pages and bytes than allowed', () => {
  const pages = {a: {bytes: 5}, b: {bytes: 5}, c: {bytes: 5}};
  assert.deepEqual(Object.keys(fitting(pages, {maxEntries: 2, maxBytes: 100})), ['a', 'b']);
  assert.deepEqual(Object.keys(fitting(pages, {maxEntries: 9, maxBytes: 10})), ['a', 'b']);
});

const state = (file, writtenAt, more = {}) => ({file, site: 'en', writtenAt, pages: {a: {bytes: 5}, b: {bytes: 5}}, ...more});
const BOUNDS = {maxEntries: 100, maxBytes: 1000, maxAge: 50};
const stay = (states, bounds = {}) => [...staying(states, {...BOUNDS, ...bounds}, 100)].sort();

test('two states of each site stay, the newest', () => {
  assert.deepEqual(stay([state('1', 80), state('2', 90), state('3', 70), state('4', 60, {site: 'de'})]), ['1', '2', '4']);
});

test('a state too old, or beyond the entries or bytes, goes', () => {
  assert.deepEqual(stay([state('1', 100), state('2', 49)]), ['1']);
  assert.deepEqual(stay([state('1', 100), state('2', 99)], {maxEntries: 3}), ['1']);
  assert.deepEqual(stay([state('1', 100), state('2', 99)], {maxBytes: 19}), ['1']);
});
