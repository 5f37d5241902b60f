import assert from 'node:assert/strict';
import test from 'node:test';

import {differences, keysOf, PARTS} from '../../src/incremental-ssg/keys.js';

const ENTRY = `"/a-333": 1, "/b-444": 1, ("/a", '333')
__webpack_require__.u = (chunkId) => {
  return ({"1": "text-a","2": "text-b","3": "doc",}[chunkId]) + {"1": "aaaaaaaa","2": "bbbbbbbb","3": "cccccccc",}[chunkId] + ".js"
}
// webpack/runtime/next
`;

function chunk(name, hash, more = {}) {
  return {chunk: name, hash, file: `assets/js/${name}.js`, digest: `digest of ${hash}`, builtins: [], variables: [], ...more};
}

/** A site of two lessons, with everything a key is made of. */
function site() {
  return {
    routes: [{path: '/', routes: [{path: '/a', exact: true}, {path: '/b', exact: true}]}],
    chunkNames: {'/-111': {__comp: 'wrap'}, '/a-333': {__comp: 'doc', content: 'text-a'}, '/b-444': {__comp: 'doc', content: 'text-b'}},
    pathnames: ['/a', '/b', '/404.html'],
    manifest: {
      entrypoints: ['main'],
      origins: {main: [1, 2], 'text-a': [3]},
      assets: {1: {js: [{file: 'assets/js/main.00000000.js'}]}, 2: {css: [{file: 'assets/css/styles.00000000.css'}]}, 3: {js: [{file: 'assets/js/text-a.00000000.js'}]}},
    },
    bundle: {entry: ENTRY, view: {builtins: [], variables: ['SHARED']}, chunks: [chunk('text-a', 'aaaaaaaa', {variables: ['MINE']}), chunk('text-b', 'bbbbbbbb'), chunk('doc', 'cccccccc')]},
    environment: {SHARED: '1', MINE: '1', TZ: 'UTC', OTHER: '1'},
    steering: ['TZ'],
    format: 1,
    node: ['v20'],
    renderer: {version: '3.10.2'},
    lockfile: ['package-lock.json', 'x'],
    parameters: {headTags: '<meta>', noIndex: false},
    inputsOf: () => [],
  };
}

const settings = {allowBuiltins: [], always: () => false};
const keys = (change = () => {}, given = settings) => {
  const one = site();
  change(one);
  return keysOf(one, given);
};
const before = keys();

/** Which pages keep their key under one shared key; none once the shared key differs. */
function reusable(change) {
  const after = keys(change);
  return after.sharedKey === before.sharedKey ? [...before.pages.keys()].filter((page) => after.pages.get(page) === before.pages.get(page)) : [];
}

const ALL = ['/a', '/b', '/404.html'];
const CHANGES = [
  ['nothing', () => {}, ALL],
  ['a variable that no code names', (s) => { s.environment.OTHER = '2'; }, ALL],
  ['the names of the entry files', (s) => { s.manifest.assets[1].js[0].file = 'assets/js/main.11111111.js'; }, ALL],
  ['the client chunk of a page', (s) => { s.manifest.assets[3].js[0].file = 'assets/js/text-a.11111111.js'; }, ALL],
  ['the hash of a route', (s) => {
    s.chunkNames = {'/-999': s.chunkNames['/-111'], '/a-999': s.chunkNames['/a-333'], '/b-444': s.chunkNames['/b-444']};
    s.bundle.entry = ENTRY.replace('/a-333', '/a-999').replace('\'333\'', '\'999\'');
  }, ALL],
  ['the body of a lesson', (s) => {
    s.bundle.chunks[0] = {...s.bundle.chunks[0], hash: 'a1a1a1a1', digest: 'another'};
    s.bundle.entry = ENTRY.replace('aaaaaaaa', 'a1a1a1a1');
  }, ['/b', '/404.html']],
  ['the digest of a page\'s chunk alone', (s) => { s.bundle.chunks[0].digest = 'another'; }, ['/b', '/404.html']],
  ['a variable that a page names', (s) => { s.environment.MINE = '2'; }, ['/b', '/404.html']],
  ['a variable that shared code names', (s) => { s.environment.SHARED = '2'; }, []],
  ['a variable that steers Node', (s) => { s.environment.TZ = 'CET'; }, []],
  ['one more variable that steers Node', (s) => { s.steering.push('LANG'); }, []],
  ['the component of all lessons', (s) => { s.bundle.chunks[2].digest = 'another'; }, []],
  ['a chunk of no route', (s) => { s.bundle.chunks.push(chunk('497', 'dddddddd')); }, []],
  ['the code of the entry', (s) => { s.bundle.entry += ';'; }, []],
  ['the chunks of a page', (s) => { s.chunkNames['/a-333'].more = 'doc'; }, ['/b', '/404.html']],
  ['Node', (s) => { s.node = ['v22']; }, []],
  ['Docusaurus', (s) => { s.renderer.version = '3.10.3'; }, []],
  ['the lock file', (s) => { s.lockfile[1] = 'y'; }, []],
  ['a head tag', (s) => { s.parameters.headTags = ''; }, []],
  ['the format', (s) => { s.format = 2; }, []],
  ['one more entry file', (s) => { s.manifest.origins.main.push(3); }, []],
  ['scripts of a module', (s) => { s.manifest.origins['@theme/X'] = [3]; }, []],
  ['an input of all pages', (s) => { s.inputsOf = (page) => (page === undefined ? ['x'] : []); }, []],
  ['an input of one page', (s) => { s.inputsOf = (page) => (page === '/b' ? ['x'] : []); }, ['/a', '/404.html']],
];

for (const [what, change, expected] of CHANGES) {
  test(`${what}: pages that can be reused are ${expected.join(' ') || 'none'}`, () => {
    assert.deepEqual(reusable(change), expected);
  });
}

test('a part of the shared key is said in words', () => {
  assert.deepEqual(differences(before.shared, keys((s) => { s.lockfile[1] = 'y'; }).shared), [PARTS.lockfile]);
  assert.deepEqual(Object.keys(before.shared), Object.keys(PARTS));
});

test('a page whose code reads files, or that is opted out, has no key', () => {
  const reading = (s) => { s.bundle.chunks[0].builtins = ['fs']; };
  assert.equal(keys(reading).pages.get('/a'), undefined);
  assert.notEqual(keys(reading, {...settings, allowBuiltins: ['fs']}).pages.get('/a'), undefined);
  assert.equal(keys(undefined, {...settings, always: (page) => page === '/b'}).pages.get('/b'), undefined);
});

test('shared code that reads files leaves no key at all, unless it is allowed', () => {
  const reading = (s) => { s.bundle.view.builtins = ['fs']; };
  assert.match(keys(reading).problem, /uses the Node module fs/);
  assert.equal(keys(reading, {...settings, allowBuiltins: ['fs']}).problem, undefined);
});

test('generated files that do not fit leave no key', () => {
  assert.match(keys((s) => { s.chunkNames = {}; }).problem, /routesChunkNames/);
  assert.match(keys((s) => { s.manifest.origins.main = []; }).problem, /client-manifest/);
  assert.match(keys((s) => { s.manifest.assets[1].js[0].file = 'a"b.js'; }).problem, /client-manifest/);
});
