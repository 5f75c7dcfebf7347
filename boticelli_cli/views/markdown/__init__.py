"""Markdown as it grows: a text that arrives in pieces becomes rows of the screen, each of them once.

It does not know acts, events or the screen itself; whoever shows the rows asks for them.
"""
