/** What the plugin says: one line a build. Knows counts and reasons; does not know where they come from. */
import {NAME} from './options.js';

const SHOWN = 3;

const REASONS = {
  changed: 'changed',
  new: 'new',
  always: 'always rendered',
  'too old': 'remembered too long ago',
  unreadable: 'unreadable in the cache',
};

/** How many pages were rendered for which reason. */
function reasons(render) {
  const counts = Object.keys(REASONS).map((why) => [why, [...render.values()].filter((one) => one === why).length]);
  const told = counts.filter(([, count]) => count > 0);
  return told.map(([why, count]) => `${count} ${REASONS[why]}`).join(', ');
}

/** Some pages were reused. */
export function someLine(render, reused) {
  return `${NAME}: rendered ${render.size}, reused ${reused} (${reasons(render) || 'nothing changed'})`;
}

/** No page was reused. */
export function allLine(count, why) {
  return `${NAME}: rendered all ${count} (${why})`;
}

/** Why no page could be reused although each was looked for. */
export function reasonOfAll(render) {
  const whys = [...new Set(render.values())].map((why) => REASONS[why]);
  return whys.length === 1 && whys[0] === REASONS.unreadable
    ? 'what the cache remembers is unreadable'
    : `every page is ${whys.join(' or ')}`;
}

/** The site is built, but the next build will not know of it. */
export function unkeptLine(fault) {
  return `${NAME}: this build is not remembered (${fault.code ?? fault.message})`;
}

/** Why no page could be reused although pages were remembered, from the parts that changed. */
export function changedParts(parts, split) {
  const what = parts.length > 0 ? `changed since the last build: ${parts.join(', ')}` : 'nothing is remembered of it';
  const help = 'The server bundle is one file for all pages: future.faster with its swcJsLoader splits it';
  return split ? what : `${what}. ${help}`;
}

/** All pages were rendered although they were not needed, and compared. */
export function verifiedLine(count, compared) {
  return `${NAME}: rendered all ${count} (verify: ${compared} remembered pages are as rendered)`;
}

/** Remembered pages that are not what was rendered. */
export function verifyFailure(pathnames) {
  const more = pathnames.length > SHOWN ? ` and ${pathnames.length - SHOWN} more` : '';
  return (
    `${NAME}: verify: ${pathnames.slice(0, SHOWN).join(', ')}${more}: ` +
    'the remembered page is not what was rendered now. ' +
    'Something they read is in no chunk: name it in the option inputs, or the pages in the option always. ' +
    'What was remembered is forgotten.'
  );
}
