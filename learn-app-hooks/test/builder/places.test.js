import assert from 'node:assert/strict';
import {test} from 'node:test';
import {places} from '../../src/builder/places.js';

const named = (environ, platform = 'linux', folder = '/home/ada/site') => places({environ, folder, platform}).map(({from}) => from);

test('the order is: virtual environments from the site upward, PATH, uv, Python', () => {
  assert.deepEqual(named({VIRTUAL_ENV: '/venvs/x'}, 'linux', '/s/a'), [
    '/venvs/x/bin/panaversity',
    '/s/a/.venv/bin/panaversity',
    '/s/a/venv/bin/panaversity',
    '/s/.venv/bin/panaversity',
    '/s/venv/bin/panaversity',
    '/.venv/bin/panaversity',
    '/venv/bin/panaversity',
    'PATH',
    'uv tool run',
    'python3 -m panaversity_builder',
    'python -m panaversity_builder',
  ]);
});

test('an active environment that is also the near one is looked at once', () => {
  const all = named({VIRTUAL_ENV: '/home/ada/site/.venv'});
  assert.equal(all.filter((from) => from === '/home/ada/site/.venv/bin/panaversity').length, 1);
});

test('Windows has its own folders and the py launcher', () => {
  const all = named({}, 'win32', 'C:\\site');
  assert.equal(all[0], 'C:\\site\\.venv\\Scripts\\panaversity.exe');
  assert.ok(all.includes('py -3 -m panaversity_builder'));
});

test('PANAVERSITY_BUILDER is the only place when it is set', () => {
  assert.deepEqual(places({environ: {PANAVERSITY_BUILDER: ' /opt/my builder '}, folder: '/s', platform: 'linux'}), [
    {file: '/opt/my builder', args: [], from: 'PANAVERSITY_BUILDER', sure: true},
  ]);
  const [words] = places({environ: {PANAVERSITY_BUILDER: '["uv", "run", "panaversity"]'}, folder: '/s', platform: 'linux'});
  assert.deepEqual([words.file, words.args], ['uv', ['run', 'panaversity']]);
});

test('a list that is none names nothing, and nothing of it is run', () => {
  for (const text of ['[', '[]', '[1]', '["a", ""]', '[["a"]]']) {
    const [only] = places({environ: {PANAVERSITY_BUILDER: text}, folder: '/s', platform: 'linux'});
    assert.deepEqual([only.file, only.sure], ['', true], text);
  }
});

test('an empty override is none', () => {
  assert.ok(named({PANAVERSITY_BUILDER: ' '}).includes('PATH'));
});
