import assert from 'node:assert/strict';
import {join} from 'node:path';
import {test} from 'node:test';
import {findBuilder} from '../../src/builder/find.js';
import {bare, fakeBuilder} from '../support/builder.js';
import {folder, program, put} from '../support/folders.js';

const find = (place, environ, say) => findBuilder('hook', {environ, folder: join(place, 'site'), say});
const OLD = "console.log('panaversity, version 0.0.9')";

function site(test) {
  return folder(test, {'site/package.json': '{}', 'bin/.keep': ''});
}

test('the project\'s virtual environment comes before PATH', (t) => {
  const place = site(t);
  fakeBuilder(join(place, 'bin/panaversity'));
  assert.equal(find(place, bare(place)).from, 'PATH');
  const near = fakeBuilder(join(place, '.venv/bin/panaversity'));
  assert.equal(find(place, bare(place)).file, near);
});

test('one that is too old is passed by, said, and the next is taken', (t) => {
  const place = site(t);
  const old = program(join(place, 'site/.venv/bin/panaversity'), OLD);
  fakeBuilder(join(place, 'bin/panaversity'));
  const said = [];
  assert.equal(find(place, bare(place), (line) => said.push(line)).from, 'PATH');
  assert.deepEqual(said, [`skipped ${old}: 0.0.9 is too old, 0.1.0 or newer is needed`]);
});

test('uv is asked for the same version, then Python for the module', (t) => {
  const place = site(t);
  fakeBuilder(join(place, 'bin/python3'));
  assert.equal(find(place, bare(place)).from, 'python3 -m panaversity_builder');
  fakeBuilder(join(place, 'bin/uv'));
  const {file, args} = find(place, bare(place));
  assert.deepEqual([file, args], ['uv', ['tool', 'run', '--from', 'panaversity-fs[server]>=0.1.0,<0.2.0', 'panaversity']]);
});

test('without any the one message says what to do', (t) => {
  const place = site(t);
  assert.throws(() => find(place, bare(place)), {
    exitStatus: 15,
    message: /^hook: panaversity: the Python builder is not installed here\. Make a virtual environment .* PANAVERSITY_BUILDER name it\.$/,
  });
});

test('whatever was found and does not fit is in that message', (t) => {
  const place = site(t);
  program(join(place, 'bin/panaversity'), OLD);
  program(join(place, 'bin/python3'), "console.error('python3: No module named panaversity_builder'); process.exit(1)");
  program(join(place, 'bin/python'), "console.error('ModuleNotFoundError: rich'); process.exit(1)");
  program(join(place, 'bin/uv'), "console.log('uv 1.2.3')");
  assert.throws(() => find(place, bare(place)), ({message}) => {
    assert.match(message, /PATH: 0\.0\.9 is too old/);
    assert.match(message, /uv tool run: tells no version of panaversity: uv 1\.2\.3/);
    assert.match(message, /python -m panaversity_builder: ended with status 1: ModuleNotFoundError: rich/);
    assert.doesNotMatch(message, /python3 -m panaversity_builder:/, 'nothing is there');
    return true;
  });
});

test('an override that does not fit is an error: nobody looks further', (t) => {
  const place = site(t);
  fakeBuilder(join(place, 'bin/panaversity'));
  for (const [named, why] of [['/nowhere/panaversity', 'names no file'], ['[]', 'neither a path nor a JSON list'], [program(join(place, 'old'), OLD), 'too old']]) {
    assert.throws(() => find(place, bare(place, {}, {PANAVERSITY_BUILDER: named})), {message: new RegExp(`PANAVERSITY_BUILDER: .*${why}`)});
  }
});

test('nothing of a path is read by a shell', (t) => {
  const place = site(t);
  const file = fakeBuilder(join(place, 'a b; touch $(echo pwned)/panaversity'));
  assert.equal(find(place, bare(place, {}, {PANAVERSITY_BUILDER: file})).file, file);
});

test('a file that cannot be run, and a folder of that name, are passed by', (t) => {
  const place = site(t);
  put(place, {'site/.venv/bin/panaversity': 'no program', '.venv/bin/panaversity/x': ''});
  fakeBuilder(join(place, 'bin/panaversity'));
  assert.equal(find(place, bare(place)).from, 'PATH');
});

test('control characters of a foreign program do not reach the terminal', (t) => {
  const place = site(t);
  program(join(place, 'bin/panaversity'), "console.error('\\u001b[31mred\\u0007'); process.exit(3)");
  assert.throws(() => find(place, bare(place)), ({message}) => !/[\u0000-\u001f]/.test(message) && message.includes('status 3'));
});
