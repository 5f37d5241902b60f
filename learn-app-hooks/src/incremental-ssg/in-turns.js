/** Many small jobs, a few at a time. Knows promises; does not know what is done. */

const AT_ONCE = 16;

/**
 * Do a job for each item, at most 16 at the same time; the answers in the order of the items.
 *
 * @template T, R
 * @param {readonly T[]} items
 * @param {(item: T) => Promise<R>} job the first that fails ends them all
 * @returns {Promise<R[]>}
 */
export async function inTurns(items, job) {
  const answers = new Array(items.length);
  let next = 0;
  async function worker() {
    while (next < items.length) {
      const mine = next++;
      answers[mine] = await job(items[mine]);
    }
  }
  await Promise.all(Array.from({length: Math.min(AT_ONCE, items.length)}, worker));
  return answers;
}
