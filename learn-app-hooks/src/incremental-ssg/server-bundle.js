/**
 * What renders the pages: the files of the server bundle, as digests of exactly the code that is executed.
 *
 * Knows files and the few lines of a bundler's runtime; does not know which chunk belongs to which page.
 */
import {createHash} from 'node:crypto';
import {readdir, readFile} from 'node:fs/promises';
import path from 'node:path';

import {inTurns} from './in-turns.js';

const CHUNK_FILE = /^(.*\/)?([^/]+)\.([0-9a-f]{8,})\.js$/;
const BUILTIN = /^module\.exports = require\("([^"]+)"\);?$/gm;
const VARIABLE = /\bprocess\.env(?:\.|\[["'])([A-Za-z_]\w*)/g;
// Data, such as the descriptions of all lessons: words, whatever they name.
const DATA = /^module\.exports = (?:\/\*\s*#__PURE__\s*\*\/\s*)?JSON\.parse\(.*$/gm;
const DESTRUCTURED = /\{([^{}]*)\}\s*=\s*process\.env\b/g;

// Modules of Node that give the same answer to the same question. React's own renderer needs some of them.
const PURE = new Set([
  'assert', 'async_hooks', 'buffer', 'crypto', 'diagnostics_channel', 'events', 'path', 'path/posix', 'path/win32',
  'punycode', 'querystring', 'stream', 'stream/consumers', 'stream/promises', 'stream/web', 'string_decoder', 'url',
  'util', 'util/types', 'zlib',
]);

const CONTENT_HASH = /(:\s*)"([0-9a-f]{8,})"/g;
const ROUTE_KEY = /"([^"\\\n]*-[0-9a-f]{3,4})"(?=\s*:)/g;
const ROUTE_CALL = /(["'])([^"'\\\n]*)\1(,\s*)(["'])([0-9a-f]{3,4})\4/g;

/** SHA-256 of text or bytes, in hex. */
export function digestOf(content) {
  return createHash('sha256').update(content).digest('hex');
}

function builtinsIn(source) {
  return [...source.matchAll(BUILTIN)].map(([, name]) => name.replace(/^node:/, '')).filter((name) => !PURE.has(name));
}

function variablesIn(source) {
  const taken = [...source.matchAll(DESTRUCTURED)].flatMap(([, names]) => names.match(/[A-Za-z_]\w*/g) ?? []);
  return [...[...source.matchAll(VARIABLE)].map(([, name]) => name), ...taken];
}

/**
 * What a file of the bundle can see besides its own code.
 *
 * @param {Buffer} content
 * @returns {{builtins: string[], variables: string[]}} modules of Node whose answers change, and environment variables
 */
export function viewOf(content) {
  const foreign = content.includes('module.exports = require(');
  const environment = content.includes('process.env');
  const source = foreign || environment ? content.toString('utf8').replace(DATA, '') : '';
  return {
    builtins: foreign ? [...new Set(builtinsIn(source))].sort() : [],
    variables: environment ? [...new Set(variablesIn(source))].sort() : [],
  };
}

async function readChunk(folder, name) {
  const content = await readFile(path.join(folder, name));
  const [, where = '', chunk, hash] = CHUNK_FILE.exec(name) ?? [];
  return {
    chunk,
    hash,
    file: chunk === undefined ? name : `${where}${chunk}.js`,
    digest: digestOf(content),
    ...viewOf(content),
  };
}

/**
 * Read the whole server bundle.
 *
 * @param {string} entryPath the file that Docusaurus evaluates
 * @returns the text of the entry, and each other file: its chunk name and content hash (undefined where its name has
 *   none), its name without the hash, the digest of its bytes, and what it can see
 */
export async function readServerBundle(entryPath) {
  const folder = path.dirname(entryPath);
  const found = await readdir(folder, {recursive: true, withFileTypes: true});
  const names = found
    .filter((one) => one.isFile())
    .map((one) => path.relative(folder, path.join(one.parentPath ?? one.path, one.name)).split(path.sep).join('/'))
    .filter((name) => name !== path.basename(entryPath))
    .sort();
  const entry = await readFile(entryPath);
  return {
    entry: entry.toString('utf8'),
    view: viewOf(entry),
    chunks: await inTurns(names, (name) => readChunk(folder, name)),
  };
}

/**
 * The entry without what changes although nothing else does: the content hashes of chunks that are judged on their own,
 * and the hashes in the names of routes.
 *
 * @param {string} source
 * @param {Set<string>} hashes content hashes of chunks that belong to one page
 * @param {Map<string, string>} stableKeys key of a route → its stable key
 */
export function steadyEntry(source, hashes, stableKeys) {
  const start = source.indexOf('__webpack_require__.u = ');
  const next = start < 0 ? -1 : source.indexOf('// webpack/runtime/', start);
  const end = next < 0 ? source.length : next;
  const names = start < 0 ? '' : source.slice(start, end);
  const steadyNames = names.replace(CONTENT_HASH, (all, colon, hash) => (hashes.has(hash) ? `${colon}""` : all));
  const [before, after] = start < 0 ? [source, ''] : [source.slice(0, start), source.slice(end)];
  return steadyRoutes(before, stableKeys) + steadyNames + steadyRoutes(after, stableKeys);
}

function steadyRoutes(source, stableKeys) {
  const steadyKey = (all, key) => (stableKeys.has(key) ? `"${stableKeys.get(key)}"` : all);
  const steadyCall = (all, _, route, comma, __, hash) => {
    const stable = stableKeys.get(`${route}-${hash}`);
    return stable === undefined ? all : `"${stable}"${comma}""`;
  };
  return source.replace(ROUTE_KEY, steadyKey).replace(ROUTE_CALL, steadyCall);
}
