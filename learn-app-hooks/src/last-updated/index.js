/**
 * `manifestVcs()`: last-updated time and author of hydrated lessons, from the book's journal.
 *
 * For `future.experimental_vcs` of Docusaurus 3.10. The builder leaves `.panaversity/metadata.json` beside the content when
 * the site's configuration names this function. Knows Docusaurus' provider; the file is `journal.js`.
 */

import {resolve} from 'node:path';
import {Failure} from '../failure.js';
import {installedVersion, isAtLeast} from '../installed.js';
import {readJournal, writtenAt} from './journal.js';
import {otherProvider} from './others.js';

const OPERATION = 'manifestVcs';
const NEEDED = [3, 10];

/**
 * @param {import('./index.js').Options} [options]
 * @returns {import('./index.js').Provider}
 */
export function manifestVcs({path = 'book', authors = {}, otherwise = 'disabled', siteDir = process.cwd()} = {}) {
  requireDocusaurus(siteDir);
  const others = otherProvider(otherwise, siteDir);
  const named = typeof authors === 'function' ? authors : (agent) => authors[agent] ?? agent;
  let [folder, journal] = [siteDir, null];
  const read = () => {
    const docs = resolve(folder, path);
    if (journal === null || journal.at !== writtenAt(docs)) { // `docusaurus start` goes on while a hydrate changes it
      journal = readJournal(docs, (line) => console.warn(`[WARNING] ${OPERATION}: ${line}`));
    }
    return journal;
  };
  // Docusaurus counts: each of these functions must have exactly one parameter.
  return {
    initialize(site) {
      [folder, journal] = [site.siteDir, null];
      read();
      others.initialize(site);
    },
    async getFileCreationInfo(file) {
      return read().has(file) ? null : others.getFileCreationInfo(file); // who began a lesson is not told
    },
    async getFileLastUpdateInfo(file) {
      const found = read();
      if (!found.has(file)) {
        return others.getFileLastUpdateInfo(file);
      }
      const row = found.find(file);
      return row === null ? null : {timestamp: row.at, author: named(row.by)};
    },
  };
}

/** Docusaurus 3.9 would only say that the field is not allowed. */
function requireDocusaurus(folder) {
  const version = installedVersion('@docusaurus/core', folder);
  if (version !== null && !isAtLeast(version, ...NEEDED)) {
    throw new Failure(
      OPERATION,
      `@docusaurus/core ${version}`,
      `has no last-updated provider, which came with ${NEEDED.join('.')}`,
      'Upgrade Docusaurus, or leave future.experimental_vcs out',
    );
  }
}
