/**
 * Which versions of the Python builder go with this package.
 *
 * PURE: knows version numbers; does not know where a builder is.
 */

/** From the first (included) to the second (excluded): before 1.0 a minor release may change the command line. */
export const RANGE = {from: '0.1.0', below: '0.2.0'};

/** The distribution that holds the builder, as a requirement for a Python package manager. */
export const REQUIREMENT = `panaversity-fs[server]>=${RANGE.from},<${RANGE.below}`;

/**
 * The version in what `panaversity --version` prints; null for any other text.
 * @param {string} printed
 * @returns {string | null}
 */
export function versionIn(printed) {
  return /^panaversity, version (\d{1,6}\.\d{1,6}(?:\.\d{1,6})?\S{0,40})\s*$/m.exec(printed)?.[1] ?? null;
}

/**
 * Why a version does not go with this package; null when it does.
 * @param {string} version
 * @returns {string | null}
 */
export function misfit(version) {
  if (compare(version, RANGE.from) < 0) {
    return `${version} is too old, ${RANGE.from} or newer is needed`;
  }
  return compare(version, RANGE.below) < 0 ? null : `${version} is too new, one below ${RANGE.below} is needed`;
}

/** Below 0, 0 or above 0. A pre-release counts as its release. */
function compare(one, other) {
  const [left, right] = [one, other].map((version) => version.split(/[^\d.]/)[0].split('.').map(Number));
  const at = [0, 1, 2].find((index) => (left[index] || 0) !== (right[index] || 0));
  return at === undefined ? 0 : (left[at] || 0) - (right[at] || 0);
}
