"""On the way to a model: drivers around drivers that decide when a request goes out, and what an account has left.

Nothing here knows any provider's wire format, what an act or a run is, or how a wait is shown.
"""
