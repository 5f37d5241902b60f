import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {setTimeout as pause} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {bare, fakeBuilder, heard} from '../support/builder.js';
import {folder, program, put} from '../support/folders.js';
import {hydrated} from '../support/hydrated.js';

const BIN = fileURLToPath(new URL('../../bin/', import.meta.url));

/** A site with a builder, and a Docusaurus that writes down its words. */
function scene(test, {builder = true} = {}) {
  const place = folder(test, {'site/package.json': '{}', 'bin/.keep': ''});
  if (builder) {
    fakeBuilder(join(place, '.venv/bin/panaversity'));
  }
  put(place, {'site/node_modules/@docusaurus/core/package.json': '{"version": "3.10.2", "bin": {"docusaurus": "bin/docusaurus.mjs"}}'});
  program(join(place, 'site/node_modules/@docusaurus/core/bin/docusaurus.mjs'), `
    import {appendFileSync} from 'node:fs';
    appendFileSync(process.env.FAKE_LOG, JSON.stringify({docusaurus: process.argv.slice(2), token: process.env.PANAVERSITY_TOKEN}) + '\\n');
    process.exitCode = Number(process.env.SITE_STATUS || 0);`);
  return place;
}

function start(place, command, words = [], {fake, more, input = 'ignore'} = {}) {
  return spawn(process.execPath, [join(BIN, `${command}.js`), ...words], {cwd: join(place, 'site'), env: bare(place, fake, more), stdio: [input, 'pipe', 'pipe']});
}

async function run(place, command, words, options) {
  const child = start(place, command, words, options);
  const said = {out: '', err: ''};
  child.stdout.on('data', (data) => { said.out += data; });
  child.stderr.on('data', (data) => { said.err += data; });
  if (options?.input === 'pipe') {
    child.stdin.end('typed');
  }
  const [status, signal] = await new Promise((resolve) => { child.once('close', (...ended) => resolve(ended)); });
  return {status, signal, ...said};
}

async function until(question) {
  for (let tries = 0; tries < 400; tries += 1) {
    if (question()) {
      return;
    }
    await pause(25);
  }
  assert.fail('it did not come');
}

const calls = (place) => heard(place).filter(({words}) => words).map(({words}) => words);

test('book-prebuild hydrates in the site\'s folder; its output and status are the builder\'s', async (t) => {
  const place = scene(t);
  const done = await run(place, 'book-prebuild', [], {fake: {status: 3}});
  assert.deepEqual(done, {status: 3, signal: null, out: 'data\n', err: 'said\n'});
  assert.deepEqual(calls(place), [['hydrate', '--site-dir', '.']]);
  assert.equal(heard(place)[0].cwd, join(place, 'site'));
});

test('what is typed reaches the builder', async (t) => {
  const done = await run(scene(t), 'book-prebuild', [], {fake: {echo: true}, input: 'pipe'});
  assert.equal(done.out, 'data\ntyped');
});

test('words go on to the builder as they are', async (t) => {
  const place = scene(t);
  await run(place, 'book-prebuild', ['--site-dir=..', '--book-id', '$(touch pwned); `x` "q"']);
  assert.deepEqual(calls(place), [['hydrate', '--site-dir=..', '--book-id', '$(touch pwned); `x` "q"']]);
  assert.ok(!existsSync(join(place, 'site/pwned')));
});

test('before start the builder may use what is here, before build it may not', async (t) => {
  const place = scene(t);
  await run(place, 'book-prestart');
  await run(place, 'book-prebuild');
  await run(place, 'book-prestart', ['--on-unavailable', 'fail']);
  await run(place, 'book-prebuild', [], {more: {PANAVERSITY_ON_UNAVAILABLE: 'use-cache'}});
  assert.deepEqual(calls(place).map((words) => words.slice(1, -2)), [['--on-unavailable', 'use-cache'], [], ['--on-unavailable', 'fail'], ['--on-unavailable', 'use-cache']]);
});

test('--ingest makes a book of this machine equal its source, and never a server\'s', async (t) => {
  const place = scene(t);
  await run(place, 'book-prebuild', ['--ingest']);
  const done = await run(place, 'book-prebuild', ['--ingest'], {fake: {server: 'https://books.example'}});
  assert.deepEqual(calls(place), [['build', '--until', 'hydrate', '--site-dir', '.'], ['hydrate', '--site-dir', '.']]);
  assert.match(done.err, /^book-prebuild: --ingest is for a book on this machine; a server is set/);
});

test('--ingest asks about the server with the words of the command that would push to it', async (t) => {
  const far = {fake: {servers: {'../other': 'https://books.example'}}};
  for (const words of [['--server-url', 'https://books.example'], ['--site-dir=../other']]) {
    const place = scene(t);
    const done = await run(place, 'book-prebuild', ['--ingest', ...words], far);
    assert.equal(calls(place)[0][0], 'hydrate', words.join(' '));
    assert.match(done.err, /a server is set/);
  }
});

