export {default as incrementalSsg} from './incremental-ssg/index.js';
export type {Input, Options} from './incremental-ssg/index.js';
export {default as guard} from './guard/index.js';
export type {Options as GuardOptions} from './guard/index.js';
export {manifestVcs} from './last-updated/index.js';
export type {ChangeInfo, Provider, Options as ManifestVcsOptions} from './last-updated/index.js';
export {checkSite} from './site-check/index.js';
export type {Finding} from './site-check/index.js';
