/**
 * One rendering of a site: what has changed is rendered by Docusaurus, the rest is written as it is remembered.
 *
 * Whatever cannot be known leads to a full rendering, and one line says so. Does not know how Docusaurus is hooked, nor
 * how pages are chosen.
 */
import {readFile} from 'node:fs/promises';
import path from 'node:path';

import {fileOfPage, watchingWarnings} from './core.js';
import {inTurns} from './in-turns.js';
import {allLine, reasonOfAll, someLine, unkeptLine, verifiedLine, verifyFailure} from './messages.js';
import {decodeRecord, encodeRecord, sameData} from './page-record.js';
import {prepare, siteName} from './prepare.js';
import {fitting} from './retention.js';

/**
 * What a build brings along.
 *
 * @typedef {object} Job
 * @property {(args: object) => Promise<{collectedData: object}>} original Docusaurus' `executeSSG`
 * @property {object} args its arguments
 * @property {object} core as `findCore` describes it
 * @property {object} settings as `readOptions` gives them
 * @property {Record<string, string | undefined>} environment
 * @property {number} now milliseconds
 * @property {(line: string) => void} say
 */

/**
 * Render a site in the place of `executeSSG`.
 *
 * @param {Job} job
 * @returns {Promise<{collectedData: Record<string, object>}>} of every page, in the order of the site's pages
 * @throws {Error} what Docusaurus throws; with the mode verify also when a remembered page differs
 */
export async function renderSite(job) {
  const ready = await prepare(job).catch((fault) => ({problem: fault.message.split('\n')[0]}));
  if (ready.problem !== undefined) {
    const result = await job.original(job.args);
    job.say(allLine(job.args.props.routesPaths.length, ready.problem));
    return result;
  }
  return job.settings.mode === 'verify' ? verify(job, ready) : reuse(job, ready);
}

async function rendered({original, args, core}, pathnames) {
  if (pathnames.length === 0) {
    return {collectedData: {}, quiet: new Set()};
  }
  const some = {...args, props: {...args.props, routesPaths: pathnames}};
  return watchingWarnings(core.results, () => original(some));
}

/** A remembered page as of today; undefined when its record is not what was written. */
async function recalled({keys, cache, state}, pathname) {
  const bytes = await cache.record(state.pages[pathname].digest);
  return bytes && decodeRecord(bytes, keys.assets);
}

async function restored({core}, ready) {
  const {site, plan} = ready;
  const collectedData = {};
  await inTurns(plan.reuse, async (pathname) => {
    const page = await recalled(ready, pathname);
    if (page === undefined) {
      plan.render.set(pathname, 'unreadable');
      return;
    }
    await core.writeStaticFile({content: page.html, pathname, params: site.params});
    collectedData[pathname] = page.collectedData;
  });
  return collectedData;
}

async function reuse(job, ready) {
  const {plan, site, why} = ready;
  const kept = await restored(job, ready);
  const fresh = await rendered(job, site.pathnames.filter((pathname) => plan.render.has(pathname)));
  await remember(job, ready, fresh);
  const reused = Object.keys(kept).length;
  const all = allLine(site.pathnames.length, why ?? reasonOfAll(plan.render));
  job.say(reused === 0 ? all : someLine(plan.render, reused));
  const both = {...kept, ...fresh.collectedData};
  return {collectedData: Object.fromEntries(site.pathnames.map((pathname) => [pathname, both[pathname]]))};
}

/** Keep a page that was rendered now; undefined when it cannot be remembered faithfully. */
async function keptPage({args: {props}, now}, {site, keys, cache}, {collectedData, quiet}, pathname) {
  const key = keys.pages.get(pathname);
  if (key === undefined || !quiet.has(pathname)) {
    return undefined;
  }
  const html = await readFile(path.join(props.outDir, fileOfPage(pathname, site.params)));
  const bytes = encodeRecord({pathname, html, assets: keys.assets, collectedData: collectedData[pathname]});
  return bytes && {key, digest: await cache.keep(bytes), bytes: bytes.length, renderedAt: now};
}

async function rememberAll(job, ready, fresh) {
  const {site, keys, cache, state, plan} = ready;
  const {settings, now, args: {props}} = job;
  const entries = await inTurns([...new Set(site.pathnames)], async (pathname) => {
    const page = plan.render.has(pathname) ? await keptPage(job, ready, fresh, pathname) : state.pages[pathname];
    return [pathname, page];
  });
  const pages = fitting(Object.fromEntries(entries.filter(([, page]) => page !== undefined)), settings);
  await cache.keepState(keys.sharedKey, {site: siteName(props), writtenAt: now, shared: keys.shared, pages});
  await cache.prune(settings, now);
}

/** The site is built already: not being able to remember it is said, and no more. */
async function remember(job, ready, fresh) {
  await rememberAll(job, ready, fresh).catch((fault) => job.say(unkeptLine(fault)));
}

async function verify(job, ready) {
  const {site, keys, cache, plan} = ready;
  const {outDir} = job.args.props;
  const fresh = await rendered(job, site.pathnames);
  const verdicts = await inTurns(plan.reuse, async (pathname) => {
    const page = await recalled(ready, pathname);
    const html = await readFile(path.join(outDir, fileOfPage(pathname, site.params)));
    return page && html.equals(page.html) && sameData(page.collectedData, fresh.collectedData[pathname]);
  });
  const wrong = plan.reuse.filter((_, i) => verdicts[i] === false);
  if (wrong.length > 0) {
    await cache.forget(keys.sharedKey);
    throw new Error(verifyFailure(wrong));
  }
  const everything = new Map(site.pathnames.map((pathname) => [pathname, 'changed']));
  await remember(job, {...ready, plan: {render: everything}}, fresh);
  job.say(verifiedLine(site.pathnames.length, verdicts.filter(Boolean).length));
  return {collectedData: fresh.collectedData};
}
