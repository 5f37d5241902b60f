import assert from 'node:assert/strict';
import test from 'node:test';

import {readOptions} from '../../src/incremental-ssg/options.js';
import {matcher} from '../../src/incremental-ssg/patterns.js';

test('every option has a value when none is given', () => {
  assert.deepEqual(readOptions({id: 'default'}), {
    mode: 'on', always: [], inputs: [], allowBuiltins: [], maxEntries: 20000, maxBytes: 1024 ** 3, maxAge: 30 * 86400000,
  });
  assert.deepEqual(readOptions(undefined), readOptions({}));
});

test('the environment overrides the mode for one build', () => {
  assert.equal(readOptions({mode: 'off'}, {INCREMENTAL_SSG: 'verify'}).mode, 'verify');
  assert.equal(readOptions({mode: 'off'}, {INCREMENTAL_SSG: ''}).mode, 'off');
});

const WRONG = [
  [{modus: 'on'}, /incremental-ssg: option modus: is not known\. Known are mode, /],
  [{mode: 'yes'}, /option mode: is "yes"\. It takes on, off or verify\./],
  [{always: '/a'}, /option always: is "\/a"\. It takes a list/],
  [{maxEntries: -1}, /option maxEntries/],
  [{maxBytes: '1 GB'}, /option maxBytes/],
  [{maxAgeDays: 0}, /option maxAgeDays/],
  [{cacheDir: ''}, /option cacheDir/],
  [{inputs: {}}, /option inputs: is \{\}/],
  [{inputs: ['data']}, /option inputs\[0\]: is not \{routes, files, env\}/],
  [{inputs: [{files: ['a'], route: '/a'}]}, /option inputs\[0\]: has route, which is not known/],
  [{inputs: [{routes: ['/a']}]}, /option inputs\[0\]: names no input/],
];

for (const [options, message] of WRONG) {
  test(`${JSON.stringify(options)} is refused`, () => assert.throws(() => readOptions(options), message));
}

test('a wrong mode in the environment is refused', () => {
  assert.throws(() => readOptions({}, {INCREMENTAL_SSG: 'true'}), /variable INCREMENTAL_SSG: is "true"/);
});

test('a star stays within a segment, two stars do not, and a trailing slash makes no difference', () => {
  const fits = matcher(['/api/**', '/stats', '/*/index.html']);
  const yes = ['/api/', '/api/a/b', '/stats', '/stats/', '/a/index.html'];
  const no = ['/ap', '/stats/x', '/a/b/index.html', '/aindex.html', '/a/indexxhtml'];
  assert.deepEqual([...yes, ...no].filter(fits), yes);
  assert.ok(matcher(['/'])('/'));
  assert.ok(!matcher(['/'])('/a'));
  assert.ok(!matcher([])('/a'));
});
