/**
 * Lessons of the author's folder that were saved after the last hydrate: what the site would not show.
 *
 * Compares only what is younger than that hydrate, so what agents wrote meanwhile, or what is ignored for long, is no
 * news. Knows two folders; does not know how the one becomes the other.
 */

import {lstatSync, readdirSync} from 'node:fs';
import {join, relative, sep} from 'node:path';
import {digestOf} from './changed.js';
import {STATE} from './state.js';

const LESSON = /\.mdx?$/i;
const SKIPPED = new Set([STATE, 'node_modules', '.git']);

/**
 * Source paths that were saved since, sorted. A folder that is not there has none.
 * @param {string} source
 * @param {import('./state.js').ContentState} state
 * @returns {string[]}
 */
export function savedSince(source, {files, lookedAt}) {
  const hydrated = new Map(files.map(({path, digest}) => [path, digest]));
  const filtered = lstatSync(join(source, '.bookignore'), {throwIfNoEntry: false}) !== undefined;
  return [...young(source, lookedAt)]
    .map((path) => [relative(source, path).split(sep).join('/'), path])
    .filter(([name, path]) => {
      const digest = hydrated.get(name);
      return digest === undefined ? LESSON.test(name) && !filtered : digest !== digestOf(path);
    })
    .map(([name]) => name)
    .sort();
}

function* young(folder, since) {
  let entries = [];
  try {
    entries = readdirSync(folder, {withFileTypes: true});
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) {
      yield* young(path, since);
    } else if (entry.isFile() && (lstatSync(path, {throwIfNoEntry: false})?.mtimeMs ?? 0) > since) {
      yield path;
    }
  }
}
