/**
 * The private parts of Docusaurus that this plugin hooks into, and whether they are as it knows them.
 *
 * Docusaurus has no official way to render some of its pages (facebook/docusaurus#9820). It calls `executeSSG` through
 * the exports of a module, so a wrapper put there is called instead. Nothing is touched unless version and source of
 * everything that is relied on fit.
 *
 * Knows Docusaurus' modules; does not know which pages are rendered.
 */
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

const EXECUTOR = '/@docusaurus/core/lib/ssg/ssgExecutor.js';
const KNOWN_VERSIONS = /^3\.(9|10)\.\d+$/;
// On the exports of Docusaurus' module, because this module itself is loaded anew for each language.
const HOOK = Symbol.for('incremental-ssg.hook');

// What has to stand in the source of each function, white space aside, for this plugin to know what it does.
const SIGNATURES = {
  executeSSG: [
    'executeSSG({props,serverBundlePath,clientManifestPath,router,})', 'pathnames:props.routesPaths', 'returnresult',
  ],
  createSSGParams: [
    'createSSGParams({props,serverBundlePath,clientManifestPath,})', 'manifest,', 'outDir:props.outDir',
  ],
  writeStaticFile: [
    'writeStaticFile({content,pathname,params,})', 'params.outDir', 'params.trailingSlash', 'params.baseUrl',
  ],
  createGlobalSSGResult: ['createGlobalSSGResult(ssgResults)', 'return{collectedData}'],
};
const CALLER = '(0,ssgExecutor_1.executeSSG)({props,serverBundlePath,clientManifestPath,router,})';
const CALLEE = '(0,ssgGlobalResult_1.createGlobalSSGResult)(';

const dense = (source) => source.replace(/\s+/g, '');

/**
 * What is not as this plugin knows it.
 *
 * @param {string} version of @docusaurus/core
 * @param {Record<string, unknown>} functions those named in `SIGNATURES`
 * @param {{caller: string, executor: string}} sources of the modules that call them
 * @returns {string | undefined} undefined when everything fits
 */
export function misfit(version, functions, {caller, executor}) {
  if (!KNOWN_VERSIONS.test(version)) {
    return `Docusaurus ${version} is not known to this version of the plugin, which knows 3.9 and 3.10`;
  }
  for (const [name, pieces] of Object.entries(SIGNATURES)) {
    const one = functions[name];
    const source = typeof one === 'function' ? dense(String(one)) : '';
    if (!pieces.every((piece) => source.includes(piece))) {
      return `${name} of Docusaurus ${version} is not as this version of the plugin knows it`;
    }
  }
  const called = dense(caller).includes(CALLER) && dense(executor).includes(CALLEE);
  return called ? undefined : `Docusaurus ${version} does not call its renderer as this version of the plugin knows it`;
}

function runningExecutor() {
  const loaded = Object.keys(require.cache).filter((file) => file.split(path.sep).join('/').endsWith(EXECUTOR));
  return loaded.length === 1 ? loaded[0] : undefined;
}

/**
 * The parts of the Docusaurus that runs in this process.
 *
 * @returns {{problem: string} | object} `problem` says why its pages cannot be rendered one by one
 */
export function findCore() {
  const executor = runningExecutor();
  if (executor === undefined) {
    return {problem: 'the Docusaurus that runs was not found'};
  }
  try {
    return describe(path.dirname(executor));
  } catch (fault) {
    return {problem: `a part of Docusaurus cannot be loaded: ${fault.message.split('\n')[0]}`};
  }
}

function describe(folder) {
  const part = (name) => require(path.join(folder, `${name}.js`));
  const source = (name) => readFileSync(path.join(folder, `${name}.js`), 'utf8');
  const {version} = require(path.join(folder, '../../package.json'));
  const executor = part('ssgExecutor');
  const results = part('ssgGlobalResult');
  const {createSSGParams} = part('ssgParams');
  const {writeStaticFile} = part('ssgUtils');
  const executeSSG = executor[HOOK]?.original ?? executor.executeSSG;
  const functions = {executeSSG, createSSGParams, writeStaticFile, ...results};
  const sources = {caller: source('../commands/build/buildLocale'), executor: source('ssgExecutor')};
  const problem = misfit(version, functions, sources);
  return problem === undefined ? {folder, version, executor, results, createSSGParams, writeStaticFile} : {problem};
}

/**
 * Put a function in the place of `executeSSG`. A second time it takes the place of the first one, even when someone
 * else has wrapped that: each language of a site loads its plugins anew, in one process.
 *
 * @param {{executeSSG: Function}} executor exports of the module
 * @param {(original: Function, args: object) => Promise<object>} render
 */
export function hook(executor, render) {
  if (executor[HOOK] === undefined) {
    const mine = {original: executor.executeSSG, render};
    executor[HOOK] = mine;
    executor.executeSSG = (args) => (mine.render ? mine.render(mine.original, args) : mine.original(args));
  }
  executor[HOOK].render = render;
}

/** Let Docusaurus alone again, where there is a hook. */
export function unhook(executor) {
  if (executor[HOOK] !== undefined) {
    executor[HOOK].render = undefined;
  }
}

// Every page of React 18 has it; Docusaurus does not show it either.
const UNSHOWN = 'Unexpected null character';

/**
 * Run a rendering and see which pages warned. They are not remembered, so that a warning is shown with every build.
 *
 * @param {{createGlobalSSGResult: Function}} results exports of the module
 * @param {() => Promise<object>} run
 * @returns {Promise<{collectedData: Record<string, object>, quiet: Set<string>}>} `quiet`: pages seen that did not warn
 */
export async function watchingWarnings(results, run) {
  const original = results.createGlobalSSGResult;
  const quiet = new Set();
  results.createGlobalSSGResult = (all) => {
    for (const {success, pathname, result} of all) {
      if (success && result.warnings.every((warning) => warning.includes(UNSHOWN))) {
        quiet.add(pathname);
      }
    }
    return original(all);
  };
  try {
    return {collectedData: (await run()).collectedData, quiet};
  } finally {
    results.createGlobalSSGResult = original;
  }
}

/**
 * The file of a page below the output folder, as Docusaurus' own `writeStaticFile` names it.
 *
 * @param {string} pathname
 * @param {{baseUrl: string, trailingSlash: boolean | undefined}} params
 */
export function fileOfPage(pathname, {baseUrl, trailingSlash}) {
  const local = baseUrl !== '/' && pathname.startsWith(baseUrl) ? `/${pathname.slice(baseUrl.length)}` : pathname;
  const name = local.replace(/^[/\\]/, '');
  if (/\.html?$/i.test(name)) {
    return name;
  }
  const folder = trailingSlash !== false || local === '' || local.endsWith('/');
  return folder ? path.join(name, 'index.html') : `${name}.html`;
}
