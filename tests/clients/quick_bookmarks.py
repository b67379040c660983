"""`agenticd serve` with a bookmark every 0.2 s instead of every 10 s. Nothing else is changed."""

from __future__ import annotations

import sys
from functools import partial

from agenticd import app
from agenticd.serve import main
from agenticd.service.watch import Watch

if __name__ == "__main__":
    setattr(app, "Watch", partial(Watch, bookmark_seconds=0.2))  # noqa: B010  # a class there, a function here
    main(sys.argv[2:])  # after "serve"
