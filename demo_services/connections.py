"""Which connections are kept after use, and for how long: shorter than at the other end.

A server closes an idle connection without asking. A client that sends at that moment, or does not
notice, loses its request and reports an error that no code caused.
"""

import httpx

# Between services none is kept. A server that failed in a request closes its connection, a dying
# process closes all of them, uvicorn and Node.js close theirs after five idle seconds; a new one on
# this machine costs less than a millisecond.
ONE_REQUEST = httpx.Limits(max_keepalive_connections=0)

# The asynchronous driver does not read from idle connections, so it does not notice when the other
# end closes one. SecantusDB does that after 300 idle seconds, cloud load balancers after 60 or
# more. MONGODB_URI may set another limit: ?maxIdleTimeMS=2000
DATABASE_IDLE_MS = 10_000
