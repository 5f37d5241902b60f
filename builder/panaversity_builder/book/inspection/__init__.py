"""Looking at a Docusaurus site without running it: its configuration as text, its folders and files as names.

``javascript`` and ``site_text`` work on values, ``survey`` reads the disk. Used by ``init`` and ``doctor``.
"""
