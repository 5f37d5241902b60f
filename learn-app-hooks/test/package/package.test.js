import assert from 'node:assert/strict';
import {accessSync, constants, existsSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';

const here = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path) => readFileSync(here(path), 'utf8');
const {exports: doors, bin, dependencies, scripts, engines} = JSON.parse(read('package.json'));
const modules = Object.entries(doors).filter(([, door]) => door.types);

/** Names a declaration file exports, types aside. */
function declared(text) {
  const direct = [...text.matchAll(/^export (?:declare )?(default )?(?:async )?(?:function|const|class) (\w+)/gm)].map(([, byDefault, name]) => (byDefault ? 'default' : name));
  const passed = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, list]) => list.split(',').map((one) => one.trim().split(/\s+as\s+/).at(-1)));
  return [...direct, ...passed].filter(Boolean).sort();
}

for (const [name, door] of modules) {
  test(`the types of ${name} name just what it exports`, async () => {
    const found = Object.keys(await import(new URL(`../../${door.default}`, import.meta.url))).sort();
    assert.deepEqual(declared(read(door.types)), found);
  });

  test(`the types of ${name} are TypeScript`, async () => {
    const {parseSync} = createRequire(createRequire(import.meta.url).resolve('@docusaurus/faster/package.json'))('@swc/core');
    parseSync(read(door.types), {syntax: 'typescript', dts: true});
  });
}

test('every command is there and may be run', () => {
  for (const path of Object.values(bin)) {
    accessSync(here(path), constants.X_OK);
    assert.ok(read(path).startsWith('#!/usr/bin/env node\n'), path);
  }
});

test('nothing is needed at run time, and nothing happens at install time', () => {
  assert.equal(dependencies, undefined);
  assert.deepEqual(Object.keys(scripts).filter((name) => /install|prepare|prepublish/.test(name)), []);
  assert.equal(engines.node, '>=20');
  assert.ok(existsSync(here('README.md')));
});
