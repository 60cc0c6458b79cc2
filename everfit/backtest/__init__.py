"""What would have been refused, refitted, searched and promoted: a policy lives through history again.

The same signals, the same decisions and the same refits as in production, in memory.
"""
