/**
 * The plugins of a loaded configuration: which docs folders it reads, and whether ours are among them.
 *
 * PURE: the configuration comes in as a value. Knows the shapes Docusaurus takes; does not know what is right.
 */

const DOCS = new Set(['@docusaurus/plugin-content-docs', '@docusaurus/content-docs', 'content-docs']);
const CLASSIC = new Set(['classic', '@docusaurus/classic', '@docusaurus/preset-classic']);

/**
 * Folders the docs plugins read, as written; `docs` where none is said.
 * @param {Record<string, any>} config
 * @returns {string[]}
 */
export function docsFolders(config) {
  return docsOptions(config).map(({path = 'docs'}) => path);
}

/**
 * The options of every docs plugin.
 * @param {Record<string, any>} config
 * @returns {Record<string, any>[]}
 */
export function docsOptions(config) {
  const own = entries(config.plugins).filter(([name]) => DOCS.has(packageName(name))).map(([, options]) => options);
  const presets = entries(config.presets).filter(([name]) => CLASSIC.has(packageName(name)));
  return [...own, ...presets.map(([, {docs = {}}]) => docs).filter((docs) => docs !== false)];
}

/**
 * Whether a plugin of this package is configured: as a function, or by its module's name.
 * @param {Record<string, any>} config
 * @param {Function} plugin
 * @param {string} module as in `learn-app-hooks/guard`
 * @returns {boolean}
 */
export function hasPlugin(config, plugin, module) {
  // The loader of configurations makes its own copy of every module, so a function is known by its name.
  return entries(config.plugins).some(([found]) =>
    typeof found === 'function' ? found.name === plugin.name : typeof found === 'string' && found.replaceAll('\\', '/').replace('/src/', '/').includes(module),
  );
}

/** `[name or function, options]` of every entry that is not switched off. */
function entries(list) {
  return (Array.isArray(list) ? list : [])
    .filter(Boolean)
    .map((entry) => (Array.isArray(entry) ? [entry[0], entry[1] ?? {}] : [entry, {}]))
    .map(([found, options]) => [found, typeof options === 'object' ? options : {}]);
}

/** `require.resolve` leaves a path where a name was written. */
function packageName(name) {
  const path = typeof name === 'string' ? name.replaceAll('\\', '/') : '';
  return path.split('/node_modules/').at(-1).replace(/\/(?:lib|src)\/.*$/, '');
}
