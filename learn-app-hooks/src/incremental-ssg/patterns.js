/**
 * Route patterns: `*` stands for anything within one segment, `**` for anything at all.
 *
 * Knows text; does not know which routes there are.
 */

const SPECIAL = /[\\^$.|?+()[\]{}]/g;

function expression(pattern) {
  const source = pattern
    .split(/(\*+)/)
    .map((part) => (part === '*' ? '[^/]*' : part.startsWith('*') ? '.*' : part.replace(SPECIAL, '\\$&')))
    .join('');
  return new RegExp(`^${source}/?$`);
}

/**
 * Whether a path name, base URL included, fits one of the patterns. A trailing slash makes no difference.
 *
 * @param {string[]} patterns
 * @returns {(pathname: string) => boolean}
 */
export function matcher(patterns) {
  const expressions = patterns.map((pattern) => expression(pattern.length > 1 ? pattern.replace(/\/$/, '') : pattern));
  return (pathname) => expressions.some((one) => one.test(pathname));
}
