"""The rules of PanaversityFS as values and pure functions.

Nothing in here opens a file, a socket or a database, reads a clock or an environment variable, or imports a third
party; time and randomness come in as arguments. The server and the builder both stand on these modules, so the two
cannot disagree about a path, a digest, a manifest or an error.
"""
