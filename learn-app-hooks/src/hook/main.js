/**
 * The commands `book-prebuild`, `book-prestart`, `book-build` and `book-start`: hydrate, then perhaps Docusaurus.
 *
 * Knows the order and the exit status; how each step is done is in the module of its name.
 */

import {Failure} from '../failure.js';
import {runDocusaurus} from './docusaurus.js';
import {hydrateSite} from './hydrate.js';
import {readWords} from './words.js';

const COMMANDS = {
  'book-prebuild': {aim: 'build', does: 'Bring the book into the docs folder before docusaurus build (npm script prebuild).'},
  'book-prestart': {aim: 'start', does: 'Bring the book into the docs folder before docusaurus start (npm script prestart).'},
  'book-build': {aim: 'build', docusaurus: 'build', does: 'Bring the book into the docs folder, then run docusaurus build.'},
  'book-start': {aim: 'start', docusaurus: 'start', does: 'Bring the book into the docs folder, then run docusaurus start.'},
};

/**
 * Run a command; answers its exit status and never throws.
 * @param {string} command
 * @param {string[]} words
 * @param {{folder?: string, environ?: Record<string, string | undefined>, write?: (text: string) => void}} [world]
 * @returns {Promise<number>}
 */
export async function main(command, words, {folder = process.cwd(), environ = process.env, write = (text) => process.stderr.write(text)} = {}) {
  const {aim, docusaurus, does} = COMMANDS[command];
  const scene = {command, aim, folder, environ, say: (line) => write(`${command}: ${line}\n`)};
  try {
    const wishes = readWords(command, words, docusaurus !== undefined);
    if (wishes.help) {
      write(help(command, does, docusaurus));
      return 0;
    }
    const status = await hydrateSite(scene, wishes);
    return status !== 0 || docusaurus === undefined ? status : await runDocusaurus(scene, [docusaurus, ...wishes.site]);
  } catch (failure) {
    write(`${failure instanceof Failure ? failure.message : `${command}: ${failure?.stack ?? failure}`}\n`);
    return failure instanceof Failure ? failure.exitStatus : 70;
  }
}

function help(command, does, docusaurus) {
  const others = docusaurus === undefined ? '[BUILDER OPTION]...' : '[DOCUSAURUS OPTION]... [-- BUILDER OPTION...]';
  return `usage: ${command} [--ingest] [--on-unavailable fail|use-cache] ${others}

${does}

  --ingest           ingest the source folder first, where the book is kept on this machine (no PANAVERSITY_MCP_URL)
  --on-unavailable   use-cache: without the server go on with what is on this machine, and warn.
                     fail: end with status 10. Default: use-cache before start, fail before build.

PANAVERSITY_BUILDER names the builder: a path, or a JSON list of words. All other settings are the builder's:
panaversity config show --origin. The exit status is the builder's or Docusaurus' own; 15 when there is no builder.
`;
}