test('book-build hydrates, then builds; a failed hydrate stops it', async (t) => {
  const place = scene(t);
  assert.equal((await run(place, 'book-build', ['--locale', 'de', '--', '--verify'])).status, 0);
  assert.deepEqual(heard(place).map(({words, docusaurus}) => words ?? docusaurus), [['hydrate', '--site-dir', '.', '--verify'], ['build', '--locale', 'de']]);
  assert.equal((await run(place, 'book-build', [], {fake: {status: 10}})).status, 10);
  assert.equal(heard(place).filter(({docusaurus}) => docusaurus).length, 1);
});

test('the builder has the token and Docusaurus has not', async (t) => {
  const place = scene(t);
  await run(place, 'book-build', [], {more: {PANAVERSITY_TOKEN: 'secret'}});
  assert.deepEqual(heard(place).map(({token}) => token), ['secret', undefined]);
});

test('book-build ends as Docusaurus ends, and book-start starts it', async (t) => {
  const place = scene(t);
  assert.equal((await run(place, 'book-build', [], {more: {SITE_STATUS: '9'}})).status, 9);
  await run(place, 'book-start', ['--port', '4000']);
  assert.deepEqual(heard(place).at(-1).docusaurus, ['start', '--port', '4000']);
});

test('a site without Docusaurus is told so, after the hydrate', async (t) => {
  const place = scene(t);
  put(place, {'site/node_modules/@docusaurus/core/package.json': 'x'});
  const done = await run(folderWithout(t, place), 'book-build');
  assert.equal(done.status, 14);
  assert.match(done.err, /@docusaurus\/core is not installed here or above\. Run npm ci/);
});

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, as it should.
  }
}

function folderWithout(test, place) {
  const other = folder(test, {'site/package.json': '{}', 'bin/.keep': ''});
  fakeBuilder(join(other, '.venv/bin/panaversity'));
  return other;
}

test('no builder and no Python: one message and status 15, before build also with content', async (t) => {
  const place = scene(t, {builder: false});
  hydrated(join(place, 'site/book'), {'a.md': '# A'});
  for (const [command, ...words] of [['book-prebuild'], ['book-build'], ['book-prebuild', '--on-unavailable', 'use-cache']]) {
    const done = await run(place, command, words);
    assert.equal(done.status, 15);
    assert.match(done.err, new RegExp(`^${command}: panaversity: the Python builder is not installed here\\. .*\n$`));
    assert.ok(!done.err.includes('    at '), 'no stack');
  }
});

test('no builder before start: a whole folder goes on with a warning, any other does not', async (t) => {
  const place = scene(t, {builder: false});
  assert.equal((await run(place, 'book-prestart')).status, 15);
  hydrated(join(place, 'site/book'), {'a.md': '# A'});
  const done = await run(place, 'book-start');
  assert.equal(done.status, 0);
  assert.match(done.err, /^book-start: warning: .* Going on with the content of the last time\n$/);
  assert.deepEqual(heard(place).at(-1), {docusaurus: ['start']});
  put(place, {'site/book/.panaversity/plan.json': '{}'});
  assert.equal((await run(place, 'book-prestart')).status, 15);
});

test('a builder that is too old is an error with both versions', async (t) => {
  const done = await run(scene(t), 'book-prebuild', [], {fake: {version: '0.0.3'}});
  assert.equal(done.status, 15);
  assert.match(done.err, /0\.0\.3 is too old, 0\.1\.0 or newer is needed/);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  test(`${signal} ends the builder too, and its status is passed on`, {timeout: 60_000}, async (t) => {
    const place = scene(t);
    const child = start(place, 'book-build', [], {fake: {wait: true, status: 130}});
    t.after(() => [child.pid, ...heard(place).map(({pid}) => pid)].filter(Boolean).forEach(end));
    await until(() => heard(place).some(({ready}) => ready));
    child.kill(signal);
    const [status] = await new Promise((resolve) => { child.once('close', (...ended) => resolve(ended)); });
    assert.deepEqual([status, heard(place).at(-1)], [130, {signal}]);
    const {pid} = heard(place)[0];
    assert.throws(() => process.kill(pid, 0), {code: 'ESRCH'}, 'nobody is left behind');
  });
}

test('a builder that a signal ended gives 128 and its number', async (t) => {
  assert.equal((await run(scene(t), 'book-prebuild', [], {fake: {kill: 'SIGKILL'}})).status, 137);
});

test('--help says what there is and does nothing', async (t) => {
  const place = scene(t);
  for (const command of ['book-prebuild', 'book-prestart', 'book-build', 'book-start']) {
    const done = await run(place, command, ['--help']);
    assert.equal(done.status, 0);
    assert.match(done.err, new RegExp(`^usage: ${command} `));
  }
  assert.deepEqual(heard(place), []);
});
