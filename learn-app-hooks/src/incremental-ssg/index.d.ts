import type {LoadContext, Plugin} from '@docusaurus/types';

/** Something that pages read while they are rendered and that is in no chunk. */
export interface Input {
  /** Path names with the base URL; `*` within a segment, `**` for anything. All pages when left out. */
  routes?: string[];
  /** Files and folders, from the folder of the site. */
  files?: string[];
  /** Environment variables. Those that code names itself (`process.env.NAME`) are seen without it. */
  env?: string[];
}

export interface Options {
  /** `verify` renders everything and fails when a remembered page differs. `INCREMENTAL_SSG` overrides it. */
  mode?: 'on' | 'off' | 'verify';
  /** Routes that are rendered with every build. */
  always?: string[];
  inputs?: Input[];
  /** Modules of Node that rendering code may use although what they read is not seen, because `inputs` names it. */
  allowBuiltins?: string[];
  /** From the folder of the site; `node_modules/.cache/incremental-ssg` when left out. */
  cacheDir?: string;
  /** Pages remembered at most, over all languages (20 000). */
  maxEntries?: number;
  /** Bytes remembered at most (1 GiB). */
  maxBytes?: number;
  /** A page is rendered again after so many days (30). */
  maxAgeDays?: number;
}

/** Renders only the pages that changed. Throws for a wrong option. */
export default function incrementalSsg(context: LoadContext, options: Options): Plugin;
