// A book whose root has no README.md gets a plain home page, so that the logo and the 404 page lead
// somewhere. A book that brings its own is left alone.

export default function homePage(context) {
  const {baseUrl} = context.siteConfig;
  return {
    name: 'home-page',

    async allContentLoaded({allContent, actions}) {
      const version = allContent['docusaurus-plugin-content-docs'].default.loadedVersions[0];
      if (version.docs.some((doc) => doc.permalink === baseUrl)) {
        return;
      }
      const first = version.docs.find((doc) => doc.sidebar) ?? version.docs[0];
      actions.addRoute({
        path: baseUrl,
        exact: true,
        component: '@site/src/components/HomePage.jsx',
        props: {first: {title: first.title, permalink: first.permalink}},
      });
    },
  };
}
