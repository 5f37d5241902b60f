/**
 * What a page's HTML depends on, as keys: one that all pages share and one a page.
 *
 * The shared key covers everything that is not known to belong to one page. Decides with values only; reads nothing.
 */
import {namesIn, ownership, pairRoutes, sameForRouter} from './ownership.js';
import {readAssets} from './client-assets.js';
import {digestOf, steadyEntry} from './server-bundle.js';

/** The parts of the shared key, in the words of the log. */
export const PARTS = {
  format: 'this plugin',
  node: 'Node',
  renderer: 'Docusaurus or its minifier',
  lockfile: 'the lock file',
  parameters: 'head tags, the template or settings of the site',
  environment: 'the environment',
  assets: 'the set of scripts and styles',
  code: 'code or data that pages share',
  inputs: 'an extra input of all pages',
};

const digestOfValue = (value) => digestOf(JSON.stringify(value));

function valuesOf(names, environment) {
  return [...new Set(names)].sort().map((name) => [name, environment[name] ?? null]);
}

function owned(bundle, pages) {
  const owner = new Map([...pages].flatMap(([page, {chunks}]) => chunks.map((name) => [name, page])));
  const files = new Map();
  for (const chunk of bundle.chunks) {
    const page = owner.get(chunk.chunk);
    if (page !== undefined) {
      files.set(page, [...(files.get(page) ?? []), chunk]);
    }
  }
  return {files, shared: bundle.chunks.filter((chunk) => !owner.has(chunk.chunk))};
}

/**
 * The keys of a site, or why there are none.
 *
 * @param {object} site what was read: `routes`, `chunkNames`, `manifest`, `bundle`, `pathnames`, `environment`, the
 *   values `node`, `renderer`, `lockfile`, `parameters`, `steering` (variables that count for every page), and
 *   `inputsOf(pathname)`, the extra inputs of a page
 * @param {{allowBuiltins: string[], always: (pathname: string) => boolean}} settings
 * @returns {{problem: string} | {shared: Record<string, string>, sharedKey: string,
 *   pages: Map<string, string | undefined>, assets: string[],
 *   split: boolean}} `split`: pages have files of their own in the server bundle
 */
export function keysOf(site, settings) {
  const pairs = pairRoutes(site.routes, site.chunkNames);
  if (pairs === undefined) {
    return {problem: 'routesChunkNames.json does not fit the routes of the site'};
  }
  const assets = readAssets(site.manifest, new Set(namesIn(site.chunkNames)));
  if (assets === undefined) {
    return {problem: 'client-manifest.json does not name the entry files as expected'};
  }
  const pages = ownership(pairs);
  const {files, shared} = owned(site.bundle, pages);
  const views = [site.bundle.view, ...shared];
  const foreign = views.flatMap((view) => view.builtins).find((name) => !settings.allowBuiltins.includes(name));
  if (foreign !== undefined) {
    return {problem: foreignModule(foreign)};
  }
  const parts = sharedParts(site, {pairs, files, shared, views, assets});
  const pageKey = (pathname) => keyOfPage(pathname, {site, settings, pages, files});
  return {
    shared: parts,
    sharedKey: digestOfValue(parts),
    pages: new Map(site.pathnames.map((pathname) => [pathname, pageKey(pathname)])),
    assets: assets.entry,
    split: files.size > 0,
  };
}

function foreignModule(name) {
  return (
    `code that pages share uses the Node module ${name}, so it may read what is in no chunk. ` +
    'Name that in the option inputs and the module in allowBuiltins'
  );
}

function sharedParts(site, {pairs, files, shared, views, assets}) {
  const hashes = new Set([...files.values()].flat().map((chunk) => chunk.hash));
  const stableKeys = new Map(pairs.map(({key, stableKey}) => [key, stableKey]));
  const variables = views.flatMap((view) => view.variables);
  const values = {
    format: site.format,
    node: site.node,
    renderer: site.renderer,
    lockfile: site.lockfile,
    parameters: site.parameters,
    environment: valuesOf([...variables, ...site.steering], site.environment),
    assets: assets.shared,
    code: [steadyEntry(site.bundle.entry, hashes, stableKeys), shared.map(({file, digest}) => [file, digest])],
    inputs: site.inputsOf(undefined),
  };
  return Object.fromEntries(Object.entries(values).map(([part, value]) => [part, digestOfValue(value)]));
}

function keyOfPage(pathname, {site, settings, pages, files}) {
  const name = sameForRouter(pathname);
  const chunks = files.get(name) ?? [];
  const sees = chunks.flatMap((chunk) => chunk.builtins).some((one) => !settings.allowBuiltins.includes(one));
  if (name === undefined || sees || settings.always(pathname)) {
    return undefined;
  }
  return digestOfValue([
    pathname,
    pages.get(name)?.entries ?? [],
    chunks.map(({file, digest}) => [file, digest]),
    valuesOf(chunks.flatMap((chunk) => chunk.variables), site.environment),
    site.inputsOf(pathname),
  ]);
}

/**
 * Which parts of the shared key differ, in the words of the log.
 *
 * @param {Record<string, string>} before
 * @param {Record<string, string>} now
 */
export function differences(before, now) {
  return Object.keys(PARTS).filter((name) => before[name] !== now[name]).map((name) => PARTS[name]);
}
