/** Everything this package offers. Holds no logic: each subject has a folder of its own. */
export {default as incrementalSsg} from './incremental-ssg/index.js';
export {default as guard} from './guard/index.js';
export {manifestVcs} from './last-updated/index.js';
export {checkSite} from './site-check/index.js';
