/** Many small jobs, a few at a time. Knows promises; does not know what is done. */

const AT_ONCE = 16;

/**
 * Do a job for each item, at most 16 at the same time; the answers in the order of the items. After one that failed none
 * is begun.
 *
 * @template T, R
 * @param {readonly T[]} items
 * @param {(item: T) => Promise<R>} job
 * @returns {Promise<R[]>}
 * @throws what the first job that failed threw
 */
export async function inTurns(items, job) {
  const answers = new Array(items.length);
  let next = 0;
  async function worker() {
    while (next < items.length) {
      const mine = next++;
      try {
        answers[mine] = await job(items[mine]);
      } catch (failure) {
        next = items.length;
        throw failure;
      }
    }
  }
  await Promise.all(Array.from({length: Math.min(AT_ONCE, items.length)}, worker));
  return answers;
}
