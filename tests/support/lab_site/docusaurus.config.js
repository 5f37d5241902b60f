// The site on which the tests of incremental-ssg edit lessons. It is the example site with more of what can go stale:
// last-updated times, a sitemap with dates, a component of one lesson, a component of all pages.

import fs from 'node:fs';
import judge from './judge.js';
import reproducibleOutput from './plugins/reproducible-output.js';

// Read, not imported: an edit then changes what the site says without emptying the bundler's cache.
const words = JSON.parse(fs.readFileSync(new URL('words.json', import.meta.url), 'utf8'));

/** @type {import('@docusaurus/types').Config} */
export default {
  title: words.title,
  tagline: words.tagline,
  url: 'https://lab.example.org',
  baseUrl: words.baseUrl,
  trailingSlash: words.trailingSlash,
  i18n: {defaultLocale: 'en', locales: words.locales},
  onBrokenLinks: 'throw',
  onBrokenAnchors: 'throw',
  markdown: {format: 'detect'},
  future: {
    v4: {removeLegacyPostBuildHeadAttribute: true},
    experimental_router: words.router,
    ...words.future,
  },
  plugins: [
    [
      '@docusaurus/plugin-content-docs',
      {
        path: 'book',
        routeBasePath: '/',
        sidebarPath: './sidebars.js',
        numberPrefixParser: false,
        showLastUpdateTime: true,
      },
    ],
    ['@docusaurus/plugin-sitemap', {lastmod: 'date'}],
    reproducibleOutput,
    [process.env.LAB_PLUGIN || 'learn-app-hooks/incremental-ssg', words.options],
    judge,
  ],
  themes: [['@docusaurus/theme-classic', {customCss: './src/css/custom.css'}]],
  themeConfig: {navbar: {title: words.title}, footer: {copyright: words.tagline}},
};
