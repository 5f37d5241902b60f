/**
 * Which scripts and styles of the client bundle a page can name, from the bundle's manifest.
 *
 * Knows the manifest; does not know pages.
 */

const HASH = /\.[0-9a-f]{8,}(?=\.\w+$)/;
// Put into HTML as it is: a name that would have to be escaped there is not handled.
const PLAIN = /^[\w./~-]+$/;

function filesOf(manifest, ids) {
  return ids.flatMap((id) => Object.values(manifest.assets[id] ?? {}).flat()).map(({file}) => file);
}

/**
 * The files that every page names, and what else of the manifest can reach a page.
 *
 * @param {{entrypoints: string[], origins: Record<string, (string | number)[]>, assets: object}} manifest
 * @param {Set<string>} chunkNames chunks of routes. A page asks for modules by their request, so an origin with the
 *   name of a chunk is never asked for
 * @returns {{entry: string[], shared: object} | undefined} undefined where a name is not plain
 */
export function readAssets(manifest, chunkNames) {
  const entry = [...new Set(filesOf(manifest, manifest.entrypoints.flatMap((name) => manifest.origins[name] ?? [])))];
  if (entry.length === 0 || !entry.every((file) => PLAIN.test(file))) {
    return undefined;
  }
  const steady = (file) => (entry.includes(file) ? file.replace(HASH, '') : file);
  const origins = Object.entries(manifest.origins).filter(([name]) => !chunkNames.has(name));
  return {
    entry,
    shared: {
      entrypoints: manifest.entrypoints,
      entry: entry.map(steady),
      origins: origins.map(([name, ids]) => [name, filesOf(manifest, ids).map(steady)]).sort(),
    },
  };
}
