"""Runs: what to do in which order (the plan), and doing it (the executor), told as a stream of events.

Nothing here knows which models there are, how they are reached, or who watches.
"""
