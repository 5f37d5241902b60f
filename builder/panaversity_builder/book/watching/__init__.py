"""Watching a source folder: when something changed, why a round runs, what a round does, and the site served beside it.

``rhythm`` decides with values, ``moments`` and ``serving`` touch the machine, ``loop`` holds them together. Nothing
here knows terminals, or how a server is reached.
"""
