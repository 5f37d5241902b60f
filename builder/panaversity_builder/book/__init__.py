"""A book on the author's side: its source tree, its hydrated folder, its site. Knows disks, not terminals."""
