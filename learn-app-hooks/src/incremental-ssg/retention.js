/**
 * How much is remembered: the newest first, within bounds of entries, bytes and age.
 *
 * Decides with values only; deletes nothing.
 */

/** Remembered states a site and language keeps: this one and the one before, so that a branch and back is quick. */
const STATES = 2;

/**
 * As many pages as fit.
 *
 * @template {{bytes: number}} P
 * @param {Record<string, P>} pages
 * @param {{maxEntries: number, maxBytes: number}} bounds
 * @returns {Record<string, P>} the first ones
 */
export function fitting(pages, {maxEntries, maxBytes}) {
  let bytes = 0;
  const kept = Object.entries(pages)
    .slice(0, maxEntries)
    .filter(([, page]) => (bytes += page.bytes) <= maxBytes);
  return Object.fromEntries(kept);
}

/**
 * Which remembered states stay.
 *
 * @param {{file: string, site: string, writtenAt: number, pages: Record<string, {bytes: number}>}[]} states
 * @param {{maxEntries: number, maxBytes: number, maxAge: number}} bounds
 * @param {number} now milliseconds
 * @returns {Set<string>} files of the states that stay
 */
export function staying(states, {maxEntries, maxBytes, maxAge}, now) {
  const perSite = new Map();
  const kept = new Set();
  let entries = 0;
  let bytes = 0;
  for (const {file, site, writtenAt, pages} of [...states].sort((a, b) => b.writtenAt - a.writtenAt)) {
    const mine = (perSite.get(site) ?? 0) + 1;
    perSite.set(site, mine);
    const sizes = Object.values(pages).map((page) => page.bytes);
    const sum = sizes.reduce((a, b) => a + b, 0);
    const fits = entries + sizes.length <= maxEntries && bytes + sum <= maxBytes;
    if (mine <= STATES && now - writtenAt <= maxAge && fits) {
      kept.add(file);
      entries += sizes.length;
      bytes += sum;
    }
  }
  return kept;
}
