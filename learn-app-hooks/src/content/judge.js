/**
 * Whether a docs folder holds a book, whole and up to date, as far as this machine can tell without asking anybody.
 *
 * Knows what the build state means; does not know who asks, nor what follows from the answer.
 */

import {shown} from '../failure.js';
import {changedFiles} from './changed.js';
import {savedSince} from './source.js';
import {readState} from './state.js';

const NAMED = 3;
const HYDRATE = 'Run panaversity hydrate';
const INGEST = 'Run panaversity build --until hydrate';
const HOUR = 60 * 60 * 1000;

/**
 * @typedef {object} Verdict
 * @property {'whole' | 'missing' | 'unfinished' | 'stale'} state
 * @property {string} problem what is wrong; empty for a whole one
 * @property {string} hint the command that helps
 * @property {Record<string, any> | null} manifest which manifest the folder holds
 */

/**
 * Judge a docs folder.
 * @param {string} docs
 * @param {{manifestFile?: string, bookId?: string, source?: string, maxAgeHours?: number, verify?: boolean, now?: number}} [options]
 * @returns {Verdict}
 */
export function judgeContent(docs, options = {}) {
  const state = readState(docs, options.manifestFile);
  const verdict = (word, problem, hint) => ({state: word, problem, hint, manifest: state.manifest});
  if (state.unfinished) {
    return verdict('unfinished', 'was only half hydrated: a run was interrupted', `${HYDRATE}, which goes on where it stopped`);
  }
  if (state.manifest === null && state.files.length === 0) {
    return verdict('missing', 'holds no hydrated content', `${HYDRATE}, or panaversity build --until hydrate for a book on this machine`);
  }
  const [problem, hint] = state.why ? [state.why, HYDRATE] : staleBecause(docs, state, options);
  return problem ? verdict('stale', problem, hint) : verdict('whole', '', '');
}

/** The first reason why the content is not what it should be and what helps; empty when there is none. */
function staleBecause(docs, state, {bookId, source, maxAgeHours, verify, now = Date.now()}) {
  if (bookId !== undefined && state.manifest.book_id !== bookId) {
    return [`holds the book ${shown(state.manifest.book_id)}, not ${bookId}`, `${HYDRATE} --book-id ${bookId}`];
  }
  const changed = changedFiles(docs, state, {verify});
  if (changed.length > 0) {
    return [`is not what was hydrated: ${few(changed)}`, HYDRATE];
  }
  const hours = (now - state.lookedAt) / HOUR;
  if (maxAgeHours !== undefined && hours > maxAgeHours) {
    return [`was last hydrated ${Math.floor(hours)} hours ago, more than ${maxAgeHours}`, HYDRATE];
  }
  const saved = source === undefined ? [] : savedSince(source, state);
  return saved.length > 0 ? [`lacks what was saved since it was hydrated: ${few(saved)}`, INGEST] : ['', ''];
}

function few(lines) {
  const more = lines.length - NAMED;
  return lines.slice(0, NAMED).map(shown).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
