/**
 * Which version of a package a site would load.
 *
 * Knows how Node looks for packages; does not know what they are for.
 */

import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';

/**
 * The path of the package.json of a package, as seen from a folder; null when it is not installed.
 * @param {string} name
 * @param {string} folder
 * @returns {string | null}
 */
export function findInstalled(name, folder) {
  try {
    return createRequire(join(folder, 'package.json')).resolve(`${name}/package.json`);
  } catch {
    return null;
  }
}

/**
 * The version of an installed package; null when there is none, or it does not say.
 * @param {string} name
 * @param {string} folder
 * @returns {string | null}
 */
export function installedVersion(name, folder) {
  const manifest = findInstalled(name, folder);
  try {
    const {version} = manifest === null ? {} : JSON.parse(readFileSync(manifest, 'utf8'));
    return typeof version === 'string' ? version : null;
  } catch {
    return null;
  }
}

/**
 * Whether a version is at least major.minor.
 * @param {string | null} version
 * @param {number} major
 * @param {number} minor
 * @returns {boolean}
 */
export function isAtLeast(version, major, minor) {
  const [found, its] = (version ?? '').split('.').map((part) => Number.parseInt(part, 10));
  return found > major || (found === major && its >= minor);
}
