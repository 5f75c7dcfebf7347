"""Views: each turns the events of a run into something to look at, or to pipe onwards.

A view only ever sees events; it does not know narratives, drivers or where a run comes from.
"""
