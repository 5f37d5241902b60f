/**
 * Remembered pages on disk.
 *
 *     state-<shared key>.json   which pages are remembered under this key, and the digest of each
 *     pages/ab/<digest>         one record a page, named after the digest of its bytes
 *
 * Every file is written beside its name and then renamed, the state last: a build that is ended at any time, or another
 * that runs at the same time, leaves no half a state. A record is believed only when its bytes have its digest.
 *
 * Knows files; does not know what a record holds or which page is worth remembering.
 */
import {randomBytes} from 'node:crypto';
import {mkdir, readdir, readFile, rename, rm, stat, writeFile} from 'node:fs/promises';
import path from 'node:path';

import {inTurns} from './in-turns.js';
import {staying} from './retention.js';
import {digestOf} from './server-bundle.js';

/** Raised with every change of what is written here or of how a page's key is made. */
export const FORMAT = 1;

const STATE = /^state-[0-9a-f]{64}\.json$/;
// A file that no state names may belong to a build that is still writing. It is left alone for so long.
const GRACE = 60 * 60 * 1000;

const isText = (value) => typeof value === 'string';
const isDigest = (value) => isText(value) && /^[0-9a-f]{64}$/.test(value);
const isObject = (value) => typeof value === 'object' && value !== null;

function isPage(page) {
  return isDigest(page?.key) && isDigest(page.digest) && [page.bytes, page.renderedAt].every(Number.isFinite);
}

function isState(value) {
  return (
    value?.schema_version === FORMAT && isText(value.site) && Number.isFinite(value.writtenAt) &&
    isObject(value.shared) && isObject(value.pages) && Object.values(value.pages).every(isPage)
  );
}

async function replace(file, content) {
  const beside = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  await mkdir(path.dirname(file), {recursive: true});
  await writeFile(beside, content);
  await rename(beside, file);
}

async function listed(folder, options) {
  try {
    return await readdir(folder, options);
  } catch (fault) {
    if (fault.code === 'ENOENT') {
      return [];
    }
    throw fault;
  }
}

/** The remembered pages below one folder, which need not exist. */
export class PageCache {
  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
  }

  /**
   * All states.
   *
   * @returns {Promise<{states: object[], damaged: string[]}>} each with its `file`; names of those that are none
   * @throws {Error} when the folder cannot be read
   */
  async states() {
    const names = (await listed(this.folder)).filter((name) => STATE.test(name)).sort();
    const states = await inTurns(names, (name) => this.#state(name));
    return {states: states.filter(Boolean), damaged: names.filter((_, i) => states[i] === undefined)};
  }

  async #state(file) {
    try {
      const state = JSON.parse(await readFile(path.join(this.folder, file), 'utf8'));
      return isState(state) ? {...state, file} : undefined;
    } catch {
      return undefined;
    }
  }

  /** The file of a shared key. */
  static fileOf(sharedKey) {
    return `state-${sharedKey}.json`;
  }

  #page(digest) {
    return path.join(this.folder, 'pages', digest.slice(0, 2), digest);
  }

  /**
   * One record.
   *
   * @returns {Promise<Buffer | undefined>} undefined when it is not there, not readable or not what was written
   */
  async record(digest) {
    try {
      const bytes = await readFile(this.#page(digest));
      return digestOf(bytes) === digest ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Keep a record.
   *
   * @param {Buffer} bytes
   * @returns {Promise<string>} its digest
   */
  async keep(bytes) {
    const digest = digestOf(bytes);
    await replace(this.#page(digest), bytes);
    return digest;
  }

  /** Keep a state; its records have to be kept before. */
  async keepState(sharedKey, state) {
    const file = path.join(this.folder, PageCache.fileOf(sharedKey));
    await replace(file, `${JSON.stringify({schema_version: FORMAT, ...state})}\n`);
  }

  /** Forget a state. */
  async forget(sharedKey) {
    await rm(path.join(this.folder, PageCache.fileOf(sharedKey)), {force: true});
  }

  /** Delete the states beyond the bounds, and what no state needs any more. */
  async prune(bounds, now) {
    const {states, damaged} = await this.states();
    const kept = staying(states, bounds, now);
    const gone = [...damaged, ...states.map(({file}) => file).filter((file) => !kept.has(file))];
    await inTurns(gone, (file) => rm(path.join(this.folder, file), {force: true}));
    const pages = states.filter(({file}) => kept.has(file)).flatMap((state) => Object.values(state.pages));
    await this.#sweep(new Set(pages.map(({digest}) => digest)), now);
  }

  async #sweep(needed, now) {
    const found = await listed(this.folder, {recursive: true, withFileTypes: true});
    const mine = ({name}) => name.endsWith('.tmp') || isDigest(name);
    const unneeded = found.filter((one) => one.isFile() && mine(one) && !needed.has(one.name));
    await inTurns(unneeded, async (one) => {
      const file = path.join(one.parentPath ?? one.path, one.name);
      const {mtimeMs} = await stat(file).catch(() => ({mtimeMs: now}));
      if (now - mtimeMs > GRACE) {
        await rm(file, {force: true});
      }
    });
  }
}
