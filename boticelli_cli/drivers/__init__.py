"""The outside world: each module here asks one kind of model and answers in the words of `messages`.

A driver does not know narratives, runs or accounts, and no type of a provider's library leaves it.
"""
