// The site of the guide in ../book. Its lessons are not in this folder's history: they are hydrated
// into book/, which git ignores. Nothing here is fetched from the network while building.

import {guard, incrementalSsg, manifestVcs} from 'learn-app-hooks';
import {themes} from 'prism-react-renderer';
import homePage from './plugins/home-page.js';
import reproducibleOutput from './plugins/reproducible-output.js';

const title = 'PanaversityFS: a field guide';

// A leading number orders a lesson, and stays part of its id. Docusaurus would cut it off, and then
// 01-lesson.md and 02-lesson.md of one chapter are the same page, which stops the build.
function keepNumbers(filename) {
  const number = /^(\d+)[-_. ]/.exec(filename);
  return {filename, numberPrefix: number ? Number(number[1]) : undefined};
}

/** @type {import('@docusaurus/types').Config} */
const config = {
  title,
  tagline: 'Large books, many hands, small builds',
  favicon: 'img/logo.svg',
  url: 'https://guide.example.org',
  baseUrl: '/',
  i18n: {defaultLocale: 'en', locales: ['en']},

  // Anything that points nowhere stops the build.
  onBrokenLinks: 'throw',
  onBrokenAnchors: 'throw',
  onDuplicateRoutes: 'throw',

  markdown: {
    // A .md file is plain Markdown and only a .mdx file is code, so a stray brace in a lesson that an
    // agent has just written cannot break the build.
    format: 'detect',
    hooks: {onBrokenMarkdownLinks: 'throw', onBrokenMarkdownImages: 'throw'},
  },

  future: {
    faster: true,
    // The one v4 flag that rendering in worker threads needs. The others may refuse older books.
    v4: {removeLegacyPostBuildHeadAttribute: true},
    // The lessons are not in git; when they were last written, and by whom, is known to the book's journal.
    // Readers see the name before the machine's: `panaversity:ada@laptop` is ada.
    experimental_vcs: manifestVcs({authors: (agent) => agent.replace(/^panaversity:(.+)@.*$/, '$1')}),
  },

  plugins: [
    guard, // stops a build of content that is missing, half hydrated or altered
    [
      '@docusaurus/plugin-content-docs',
      {
        path: 'book',
        routeBasePath: '/', // the book's README.md is the home page
        sidebarPath: './sidebars.js',
        numberPrefixParser: keepNumbers,
        showLastUpdateTime: true,
        showLastUpdateAuthor: true,
        exclude: [
          // A summary lies beside its lesson and is for whoever wants the short version: an agent,
          // a search, a card. It is not a page. Excluded files can still be imported by a lesson.
          '**/*.summary.md',
          // Docusaurus' own defaults, which this list replaces.
          '**/_*.{js,jsx,ts,tsx,md,mdx}',
          '**/_*/**',
          '**/*.test.{js,jsx,ts,tsx}',
          '**/__tests__/**',
        ],
      },
    ],
    ['@docusaurus/plugin-sitemap', {lastmod: 'date'}],
    homePage,
    reproducibleOutput,
    incrementalSsg, // renders only the pages that changed; INCREMENTAL_SSG=off|verify for one build
  ],

  themes: [['@docusaurus/theme-classic', {customCss: './src/css/custom.css'}]],

  /** @type {import('@docusaurus/theme-common').UserThemeConfig} */
  themeConfig: {
    colorMode: {respectPrefersColorScheme: true},
    docs: {sidebar: {hideable: true}},
    tableOfContents: {maxHeadingLevel: 3},
    navbar: {
      title: 'PanaversityFS',
      logo: {alt: '', src: 'img/logo.svg'},
      items: [
        {type: 'docSidebar', sidebarId: 'book', label: 'Guide'},
      ],
    },
    footer: {
      copyright: 'Every page of this site was hydrated from a manifest.',
    },
    prism: {
      theme: themes.github,
      darkTheme: themes.vsDark,
      additionalLanguages: ['bash', 'diff', 'json', 'toml'],
    },
  },
};

export default config;
