"""Wire formats: pure functions between the bytes of a provider's dialect and the words of `messages`, both ways.

Nothing here opens a connection, knows a key or keeps a clock; drivers and the gateway do that.
"""
