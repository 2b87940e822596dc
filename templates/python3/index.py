"""One process per request: the body comes by standard input, the answer goes by standard output."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "python")]
sys.path.append(os.path.join(HERE, "function"))

from function import handler  # noqa: E402

result = handler.handle(sys.stdin.read())
if result is not None:
    sys.stdout.write(str(result))
