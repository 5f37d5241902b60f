/**
 * The command `book-check`: words in, findings out, for people or as one JSON object.
 *
 * Knows the command line; does not know what is checked.
 */

import {parseArgs} from 'node:util';
import {Failure, STATUS, shown} from '../failure.js';
import {checkSite, statusOf} from './index.js';

const COMMAND = 'book-check';
const FORMATS = ['text', 'json'];
const MARKS = {ok: '✓', warning: '!', problem: '✗'};
const HELP = `usage: ${COMMAND} [SITE] [--output-dir DIR] [--format text|json]

Look at a Docusaurus site's configuration and say what keeps a hydrated site from being built, or built quickly.

  SITE               the site's folder [.]
  --output-dir DIR   the docs folder that hydrate fills, as seen from the site [book, or PANAVERSITY_OUTPUT_DIR]
  --format json      one object: schema_version, findings

The exit status is 0 when nothing would stop a build, else the one the builder would end with.
`;

/**
 * Run the command; answers its exit status and never throws.
 * @param {string[]} words
 * @param {{environ?: Record<string, string | undefined>, out?: (text: string) => void, err?: (text: string) => void}} [world]
 * @returns {Promise<number>}
 */
export async function main(words, {environ = process.env, out = write(process.stdout), err = write(process.stderr)} = {}) {
  try {
    const {values, positionals} = read(words);
    if (values.help) {
      out(HELP);
      return 0;
    }
    const findings = await checkSite(positionals[0] ?? '.', {output: values['output-dir'] ?? (environ.PANAVERSITY_OUTPUT_DIR || 'book')});
    out(values.format === 'json' ? `${JSON.stringify({schema_version: 1, findings})}\n` : findings.flatMap(lines).join(''));
    return statusOf(findings);
  } catch (failure) {
    err(`${failure instanceof Failure ? failure.message : failure.stack}\n`);
    return failure instanceof Failure ? failure.exitStatus : 70;
  }
}

function read(words) {
  let found;
  try {
    found = parseArgs({
      args: words,
      allowPositionals: true,
      options: {'output-dir': {type: 'string'}, format: {type: 'string', default: 'text'}, help: {type: 'boolean', short: 'h'}},
    });
  } catch (fault) {
    throw new Failure(COMMAND, 'usage', shown(fault.message).replace(/\.$/, ''), `See ${COMMAND} --help`, STATUS.usage);
  }
  if (!FORMATS.includes(found.values.format) || found.positionals.length > 1) {
    throw new Failure(COMMAND, 'usage', 'takes one site and --format text or json', `See ${COMMAND} --help`, STATUS.usage);
  }
  return found;
}

function lines({check, level, says, do: hint, listed}) {
  return [`${MARKS[level]} ${check}: ${says}\n`, ...(hint === null ? [] : [`    ${hint}\n`]), ...listed.map((line) => `    ${line}\n`)];
}

function write(stream) {
  return (text) => stream.write(text);
}
