/**
 * Finding the Python builder: the first of its places that answers with a version that fits.
 *
 * Knows how a place is tried and what to say when none will do; does not know where the places are.
 */

import {spawnSync} from 'node:child_process';
import {Failure, shown} from '../failure.js';
import {places} from './places.js';
import {REQUIREMENT, misfit, versionIn} from './versions.js';

/** What Python says of a module that is not installed. */
const NOT_THERE = /No module named '?panaversity_builder'?\s*$/;
const MILLISECONDS = {quick: 20_000, slow: 300_000};

/**
 * @typedef {object} Builder
 * @property {string} file
 * @property {string[]} args
 * @property {string} version
 * @property {string} from
 */

/**
 * The builder to use.
 * @param {string} operation for messages
 * @param {{environ: Record<string, string | undefined>, folder: string, platform?: string, say?: (line: string) => void}} facts
 * @returns {Builder}
 * @throws {Failure} when there is none, listing where it was looked for
 */
export function findBuilder(operation, {environ, folder, platform = process.platform, say = () => {}}) {
  const looked = [];
  for (const place of places({environ, folder, platform})) {
    const answer = tried(place, environ, folder);
    if (answer.version !== undefined) {
      looked.forEach((line) => say(`skipped ${line}`));
      return {file: place.file, args: place.args, version: answer.version, from: place.from};
    }
    if (place.sure) {
      throw new Failure(operation, place.from, answer.why ?? 'names no file that is there', 'Let it name the command panaversity, or unset it');
    }
    if (answer.why !== undefined) {
      looked.push(`${place.from}: ${answer.why}`);
    }
  }
  const found = looked.length > 0 ? ` (${looked.join('; ')})` : '';
  throw new Failure(
    operation,
    'panaversity',
    `the Python builder is not installed here${found}`,
    `Make a virtual environment and install it: python3 -m venv .venv && .venv/bin/pip install "${REQUIREMENT}". ` +
      'If it is somewhere else, let PANAVERSITY_BUILDER name it',
  );
}

/** `{version}` of one that fits, `{why}` it does not, or nothing where nothing is. */
function tried(place, environ, folder) {
  if (place.file === '') {
    return {why: 'is neither a path nor a JSON list of words'};
  }
  const done = spawnSync(place.file, [...place.args, '--version'], {
    cwd: folder,
    env: environ,
    shell: false,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: place.slow ? MILLISECONDS.slow : MILLISECONDS.quick,
    windowsHide: true,
  });
  if (done.error !== undefined) {
    return ['ENOENT', 'ENOTDIR'].includes(done.error.code) ? {} : {why: `does not run (${done.error.code})`};
  }
  const version = versionIn(done.stdout);
  if (done.status !== 0 || version === null) {
    return NOT_THERE.test(done.stderr) ? {} : {why: refused(done)};
  }
  const why = misfit(version);
  return why === null ? {version} : {why};
}

function refused({status, signal, stderr, stdout}) {
  const said = shown((stderr || stdout).trim().split('\n').at(-1) ?? '');
  const ended = status === 0 ? 'tells no version of panaversity' : signal ? `was ended by ${signal}` : `ended with status ${status}`;
  return said ? `${ended}: ${said}` : ended;
}
