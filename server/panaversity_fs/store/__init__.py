"""Everything the server remembers: bytes under their digests, and rows that give them names.

Stores and finds; decides nothing. The order in which things are stored is ``library``'s business.
"""
