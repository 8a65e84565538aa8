"""``python -m facetraits``: see ``facetraits.cli``."""

import sys

from facetraits.cli import main

if __name__ == "__main__":
    sys.exit(main())
