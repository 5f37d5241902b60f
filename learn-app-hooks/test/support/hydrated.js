/** A docs folder as the builder leaves it, for tests. Its formats are compared with the real builder's in tests/hooks. */

import {createHash} from 'node:crypto';
import {utimesSync} from 'node:fs';
import {join} from 'node:path';
import {put} from './folders.js';

export const digest = (data) => createHash('sha256').update(data).digest('hex');

/** The document with its checksum as last key. */
export function sealed(document) {
  const body = JSON.stringify(document).slice(0, -1);
  return `${body},"checksum":"${digest(body)}"}\n`;
}

/** Let a folder hold these lessons, hydrated `minutes` ago. */
export function hydrated(docs, lessons, {minutes = 10, written, bookId = 'demo', manifest = 'a'.repeat(64)} = {}) {
  const rows = Object.entries(lessons).map(([path, text]) => [path, digest(text), Buffer.byteLength(text)]);
  put(docs, lessons);
  const state = {
    'manifest.json': sealed({book_id: bookId, manifest_hash: manifest, file_count: rows.length, schema_version: 1}),
    index: sealed({format: 1, files: rows, folders: [], pending: []}),
    lock: 'process 1',
    ...(written && {'metadata.json': sealed({format: 1, book_id: bookId, manifest_hash: manifest, revision: 1, files: written})}),
  };
  put(join(docs, '.panaversity'), state);
  const files = [...Object.keys(lessons), ...Object.keys(state).map((name) => `.panaversity/${name}`)];
  files.forEach((path) => age(join(docs, path), minutes));
}

/** Let a file be so many minutes old. */
export function age(file, minutes) {
  const when = new Date(Date.now() - minutes * 60_000);
  utimesSync(file, when, when);
}
