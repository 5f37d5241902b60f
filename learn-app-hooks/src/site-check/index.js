/**
 * The check of a site's configuration: everything that keeps a hydrated site from being built, or from being built quickly.
 *
 * Changes nothing. Knows the order: find, load, judge; the checks are in `checks`.
 */

import {resolve} from 'node:path';
import {STATUS, shown} from '../failure.js';
import {CHECKS} from './checks.js';
import {gather} from './gather.js';
import {configurationOf} from './load.js';

/**
 * Check a site.
 * @param {string} site its folder
 * @param {{output?: string}} [options] `output` is the docs folder that hydrate fills, as seen from the site
 * @returns {Promise<import('./checks.js').Finding[]>}
 */
export async function checkSite(site, {output = 'book'} = {}) {
  const folder = resolve(site);
  const path = configurationOf(folder);
  if (path === null) {
    return [problem('site', `${folder} holds no docusaurus.config file`, 'Give the folder of a Docusaurus site', STATUS.configuration)];
  }
  let facts;
  try {
    facts = await gather(folder, resolve(folder, output), path);
  } catch (fault) {
    return [problem('configuration', `${path} cannot be loaded: ${shown(fault.message)}`, 'Correct it, or run npm ci', STATUS.phase)];
  }
  return CHECKS.flatMap((check) => check(facts));
}

/**
 * What a build would end with: the status of the first problem, 0 when there is none.
 * @param {import('./checks.js').Finding[]} findings
 * @returns {number}
 */
export function statusOf(findings) {
  return findings.find(({level}) => level === 'problem')?.exit_status ?? 0;
}

function problem(check, says, hint, exitStatus) {
  return {check, level: 'problem', says, do: hint, listed: [], exit_status: exitStatus};
}
