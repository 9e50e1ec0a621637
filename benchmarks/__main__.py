"""``python -m benchmarks`` is the ``stepscape`` command."""

import sys

from benchmarks.interrupts import with_interrupts
from benchmarks.shadowing import ShadowedError, check_packages


def _main() -> None:
    try:
        check_packages()
    except ShadowedError as error:
        sys.stderr.write(f"stepscape: {error}\n")
        sys.exit(2)
    from benchmarks.cli.main import main

    main()


if __name__ == "__main__":
    with_interrupts(_main)
