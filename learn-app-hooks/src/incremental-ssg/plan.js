/**
 * Which pages are rendered, and why.
 *
 * Decides with values only; reads and writes nothing.
 */

/**
 * @typedef {{key: string, digest: string, bytes: number, renderedAt: number}} Remembered
 * @typedef {'new' | 'changed' | 'always' | 'too old' | 'unreadable'} Why
 */

function whyRender(key, remembered, oldest) {
  if (key === undefined) {
    return 'always';
  }
  if (remembered === undefined) {
    return 'new';
  }
  if (remembered.key !== key) {
    return 'changed';
  }
  return remembered.renderedAt < oldest ? 'too old' : undefined;
}

/**
 * Sort the pages of a site.
 *
 * @param {string[]} pathnames
 * @param {Map<string, string | undefined>} keys undefined: this page is always rendered
 * @param {Record<string, Remembered>} pages those remembered under the same shared key
 * @param {number} oldest a page rendered before this time (milliseconds) is rendered again
 * @returns {{render: Map<string, Why>, reuse: string[]}}
 */
export function planPages(pathnames, keys, pages, oldest) {
  const render = new Map();
  const reuse = [];
  for (const pathname of new Set(pathnames)) {
    const why = whyRender(keys.get(pathname), Object.hasOwn(pages, pathname) ? pages[pathname] : undefined, oldest);
    if (why === undefined) {
      reuse.push(pathname);
    } else {
      render.set(pathname, why);
    }
  }
  return {render, reuse};
}
