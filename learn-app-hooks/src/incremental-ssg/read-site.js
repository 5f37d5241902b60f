/**
 * Reads what the keys are made of: generated files, bundles, versions, the lock file, the environment, extra inputs.
 *
 * Knows where things lie; does not know what they mean for a page.
 */
import {readdir, readFile, stat} from 'node:fs/promises';
import {createRequire} from 'node:module';
import path from 'node:path';

import {FORMAT} from './cache.js';
import {inTurns} from './in-turns.js';
import {matcher} from './patterns.js';
import {digestOf, readServerBundle} from './server-bundle.js';

const LOCK_FILES = [
  'package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb', 'deno.lock',
];
// They run outside of the bundle and shape the HTML.
const RENDERERS = [
  '@docusaurus/bundler', '@docusaurus/faster', '@docusaurus/utils', '@docusaurus/utils-common', '@swc/html', 'eta',
  'html-minifier-terser', 'react-loadable-ssr-addon-v5-slorber',
];
// Variables that Node, its time zones and languages, and Docusaurus read at any time.
const STEERING =
  /^(TZ|LANG|LANGUAGE|LC_\w+|NODE_(ENV|OPTIONS|ICU_DATA)|BABEL_ENV|SKIP_HTML_MINIFICATION|DOCUSAURUS_\w+)$/;
// These change how much is done at once, shown or kept, never a page.
const HARMLESS =
  /^DOCUSAURUS_(PERF_LOGGER|KEEP_SERVER_BUNDLE|NO_PERSISTENT_CACHE|SSR_CONCURRENCY|SSG_WORKER_THREAD_\w+)$/;

const readJson = async (file) => JSON.parse(await readFile(file, 'utf8'));

/** The environment variables that count for every page. */
export function steeringVariables(environment) {
  return Object.keys(environment).filter((name) => STEERING.test(name) && !HARMLESS.test(name));
}

async function filesBelow(place) {
  if (!(await stat(place)).isDirectory()) {
    return [place];
  }
  const found = await readdir(place, {recursive: true, withFileTypes: true});
  return found.filter((one) => !one.isDirectory()).map((one) => path.join(one.parentPath ?? one.path, one.name)).sort();
}

async function digestOfPlace(siteDir, name) {
  try {
    const files = await filesBelow(path.resolve(siteDir, name));
    return await inTurns(files, async (file) => [path.relative(siteDir, file), digestOf(await readFile(file))]);
  } catch (fault) {
    throw new Error(`the extra input ${name} cannot be read (${fault.code ?? fault.message})`);
  }
}

async function readInputs(inputs, siteDir, environment) {
  const read = await inTurns(inputs, async ({routes, files, env}) => {
    const everywhere = routes.includes('**');
    const fits = matcher(routes);
    const digests = await inTurns(files, (name) => digestOfPlace(siteDir, name));
    return {
      counts: (pathname) => (pathname === undefined ? everywhere : !everywhere && fits(pathname)),
      value: [digests, env.map((name) => [name, environment[name] ?? null])],
    };
  });
  return (pathname) => read.filter((one) => one.counts(pathname)).map((one) => one.value);
}

async function lockfileAbove(folder) {
  const texts = await inTurns(LOCK_FILES, (name) => readFile(path.join(folder, name)).catch(() => undefined));
  const found = LOCK_FILES.flatMap((name, i) => (texts[i] === undefined ? [] : [[name, digestOf(texts[i])]]));
  const parent = path.dirname(folder);
  return found.length > 0 || parent === folder ? found : lockfileAbove(parent);
}

function versionOf(name, places) {
  for (const place of places) {
    try {
      return createRequire(place)(`${name}/package.json`).version;
    } catch {
      // not to be seen from there
    }
  }
  return null;
}

async function rendererOf(core) {
  const names = (await readdir(core.folder)).filter((name) => name.endsWith('.js')).sort();
  const own = path.join(core.folder, 'ssgExecutor.js');
  const places = [own];
  for (const name of ['@docusaurus/bundler', '@docusaurus/faster']) {
    try {
      places.push(createRequire(own).resolve(name));
    } catch {
      // a site without it
    }
  }
  return {
    version: core.version,
    sources: await inTurns(names, async (name) => [name, digestOf(await readFile(path.join(core.folder, name)))]),
    versions: RENDERERS.map((name) => [name, versionOf(name, places)]),
  };
}

/**
 * Everything `keysOf` asks for, and `params`, which Docusaurus' own functions take.
 *
 * @param {object} core as `findCore` describes it
 * @param {{props: object, serverBundlePath: string, clientManifestPath: string}} args of `executeSSG`
 * @param {object[]} inputs of the options
 * @param {Record<string, string | undefined>} environment
 */
export async function readSite(core, {props, serverBundlePath, clientManifestPath}, inputs, environment) {
  const params = await core.createSSGParams({props, serverBundlePath, clientManifestPath});
  const {manifest, outDir: _, serverBundlePath: __, ...parameters} = params;
  const {version, arch, platform, versions} = process;
  return {
    params,
    parameters,
    manifest,
    routes: props.routes,
    pathnames: props.routesPaths,
    chunkNames: await readJson(path.join(props.generatedFilesDir, 'routesChunkNames.json')),
    bundle: await readServerBundle(serverBundlePath),
    format: FORMAT,
    node: [version, arch, platform, versions.v8, versions.icu, versions.cldr, versions.tz],
    renderer: await rendererOf(core),
    lockfile: await lockfileAbove(props.siteDir),
    environment,
    steering: steeringVariables(environment),
    inputsOf: await readInputs(inputs, props.siteDir, environment),
  };
}
