/**
 * Where the Python builder may be, best place first: override, virtual environments, PATH, uv, Python's own module.
 *
 * PURE: folders and environment come in as values, nothing is looked at. Does not know which of the places is one.
 */

import {posix, win32} from 'node:path';
import {REQUIREMENT} from './versions.js';

/**
 * @typedef {object} Place one way to call the builder, without a shell
 * @property {string} file what is run
 * @property {string[]} args what comes before the builder's own words
 * @property {string} from how a message names this place
 * @property {boolean} [sure] nobody looks further when this one does not fit
 * @property {boolean} [slow] it may download first
 */

const VENVS = ['.venv', 'venv'];

/**
 * All places, in order.
 * @param {{environ: Record<string, string | undefined>, folder: string, platform: string}} facts `folder` is the site's
 * @returns {Place[]}
 */
export function places({environ, folder, platform}) {
  if (environ.PANAVERSITY_BUILDER?.trim()) {
    return [named(environ.PANAVERSITY_BUILDER.trim())];
  }
  const windows = platform === 'win32';
  return [
    ...virtualEnvironments(environ.VIRTUAL_ENV, folder, windows),
    {file: 'panaversity', args: [], from: 'PATH'},
    {file: 'uv', args: ['tool', 'run', '--from', REQUIREMENT, 'panaversity'], from: 'uv tool run', slow: true},
    ...pythons(windows),
  ];
}

/** A path or a command's name; or a JSON list of words, for whoever needs more than one. */
function named(text) {
  const from = 'PANAVERSITY_BUILDER';
  if (!text.startsWith('[')) {
    return {file: text, args: [], from, sure: true};
  }
  let words = null;
  try {
    words = JSON.parse(text);
  } catch {
    // Said below: the place is the only one, and nothing is run.
  }
  const fits = Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string' && word !== '');
  return fits ? {file: words[0], args: words.slice(1), from, sure: true} : {file: '', args: [], from, sure: true};
}

function virtualEnvironments(active, folder, windows) {
  const path = windows ? win32 : posix;
  const inside = windows ? ['Scripts', 'panaversity.exe'] : ['bin', 'panaversity'];
  const near = upward(folder, path).flatMap((above) => VENVS.map((name) => path.join(above, name)));
  return [...new Set([...(active ? [active] : []), ...near])].map((venv) => {
    const file = path.join(venv, ...inside);
    return {file, args: [], from: file};
  });
}

/** The folder and all above it. */
function upward(folder, path) {
  const above = path.dirname(folder);
  return above === folder ? [folder] : [folder, ...upward(above, path)];
}

function pythons(windows) {
  const module = ['-m', 'panaversity_builder'];
  const names = windows ? [['py', '-3'], ['python']] : [['python3'], ['python']];
  return names.map(([file, ...args]) => ({file, args: [...args, ...module], from: [file, ...args, ...module].join(' ')}));
}
