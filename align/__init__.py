"""Train and analyse robot policies on simulated and real demonstrations."""

import sys

if sys.platform == "win32":
    raise ImportError("align runs on Linux and macOS, not on Windows; in WSL 2 it does")
