/** When and by whom a file was changed. `timestamp` is in milliseconds since 1970. */
export type ChangeInfo = {timestamp: number; author: string};

/** What `future.experimental_vcs` of Docusaurus 3.10 takes. */
export type Provider = {
  initialize: (site: {siteDir: string}) => void;
  getFileCreationInfo: (file: string) => Promise<ChangeInfo | null>;
  getFileLastUpdateInfo: (file: string) => Promise<ChangeInfo | null>;
};

export type Options = {
  /** The docs folder that hydrate fills, as seen from the site. Default `book`. */
  path?: string;
  /** What readers see for an agent: by name, or by a function. Default: the agent's own name. */
  authors?: Record<string, string> | ((agent: string) => string);
  /** Who tells of files that are not hydrated, a blog say: a preset of Docusaurus or a provider. Default `disabled`. */
  otherwise?: 'disabled' | 'git-ad-hoc' | 'git-eager' | 'hardcoded' | 'default-v1' | 'default-v2' | Provider;
  /** The site's folder. Default: the current one, where Docusaurus runs. */
  siteDir?: string;
};

/** Last-updated time and author of hydrated lessons. Needs Docusaurus 3.10 and says so. */
export function manifestVcs(options?: Options): Provider;
