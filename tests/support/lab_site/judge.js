/**
 * Judges each incremental rendering: with the same bundles it first renders everything with Docusaurus alone, then lets
 * incremental-ssg do it, and compares every page and everything collected from it. Says "judge: same" or what differs.
 *
 * Works only with LAB_JUDGE=1. Knows nothing of how pages are chosen.
 */
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
const HOOK = Symbol.for('incremental-ssg.hook');
const JUDGED = Symbol('judged');

function pagesBelow(folder) {
  const found = fs.readdirSync(folder, {recursive: true}).filter((name) => name.endsWith('.html'));
  return new Map(found.sort().map((name) => [name, fs.readFileSync(path.join(folder, name))]));
}

function judged(incremental, original) {
  const executeSSG = async (args) => {
    const {outDir} = args.props;
    const wanted = await original(args);
    const pages = pagesBelow(outDir);
    pages.forEach((_, name) => fs.rmSync(path.join(outDir, name)));
    const result = await incremental(args);
    const made = pagesBelow(outDir);
    const names = new Set([...pages.keys(), ...made.keys()]);
    const wrong = [...names].filter((name) => !(pages.has(name) && made.get(name)?.equals(pages.get(name))));
    if (JSON.stringify(result) !== JSON.stringify(wanted)) {
      wrong.push('collected data');
    }
    console.log(`judge: ${wrong.length === 0 ? 'same' : `differs: ${wrong.join(', ')}`}`);
    return result;
  };
  executeSSG[JUDGED] = true;
  return executeSSG;
}

export default function judge() {
  return {
    name: 'judge',
    // Called once all plugins are there, so the hook of incremental-ssg is in place.
    configureWebpack() {
      const executor = require('@docusaurus/core/lib/ssg/ssgExecutor.js');
      if (process.env.LAB_JUDGE === '1' && executor[HOOK] && !executor.executeSSG[JUDGED]) {
        executor.executeSSG = judged(executor.executeSSG, executor[HOOK].original);
      }
      return {};
    },
  };
}
