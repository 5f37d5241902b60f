import assert from 'node:assert/strict';
import {lutimesSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {judgeContent} from '../../src/content/judge.js';
import {folder, put} from '../support/folders.js';
import {age, hydrated, sealed} from '../support/hydrated.js';

const LESSONS = {'a.md': '# A', 'Part-01/b.md': '# B', 'Part-01/c.md': '# C', 'd.md': '# D', 'img/e.png': 'png'};

function docs(test, options) {
  const place = join(folder(test), 'book');
  hydrated(place, LESSONS, options);
  return place;
}

test('what was hydrated and left alone is whole, foreign files or not', (t) => {
  const place = docs(t);
  put(place, {'mine.md': '# Mine'});
  assert.deepEqual([judgeContent(place).state, judgeContent(place).problem], ['whole', '']);
  assert.equal(judgeContent(place, {verify: true}).state, 'whole');
  assert.equal(judgeContent(place).manifest.book_id, 'demo');
});

test('nothing there, or an author\'s own folder, is missing content', (t) => {
  const place = folder(t, {'own/a.md': '# A'});
  for (const name of ['none', 'own']) {
    const {state, problem, hint} = judgeContent(join(place, name));
    assert.deepEqual([state, problem], ['missing', 'holds no hydrated content']);
    assert.match(hint, /panaversity hydrate/);
  }
});

test('F10 a plan that was not ended is half a hydrate, whatever else is there', (t) => {
  const place = docs(t);
  put(place, {'.panaversity/plan.json': 'anything'});
  assert.equal(judgeContent(place).state, 'unfinished');
  rmSync(join(place, '.panaversity/plan.json'));
  put(place, {'.panaversity/index': sealed({format: 1, files: [], folders: [], pending: [['a.md', null, 'b'.repeat(64)]]})});
  assert.equal(judgeContent(place).state, 'unfinished');
});

test('F6 a manifest without its tree is stale, not whole', (t) => {
  const place = docs(t);
  for (const path of Object.keys(LESSONS)) {
    rmSync(join(place, path));
  }
  const {state, problem} = judgeContent(place);
  assert.equal(state, 'stale');
  assert.equal(problem, 'is not what was hydrated: missing a.md, missing Part-01/b.md, missing Part-01/c.md and 2 more');
});

test('a file of another size or another text, a folder or a link in its place are seen', (t) => {
  const alterations = {
    longer: (file) => writeFileSync(file, '# Longer'),
    'of equal length': (file) => writeFileSync(file, '# Z'),
    folder: (file) => { rmSync(file); put(file, {x: ''}); },
    link: (file) => { rmSync(file); symlinkSync('d.md', file); },
  };
  for (const [name, alter] of Object.entries(alterations)) {
    const place = docs(t);
    alter(join(place, 'a.md'));
    assert.deepEqual(judgeContent(place).problem, 'is not what was hydrated: altered a.md', name);
  }
});

test('an old link of the right size is no file', (t) => {
  const place = docs(t);
  rmSync(join(place, 'a.md'));
  symlinkSync('d.x', join(place, 'a.md')); // as many bytes as the lesson had
  lutimesSync(join(place, 'a.md'), 1, 1);
  assert.equal(judgeContent(place).problem, 'is not what was hydrated: altered a.md');
});

test('a file touched and equal is whole', (t) => {
  const place = docs(t);
  age(join(place, 'a.md'), 0);
  assert.equal(judgeContent(place).state, 'whole');
});

test('an old alteration that kept size and time is found by reading everything', (t) => {
  const place = docs(t);
  writeFileSync(join(place, 'a.md'), '# Z');
  age(join(place, 'a.md'), 60);
  assert.equal(judgeContent(place).state, 'whole');
  assert.equal(judgeContent(place, {verify: true}).state, 'stale');
});

test('F8 F48 damaged state is never trusted and never fatal', (t) => {
  for (const name of ['manifest.json', 'index']) {
    for (const harm of ['', '{}', '[]', 'x', '\0\0', sealed({format: 2, schema_version: 2}), `${sealed({format: 1}).slice(0, -3)}0"}`, sealed([1])]) {
      const place = docs(t);
      put(place, {[`.panaversity/${name}`]: harm});
      const {state, problem} = judgeContent(place);
      assert.equal(state, 'stale', `${name} ${harm}`);
      assert.ok(problem.startsWith(`${name} `), problem);
    }
  }
});

test('state that is a folder is told, not thrown', (t) => {
  const place = docs(t);
  rmSync(join(place, '.panaversity/index'));
  put(place, {'.panaversity/index/x': ''});
  assert.equal(judgeContent(place).problem, 'index cannot be read (EISDIR)');
});

test('another book than the site is of is stale', (t) => {
  const {problem, hint} = judgeContent(docs(t), {bookId: 'other'});
  assert.deepEqual([problem, hint], ['holds the book demo, not other', 'Run panaversity hydrate --book-id other']);
});

test('an age can be asked for', (t) => {
  const place = docs(t, {minutes: 150});
  assert.equal(judgeContent(place, {maxAgeHours: 3}).state, 'whole');
  assert.equal(judgeContent(place, {maxAgeHours: 2}).problem, 'was last hydrated 2 hours ago, more than 2');
});

test('a moved manifest.json is found where it is said to be', (t) => {
  const place = docs(t);
  const moved = join(place, '..', 'elsewhere.json');
  put(join(place, '..'), {'elsewhere.json': sealed({book_id: 'demo', manifest_hash: 'x', schema_version: 1})});
  rmSync(join(place, '.panaversity/manifest.json'));
  assert.equal(judgeContent(place, {manifestFile: moved}).state, 'whole');
  assert.equal(judgeContent(place).problem, 'manifest.json is not there');
});

test('lessons saved since the last hydrate make it stale; older ones, equal ones and other files do not', (t) => {
  const place = docs(t);
  const source = join(place, '..', 'source');
  put(source, {...LESSONS, 'old.md': '# Never hydrated', 'note.txt': 'x', '.panaversity/x.md': ''});
  age(join(source, 'old.md'), 60);
  assert.equal(judgeContent(place, {source}).state, 'whole');
  put(source, {'Part-01/b.md': '# B, better', 'new.mdx': '# New'});
  assert.equal(judgeContent(place, {source}).problem, 'lacks what was saved since it was hydrated: Part-01/b.md, new.mdx');
  put(source, {'.bookignore': 'new.mdx'});
  assert.match(judgeContent(place, {source}).problem, /: Part-01\/b\.md$/);
  assert.equal(judgeContent(place, {source: join(source, 'nowhere')}).state, 'whole');
});
