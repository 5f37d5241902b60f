/**
 * The options of the guard: their names, what they may hold, and what they are when left out.
 *
 * PURE.
 */

import {Failure} from '../failure.js';

const MODES = ['auto', 'stop', 'warn', 'off'];
const text = (value) => typeof value === 'string' && value !== '';

const OPTIONS = {
  id: [text, 'a text'],
  path: [text, 'the docs folder that hydrate fills, as seen from the site'],
  mode: [(value) => MODES.includes(value), MODES.join(', ')],
  bookId: [text, 'the id of a book'],
  source: [text, "the author's folder, as seen from the site"],
  manifestFile: [text, 'a path, as seen from the site'],
  maxAgeHours: [(value) => Number.isFinite(value) && value > 0, 'a number of hours above 0'],
  verify: [(value) => typeof value === 'boolean', 'true or false'],
};

/**
 * @param {Record<string, unknown>} given
 * @returns {import('./index.js').Options & {path: string, mode: string}}
 * @throws {Failure}
 */
export function readOptions(given) {
  for (const [name, value] of Object.entries(given)) {
    const option = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    if (option === undefined) {
      throw new Failure('guard', `option ${name}`, 'is not known', `Known are ${Object.keys(OPTIONS).join(', ')}`);
    }
    if (value !== undefined && !option[0](value)) {
      throw new Failure('guard', `option ${name}`, `is ${JSON.stringify(value)}`, `It takes ${option[1]}`);
    }
  }
  return {path: 'book', mode: 'auto', ...given};
}
