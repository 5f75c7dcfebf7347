"""The gateway: clients of any dialect on one side, a driver on the other, and everything counted in between.

It does not know which providers there are, nor that accounts and routes exist: it asks one driver, and hears from it.
"""
