"""What is wrong with this setup, and where each value of it came from, as findings.

Nothing here mends anything, or knows how findings are shown; no finding holds a key.
"""
