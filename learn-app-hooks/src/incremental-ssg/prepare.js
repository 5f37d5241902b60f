/**
 * Before anything is rendered: whether the site suits, its keys, what is remembered under them, and the plan.
 *
 * Reads, and decides with `keys.js` and `plan.js`; renders and writes nothing.
 */
import path from 'node:path';

import {PageCache} from './cache.js';
import {differences, keysOf} from './keys.js';
import {changedParts} from './messages.js';
import {NAME} from './options.js';
import {matcher} from './patterns.js';
import {planPages} from './plan.js';
import {readSite} from './read-site.js';

function unsuited({router, props}) {
  if (router === 'hash') {
    return 'the hash router has no pages of its own';
  }
  if (!props.siteConfig.future?.v4?.removeLegacyPostBuildHeadAttribute) {
    return 'plugins may ask for the head of every page. Set future.v4.removeLegacyPostBuildHeadAttribute to true';
  }
  return undefined;
}

function cacheFolder({settings, args: {props}}) {
  return path.resolve(props.siteDir, settings.cacheDir ?? path.join('node_modules', '.cache', NAME));
}

/** What tells the states of one site and language from others in the same cache. */
export function siteName({siteDir, siteConfigPath, i18n}) {
  return JSON.stringify([i18n.currentLocale, path.relative(siteDir, siteConfigPath)]);
}

function whyNothing({states, damaged}, keys, site) {
  if (damaged.length > 0) {
    return `what the cache remembers is damaged or foreign: ${damaged.join(', ')}`;
  }
  const [last] = states.filter((one) => one.site === site).sort((a, b) => b.writtenAt - a.writtenAt);
  return last === undefined
    ? 'first build: no page is remembered'
    : changedParts(differences(last.shared, keys.shared), keys.split);
}

async function remembered(cache, keys, site) {
  try {
    const found = await cache.states();
    const state = found.states.find(({file}) => file === PageCache.fileOf(keys.sharedKey));
    return state === undefined ? {why: whyNothing(found, keys, site)} : {state};
  } catch (fault) {
    return {why: `the cache ${cache.folder} cannot be read (${fault.code ?? fault.message})`};
  }
}

/**
 * Everything a rendering has to know.
 *
 * @param {import('./render.js').Job} job
 * @returns {Promise<{problem: string} | object>} `problem`: why Docusaurus has to render alone. Else `site`, `keys`,
 *   `cache`, `plan`, and `state`, what is remembered, or `why` there is none
 */
export async function prepare(job) {
  const {args, settings, core, environment, now} = job;
  const problem = unsuited(args);
  if (problem !== undefined) {
    return {problem};
  }
  const site = await readSite(core, args, settings.inputs, environment);
  const keys = keysOf(site, {...settings, always: matcher(settings.always)});
  if (keys.problem !== undefined) {
    return keys;
  }
  const cache = new PageCache(cacheFolder(job));
  const {state, why} = await remembered(cache, keys, siteName(args.props));
  const plan = planPages(site.pathnames, keys.pages, state?.pages ?? {}, now - settings.maxAge);
  return {site, keys, cache, state, why, plan};
}
