import assert from 'node:assert/strict';
import {test} from 'node:test';
import guard from '../../src/guard/index.js';
import {CHECKS} from '../../src/site-check/checks.js';
import {docsFolders} from '../../src/site-check/plugins.js';

const GOOD = {
  folder: '/site',
  output: '/site/book',
  configName: 'docusaurus.config.js',
  config: {
    future: {faster: true, v4: {removeLegacyPostBuildHeadAttribute: true}, experimental_vcs: {}},
    plugins: [guard, ['@docusaurus/plugin-content-docs', {path: 'book', showLastUpdateTime: true}]],
  },
  version: '3.10.2',
  fasterVersion: '3.10.2',
  package: {scripts: {prebuild: 'book-prebuild', build: 'docusaurus build'}},
  imports: [],
  ignored: true,
};
const OLD = {version: '3.9.2', fasterVersion: '3.9.2'};

const findings = (facts) => CHECKS.flatMap((check) => check({...GOOD, ...facts}));
const config = (changes) => ({config: {...GOOD.config, ...changes}});
const trouble = (facts) => findings(facts).filter(({level}) => level !== 'ok').map(({check, level, says}) => `${level} ${check}: ${says}`);

test('a site in order has nothing to say but that', () => {
  assert.deepEqual(trouble({}), []);
  assert.deepEqual(findings({}).map(({check}) => check), ['docs folder', 'faster', 'gitignore', 'scripts', 'guard']);
});

const WORKERS = {v4: {removeLegacyPostBuildHeadAttribute: true}};
for (const [name, facts, expected] of [
  ['another docs folder', {output: '/site/content'}, ['problem docs folder: the docs plugin reads book, hydrate fills content']],
  ['no docs plugin', config({plugins: [guard], presets: [['classic', {docs: false}]]}), ['problem docs folder: no docs plugin is configured']],
  ['the old flag on 3.10', config({future: {experimental_faster: true, experimental_vcs: {}}}), ['problem faster: future.experimental_faster is refused by Docusaurus 3.10.2']],
  ['the new flag on 3.9', {...OLD, ...config({future: {faster: true}, plugins: [guard, ['content-docs', {path: 'book'}]]})}, ['problem faster: future.faster is refused by Docusaurus 3.9.2']],
  ['the old flag on 3.9', {...OLD, ...config({future: {experimental_faster: true, ...WORKERS}, plugins: [guard, ['content-docs', {path: 'book'}]]})}, []],
  ['no flag', config({future: {experimental_vcs: {}}}), ['warning faster: is off']],
  ['the flag as an object', config({future: {faster: {rspackBundler: true}, experimental_vcs: {}}}), []],
  ['v4 means faster in 3.10', config({future: {v4: true, experimental_vcs: {}}}), []],
  ['v4 does not in 3.9', {...OLD, ...config({future: {v4: true}, plugins: [guard, ['content-docs', {path: 'book'}]]})}, ['warning faster: is off']],
  ['faster not installed', {fasterVersion: null}, ['problem faster: is on, but @docusaurus/faster is not installed']],
  ['faster of another version', {fasterVersion: '3.10.1'}, ['problem faster: @docusaurus/faster is 3.10.1, @docusaurus/core 3.10.2']],
  ['worker threads without their flag', config({future: {faster: true, experimental_vcs: {}}}), ['problem faster: rendering in worker threads needs a v4 flag']],
  ['dates out of git', config({future: {faster: true, ...WORKERS}}), ['warning last updated: is taken from git, which does not know hydrated lessons']],
  ['an import that breaks', {imports: ['src/a.js']}, ['warning imports: 1 file imports from @site/docs']],
  ['not ignored', {ignored: false}, ['warning gitignore: not ignored: book/']],
  ['not in git', {ignored: null}, []],
  ['an output elsewhere', {output: '/elsewhere', ...config({plugins: [guard, ['content-docs', {path: '../elsewhere'}]]}), ignored: false}, []],
  ['no hook', {package: {}}, ['warning scripts: npm run build does not hydrate']],
  ['a hook Yarn skips', {package: {...GOOD.package, packageManager: 'yarn@4.1.0'}}, ['warning scripts: yarn skips prebuild']],
  ['a hook pnpm 8 skips', {package: {...GOOD.package, packageManager: 'pnpm@8.6.0'}}, ['warning scripts: pnpm skips prebuild']],
  ['a hook others run', {package: {...GOOD.package, packageManager: 'pnpm@10.0.0'}}, []],
  ['book-build under Yarn', {package: {scripts: {build: 'book-build'}, packageManager: 'yarn@4.1.0'}}, []],
  ['no guard', config({plugins: [['content-docs', {path: 'book'}]]}), ['warning guard: is not configured: npx docusaurus build takes what lies there']],
]) {
  test(`it finds: ${name}`, () => assert.deepEqual(trouble(facts), expected));
}

test('the guard is known as a function, by its name and by its path', () => {
  for (const plugin of [guard, 'learn-app-hooks/guard', ['learn-app-hooks/guard', {}], '/x/node_modules/learn-app-hooks/src/guard/index.js']) {
    assert.deepEqual(trouble(config({plugins: [plugin, ['content-docs', {path: 'book'}]]})), []);
  }
});

test('imports from @site/docs are right where that is the docs folder', () => {
  const site = {output: '/site/docs', imports: ['src/a.js'], ...config({plugins: [guard, 'content-docs']})};
  assert.deepEqual(trouble(site), []);
});

test('docs plugins are found in every form Docusaurus takes', () => {
  const plugin = '/x/node_modules/@docusaurus/plugin-content-docs/lib/index.js';
  const forms = {
    plugins: ['content-docs', ['@docusaurus/plugin-content-docs', {path: 'a'}], [plugin, {path: 'b'}], null, false, () => {}],
    presets: ['classic', ['@docusaurus/preset-classic', {docs: {path: 'c'}}], ['other', {docs: {path: 'no'}}]],
  };
  assert.deepEqual(docsFolders(forms), ['docs', 'a', 'b', 'docs', 'c']);
  assert.deepEqual(docsFolders({}), []);
  assert.deepEqual(docsFolders({plugins: 'content-docs'}), []);
});
