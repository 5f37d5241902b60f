import assert from 'node:assert/strict';
import {join} from 'node:path';
import {test} from 'node:test';
import {inspect} from 'node:util';
import guard from '../../src/guard/index.js';
import {folder} from '../support/folders.js';
import {hydrated} from '../support/hydrated.js';

/** Run it as Docusaurus would in a build or a start; answers the plugin and what was warned. */
function guarded(t, siteDir, options, mode = 'production') {
  const [before, warn, said] = [process.env.NODE_ENV, console.warn, []];
  process.env.NODE_ENV = mode;
  console.warn = (line) => said.push(line);
  try {
    return {plugin: guard({siteDir}, options), said};
  } finally {
    console.warn = warn;
    before === undefined ? delete process.env.NODE_ENV : (process.env.NODE_ENV = before);
  }
}

test('whole content passes without a word', (t) => {
  const site = folder(t);
  hydrated(join(site, 'book'), {'a.md': '# A'});
  const {plugin, said} = guarded(t, site);
  assert.deepEqual([plugin.name, said], ['learn-app-hooks-guard', []]);
});

test('a build is stopped at once, with the command that helps', (t) => {
  const site = folder(t);
  assert.throws(() => guarded(t, site), {message: `guard: ${join(site, 'book')}: holds no hydrated content. Run panaversity hydrate, or panaversity build --until hydrate for a book on this machine; or npm run build, where its prebuild does that.`});
});

test('what Docusaurus prints of it is one line', (t) => {
  try {
    guarded(t, folder(t));
    assert.fail('it passed');
  } catch (failure) {
    assert.equal(inspect(failure).split('\n').length, 1);
  }
});

test('start is warned and goes on', (t) => {
  const {plugin, said} = guarded(t, folder(t), {}, 'development');
  assert.ok(plugin.name);
  assert.match(said[0], /^\[WARNING\] guard: .* holds no hydrated content\./);
});

test('the mode can be chosen', (t) => {
  const site = folder(t);
  assert.throws(() => guarded(t, site, {mode: 'stop'}, 'development'));
  assert.equal(guarded(t, site, {mode: 'warn'}).said.length, 1);
  assert.equal(guarded(t, site, {mode: 'off'}).said.length, 0);
});

test('paths are seen from the site', (t) => {
  const site = folder(t);
  hydrated(join(site, 'content/here'), {'a.md': '# A'});
  assert.ok(guarded(t, site, {path: 'content/here', source: '../none', bookId: 'demo', verify: true}).plugin);
});

test('options that are not known, or wrong, are refused with what is known', (t) => {
  const site = folder(t);
  for (const options of [{docs: 'book'}, {path: ''}, {mode: 'always'}, {maxAgeHours: 0}, {maxAgeHours: '1'}, {verify: 'yes'}, {toString: 'x'}]) {
    assert.throws(() => guarded(t, site, options), {message: /^guard: option .*(Known are|It takes)/}, JSON.stringify(options));
  }
});
