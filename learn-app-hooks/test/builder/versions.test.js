import assert from 'node:assert/strict';
import {test} from 'node:test';
import {RANGE, misfit, versionIn} from '../../src/builder/versions.js';

test('the version is read from what the command prints, and from nothing else', () => {
  assert.equal(versionIn('panaversity, version 0.1.0\n'), '0.1.0');
  assert.equal(versionIn('a warning\npanaversity, version 0.1.3.dev1+g12\n'), '0.1.3.dev1+g12');
  for (const other of ['', '0.1.0', 'panaversity', 'Python 3.11.2', 'panaversity, version ', 'xpanaversity, version 0.1.0']) {
    assert.equal(versionIn(other), null, other);
  }
});

test('a version fits within its minor release', () => {
  for (const good of ['0.1.0', '0.1.99', '0.1', '0.1.0rc1']) {
    assert.equal(misfit(good), null, good);
  }
  assert.match(misfit('0.0.9'), /too old, 0\.1\.0 or newer/);
  assert.match(misfit('0.2.0'), /too new, one below 0\.2\.0/);
  assert.match(misfit('1.0.0'), /too new/);
  assert.equal(misfit(RANGE.from), null);
});
