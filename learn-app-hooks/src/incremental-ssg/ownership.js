/**
 * Which chunks belong to one page alone.
 *
 * A page is rendered from the chunks of every route that matches its path. Only an exact route with a plain path
 * matches a single page; a wrapper (a layout, a version, a sidebar) matches many. A chunk that is named by exact routes
 * of one path and by nothing else belongs to that page. Everything else is shared, whoever uses it.
 *
 * Knows routes and names; does not know what is in a chunk.
 */

// What means something other than itself in a path of the router. Such a route may match several pages.
const PATTERN = /[()*+?:\\[\]{}]/;

/**
 * Paths that the router cannot tell apart are one: it ignores case, a trailing slash and percent-encoding.
 *
 * @param {string} pathname
 * @returns {string | undefined} undefined for a path that cannot be decoded
 */
export function sameForRouter(pathname) {
  try {
    return decodeURI(pathname).toLowerCase().replace(/(.)\/+$/, '$1');
  } catch {
    return undefined;
  }
}

function inOrder(routes) {
  return routes.flatMap((route) => [route, ...inOrder(route.routes ?? [])]);
}

/**
 * Every route with the names of its chunks.
 *
 * Docusaurus writes `routesChunkNames.json` while it walks the routes, so the entries come in the order of the walk.
 * The key of an entry is the path and a short hash of the route's configuration, in which the last-updated time counts:
 * a new time renames a route. `stableKey` names the same route by its place.
 *
 * @param {object[]} routes `props.routes`
 * @param {Record<string, object>} chunkNames `routesChunkNames.json`
 * @returns {{route: object, key: string, stableKey: string, entry: object}[] | undefined} undefined for a misfit
 */
export function pairRoutes(routes, chunkNames) {
  const all = inOrder(routes);
  const entries = Object.entries(chunkNames);
  const places = new Map();
  if (all.length !== entries.length || all.some((route, i) => !entries[i][0].startsWith(`${route.path}-`))) {
    return undefined;
  }
  return all.map((route, i) => {
    const place = places.get(route.path) ?? 0;
    places.set(route.path, place + 1);
    return {route, key: entries[i][0], stableKey: `${route.path}-#${place}`, entry: entries[i][1]};
  });
}

/** All chunk names of one entry, however deep they lie. */
export function namesIn(entry) {
  return typeof entry === 'string' ? [entry] : Object.values(entry ?? {}).flatMap(namesIn);
}

function pageOf({path, exact, routes}) {
  return exact === true && !routes?.length && !PATTERN.test(path) ? sameForRouter(path) : undefined;
}

/**
 * The pages that own chunks.
 *
 * @param {NonNullable<ReturnType<typeof pairRoutes>>} pairs
 * @returns {Map<string, {entries: object[], chunks: string[]}>} by path as `sameForRouter` gives it
 */
export function ownership(pairs) {
  const users = new Map();
  const pages = new Map();
  for (const {route, entry} of pairs) {
    const page = pageOf(route);
    for (const name of namesIn(entry)) {
      users.set(name, (users.get(name) ?? new Set()).add(page));
    }
    if (page !== undefined) {
      const known = pages.get(page) ?? {entries: [], chunks: []};
      known.entries.push(entry);
      pages.set(page, known);
    }
  }
  for (const [name, [page, ...others]] of users) {
    if (page !== undefined && others.length === 0) {
      pages.get(page).chunks.push(name);
    }
  }
  return pages;
}
