"""What several gateways know together, in one Redis: places under way, limits, keys, rests of accounts, conversations.

It does not know what a request says, nor how it is answered; and nothing here has to be there for a gateway to go on.
"""
