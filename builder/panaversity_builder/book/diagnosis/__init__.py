"""What ``doctor`` finds: facts, and the checks that judge them.

``facts`` are values, ``gather`` fills them from the machine, every check is a pure function from facts to findings.
"""
