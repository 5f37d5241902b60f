// The page a book without a README.md begins with: its title and a way in.

import React from 'react';
import Link from '@docusaurus/Link';
import useDocusaurusContext from '@docusaurus/useDocusaurusContext';
import Layout from '@theme/Layout';

export default function HomePage({first}) {
  const {siteConfig} = useDocusaurusContext();
  return (
    <Layout>
      <main className="container margin-vert--xl">
        <h1>{siteConfig.title}</h1>
        <p>{siteConfig.tagline}</p>
        <Link className="button button--primary" to={first.permalink}>
          Begin with “{first.title}”
        </Link>
      </main>
    </Layout>
  );
}
