"""What the daemon costs: `python -m bench`, or `make bench`, with `bargein`, `pcm24` and `soak` beside it.

It measures and prints; it passes no judgement on time. Its only errors are audio that was lost or
changed, interruptions that went wrong, and what does not come back after calls have ended.
"""

import os

# Else gRPC writes a line for each connection that ends between a measured figure and the next.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
