/**
 * What the builder left beside the content: `.panaversity/manifest.json`, the index of its files, an unfinished plan.
 *
 * Reads; never throws for what it finds. Knows the file formats (version 1); does not judge them.
 */

import {readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {unseal} from './seal.js';

export const STATE = '.panaversity';
const FORMAT = 1;

/**
 * @typedef {object} Owned one file that a hydrate wrote
 * @property {string} path
 * @property {string} digest
 * @property {number} size in bytes
 */

/**
 * @typedef {object} ContentState
 * @property {Record<string, any> | null} manifest which manifest the folder holds
 * @property {Owned[]} files what a hydrate wrote
 * @property {number} writtenAt milliseconds since 1970: when that list was written
 * @property {number} lookedAt milliseconds since 1970: when a hydrate last began here
 * @property {boolean} unfinished a hydrate did not end
 * @property {string} why why manifest or index are not usable; empty when they are
 */

/**
 * Read the build state of a docs folder. `manifestFile` is where manifest.json was moved to, if it was.
 * @param {string} docs
 * @param {string} [manifestFile]
 * @returns {ContentState}
 */
export function readState(docs, manifestFile) {
  const manifest = readDocument(manifestFile ?? join(docs, STATE, 'manifest.json'), 'schema_version');
  const index = readDocument(join(docs, STATE, 'index'), 'format');
  const {files, pending} = listed(index.document);
  return {
    manifest: manifest.document,
    files,
    writtenAt: index.at,
    lookedAt: modified(join(docs, STATE, 'lock')) ?? index.at,
    unfinished: pending || modified(join(docs, STATE, 'plan.json')) !== null,
    why: [manifest, index].map(({why}) => why).filter(Boolean).join('; '),
  };
}

/**
 * One sealed document of the state.
 * @param {string} path
 * @param {string} version the key that holds its format
 * @returns {{document: Record<string, any> | null, at: number, why: string}}
 */
export function readDocument(path, version = 'format') {
  const name = path.split(/[\\/]/).at(-1);
  try {
    const read = unseal(readFileSync(path));
    if (read.why !== undefined) {
      return {document: null, at: 0, why: `${name} ${read.why}`};
    }
    if (read.document[version] !== FORMAT) {
      return {document: null, at: 0, why: `${name} has another format than this package reads`};
    }
    return {document: read.document, at: modified(path) ?? 0, why: ''};
  } catch (fault) {
    return {document: null, at: 0, why: fault.code === 'ENOENT' ? `${name} is not there` : `${name} cannot be read (${fault.code})`};
  }
}

function listed(index) {
  const rows = Array.isArray(index?.files) ? index.files : [];
  return {
    files: rows.filter(Array.isArray).map(([path, digest, size]) => ({path: String(path), digest: String(digest), size: Number(size)})),
    pending: Array.isArray(index?.pending) && index.pending.length > 0,
  };
}

/** Milliseconds since 1970, or null where nothing is. */
function modified(path) {
  return statSync(path, {throwIfNoEntry: false})?.mtimeMs ?? null;
}
