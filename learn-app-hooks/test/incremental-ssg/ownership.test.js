import assert from 'node:assert/strict';
import test from 'node:test';

import {namesIn, ownership, pairRoutes, sameForRouter} from '../../src/incremental-ssg/ownership.js';

const leaf = (path) => ({path, exact: true});
const ROUTES = [
  {path: '/', routes: [{path: '/', routes: [leaf('/a'), leaf('/b')]}]},
  leaf('/'),
];
const NAMES = {
  '/-111': {__comp: 'wrap', __context: {plugin: 'ctx'}},
  '/-222': {__comp: 'layout'},
  '/a-333': {__comp: 'doc', content: 'text-a'},
  '/b-444': {__comp: 'doc', content: 'text-b'},
  '/-555': {__comp: 'home'},
};

function owned(routes, names) {
  const pages = ownership(pairRoutes(routes, names));
  return Object.fromEntries([...pages].map(([page, {chunks}]) => [page, chunks]));
}

test('a chunk of one exact route belongs to its page, one of several pages or of a wrapper to none', () => {
  assert.deepEqual(owned(ROUTES, NAMES), {'/a': ['text-a'], '/b': ['text-b'], '/': ['home']});
});

test('a wrapper with the path of a page does not make its chunks the page\'s own', () => {
  const names = {...NAMES, '/-555': {__comp: 'layout'}};
  assert.deepEqual(owned(ROUTES, names)['/'], []);
});

test('routes that the router cannot tell apart are one page', () => {
  const routes = [leaf('/Foo'), leaf('/foo/')];
  assert.deepEqual(owned(routes, {'/Foo-1': {content: 'x'}, '/foo/-2': {content: 'y'}}), {'/foo': ['x', 'y']});
});

test('a path with a pattern may match any page, so nothing is its own', () => {
  for (const path of ['/:id', '/a*', '/(a)', '/a+b', '/a?']) {
    assert.deepEqual(owned([leaf(path)], {[`${path}-1`]: {content: 'x'}}), {});
  }
});

test('a route that is not exact owns nothing', () => {
  assert.deepEqual(owned([{path: '/a'}], {'/a-1': {content: 'x'}}), {});
});

test('entries that do not fit the routes are refused', () => {
  assert.equal(pairRoutes(ROUTES, {'/-111': {}}), undefined);
  assert.equal(pairRoutes([leaf('/a')], {'/b-1': {}}), undefined);
});

test('a route keeps its stable key when its hash changes', () => {
  const renamed = Object.fromEntries(Object.entries(NAMES).map(([key, entry], i) => [key.replace(/\d+$/, `9${i}`), entry]));
  const keys = (names) => pairRoutes(ROUTES, names).map(({stableKey}) => stableKey);
  assert.deepEqual(keys(NAMES), ['/-#0', '/-#1', '/a-#0', '/b-#0', '/-#2']);
  assert.deepEqual(keys(renamed), keys(NAMES));
});

test('names lie at any depth', () => {
  assert.deepEqual(namesIn({a: 'x', b: {c: 'y', d: [{e: 'z'}]}, f: null}), ['x', 'y', 'z']);
});

test('a path that cannot be decoded has no name', () => {
  assert.equal(sameForRouter('/%E0%A4%A'), undefined);
  assert.equal(sameForRouter('/%C3%89t%C3%A9/'), '/été');
  assert.equal(sameForRouter('/'), '/');
});
