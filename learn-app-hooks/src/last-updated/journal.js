/**
 * When and by whom each hydrated file was last written, as the builder left it.
 *
 * Knows `metadata.json`; does not know Docusaurus. What cannot be used is said once, and then nothing is known.
 */

import {existsSync, statSync} from 'node:fs';
import {isAbsolute, join, relative, sep} from 'node:path';
import {STATE, readDocument} from '../content/state.js';

const HELP = 'Run panaversity hydrate --metadata yes';

/**
 * @typedef {object} Journal
 * @property {number} at which `metadata.json` this is of, see `writtenAt`
 * @property {(file: string) => boolean} has whether a file lies in the hydrated folder
 * @property {(file: string) => {at: number, by: string} | null} find its last write: milliseconds since 1970, and agent
 */

/**
 * Read the journal of a docs folder. Never throws.
 * @param {string} docs
 * @param {(line: string) => void} warn
 * @returns {Journal}
 */
export function readJournal(docs, warn) {
  const at = writtenAt(docs);
  const {rows, why} = rowsOf(docs);
  if (why !== '' && existsSync(join(docs, STATE))) { // a folder that was never hydrated is the guard's matter
    warn(`${docs}: ${why}, so no page tells when it was last updated. ${HELP}.`);
  }
  const inside = (file) => relative(docs, file);
  return {
    at,
    has: (file) => isBelow(inside(file)),
    find: (file) => rows.get(inside(file).split(sep).join('/')) ?? null,
  };
}

/**
 * When `metadata.json` was written, in milliseconds since 1970; 0 where there is none.
 * @param {string} docs
 * @returns {number}
 */
export function writtenAt(docs) {
  return statSync(join(docs, STATE, 'metadata.json'), {throwIfNoEntry: false})?.mtimeMs ?? 0;
}

function rowsOf(docs) {
  const none = (why) => ({rows: new Map(), why});
  const metadata = readDocument(join(docs, STATE, 'metadata.json'));
  if (metadata.document === null) {
    return none(metadata.why);
  }
  const manifest = readDocument(join(docs, STATE, 'manifest.json'), 'schema_version').document;
  if (manifest !== null && manifest.manifest_hash !== metadata.document.manifest_hash) {
    return none('metadata.json is of another state of the book than the content');
  }
  return {rows: new Map(usable(metadata.document.files)), why: ''};
}

function usable(files) {
  return Object.entries(files ?? {})
    .map(([path, row]) => [path, {at: Date.parse(row?.at), by: String(row?.by ?? '')}])
    .filter(([, row]) => Number.isFinite(row.at));
}

function isBelow(path) {
  return path !== '' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}
