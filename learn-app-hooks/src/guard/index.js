/**
 * The Docusaurus plugin `guard`: no site is built of content that is missing, half hydrated or stale.
 *
 * For whoever comes past the npm hooks: `npx docusaurus build`, an editor, a package manager that skips pre-scripts. It looks
 * before any other plugin reads content, and asks nobody. Knows Docusaurus' plugins; what it looks at is `content/judge`.
 */

import {resolve} from 'node:path';
import {judgeContent} from '../content/judge.js';
import {Failure} from '../failure.js';
import {readOptions} from './options.js';

/**
 * @param {{siteDir: string}} context
 * @param {import('./index.js').Options} given
 */
export default function guard(context, given = {}) {
  const options = readOptions(given);
  const docs = resolve(context.siteDir, options.path);
  const within = (path) => (path === undefined ? undefined : resolve(context.siteDir, path));
  if (options.mode !== 'off') {
    const verdict = judgeContent(docs, {...options, source: within(options.source), manifestFile: within(options.manifestFile)});
    if (verdict.state !== 'whole') {
      tell(new Failure('guard', docs, verdict.problem, `${verdict.hint}; or npm run build, where its prebuild does that`), options.mode);
    }
  }
  return {name: 'learn-app-hooks-guard'};
}

/** Whoever looks at a site being written is warned; whoever builds one is stopped. */
function tell(failure, mode) {
  if (mode === 'stop' || (mode === 'auto' && isBuild(process.env, process.argv))) {
    throw failure;
  }
  console.warn(`[WARNING] ${failure.message}`);
}

/** Docusaurus sets NODE_ENV for a build; with --dev it says development, and the command's name tells. */
function isBuild(environ, words) {
  return environ.NODE_ENV === 'production' || ['build', 'deploy'].includes(words[2]);
}
