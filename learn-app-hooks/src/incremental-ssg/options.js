/**
 * The options of the plugin: their names, what they may hold, and what they are when left out.
 *
 * Knows values only; does not know files, routes or Docusaurus.
 */

const DAY = 24 * 60 * 60 * 1000;
const MODES = ['on', 'off', 'verify'];

/** What this plugin is called wherever it speaks. */
export const NAME = 'incremental-ssg';

/** The environment variable that overrides the option `mode` for one build. */
export const MODE_VARIABLE = 'INCREMENTAL_SSG';

const texts = (value) => Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '');
const text = (value) => typeof value === 'string' && value !== '';
const count = (value) => Number.isSafeInteger(value) && value >= 0;

const OPTIONS = {
  mode: [(value) => MODES.includes(value), 'on, off or verify'],
  always: [texts, 'a list of route patterns'],
  inputs: [(value) => Array.isArray(value), 'a list of {routes, files, env}'],
  allowBuiltins: [texts, 'a list of names of Node modules'],
  cacheDir: [text, 'the name of a folder'],
  maxEntries: [count, 'a whole number'],
  maxBytes: [count, 'a whole number'],
  maxAgeDays: [(value) => Number.isFinite(value) && value > 0, 'a number of days above 0'],
};

function refuse(subject, what) {
  throw new Error(`${NAME}: ${subject}: ${what}.`);
}

function checked(options) {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTIONS, name)) {
      refuse(`option ${name}`, `is not known. Known are ${Object.keys(OPTIONS).join(', ')}`);
    }
    const [fits, wanted] = OPTIONS[name];
    if (!fits(value)) {
      refuse(`option ${name}`, `is ${JSON.stringify(value)}. It takes ${wanted}`);
    }
  }
  return options;
}

function checkedInput(input, index) {
  const subject = `option inputs[${index}]`;
  if (typeof input !== 'object' || input === null) {
    refuse(subject, 'is not {routes, files, env}. Give an object');
  }
  const {routes = ['**'], files = [], env = [], ...others} = input;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    refuse(subject, `has ${unknown}, which is not known. Known are routes, files, env`);
  }
  if (![routes, files, env].every(texts) || files.length + env.length === 0) {
    refuse(subject, 'names no input. Give lists of names as routes, files and env');
  }
  return {routes, files, env};
}

/**
 * The settings of one build.
 *
 * @param {object} options as the site's configuration gives them; `id` is Docusaurus' own
 * @param {Record<string, string | undefined>} environment `INCREMENTAL_SSG` overrides `mode`
 * @throws {Error} for an option that is not known or holds a wrong value
 */
export function readOptions({id: _, ...options} = {}, environment = {}) {
  // Docusaurus passes options that a configuration computes to nothing as undefined.
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const asked = environment[MODE_VARIABLE] || undefined;
  if (asked !== undefined && !MODES.includes(asked)) {
    refuse(`variable ${MODE_VARIABLE}`, `is ${JSON.stringify(asked)}. It takes on, off or verify`);
  }
  const {mode = 'on', inputs = [], maxAgeDays = 30, ...rest} = checked(given);
  return {
    always: [],
    allowBuiltins: [],
    maxEntries: 20_000,
    maxBytes: 1024 ** 3,
    ...rest,
    mode: asked ?? mode,
    inputs: inputs.map(checkedInput),
    maxAge: maxAgeDays * DAY,
  };
}
