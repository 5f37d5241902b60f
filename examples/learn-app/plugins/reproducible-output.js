/**
 * Makes a build with a warm cache byte-identical to a cold one.
 *
 * By default the minifier picks its short names by counting letters, and a module that comes from
 * the persistent cache is counted differently from one that was just compiled. The runtime file then
 * gets another name, and so does every page that links to it. Without the counting, names depend on
 * the code alone.
 */
import {getSwcJsMinimizerOptions} from '@docusaurus/faster';

const MINIMIZER = 'SwcJsMinimizerRspackPlugin';

function stable(rspack) {
  return new rspack[MINIMIZER]({
    minimizerOptions: {
      minify: true,
      ...getSwcJsMinimizerOptions(),
      mangle: {disableCharFreq: true},
    },
  });
}

export default function reproducibleOutput() {
  return {
    name: 'reproducible-output',

    configureWebpack(config, isServer, {currentBundler}) {
      const minimizers = config.optimization?.minimizer;
      if (isServer || !minimizers || currentBundler.name !== 'rspack') {
        return {};
      }
      const replaced = minimizers.map((one) =>
        one.constructor.name === MINIMIZER || one.name === MINIMIZER
          ? stable(currentBundler.instance)
          : one,
      );
      if (replaced.every((one, i) => one === minimizers[i])) {
        throw new Error(`reproducible-output: no ${MINIMIZER} in this version of Docusaurus`);
      }
      return {
        mergeStrategy: {'optimization.minimizer': 'replace'},
        optimization: {minimizer: replaced},
      };
    },
  };
}
