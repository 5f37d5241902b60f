/** A Python builder that is none: tells a version and a server (of a site, of all), writes down how it was called, and ends as the test says. */

import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {program} from './folders.js';

const SOURCE = `
const fs = require('fs'), path = require('path');
const words = process.argv.slice(2).filter((word) => word !== '-m' && word !== 'panaversity_builder');
const plan = JSON.parse(process.env.FAKE || '{}');
if (words.at(-1) === '--version') {
  console.log('panaversity, version ' + (plan.version || '0.1.0'));
} else if (words[0] === 'config') {
  const said = words.join(' ').match(/--server-url[= ](\\S+)/)?.[1];
  const there = plan.servers?.[words.join(' ').match(/--site-dir[= ](\\S+)/)[1]];
  console.log(JSON.stringify({settings: {server_url: {value: said || there || plan.server || null}}}));
} else {
  fs.appendFileSync(process.env.FAKE_LOG, JSON.stringify({words, cwd: process.cwd(), pid: process.pid, token: process.env.PANAVERSITY_TOKEN}) + '\\n');
  process.stdout.write('data\\n');
  process.stderr.write('said\\n');
  if (plan.echo) process.stdout.write(fs.readFileSync(0));
  if (plan.wait) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => { fs.appendFileSync(process.env.FAKE_LOG, JSON.stringify({signal}) + '\\n'); process.exit(plan.status || 0); });
    }
    fs.appendFileSync(process.env.FAKE_LOG, JSON.stringify({ready: true}) + '\\n');
    setInterval(() => {}, 1000);
  } else if (plan.kill) {
    process.kill(process.pid, plan.kill);
    setInterval(() => {}, 1000);
  } else {
    process.exitCode = plan.status || 0;
  }
}
`;

/** Put the fake where a builder may be. */
export function fakeBuilder(file) {
  return program(file, SOURCE);
}

/** What the fake wrote down: one object a call or a signal. */
export function heard(place) {
  const log = join(place, 'log');
  return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').map((line) => JSON.parse(line)) : [];
}

/** An environment in which nothing of this machine is found; `fake` says how the fake behaves. */
export function bare(place, fake = {}, more = {}) {
  return {PATH: join(place, 'bin'), HOME: place, FAKE_LOG: join(place, 'log'), FAKE: JSON.stringify(fake), ...more};
}
