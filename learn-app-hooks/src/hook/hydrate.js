/**
 * Bringing the book into the site's docs folder before Docusaurus looks at it.
 *
 * Knows which of the builder's commands does that and what its failures mean to a site; does not know how it is done.
 */

import {execFileSync} from 'node:child_process';
import {resolve} from 'node:path';
import {findBuilder} from '../builder/find.js';
import {judgeContent} from '../content/judge.js';
import {Failure} from '../failure.js';
import {relay} from '../relay.js';
import {settingWords, withSite} from './words.js';

/**
 * @typedef {object} Scene
 * @property {string} command how messages name this command
 * @property {'build' | 'start'} aim what comes after
 * @property {string} folder the site's
 * @property {Record<string, string | undefined>} environ
 * @property {(line: string) => void} say
 */

/**
 * Hydrate; answers the exit status, 0 when Docusaurus may go on.
 *
 * Where the aim is `start`, a server out of reach costs a warning as long as the folder can be made whole from what is on
 * this machine; where it is `build`, a site is never built of something old unless that was asked for.
 * @param {Scene} scene
 * @param {import('./words.js').Wishes} wishes
 * @returns {Promise<number>}
 * @throws {Failure} when there is no builder
 */
export async function hydrateSite(scene, wishes) {
  const policy = policyOf(scene, wishes);
  let builder;
  try {
    builder = findBuilder(scene.command, scene);
  } catch (failure) {
    if (scene.aim === 'start' && policy === 'use-cache' && isWhole(scene)) {
      scene.say(`warning: ${failure.message} Going on with the content of the last time`);
      return 0;
    }
    throw failure;
  }
  const words = withSite(wishes.builder);
  const verb = wishes.ingest && isLocal(builder, scene, settingWords(words)) ? ['build', '--until', 'hydrate'] : ['hydrate'];
  const all = [...builder.args, ...verb, ...policyWords(policy), ...words];
  return relay(scene.command, builder.file, all, {cwd: scene.folder, env: scene.environ});
}

/** What was said on the command line, else in the environment, else what the aim asks for. */
function policyOf({aim, environ}, {onUnavailable}) {
  return onUnavailable ?? (environ.PANAVERSITY_ON_UNAVAILABLE?.trim() || (aim === 'start' ? 'use-cache' : null));
}

/** Null: the builder's own settings decide, whose default is to fail. */
function policyWords(policy) {
  return policy === null ? [] : ['--on-unavailable', policy];
}

/**
 * Whether the book is kept on this machine, for a command with these words. Building a site must never push somebody's
 * working copy to a server: that is a decision of its own, `panaversity ingest`.
 */
function isLocal(builder, {folder, environ, say}, settings) {
  try {
    const args = [...builder.args, 'config', 'show', ...settings, '--format', 'json'];
    const text = execFileSync(builder.file, args, {cwd: folder, env: environ, shell: false, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 20_000});
    const local = JSON.parse(text).settings.server_url.value === null;
    if (!local) {
      say('--ingest is for a book on this machine; a server is set, so the book is taken as it is there');
    }
    return local;
  } catch {
    return false; // the next command says what is wrong with the settings
  }
}

function isWhole({folder, environ}) {
  return judgeContent(resolve(folder, environ.PANAVERSITY_OUTPUT_DIR || 'book')).state === 'whole';
}
