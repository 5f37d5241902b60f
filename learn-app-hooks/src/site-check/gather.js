/**
 * The facts about a site, asked of the disk, of git and of Docusaurus' loader. Writes nothing.
 *
 * Knows where facts come from; what they mean is decided by `checks`.
 */

import {spawnSync} from 'node:child_process';
import {readFileSync, readdirSync} from 'node:fs';
import {basename, join, relative, sep} from 'node:path';
import {installedVersion} from '../installed.js';
import {loadConfiguration} from './load.js';

const CODE = /\.(?:mdx?|[jt]sx?)$/i;
const IMPORTED = '@site/docs/';
const MOST_FILES = 20_000;
const SKIPPED = new Set(['node_modules', '.panaversity', '.git', '.docusaurus', 'build']);

/**
 * @param {string} folder
 * @param {string} output
 * @param {string} path of the configuration
 * @returns {Promise<import('./checks.js').Facts>}
 */
export async function gather(folder, output, path) {
  return {
    folder,
    output,
    configName: basename(path),
    config: await loadConfiguration(folder, path),
    version: installedVersion('@docusaurus/core', folder),
    fasterVersion: installedVersion('@docusaurus/faster', folder),
    package: packageOf(folder),
    imports: importing([join(folder, 'src'), output]).map((file) => relative(folder, file).split(sep).join('/')),
    ignored: ignoredByGit(folder, output),
  };
}

function packageOf(folder) {
  try {
    const read = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return typeof read === 'object' && read !== null ? read : {};
  } catch {
    return {};
  }
}

/** Files below the folders that name `@site/docs/`. */
function importing(folders) {
  const files = folders.flatMap((folder) => [...below(folder)]).filter((file) => CODE.test(file)).slice(0, MOST_FILES);
  return files.filter((file) => {
    try {
      return readFileSync(file, 'utf8').includes(IMPORTED);
    } catch {
      return false;
    }
  });
}

function* below(folder) {
  let entries = [];
  try {
    entries = readdirSync(folder, {withFileTypes: true});
  } catch {
    return;
  }
  for (const entry of entries) {
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) {
      yield* below(join(folder, entry.name));
    } else if (entry.isFile()) {
      yield join(folder, entry.name);
    }
  }
}

/** Git's own word: true, false, or null outside of a repository and without git. */
function ignoredByGit(folder, output) {
  const done = spawnSync('git', ['check-ignore', '--quiet', '--no-index', join(output, 'lesson.md')], {cwd: folder, shell: false, stdio: 'ignore', timeout: 10_000});
  return done.status === 0 ? true : done.status === 1 ? false : null;
}
