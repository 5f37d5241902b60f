import assert from 'node:assert/strict';
import {join} from 'node:path';
import {test} from 'node:test';
import {manifestVcs} from '../../src/last-updated/index.js';
import {folder, put} from '../support/folders.js';
import {hydrated, sealed} from '../support/hydrated.js';

const AT = '2026-02-03T04:05:06.000Z';
const WRITTEN = {'a.md': {at: AT, by: 'ada'}, 'Part-01/b.md': {at: AT, by: 'agent 7'}, 'c.md': {at: 'never', by: 'x'}};

function site(test, {version = '3.10.2', written = WRITTEN, ...more} = {}) {
  const place = folder(test, {'package.json': '{}', 'node_modules/@docusaurus/core/package.json': JSON.stringify({version})});
  hydrated(join(place, 'book'), {'a.md': '# A', 'Part-01/b.md': '# B', 'c.md': '# C'}, {written, ...more});
  return place;
}

function provider(t, siteDir, options = {}) {
  const said = [];
  t.mock.method(console, 'warn', (line) => said.push(line));
  const vcs = manifestVcs({siteDir, ...options});
  vcs.initialize({siteDir});
  return {vcs, said};
}

test('Docusaurus takes functions of exactly one parameter', (t) => {
  for (const run of Object.values(provider(t, site(t)).vcs)) {
    assert.equal(run.length, 1);
  }
});

test('a hydrated lesson has the time and author of its last write', async (t) => {
  const place = site(t);
  const {vcs, said} = provider(t, place);
  assert.deepEqual(await vcs.getFileLastUpdateInfo(join(place, 'book/a.md')), {timestamp: Date.parse(AT), author: 'ada'});
  assert.equal((await vcs.getFileLastUpdateInfo(join(place, 'book/Part-01/b.md'))).author, 'agent 7');
  assert.equal(await vcs.getFileCreationInfo(join(place, 'book/a.md')), null);
  assert.deepEqual(said, []);
});

test('what is not known is null: another file there, a moment that is none, a file elsewhere', async (t) => {
  const place = site(t);
  const {vcs} = provider(t, place);
  for (const path of ['book/c.md', 'book/mine.md', 'src/pages/index.md', 'bookish/a.md', 'a.md']) {
    assert.equal(await vcs.getFileLastUpdateInfo(join(place, path)), null, path);
  }
});

test('readers can be shown another name than the agent\'s', async (t) => {
  const place = site(t);
  for (const authors of [{ada: 'Ada L.'}, (agent) => (agent === 'ada' ? 'Ada L.' : agent)]) {
    const {vcs} = provider(t, place, {authors});
    assert.equal((await vcs.getFileLastUpdateInfo(join(place, 'book/a.md'))).author, 'Ada L.');
    assert.equal((await vcs.getFileLastUpdateInfo(join(place, 'book/Part-01/b.md'))).author, 'agent 7');
  }
});

test('files that are not hydrated are somebody else\'s to tell', async (t) => {
  const place = site(t);
  const blog = {initialize: () => {}, getFileCreationInfo: async () => ({timestamp: 1, author: 'g'}), getFileLastUpdateInfo: async () => ({timestamp: 2, author: 'g'})};
  const {vcs} = provider(t, place, {otherwise: blog});
  assert.deepEqual(await vcs.getFileLastUpdateInfo(join(place, 'blog/x.md')), {timestamp: 2, author: 'g'});
  assert.deepEqual(await vcs.getFileCreationInfo(join(place, 'blog/x.md')), {timestamp: 1, author: 'g'});
  assert.equal((await vcs.getFileLastUpdateInfo(join(place, 'book/a.md'))).author, 'ada');
});

test('a preset that is none is refused', (t) => {
  assert.throws(() => manifestVcs({siteDir: folder(t), otherwise: 'subversion'}), {message: /^manifestVcs: option otherwise: is "subversion"\. Give a provider/});
});

test('on 3.9 it says that it needs 3.10', (t) => {
  assert.throws(() => manifestVcs({siteDir: site(t, {version: '3.9.2'})}), {
    message: 'manifestVcs: @docusaurus/core 3.9.2: has no last-updated provider, which came with 3.10. Upgrade Docusaurus, or leave future.experimental_vcs out.',
  });
  for (const version of ['3.10.0', '3.11.4', '4.0.0', '10.0.0']) {
    assert.ok(manifestVcs({siteDir: site(t, {version})}), version);
  }
});

test('without usable data one warning says what to do, and no page has a date', async (t) => {
  const cases = [
    [site(t, {written: null}), /metadata\.json is not there/],
    [site(t), /does not match its checksum/, (place) => put(place, {'book/.panaversity/metadata.json': sealed({format: 1, files: {}}).replace('"files"', '"flies"')})],
    [site(t), /another state of the book/, (place) => put(place, {'book/.panaversity/manifest.json': sealed({book_id: 'demo', manifest_hash: 'b'.repeat(64), schema_version: 1})})],
  ];
  for (const [place, why, harm = () => {}] of cases) {
    harm(place);
    const {vcs, said} = provider(t, place);
    assert.equal(await vcs.getFileLastUpdateInfo(join(place, 'book/a.md')), null);
    assert.equal(said.length, 1);
    assert.match(said[0], why);
    assert.match(said[0], /Run panaversity hydrate --metadata yes\.$/);
    t.mock.restoreAll();
  }
});

test('a folder that was never hydrated is the guard\'s matter', (t) => {
  const place = folder(t, {'package.json': '{}'});
  assert.deepEqual(provider(t, place).said, []);
});

test('a hydrate beside docusaurus start is seen at once', async (t) => {
  const place = site(t);
  const {vcs} = provider(t, place);
  hydrated(join(place, 'book'), {'a.md': '# A'}, {written: {'a.md': {at: AT, by: 'grace'}}, minutes: 1});
  assert.equal((await vcs.getFileLastUpdateInfo(join(place, 'book/a.md'))).author, 'grace');
});
