/**
 * The one error of hooks, guard and checks: `operation: subject: what is wrong. what to do.`, with an exit status.
 *
 * Knows the wording and the exit statuses of the builder; does not know what went wrong.
 */

/** Exit statuses of the builder that hooks answer themselves. */
export const STATUS = {usage: 2, unreachable: 10, phase: 14, configuration: 15};

/** An end that was foreseen: its message is all a reader needs, so it carries no frames. */
export class Failure extends Error {
  /**
   * @param {string} operation what was being done
   * @param {string} subject to what
   * @param {string} problem what is wrong with it
   * @param {string} hint what to do about it
   * @param {number} exitStatus what the command ends with
   */
  constructor(operation, subject, problem, hint, exitStatus = STATUS.configuration) {
    super(`${operation}: ${subject}: ${problem}.${hint ? ` ${hint}.` : ''}`);
    const parts = {name: 'Failure', operation, subject, problem, hint, exitStatus};
    // Not enumerable: Docusaurus shows an error with its stack and all its own fields.
    Object.entries(parts).forEach(([name, value]) => Object.defineProperty(this, name, {value}));
    this.stack = this.message;
  }
}

/**
 * A text that came from elsewhere, without what a terminal would obey, and not too long.
 * @param {unknown} text
 * @returns {string}
 */
export function shown(text) {
  // eslint-disable-next-line no-control-regex
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim().slice(0, 300);
}
