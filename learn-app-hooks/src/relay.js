/**
 * Running another program as if it were this one: no shell, the same terminal, its signals and its exit status.
 *
 * Knows processes; does not know which program it is.
 */

import {spawn} from 'node:child_process';
import {constants} from 'node:os';
import {Failure, STATUS} from './failure.js';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** A terminal sends Ctrl-C to the whole group, and a second one means impatience: ours follows only if it is needed. */
const GRACE_MILLISECONDS = 2000;

/**
 * Run a program to its end.
 *
 * Answers its exit status; 128 + n when signal n ended it, as shells say it. Whoever is signalled meanwhile passes that
 * on and waits: nobody is left behind.
 * @param {string} operation for messages
 * @param {string} file
 * @param {string[]} args
 * @param {{cwd: string, env: Record<string, string | undefined>, terminal?: boolean}} options
 * @returns {Promise<number>}
 * @throws {Failure} when it cannot be started
 */
export function relay(operation, file, args, {cwd, env, terminal = Boolean(process.stdin.isTTY)}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {cwd, env, shell: false, stdio: 'inherit', windowsHide: true});
    const timers = new Set();
    const handlers = FORWARDED.map((signal) => [signal, () => pass(signal)]);

    function pass(signal) {
      if (signal === 'SIGINT' && terminal) {
        timers.add(setTimeout(() => child.kill(signal), GRACE_MILLISECONDS));
      } else {
        child.kill(signal);
      }
    }

    function release() {
      timers.forEach(clearTimeout);
      handlers.forEach(([signal, handler]) => process.removeListener(signal, handler));
    }

    handlers.forEach(([signal, handler]) => process.on(signal, handler));
    child.once('error', (fault) => {
      release();
      reject(new Failure(operation, file, `cannot be run (${fault.code ?? fault.message})`, 'See that it is installed', STATUS.phase));
    });
    child.once('exit', (status, signal) => {
      release();
      resolve(status ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
