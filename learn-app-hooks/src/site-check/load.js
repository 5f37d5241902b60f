/**
 * A site's configuration as Docusaurus would see it: loaded by Docusaurus' own loader, not read as text.
 *
 * Runs the site's configuration file, as every build does. Knows where it is; does not know what it should say.
 */

import {existsSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {findInstalled} from '../installed.js';

const NAMES = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs'].map((end) => `docusaurus.config.${end}`);

/**
 * The configuration's path; null for a folder that is no site.
 * @param {string} folder
 * @returns {string | null}
 */
export function configurationOf(folder) {
  return NAMES.map((name) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/**
 * The configuration's value.
 * @param {string} folder
 * @param {string} path
 * @returns {Promise<Record<string, any>>}
 * @throws whatever the configuration throws, and an Error when Docusaurus is not installed
 */
export async function loadConfiguration(folder, path) {
  const core = findInstalled('@docusaurus/core', folder);
  if (core === null) {
    throw new Error('@docusaurus/core is not installed');
  }
  const {loadFreshModule} = createRequire(core)('@docusaurus/utils');
  const loaded = await inFolder(folder, () => loadFreshModule(path));
  const value = typeof loaded === 'function' ? await inFolder(folder, loaded) : await loaded;
  if (typeof value !== 'object' || value === null) {
    throw new Error('it exports no object');
  }
  return value;
}

/** What a site prints while it is loaded is not the answer of a command that prints JSON. */
async function inFolder(folder, run) {
  const {log, info} = console;
  const before = process.cwd();
  console.log = console.info = console.error;
  process.chdir(folder);
  try {
    return await run();
  } catch (fault) {
    throw fault.cause instanceof Error ? fault.cause : fault;
  } finally {
    process.chdir(before);
    Object.assign(console, {log, info});
  }
}
