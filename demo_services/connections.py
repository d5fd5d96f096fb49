"""Which connections are kept after use, and for how long: shorter than the other end keeps them.

A server that closes an idle connection does not ask first. A client that sends at that moment, or
that cannot see it, loses its request and reports an error that nobody made.
"""

import httpx

# Between services none is kept. A server that failed in a request closes its connection, a process
# that dies closes them all, uvicorn and Node.js close theirs after five idle seconds; a new one on
# this machine costs less than a millisecond.
ONE_REQUEST = httpx.Limits(max_keepalive_connections=0)

# The asynchronous driver stops reading from a connection that it keeps, so it does not see there
# that the other end has closed it. SecantusDB does so after 300 idle seconds, cloud load balancers
# after 60 and more. MONGODB_URI may name another limit: ?maxIdleTimeMS=2000
DATABASE_IDLE_MS = 10_000
