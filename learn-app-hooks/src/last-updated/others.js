/**
 * Who tells of files that are not hydrated: nobody, one of Docusaurus' own providers, or the site's.
 *
 * Knows Docusaurus' names for them; does not know the journal.
 */

import {createRequire} from 'node:module';
import {Failure} from '../failure.js';
import {findInstalled} from '../installed.js';

const NOBODY = {
  initialize: () => {},
  getFileCreationInfo: async () => null,
  getFileLastUpdateInfo: async () => null,
};

/**
 * @param {string | object} otherwise
 * @param {string} folder the site's
 * @returns {import('./index.js').Provider}
 * @throws {Failure} for a name Docusaurus does not know
 */
export function otherProvider(otherwise, folder) {
  if (typeof otherwise === 'object' && otherwise !== null) {
    return otherwise;
  }
  if (otherwise === 'disabled') {
    return NOBODY;
  }
  const core = findInstalled('@docusaurus/core', folder);
  const names = core === null ? [] : createRequire(core)('@docusaurus/utils').VcsPresetNames ?? [];
  if (!names.includes(otherwise)) {
    throw new Failure('manifestVcs', 'option otherwise', `is ${JSON.stringify(otherwise)}`, `Give a provider, or one of ${['disabled', ...names.filter((name) => name !== 'disabled')].join(', ')}`);
  }
  return createRequire(core)('@docusaurus/utils').getVcsPreset(otherwise);
}
