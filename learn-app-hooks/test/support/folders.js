/** Folders for tests: made empty, filled from a map of paths to texts, gone afterwards. Knows the disk only. */

import {chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';

/** A folder of its own, removed when the test ends. */
export function folder(test, files = {}) {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'hooks-')));
  test.after(() => rmSync(place, {recursive: true, force: true}));
  put(place, files);
  return place;
}

/** Write files below a folder. */
export function put(place, files) {
  for (const [path, text] of Object.entries(files)) {
    const file = join(place, path);
    mkdirSync(dirname(file), {recursive: true});
    writeFileSync(file, text);
  }
}

/** Write a program that node runs. */
export function program(file, source) {
  mkdirSync(dirname(file), {recursive: true});
  writeFileSync(file, `#!${process.execPath}\n${source}`);
  chmodSync(file, 0o755);
  return file;
}
