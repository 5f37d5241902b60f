/**
 * Which files of a docs folder are not what a hydrate wrote.
 *
 * A file is read only when its size is right and it is younger than the list it is on; a folder of a thousand lessons costs
 * a thousand looks and no reading. Knows the disk; does not know what a difference means.
 */

import {createHash} from 'node:crypto';
import {lstatSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

/**
 * The differences, as lines for people: `missing PATH` or `altered PATH`.
 * @param {string} docs
 * @param {import('./state.js').ContentState} state
 * @param {{verify?: boolean}} options `verify` reads every file
 * @returns {string[]}
 */
export function changedFiles(docs, {files, writtenAt}, {verify = false} = {}) {
  return files.flatMap((owned) => {
    const path = join(docs, owned.path);
    const found = lstatSync(path, {throwIfNoEntry: false});
    if (found === undefined) {
      return [`missing ${owned.path}`];
    }
    const suspect = verify || found.mtimeMs > writtenAt;
    const same = found.isFile() && found.size === owned.size && (!suspect || digestOf(path) === owned.digest);
    return same ? [] : [`altered ${owned.path}`];
  });
}

/**
 * The SHA-256 of a file's bytes; null when it cannot be read.
 * @param {string} path
 * @returns {string | null}
 */
export function digestOf(path) {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return null;
  }
}
