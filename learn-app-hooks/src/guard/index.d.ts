import type {LoadContext, Plugin} from '@docusaurus/types';

/** Options of the plugin. Paths are seen from the site's folder. */
export type Options = {
  id?: string;
  /** The docs folder that hydrate fills. Default `book`. */
  path?: string;
  /** `auto` (default): a build is stopped, `start` is warned. */
  mode?: 'auto' | 'stop' | 'warn' | 'off';
  /** The content has to be of this book. */
  bookId?: string;
  /** The author's folder: lessons saved there since the last hydrate make the content stale. */
  source?: string;
  /** Where `manifest.json` lies, if the builder was told another place. */
  manifestFile?: string;
  /** The last hydrate must not be longer ago. */
  maxAgeHours?: number;
  /** Read every file instead of believing sizes and times. */
  verify?: boolean;
};

/** Stops a build whose content is missing, half hydrated or stale. */
export default function guard(context: LoadContext, options?: Options): Plugin;
