/**
 * What a site's configuration should say for a hydrated, quick build: every check from facts to findings.
 *
 * PURE. Knows Docusaurus' versions and flags; does not know where the facts come from.
 */

import {relative, resolve, sep} from 'node:path';
import {isAtLeast} from '../installed.js';
import {docsFolders, docsOptions, hasPlugin} from './plugins.js';
import guard from '../guard/index.js';

/**
 * @typedef {object} Finding what was looked at, how it is, and what to do; as `panaversity doctor` shows it
 * @property {string} check
 * @property {'ok' | 'warning' | 'problem'} level
 * @property {string} says
 * @property {string | null} do
 * @property {string[]} listed
 * @property {number} exit_status what a build would end with because of a problem
 */

/**
 * @typedef {object} Facts
 * @property {string} folder the site's
 * @property {string} output the docs folder hydrate fills
 * @property {string} configName the configuration's file name
 * @property {Record<string, any>} config
 * @property {string | null} version of @docusaurus/core
 * @property {string | null} fasterVersion of @docusaurus/faster
 * @property {Record<string, any>} package package.json
 * @property {string[]} imports files that import from @site/docs
 * @property {boolean | null} ignored whether git ignores the output folder; null outside of git
 */

const finding = (check, level, says, hint = null, exitStatus = 0, listed = []) => ({
  check, level, says, do: hint, listed, exit_status: exitStatus,
});

/** @param {Facts} facts @returns {Finding[]} */
export function checkFaster({config, version, fasterVersion, configName}) {
  const future = config.future ?? {};
  const renamed = isAtLeast(version, 3, 10);
  const [wanted, other] = renamed ? ['faster', 'experimental_faster'] : ['experimental_faster', 'faster'];
  if (future[other] !== undefined) {
    return [finding('faster', 'problem', `future.${other} is refused by Docusaurus ${version}`, `In ${configName} call it future.${wanted}`, 14)];
  }
  const value = future[wanted] ?? (renamed && (future.v4 === true || future.v4?.fasterByDefault === true));
  if (!value) {
    const hint = `Set future: {${wanted}: true} and install @docusaurus/faster: large books build in a third of the time`;
    return [finding('faster', 'warning', 'is off', hint)];
  }
  return fasterTrouble(future, value, version, fasterVersion, configName) ?? [finding('faster', 'ok', `future.${wanted} is on`)];
}

function fasterTrouble(future, value, version, fasterVersion, configName) {
  if (fasterVersion === null) {
    return [finding('faster', 'problem', 'is on, but @docusaurus/faster is not installed', `Install @docusaurus/faster@${version}`, 14)];
  }
  if (fasterVersion !== version) {
    return [finding('faster', 'problem', `@docusaurus/faster is ${fasterVersion}, @docusaurus/core ${version}`, 'Install both in the same version', 14)];
  }
  const workers = value === true || value.ssgWorkerThreads === true;
  if (workers && future.v4 !== true && future.v4?.removeLegacyPostBuildHeadAttribute !== true) {
    const hint = `In ${configName}: future: {v4: {removeLegacyPostBuildHeadAttribute: true}}. The other v4 flags can stay off`;
    return [finding('faster', 'problem', 'rendering in worker threads needs a v4 flag', hint, 14)];
  }
  return null;
}

/** @param {Facts} facts @returns {Finding[]} */
export function checkDocsFolder({config, folder, output, configName}) {
  const read = docsFolders(config);
  const wanted = within(folder, output);
  if (read.some((path) => resolve(folder, path) === output)) {
    return [finding('docs folder', 'ok', `the docs plugin reads ${wanted}, which hydrate fills`)];
  }
  const says = read.length === 0 ? 'no docs plugin is configured' : `the docs plugin reads ${read.join(', ')}, hydrate fills ${wanted}`;
  return [finding('docs folder', 'problem', says, `In ${configName}: path: '${wanted}'`, 15)];
}

/** @param {Facts} facts @returns {Finding[]} */
export function checkImports({folder, output, imports}) {
  const place = within(folder, output);
  if (imports.length === 0 || place === 'docs') {
    return [];
  }
  const says = `${imports.length} ${imports.length === 1 ? 'file imports' : 'files import'} from @site/docs`;
  return [finding('imports', 'warning', says, `Import from @site/${place}, or by a relative path: the hydrated lessons lie there`, 0, imports)];
}

/** @param {Facts} facts @returns {Finding[]} */
export function checkIgnored({folder, output, ignored}) {
  const place = within(folder, output);
  if (ignored === null || place.startsWith('..')) {
    return [];
  }
  return ignored
    ? [finding('gitignore', 'ok', `${place}/ is ignored`)]
    : [finding('gitignore', 'warning', `not ignored: ${place}/`, `Add to .gitignore: ${place}/`)];
}

/** @param {Facts} facts @returns {Finding[]} */
export function checkScripts({package: {scripts = {}, packageManager = ''}}) {
  const runs = (name, command) => typeof scripts[name] === 'string' && scripts[name].includes(command);
  const whole = runs('build', 'book-build');
  const manager = /^(yarn)@[^1]|^(pnpm)@[678]\./.exec(packageManager);
  if (!whole && !runs('prebuild', 'book-prebuild')) {
    const hint = 'In package.json: "prebuild": "book-prebuild", "prestart": "book-prestart"; or "build": "book-build"';
    return [finding('scripts', 'warning', 'npm run build does not hydrate', hint)];
  }
  if (!whole && manager) {
    return [finding('scripts', 'warning', `${manager[1] ?? manager[2]} skips prebuild`, 'In package.json: "build": "book-build", "start": "book-start"')];
  }
  return [finding('scripts', 'ok', 'npm run build hydrates')];
}

/** @param {Facts} facts @returns {Finding[]} */
export function checkGuard({config, configName}) {
  return hasPlugin(config, guard, 'learn-app-hooks/guard')
    ? [finding('guard', 'ok', 'a build without content is stopped')]
    : [finding('guard', 'warning', 'is not configured: npx docusaurus build takes what lies there', `In ${configName}: plugins: [guard]`)];
}

/** @param {Facts} facts @returns {Finding[]} */
export function checkLastUpdated({config, version, configName}) {
  const shown = docsOptions(config).some((options) => options.showLastUpdateTime || options.showLastUpdateAuthor);
  const provider = config.future?.experimental_vcs;
  if (!shown || (typeof provider === 'object' && provider !== null)) {
    return [];
  }
  const hint = isAtLeast(version, 3, 10)
    ? `In ${configName}: future: {experimental_vcs: manifestVcs()}`
    : 'Upgrade to Docusaurus 3.10, whose last-updated data can come from the book';
  return [finding('last updated', 'warning', 'is taken from git, which does not know hydrated lessons', hint)];
}

/** Every check, in the order in which a build would meet its trouble. */
export const CHECKS = [checkDocsFolder, checkImports, checkFaster, checkLastUpdated, checkIgnored, checkScripts, checkGuard];

function within(folder, output) {
  return relative(folder, output).split(sep).join('/') || '.';
}
