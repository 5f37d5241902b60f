/**
 * The words of the hook commands: what is ours, and what goes on to the builder or to Docusaurus.
 *
 * PURE. Knows words; does not know what is done with them.
 */

import {Failure, STATUS} from '../failure.js';

const POLICIES = ['fail', 'use-cache'];
const SITE = '--site-dir';
/** The builder's options that decide which settings there are: whose book.toml is read, and the server itself. */
const SETTLING = [SITE, '--server-url'];

/**
 * @typedef {object} Wishes
 * @property {boolean} ingest the book is made equal to its source first, where both are on this machine
 * @property {'fail' | 'use-cache' | null} onUnavailable null: as the command's name says
 * @property {boolean} help
 * @property {string[]} builder words for the builder
 * @property {string[]} site words for Docusaurus
 */

/**
 * Read the words of a command. `runsSite` says whether words that are not ours are Docusaurus' or the builder's; those
 * after `--` always are the builder's.
 * @param {string} command
 * @param {string[]} words
 * @param {boolean} runsSite
 * @returns {Wishes}
 * @throws {Failure}
 */
export function readWords(command, words, runsSite) {
  const wishes = {ingest: false, onUnavailable: null, help: false, builder: [], site: []};
  const end = words.indexOf('--');
  const own = end === -1 ? words : words.slice(0, end);
  const others = runsSite ? wishes.site : wishes.builder;
  for (let at = 0; at < own.length; at += 1) {
    const [name, inline] = split(own[at]);
    if (name === '--ingest' && inline === undefined) {
      wishes.ingest = true;
    } else if (name === '--help' || name === '-h') {
      wishes.help = true;
    } else if (name === '--on-unavailable') {
      wishes.onUnavailable = policy(command, inline ?? own[(at += 1)]);
    } else {
      others.push(own[at]);
    }
  }
  wishes.builder.push(...(end === -1 ? [] : words.slice(end + 1)));
  return wishes;
}

/**
 * The builder's words with the site, which is where npm runs scripts unless they name another.
 * @param {string[]} words
 */
export function withSite(words) {
  return words.some((word) => split(word)[0] === SITE) ? words : [SITE, '.', ...words];
}

/**
 * Those of the builder's words that decide which settings its command has; another command with them has the same.
 * @param {string[]} words
 */
export function settingWords(words) {
  return words.flatMap((word, at) => {
    const [name, inline] = split(word);
    return SETTLING.includes(name) ? words.slice(at, inline === undefined ? at + 2 : at + 1) : [];
  });
}

function split(word) {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function policy(command, value) {
  if (!POLICIES.includes(value)) {
    throw new Failure(command, '--on-unavailable', `takes ${POLICIES.join(' or ')}`, `See ${command} --help`, STATUS.usage);
  }
  return value;
}
