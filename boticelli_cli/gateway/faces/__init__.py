"""The faces of the gateway: how clients of each dialect ask, and how they are answered.

A face knows its own dialect's codec and nothing of sockets, keys or providers.
"""
