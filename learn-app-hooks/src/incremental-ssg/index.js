/**
 * A Docusaurus plugin that renders only the pages that changed.
 *
 *     plugins: [['learn-app-hooks/incremental-ssg', {always: ['/status']}]]
 *
 * Every build either writes the bytes that a full rendering would write, or renders everything and says so. Switch it
 * with `INCREMENTAL_SSG=on|off|verify`, never by taking it out of the configuration: that changes the main bundle.
 *
 * Holds only the wiring; does not know how pages are chosen or written.
 */
import {findCore, hook, unhook} from './core.js';
import {allLine} from './messages.js';
import {MODE_VARIABLE, NAME, readOptions} from './options.js';
import {renderSite} from './render.js';

const say = (line) => console.log(line);

/**
 * @param {object} _context
 * @param {import('./index.js').Options} options
 * @returns {import('@docusaurus/types').Plugin}
 * @throws {Error} for a wrong option
 */
export default function incrementalSsg(_context, options) {
  const settings = readOptions(options, process.env);
  const core = findCore();
  const problem = settings.mode === 'off' ? `switched off, by the option mode or by ${MODE_VARIABLE}` : core.problem;
  if (problem === undefined) {
    hook(core.executor, (original, args) =>
      renderSite({original, args, core, settings, environment: process.env, now: Date.now(), say}),
    );
  } else if (core.executor !== undefined) {
    unhook(core.executor);
  }
  return {
    name: NAME,

    postBuild({routesPaths}) {
      if (problem !== undefined) {
        say(allLine(routesPaths.length, problem));
      }
    },
  };
}
