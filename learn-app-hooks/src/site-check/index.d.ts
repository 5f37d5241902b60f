/** One thing looked at, as `panaversity doctor` shows it. */
export type Finding = {
  check: string;
  level: 'ok' | 'warning' | 'problem';
  says: string;
  /** What to do about it. */
  do: string | null;
  listed: string[];
  /** What a build would end with because of a problem; the statuses are the builder's. */
  exit_status: number;
};

/** Check a site's configuration. `output` is the docs folder that hydrate fills, as seen from the site (`book`). */
export function checkSite(site: string, options?: {output?: string}): Promise<Finding[]>;

/** What a build would end with: the status of the first problem, 0 when there is none. */
export function statusOf(findings: Finding[]): number;
