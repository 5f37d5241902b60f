/**
 * Running the site's own Docusaurus.
 *
 * Knows where a package keeps its command; does not know books.
 */

import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {Failure, STATUS} from '../failure.js';
import {relay} from '../relay.js';
import {findInstalled} from '../installed.js';

/**
 * Run one of Docusaurus' commands in the site; answers its exit status.
 * @param {import('./hydrate.js').Scene} scene
 * @param {string[]} words
 * @returns {Promise<number>}
 * @throws {Failure} when Docusaurus is not installed
 */
export function runDocusaurus(scene, words) {
  const entry = entryOf(scene);
  const {PANAVERSITY_TOKEN: _, ...environ} = scene.environ; // the builder's alone: a site's plugins are nobody's we know
  // Not `.bin/docusaurus`: that is a shell script on Windows.
  return relay(scene.command, process.execPath, [entry, ...words], {cwd: scene.folder, env: environ});
}

function entryOf({command, folder}) {
  const manifest = findInstalled('@docusaurus/core', folder);
  if (manifest === null) {
    throw new Failure(command, folder, '@docusaurus/core is not installed here or above', 'Run npm ci, or what your package manager says', STATUS.phase);
  }
  return join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin.docusaurus);
}
